//! The conditions under which a request is judged: those of the webhook's configuration, word for word.

use serde_json::{Value, json};

/// Whether a key may be one that CCM reads, or was meant as one. `KEY` stands for the key.
const MEANT_KEY: &str = "KEY.contains('load') || KEY.contains('ali')";

/// Whether a change of an annotation is looked at.
pub const READ_KEY: &str = "(KEY.contains('load') || KEY.contains('ali') || KEY.startsWith('service.beta.kubernetes.io/') || KEY == 'clbmigrate.io/allow')";

/// Both versions with their annotations, for a condition about the keys in which they differ.
const PAIR: &str = "[[object, oldObject].map(o, has(o.metadata.annotations) ? o.metadata.annotations : {})].exists(pair,";

/// What nobody but the system deletes: its controllers.
const CONTROLLERS: &str = "'system:serviceaccount:kube-system:namespace-controller', 'system:serviceaccount:kube-system:generic-garbage-collector', 'system:kube-controller-manager'";

/// The conditions by name, all of which must hold.
pub fn conditions() -> Vec<Value> {
    let meant = MEANT_KEY.replace("KEY", "k");
    let read = READ_KEY.replace("KEY", "k");
    let changes = "!(k in pair[1] && pair[0][k] == pair[1][k])";
    let goes = format!("pair[1].exists(k, {read} && !(k in pair[0])))");
    let weights = "['service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight', 'service.beta.kubernetes.io/alicloud-loadbalancer-weight']";
    let differ = "object == null || oldObject == null || object.spec != oldObject.spec ||";
    [
        (
            "ours",
            format!(
                "[object, oldObject].exists(o, o != null && o.spec.type == 'LoadBalancer' && has(o.metadata.annotations) && o.metadata.annotations.exists(k, {meant}))"
            ),
        ),
        (
            "not-system",
            format!(
                "!(oldObject != null && has(oldObject.metadata.deletionTimestamp)) && !(request.operation == 'DELETE' && has(request.userInfo.username) && request.userInfo.username in [{CONTROLLERS}])"
            ),
        ),
        ("not-unchanged", format!("{differ} {PAIR} pair[0].exists(k, {read} && {changes}) || {goes}")),
        (
            "not-brake",
            format!(
                "{differ} {PAIR} pair[0].exists(k, {read} && {changes} && !(k in {weights} && pair[0][k] == '0')) || {goes}"
            ),
        ),
    ]
    .into_iter()
    .map(|(name, expression)| json!({"name": name, "expression": expression}))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = include_str!("../../../deploy/chart/templates/validate-services.yaml");
    const HELPERS: &str = include_str!("../../../deploy/chart/templates/_helpers.tpl");

    /// What a helper of the chart stands for, about the key `k`.
    fn helper(name: &str) -> String {
        let start = format!("{{{{- define \"{name}\" -}}}}\n");
        let body = HELPERS.split(&start).nth(1).expect("the chart has the helper");
        let body = body.split("\n{{- end }}").next().expect("the helper ends");
        body.replace("{{ . }}", "k")
    }

    fn in_one_line(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_conditions_are_those_of_the_chart() {
        let key = helper("clbmigrate.key");
        let read = helper("clbmigrate.readKey").replace("{{ include \"clbmigrate.key\" . }}", &key);
        let text = TEMPLATE
            .replace("{{ include \"clbmigrate.key\" \"k\" }}", &key)
            .replace("{{ include \"clbmigrate.readKey\" \"k\" }}", &read)
            .replace("{{- range .Values.exempt.deletions.users }}, {{ . | toJson }}{{ end }}", "");
        let lines: Vec<&str> =
            text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        let text = in_one_line(&lines.join("\n")).replace(" ]", "]");
        for condition in conditions() {
            let name = condition["name"].as_str().expect("a name");
            let expression = condition["expression"].as_str().expect("an expression");
            let expected = format!("- name: {name} expression: >- {}", in_one_line(expression));
            assert!(text.contains(&expected), "{expected}\nis not in\n{text}");
        }
        assert_eq!(TEMPLATE.matches("- name: ").count(), 5, "a condition is not held");
    }
}
