//! `policies`.

use serde_json::json;

use crate::{
    cli::{PoliciesArgs, PolicyFormat},
    error::{Error, Exit},
    output::{Printer, json as json_output, yaml},
    policies::{self, Options, PolicyError},
};

/// Prints the policies and their bindings.
pub fn run(args: &PoliciesArgs, printer: &mut Printer) -> Result<Exit, Error> {
    let options = Options { rules: args.rules.clone(), action: args.action };
    let documents = policies::policies(&options).map_err(|error| usage(&error))?;
    match args.output {
        PolicyFormat::Json => {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": documents});
            json_output::write(&list, printer.data())?;
        }
        PolicyFormat::Yaml => {
            for document in &documents {
                writeln!(printer.data(), "---")?;
                yaml::write(document, printer.data())?;
            }
        }
    }
    Ok(Exit::Done)
}

fn usage(error: &PolicyError) -> Error {
    Error::Usage {
        message: error.to_string(),
        hints: vec!["docs/policies.md lists the rules that policies hold".to_owned()],
    }
}
