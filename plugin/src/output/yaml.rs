//! Documents as YAML.

use std::io::Write;

use serde::Serialize;

use crate::error::Error;

/// Writes the document that `-o json` writes, as YAML.
pub fn write(document: &impl Serialize, out: &mut dyn Write) -> Result<(), Error> {
    let failed = |message: String| Error::Format { format: "YAML", message };
    let text = serde_saphyr::to_string(document).map_err(|error| failed(error.to_string()))?;
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        writeln!(out)?;
    }
    Ok(())
}
