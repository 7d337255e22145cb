//! A serving certificate in files that somebody else renews, as cert-manager does.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{CaBundle, ServingCertificate};

/// The file names in Secrets of type `kubernetes.io/tls`.
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const AUTHORITY: &str = "ca.crt";

/// How often the files are read at most until two readings agree.
const MAX_READINGS: usize = 3;

/// A directory with `tls.crt`, `tls.key` and, where this program is to publish the CA, `ca.crt`.
#[derive(Debug)]
pub struct CertDir {
    path: PathBuf,
    last: Option<Result<CertDirFiles, String>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct CertDirFiles {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authority: Option<String>,
}

/// What a directory holds.
#[derive(Debug, Clone)]
pub struct CertDirContents {
    /// The serving certificate and its key.
    pub certificate: ServingCertificate,
    /// The authorities of `ca.crt`; `None` where that is missing or empty.
    pub bundle: Option<CaBundle>,
}

impl CertDir {
    /// A directory that has not been read yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), last: None }
    }

    /// Reads the files; `None` if they are as they were the last time.
    ///
    /// # Errors
    /// When a file is missing or of no use: its path and the reason.
    pub fn poll(&mut self, now: SystemTime) -> Option<Result<CertDirContents, String>> {
        let contents = self.read();
        if self.last.as_ref() == Some(&contents) {
            return None;
        }
        self.last = Some(contents.clone());
        Some(contents.and_then(|contents| self.parse(&contents, now)))
    }

    /// Reads the files until two readings agree: kubelet may replace all of them between two reads.
    fn read(&self) -> Result<CertDirFiles, String> {
        let mut last = self.read_once();
        for _ in 1..MAX_READINGS {
            let next = self.read_once();
            if next == last {
                break;
            }
            last = next;
        }
        last
    }

    fn read_once(&self) -> Result<CertDirFiles, String> {
        let read = |name: &str| fs::read(self.path.join(name)).map_err(|e| self.error_in(name, &e));
        let authority = match fs::read_to_string(self.path.join(AUTHORITY)) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(self.error_in(AUTHORITY, &error)),
        };
        Ok(CertDirFiles { certificate: read(CERTIFICATE)?, key: read(KEY)?, authority })
    }

    fn parse(&self, contents: &CertDirFiles, now: SystemTime) -> Result<CertDirContents, String> {
        let certificate = ServingCertificate::parse(&contents.certificate, &contents.key, now)
            .map_err(|error| self.error_in(CERTIFICATE, &error))?;
        // cert-manager leaves it empty for issuers that do not tell their CA.
        let authority = contents.authority.as_deref().filter(|pem| !pem.trim().is_empty());
        let bundle = authority
            .map(CaBundle::from_file)
            .transpose()
            .map_err(|error| self.error_in(AUTHORITY, &error))?;
        Ok(CertDirContents { certificate, bundle })
    }

    fn error_in(&self, file: &str, error: &dyn std::fmt::Display) -> String {
        format!("{}: {error}", self.path.join(file).display())
    }
}
