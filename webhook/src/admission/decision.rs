//! From findings to an admission decision: modes, exceptions, and the words people read.

use std::fmt::Write as _;

use clbmigrate_core::{
    finding::{Finding, Severity},
    object::ObjectRef,
    rules::{self, AtReview, Language, Words},
};

use super::{AdmissionResponse, AuditAnnotation};
use crate::{
    Webhook,
    config::{Config, Enforcement, Mode},
    metrics::{EnforcementAction, Metrics},
};

/// A finding, and what is done about it.
#[derive(Debug)]
struct JudgedFinding {
    finding: Finding,
    /// What the configuration says.
    mode: Mode,
    /// What is done: never more than the mode says.
    action: EnforcementAction,
    /// Whether it is about the object under review.
    is_own: bool,
    /// Why the finding is not held against the request, where it is not.
    remark: Option<Remark>,
}

impl JudgedFinding {
    /// Whether it is an error, or was one before the object's exemption softened it.
    fn is_error(&self) -> bool {
        let of_rule = || rules::find(self.finding.rule).map(|rule| rule.severity);
        self.finding.severity == Severity::Error
            || (self.finding.allowed && of_rule() == Some(Severity::Error))
    }

    /// Why it does not deny the request, in a few words for the log.
    fn why_it_passes(&self) -> &'static str {
        match (self.remark, self.mode) {
            (Some(remark), _) => remark.name(),
            (None, _) if self.finding.allowed => Remark::AllowedHere.name(),
            (None, Mode::Deny) => "warns only",
            (None, Mode::Warn) => "mode warn",
            (None, Mode::Audit) => "mode audit",
            (None, Mode::Off) => "mode off",
        }
    }
}

/// Why a finding that would deny a request only warns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remark {
    /// The object's annotation exempts it.
    AllowedHere,
    /// The object had it before the change.
    WasSoBefore,
    /// The change removes the wrong value.
    WrongValueGoes,
    /// The fix of another finding reveals it.
    ComesWithFix,
    /// An earlier template of the workload had it.
    InEarlierTemplate,
    /// Whether an earlier template had it is not known.
    PastUnknown,
    /// The change only lowers the weight.
    LowersWeight,
    /// The mode lets everything pass.
    WouldBeRefused,
}

impl Remark {
    /// Its name in the log.
    fn name(self) -> &'static str {
        match self {
            Self::AllowedHere => "allowed here",
            Self::WasSoBefore => "was so before",
            Self::WrongValueGoes => "wrong value goes",
            Self::ComesWithFix => "comes with the fix",
            Self::InEarlierTemplate => "in an earlier template",
            Self::PastUnknown => "past unknown",
            Self::LowersWeight => "lowered",
            Self::WouldBeRefused => "would_refuse",
        }
    }

    /// What stands before the message.
    fn text(self, language: Language) -> &'static str {
        let (english, chinese) = match self {
            Self::AllowedHere => ("allowed here: ", "已由注解放行："),
            Self::WasSoBefore => ("was so before: ", "变更前已存在："),
            Self::WrongValueGoes => {
                ("a wrong value goes, so it passes: ", "错误的值已被移除，予以放行：")
            }
            Self::ComesWithFix => {
                ("comes with the fix of another, so it passes: ", "由另一项修复引出，予以放行：")
            }
            Self::InEarlierTemplate => {
                ("an earlier template had it too, so it passes: ", "较早的模板中已存在，予以放行：")
            }
            Self::PastUnknown => {
                ("whether it lived before cannot be told: ", "无法判断变更前是否存在：")
            }
            Self::LowersWeight => {
                ("the weight is lowered, so it passes: ", "只是调低权重，予以放行：")
            }
            Self::WouldBeRefused => ("enforce would refuse it: ", "在 enforce 模式下将被拒绝："),
        };
        language.pick(english, chinese)
    }
}

/// All findings on one request, and what is done about each.
#[derive(Debug, Default)]
pub(super) struct AdmissionDecision {
    findings: Vec<JudgedFinding>,
}

impl AdmissionDecision {
    /// Decides by mode alone; findings in mode `off` are dropped. A finding on another object than
    /// the one under review never denies the request.
    pub fn new(
        findings: Vec<Finding>,
        config: &Config,
        namespace: &str,
        is_reviewed: impl Fn(&ObjectRef) -> bool,
    ) -> Self {
        let judge = |finding: Finding| {
            let rule = rules::find(finding.rule)?;
            let mode = config.mode(rule, finding.severity, namespace);
            let is_own = is_reviewed(&finding.object);
            let can_deny = rule.at_review == AtReview::ByMode && !finding.allowed && is_own;
            let (action, remark) = match mode {
                Mode::Off => return None,
                Mode::Audit => (EnforcementAction::Audited, None),
                Mode::Deny if can_deny => (EnforcementAction::Denied, None),
                Mode::Deny if finding.allowed => {
                    (EnforcementAction::Warned, Some(Remark::AllowedHere))
                }
                Mode::Deny | Mode::Warn => (EnforcementAction::Warned, None),
            };
            Some(JudgedFinding { finding, mode, action, is_own, remark })
        };
        Self { findings: findings.into_iter().filter_map(judge).collect() }
    }

    /// Whether the request is denied as it stands.
    pub fn denies(&self) -> bool {
        self.with_action(EnforcementAction::Denied).next().is_some()
    }

    /// Turns each denial for which `exception` has a remark into a warning with that remark.
    pub fn downgrade_denials(&mut self, exception: impl Fn(&Finding) -> Option<Remark>) {
        let denied = |judged: &&mut JudgedFinding| judged.action == EnforcementAction::Denied;
        for judged in self.findings.iter_mut().filter(denied) {
            if let Some(remark) = exception(&judged.finding) {
                judged.action = EnforcementAction::Warned;
                judged.remark = Some(remark);
            }
        }
    }

    /// Lets through what `mode` does not deny, and tells nobody but logs and metrics where it does not
    /// warn either.
    pub fn limit(&mut self, mode: Enforcement, webhook: Webhook, metrics: &Metrics) {
        let action = match mode {
            Enforcement::Enforce => return,
            Enforcement::Warn => EnforcementAction::Warned,
            Enforcement::Audit => EnforcementAction::Audited,
        };
        for judged in &mut self.findings {
            if judged.action == EnforcementAction::Denied {
                judged.remark = Some(Remark::WouldBeRefused);
                judged.action = action;
                metrics.count_would_refuse(webhook, judged.finding.rule, mode);
            } else if judged.action == EnforcementAction::Warned {
                judged.action = action;
            }
        }
    }

    /// The ids of the rules that would deny the request, but for the mode, each once.
    fn would_refuse(&self) -> Vec<&'static str> {
        let passed = |judged: &&JudgedFinding| judged.remark == Some(Remark::WouldBeRefused);
        each_once(self.findings.iter().filter(passed).map(|judged| judged.finding.rule))
    }

    /// Counts the findings, and writes the response in that language. `label` names the object; it is
    /// asked for only when the request is denied.
    pub fn respond(
        &self,
        metrics: &Metrics,
        language: Language,
        label: &dyn Fn() -> String,
    ) -> AdmissionResponse {
        for judged in &self.findings {
            metrics.count_finding(judged.finding.rule, judged.mode, judged.action);
        }
        let denials: Vec<&JudgedFinding> = self.with_action(EnforcementAction::Denied).collect();
        let mut response = if denials.is_empty() {
            AdmissionResponse::allow()
        } else {
            AdmissionResponse::deny(denial_message(&label(), &denials, language))
        };
        for judged in self.with_action(EnforcementAction::Warned) {
            response = response.warn(warning(judged, language));
        }
        if !self.findings.is_empty() {
            response = response.audit(AuditAnnotation::Findings, self.audit_annotation());
        }
        let would_refuse = self.would_refuse();
        if !would_refuse.is_empty() {
            response = response.audit(AuditAnnotation::WouldRefuse, would_refuse.join(","));
        }
        response
    }

    /// `CLB001=denied,CLB401=audited`, each once.
    fn audit_annotation(&self) -> String {
        let mut text = String::new();
        let mut written: Vec<(&str, EnforcementAction)> = Vec::new();
        for JudgedFinding { finding, action, .. } in &self.findings {
            if written.contains(&(finding.rule, *action)) {
                continue;
            }
            written.push((finding.rule, *action));
            let comma = if text.is_empty() { "" } else { "," };
            let _ = write!(text, "{comma}{}={}", finding.rule, action.as_str());
        }
        text
    }

    /// The ids of the rules that deny the request, each once, for the log.
    pub fn denying_rules(&self) -> Vec<&'static str> {
        each_once(self.with_action(EnforcementAction::Denied).map(|judged| judged.finding.rule))
    }

    /// The rules whose errors in the object under review do not deny the request, each with the reason,
    /// for the log.
    pub fn let_through(&self) -> Vec<(&'static str, &'static str)> {
        let own = self.findings.iter().filter(|judged| judged.is_own && judged.is_error());
        let passing = own.filter(|judged| judged.action != EnforcementAction::Denied);
        each_once(passing.map(|judged| (judged.finding.rule, judged.why_it_passes())))
    }

    fn with_action(&self, action: EnforcementAction) -> impl Iterator<Item = &JudgedFinding> {
        self.findings.iter().filter(move |judged| judged.action == action)
    }
}

/// The different items, in their order.
fn each_once<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut different = Vec::new();
    for item in items {
        if !different.contains(&item) {
            different.push(item);
        }
    }
    different
}

/// How long the text about one problem usually is, in bytes.
const USUAL_LENGTH: usize = 512;

/// All that is wrong, at once: one problem in a line, several below each other. kubectl prints both as
/// they are.
fn denial_message(object: &str, denials: &[&JudgedFinding], language: Language) -> String {
    let mut text = String::with_capacity(object.len() + denials.len() * USUAL_LENGTH);
    text.push_str(object);
    let separator = match denials.len() {
        1 => language.pick(": ", "："),
        n => {
            text.push_str(
                &language.pick(format!(" has {n} problems:"), format!(" 有 {n} 个问题：")),
            );
            "\n  "
        }
    };
    for JudgedFinding { finding, .. } in denials {
        text.push_str(separator);
        push_problem(&mut text, finding, language);
    }
    if denials.len() > 1 {
        text.push_str(language.pick(
            "\nkubectl clbmigrate explain CLBnnn says more of each.",
            "\n各规则的说明：kubectl clbmigrate explain CLBnnn --lang zh",
        ));
    }
    text
}

/// A finding in the words of a denial: rule, field, problem and fix.
pub(crate) fn problem_text(finding: &Finding, language: Language) -> String {
    let mut text = String::with_capacity(USUAL_LENGTH);
    push_problem(&mut text, finding, language);
    text
}

fn push_problem(text: &mut String, finding: &Finding, language: Language) {
    let Finding { rule, path, message, fix, .. } = finding;
    if let Some(words) = chinese(finding, language) {
        text.extend([rule, " ", words.title, "。"]);
        push_chinese_fix(text, finding, words);
        let colon = if path.is_empty() { "" } else { ": " };
        text.extend(["详情：", path, colon, message, "。"]);
    } else {
        let space = if path.is_empty() { "" } else { " " };
        text.extend([rule, space, path, ": ", message, ". Fix: ", fix, "."]);
    }
}

fn warning(judged: &JudgedFinding, language: Language) -> String {
    let JudgedFinding { finding, remark, .. } = judged;
    let Finding { rule, severity, object, message, fix, .. } = finding;
    let remark = remark.map_or("", |remark| remark.text(language));
    let object = if object.kind == "Service" { String::new() } else { format!("{object}: ") };
    let mut text = String::with_capacity(USUAL_LENGTH);
    // The end of a long warning is cut: the details stand there in Chinese, for they are English.
    if let Some(words) = chinese(finding, language) {
        text.extend([rule, "：", remark, words.title, "。"]);
        if *severity > Severity::Info {
            push_chinese_fix(&mut text, finding, words);
        }
        text.extend(["详情：", &object, message, "。"]);
    } else {
        text.extend([rule, ": ", &object, remark, message]);
        if *severity > Severity::Info {
            text.extend([" (", fix, ")"]);
        }
    }
    text
}

/// The Chinese words of a finding's rule, where Chinese is wanted.
fn chinese(finding: &Finding, language: Language) -> Option<&'static Words> {
    let wanted = (language == Language::Chinese).then_some(finding.rule)?;
    rules::find(wanted).map(|rule| &rule.zh)
}

/// The rule's fix, with what the finding says more exactly, which is English.
fn push_chinese_fix(text: &mut String, finding: &Finding, words: &Words) {
    text.extend(["修复：", words.fix]);
    let general = rules::find(finding.rule).map_or("", |rule| rule.en.fix);
    if finding.fix != general {
        text.extend(["（", &finding.fix, "）"]);
    }
    text.push('。');
}
