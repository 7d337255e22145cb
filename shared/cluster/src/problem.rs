use std::fmt;

/// Something that could not be read, from a file or from an API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file or folder as the user named it, or `-` for standard input. For an API server, the
    /// context's name.
    pub file: String,
    /// The line, from 1; `None` where the problem is about the whole file, or about an API server.
    pub line: Option<u32>,
    /// What is wrong and what to do about it, in one sentence.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}
