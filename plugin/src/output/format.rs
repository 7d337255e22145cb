//! Output formats: the sets that commands offer, and what each of them prints.

use clap::ValueEnum;
use clbmigrate_core::rules::Language;

use super::{Printer, json, junit, printable::Printable, sarif, yaml};
use crate::error::Error;

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// The language of rules and findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    /// English
    En,
    /// 中文
    Zh,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::En => Self::English,
            Lang::Zh => Self::Chinese,
        }
    }
}

/// Output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For people, with more columns and nothing shortened.
    Wide,
    /// One JSON document.
    Json,
    /// The same as YAML.
    Yaml,
    /// Names, one a line, as kubectl takes them.
    Name,
}

/// Output formats of `check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people.
    Table,
    /// For people, with patches and what each rule says of CCM.
    Wide,
    /// One JSON document.
    Json,
    /// The same as YAML.
    Yaml,
    /// Names of objects with findings, one a line.
    Name,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit XML, for test reports.
    Junit,
}

/// Output formats of the commands that write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ChangeFormat {
    /// For people
    Table,
    /// One JSON document
    Json,
    /// The same as YAML
    Yaml,
    /// The Service's name
    Name,
    /// A manifest with the changed annotations alone; nothing is written
    Patch,
}

/// How an answer is printed. Every format of every command is one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendering {
    /// Text for people; `is_wide` shows all columns.
    Text {
        /// Whether nothing is left out.
        is_wide: bool,
    },
    /// The document as JSON.
    Json,
    /// The document as YAML.
    Yaml,
    /// Names, one a line.
    Names,
    /// The findings as SARIF 2.1.0.
    Sarif,
    /// The findings as `JUnit` XML.
    Junit,
}

/// Prints an answer: the one place that knows what a format is.
pub fn print(
    rendering: Rendering,
    answer: &impl Printable,
    printer: &mut Printer,
) -> Result<(), Error> {
    let findings = |format| {
        let message = "the answer is not about findings".to_owned();
        answer.findings().ok_or(Error::Format { format, message })
    };
    match rendering {
        Rendering::Text { is_wide } => {
            let terminal = printer.terminal;
            let detail = printer.detail(is_wide);
            answer.write_text(terminal, detail, printer.text())?;
        }
        Rendering::Json => json::write(answer.document(), printer.data())?,
        Rendering::Yaml => yaml::write(answer.document(), printer.data())?,
        Rendering::Names => {
            for name in answer.names() {
                writeln!(printer.data(), "{name}")?;
            }
        }
        Rendering::Sarif => {
            let findings = findings("SARIF")?;
            json::write(&sarif::Log::new(findings.report, findings.problems), printer.data())?;
        }
        Rendering::Junit => junit::write(findings("JUnit")?, printer.data())?,
    }
    printer.flush()
}

impl From<Format> for Rendering {
    fn from(format: Format) -> Self {
        match format {
            Format::Table => Self::Text { is_wide: false },
            Format::Wide => Self::Text { is_wide: true },
            Format::Json => Self::Json,
            Format::Yaml => Self::Yaml,
            Format::Name => Self::Names,
        }
    }
}

impl From<ReportFormat> for Rendering {
    fn from(format: ReportFormat) -> Self {
        match format {
            ReportFormat::Table => Self::Text { is_wide: false },
            ReportFormat::Wide => Self::Text { is_wide: true },
            ReportFormat::Json => Self::Json,
            ReportFormat::Yaml => Self::Yaml,
            ReportFormat::Name => Self::Names,
            ReportFormat::Sarif => Self::Sarif,
            ReportFormat::Junit => Self::Junit,
        }
    }
}

impl From<ChangeFormat> for Rendering {
    fn from(format: ChangeFormat) -> Self {
        match format {
            // A patch is printed instead of an answer; where there is none, words say why.
            ChangeFormat::Table | ChangeFormat::Patch => Self::Text { is_wide: false },
            ChangeFormat::Json => Self::Json,
            ChangeFormat::Yaml => Self::Yaml,
            ChangeFormat::Name => Self::Names,
        }
    }
}
