//! Documents that the plugin writes.

use std::fs;

use anyhow::ensure;
use clbmigrate_testbed::programs::workspace;
use clbmigrate_testkit::CommandOutput;
use serde_json::Value;

/// Standard output of a command as JSON that is valid by `docs/schema/SCHEMA.schema.json`; the error
/// tells every problem.
pub fn document(output: &CommandOutput, schema: &str) -> anyhow::Result<Value> {
    let path = workspace()?.join(format!("docs/schema/{schema}.schema.json"));
    let schema: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
    let document = output.json()?;
    let validator = jsonschema::validator_for(&schema)?;
    let problems = validator.iter_errors(&document).map(|error| error.to_string());
    let problems: Vec<String> = problems.collect();
    ensure!(problems.is_empty(), "{problems:?} in {document:#}");
    Ok(document)
}
