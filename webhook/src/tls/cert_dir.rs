//! A certificate from files that somebody else renews, as cert-manager does.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{Bundle, Pair};

/// The names that Secrets of type `kubernetes.io/tls` give them.
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const AUTHORITY: &str = "ca.crt";

/// Readings of a folder before it counts as one that changes all the time.
const READINGS: usize = 3;

/// A folder with `tls.crt`, `tls.key` and, where API servers are to learn it from here, `ca.crt`.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    seen: Option<Result<Contents, String>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authority: Option<String>,
}

/// What is in a folder.
#[derive(Debug, Clone)]
pub struct Found {
    /// The certificate and its key.
    pub pair: Pair,
    /// What signed it, if that is there, too.
    pub bundle: Option<Bundle>,
}

impl Folder {
    /// A folder that nobody has looked into yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: None }
    }

    /// Looks into it; none if all is as it was at the last look.
    ///
    /// # Errors
    /// With the file and the reason, where the contents are of no use.
    pub fn look(&mut self, now: SystemTime) -> Option<Result<Found, String>> {
        let contents = self.read();
        if self.seen.as_ref() == Some(&contents) {
            return None;
        }
        self.seen = Some(contents.clone());
        Some(contents.and_then(|contents| self.parse(&contents, now)))
    }

    /// Reads until two readings agree: kubelet may exchange the folder between two files.
    fn read(&self) -> Result<Contents, String> {
        let mut last = self.read_once();
        for _ in 1..READINGS {
            let next = self.read_once();
            if next == last {
                break;
            }
            last = next;
        }
        last
    }

    fn read_once(&self) -> Result<Contents, String> {
        let read = |name: &str| fs::read(self.path.join(name)).map_err(|e| self.about(name, &e));
        let authority = match fs::read_to_string(self.path.join(AUTHORITY)) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(self.about(AUTHORITY, &error)),
        };
        Ok(Contents { certificate: read(CERTIFICATE)?, key: read(KEY)?, authority })
    }

    fn parse(&self, contents: &Contents, now: SystemTime) -> Result<Found, String> {
        let pair = Pair::parse(&contents.certificate, &contents.key, now)
            .map_err(|error| self.about(CERTIFICATE, &error))?;
        // cert-manager leaves it empty for issuers that do not tell theirs.
        let authority = contents.authority.as_deref().filter(|pem| !pem.trim().is_empty());
        let bundle = authority
            .map(Bundle::of_file)
            .transpose()
            .map_err(|error| self.about(AUTHORITY, &error))?;
        Ok(Found { pair, bundle })
    }

    fn about(&self, file: &str, error: &dyn std::fmt::Display) -> String {
        format!("{}: {error}", self.path.join(file).display())
    }
}
