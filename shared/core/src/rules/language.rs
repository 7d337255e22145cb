//! The catalogue's languages: what its entries are called in each.

use std::borrow::Cow;

use super::{Check, Evidence, Family, Rule, Words};
use crate::finding::Severity;

/// A language of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Chinese, in simplified characters.
    Chinese,
}

impl Language {
    /// All languages.
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// The language's code in flags and configurations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    /// The one of two texts that is in this language.
    pub fn pick<T>(self, english: T, chinese: T) -> T {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }

    /// The language of a locale such as `zh_CN.UTF-8`: English for all but Chinese.
    pub fn of_locale(locale: &str) -> Self {
        let language = locale.split(['_', '-', '.', '@']).next().unwrap_or_default();
        if language.eq_ignore_ascii_case("zh") { Self::Chinese } else { Self::English }
    }
}

impl Rule {
    /// What it says in a language.
    pub fn words(&self, language: Language) -> &Words {
        language.pick(&self.en, &self.zh)
    }

    /// What the rule judges, in words.
    pub fn subject(&self, language: Language) -> &'static str {
        let (english, chinese) = match self.check {
            Check::Object(_) => ("any object", "任何对象"),
            Check::Candidate(_) => (
                "a candidate: a Service CCM takes with a CLB annotation",
                "由 CCM 处理且带有 CLB 注解的 Service",
            ),
            Check::OnClb(_) => ("a candidate with a CLB id", "指定了 CLB 实例 ID 的 Service"),
            Check::Migrated(_) => (
                "a migrated Service: CLB id and mapping",
                "已迁移的 Service（指定了 CLB 实例 ID 和虚拟服务器组映射）",
            ),
            Check::Workload(_) => {
                ("a workload that a migrated Service selects", "已迁移的 Service 所选中的工作负载")
            }
            Check::Change(_) => ("a change of a migrated Service", "对已迁移的 Service 的变更"),
            Check::Departure(_) => {
                ("a change of a candidate with a CLB id", "对指定了 CLB 实例 ID 的 Service 的变更")
            }
            Check::Failures(_) => {
                ("a round of CCM over a candidate", "CCM 对带有 CLB 注解的 Service 的一轮调谐")
            }
            Check::OtherType(_) => (
                "a Service of another type than LoadBalancer with a CLB annotation",
                "类型不是 LoadBalancer 却带有 CLB 注解的 Service",
            ),
            Check::Groups(_) => ("a vServer group", "虚拟服务器组"),
        };
        language.pick(english, chinese)
    }

    /// What the rule looks at besides the object: `nodes; where at hand, CLB API`.
    pub fn evidence_in_words(&self, language: Language) -> String {
        let list = |all: &[Evidence]| {
            let names: Vec<&str> = all.iter().map(|evidence| evidence.name(language)).collect();
            names.join(language.pick(", ", "、"))
        };
        let needed = match self.evidence {
            [] => language.pick("the object", "对象本身").to_owned(),
            all => list(all),
        };
        match self.also {
            [] => needed,
            also => {
                let also = list(also);
                needed
                    + &language
                        .pick(format!("; where at hand, {also}"), format!("；如有则参考：{also}"))
            }
        }
    }

    /// Whether an object may be exempt from the rule where the webhook has default settings; `None`
    /// where it may not.
    pub fn exemption_in_words(&self, language: Language) -> Option<&'static str> {
        self.is_of_intent.then_some(language.pick(
            "an object may be exempt by its annotation clbmigrate.io/allow, by default",
            "默认情况下，对象可用注解 clbmigrate.io/allow 放行该规则",
        ))
    }

    /// Where the facts come from, as a reader of that language is told.
    pub fn sources(&self, language: Language) -> impl Iterator<Item = Cow<'static, str>> {
        self.source.iter().map(move |source| match language {
            Language::English => Cow::Borrowed(*source),
            Language::Chinese => source_in_chinese(source),
        })
    }
}

/// The kinds of sources, by what they begin with.
const SOURCES: [(&str, &str); 5] = [
    ("CCM 2.14: ", "CCM 2.14 源码："),
    ("CLB documentation: ", "CLB 文档："),
    ("ACK documentation: ", "ACK 文档："),
    ("Kubernetes: ", "Kubernetes 文档："),
    ("observed with ", "实测："),
];

fn source_in_chinese(source: &'static str) -> Cow<'static, str> {
    let mut kinds = SOURCES.iter();
    let known = kinds.find_map(|(english, chinese)| Some((chinese, source.strip_prefix(english)?)));
    known.map_or(Cow::Borrowed(source), |(kind, rest)| Cow::Owned(format!("{kind}{rest}")))
}

impl Evidence {
    /// The evidence's name for people.
    pub fn name(self, language: Language) -> &'static str {
        let chinese = match self {
            Self::OldObject => "变更前的对象",
            Self::Nodes => "节点",
            Self::Endpoints => "Endpoint",
            Self::Workloads => "工作负载",
            Self::ClusterId => "集群 ID",
            Self::ClbApi => "CLB API",
        };
        language.pick(self.as_str(), chinese)
    }
}

impl Family {
    /// The family's name for people.
    pub fn name(self, language: Language) -> &'static str {
        let chinese = match self {
            Self::Annotations => "单个 Service 的注解",
            Self::Bindings => "共用虚拟服务器组的 Service",
            Self::Identity => "后端服务器的归属",
            Self::Workloads => "Pod 的上线与下线",
            Self::Traffic => "变更、权重与云上的实际状态",
        };
        language.pick(self.as_str(), chinese)
    }
}

impl Severity {
    /// The severity's name for people.
    pub fn name(self, language: Language) -> &'static str {
        let chinese = match self {
            Self::Info => "提示",
            Self::Warning => "警告",
            Self::Error => "错误",
        };
        language.pick(self.as_str(), chinese)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("zh_CN.UTF-8", Language::Chinese)]
    #[case("zh", Language::Chinese)]
    #[case("zh-Hans", Language::Chinese)]
    #[case("zh_TW.utf8", Language::Chinese)]
    #[case("ZH_CN", Language::Chinese)]
    #[case("zh@pinyin", Language::Chinese)]
    #[case("zhx_CN", Language::English)]
    #[case("C.UTF-8", Language::English)]
    #[case("POSIX", Language::English)]
    #[case("de_DE.UTF-8", Language::English)]
    #[case("", Language::English)]
    fn a_locale_is_chinese_or_counts_as_english(#[case] locale: &str, #[case] language: Language) {
        assert_eq!(Language::of_locale(locale), language);
    }
}
