//! The rules that an object asks to be exempt from, as far as the administrator leaves them to objects.

use clbmigrate_core::{
    annotation::ALLOW,
    object::Annotations,
    rules::{self, Language},
};

use super::AdmissionResponse;
use crate::config::Config;

/// How many ids are told of one annotation.
const MAX_TOLD: usize = 8;

/// The ids of an annotation `clbmigrate.io/allow` that have no effect.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct IgnoredExemptions {
    /// Those that are no rule's.
    unknown: Vec<String>,
    /// Those of rules that the administrator does not leave to objects.
    not_permitted: Vec<&'static str>,
}

/// Reduces the rules that an object asks to be exempt from to those that the administrator leaves to
/// objects, and returns the others.
pub(super) fn limit_exemptions(
    annotations: &mut Annotations,
    config: &Config,
) -> IgnoredExemptions {
    let mut ignored = IgnoredExemptions::default();
    let Some(text) = annotations.get(ALLOW) else { return ignored };
    let mut permitted = Vec::new();
    for id in text.split(',').map(str::trim).filter(|id| !id.is_empty()) {
        match rules::find(id).filter(|rule| rule.id == id) {
            Some(rule) if config.may_exempt(rule.id) => permitted.push(rule.id),
            Some(rule) if ignored.not_permitted.contains(&rule.id) => {}
            Some(rule) => ignored.not_permitted.push(rule.id),
            None if ignored.unknown.len() < MAX_TOLD => ignored.unknown.push(id.to_owned()),
            None => {}
        }
    }
    ignored.not_permitted.truncate(MAX_TOLD);
    permitted.sort_unstable();
    permitted.dedup();
    annotations.set(ALLOW, permitted.join(","));
    ignored
}

impl IgnoredExemptions {
    /// Adds a warning for each of the ids.
    pub fn warn(self, mut response: AdmissionResponse, language: Language) -> AdmissionResponse {
        for id in self.unknown {
            response = response.warn(language.pick(
                format!("{ALLOW}: there is no rule {id:?} to be exempt from"),
                format!("{ALLOW}：没有规则 {id:?}，无法放行"),
            ));
        }
        for id in self.not_permitted {
            response = response.warn(language.pick(
                format!(
                    "{ALLOW}: {id} has no effect here: the webhook's setting allow does not leave it to objects"
                ),
                format!("{ALLOW}：{id} 在此不起作用：webhook 的配置 allow 未允许对象放行该规则"),
            ));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_id_is_permitted_or_told_once_and_a_long_list_is_cut() {
        let many: Vec<String> = (0..100).map(|number| format!("CLB9{number:02}")).collect();
        let text = format!("CLB404,CLB001, CLB404,CLB001,{}", many.join(","));
        let mut annotations: Annotations = [(ALLOW, text)].into_iter().collect();
        let ignored = limit_exemptions(&mut annotations, &Config::default());
        assert_eq!(annotations.get(ALLOW), Some("CLB404"));
        assert_eq!(ignored.not_permitted, ["CLB001"]);
        assert_eq!(ignored.unknown, many[..MAX_TOLD]);
    }
}
