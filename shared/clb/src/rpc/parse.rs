//! JSON of answers, parsed with errors that quote none of it.

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::{Error, ErrorKind};

/// Parses an answer of the API.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    read(body).map_err(|why| {
        let message = format!("the answer is not what the API promises: {why}");
        Error::new(ErrorKind::Malformed, message)
    })
}

/// Parses JSON. The error names the place and quotes nothing, for secrets may stand there.
pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| explain_json(&error))
}

/// Where and why JSON does not fit, without its content.
pub(crate) fn explain_json(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let inner = error.inner();
    match inner.classify() {
        Category::Eof => "it ends too early".to_owned(),
        Category::Io => "it cannot be read".to_owned(),
        // Syntax errors of serde_json speak of characters, never of values.
        Category::Syntax => {
            let text = inner.to_string();
            text.split(" at line ").next().unwrap_or_default().to_owned()
        }
        Category::Data => {
            let path = error.path().to_string();
            let text = inner.to_string();
            match text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
                Some(field) if path == "." => format!("{field} is missing"),
                Some(field) => format!("{path}.{field} is missing"),
                None if path == "." => "it has the wrong type".to_owned(),
                None => format!("{path} has the wrong type"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clbmigrate_core::clb_answers::GroupAnswer;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("<xml/>", "expected value")]
    #[case("", "it ends too early")]
    #[case("{}", "VServerGroupId is missing")]
    #[case("[\"hunter2\"]", "it has the wrong type")]
    #[case(
        r#"{"VServerGroupId": "rsp-1", "BackendServers": {"BackendServer": [{"ServerId": "i-1", "Port": "hunter2", "Weight": 1}]}}"#,
        "BackendServers.BackendServer[0].Port has the wrong type"
    )]
    fn an_answer_that_is_wrong_is_told_by_place_and_without_content(
        #[case] body: &str,
        #[case] why: &str,
    ) {
        let error = parse::<GroupAnswer>(body.as_bytes()).expect_err("malformed");
        assert_eq!(error.kind, ErrorKind::Malformed);
        assert_eq!(error.message, format!("the answer is not what the API promises: {why}"));
    }
}
