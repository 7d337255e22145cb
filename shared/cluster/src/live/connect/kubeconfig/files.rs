//! Which files a kubeconfig is made of, and how they become one (client-go 0.36:
//! clientcmd/loader.go).

use std::{
    env, fs,
    io::ErrorKind as IoErrorKind,
    path::{MAIN_SEPARATOR, Path, PathBuf},
};

use super::{
    super::{Error, ErrorKind},
    Kubeconfig, Named, read,
};

/// The files of a kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Files {
    /// `--kubeconfig`: it has to be there.
    Flag(PathBuf),
    /// `KUBECONFIG`: those that are there count.
    Variable(Vec<PathBuf>),
    /// The one in the home folder, if it is there.
    Home(Option<PathBuf>),
}

impl Files {
    /// The files that kubectl reads: those of the flag, else of the variable, else of the home
    /// folder. An empty flag or variable is none.
    pub fn choose(flag: Option<&Path>) -> Self {
        if let Some(path) = flag.filter(|path| !path.as_os_str().is_empty()) {
            return Self::Flag(path.to_owned());
        }
        match env::var_os("KUBECONFIG").filter(|value| !value.is_empty()) {
            Some(value) => {
                let mut paths: Vec<PathBuf> = Vec::new();
                for path in env::split_paths(&value) {
                    if !path.as_os_str().is_empty() && !paths.contains(&path) {
                        paths.push(path);
                    }
                }
                Self::Variable(paths)
            }
            None => Self::Home(env::home_dir().map(|home| home.join(".kube").join("config"))),
        }
    }

    /// Reads all of them and merges them; `None` where none is there.
    ///
    /// # Errors
    /// One cannot be read, or the one of the flag is not there.
    pub fn load(&self) -> Result<Option<Kubeconfig>, Error> {
        let (paths, may_be_missing) = match self {
            Self::Flag(path) => (vec![path.as_path()], false),
            Self::Variable(paths) => (paths.iter().map(PathBuf::as_path).collect(), true),
            Self::Home(path) => (path.iter().map(PathBuf::as_path).collect(), true),
        };
        let mut merged: Option<Kubeconfig> = None;
        for path in paths {
            let bytes = match fs::read(path) {
                Err(error) if may_be_missing && error.kind() == IoErrorKind::NotFound => continue,
                bytes => bytes.map_err(|error| {
                    let message = format!("kubeconfig {} cannot be read: {error}", path.display());
                    Error::new(ErrorKind::Kubeconfig, message)
                })?,
            };
            let mut next = read(&bytes).map_err(|why| {
                let message = format!("kubeconfig {} cannot be used: {why}", path.display());
                Error::new(ErrorKind::Kubeconfig, message)
            })?;
            next.resolve_paths(path);
            merged = Some(match merged {
                None => next,
                Some(first) => first.merge(next),
            });
        }
        Ok(merged)
    }

    /// The error for files of which none is there.
    pub fn missing(&self) -> Error {
        let message = match self {
            Self::Flag(path) => format!("no kubeconfig: {} is not there", path.display()),
            Self::Variable(paths) => {
                let names: Vec<String> =
                    paths.iter().map(|path| path.display().to_string()).collect();
                format!("no kubeconfig: KUBECONFIG names {}, which is not there", names.join(", "))
            }
            Self::Home(_) => {
                "no kubeconfig: neither KUBECONFIG nor .kube/config in the home folder".to_owned()
            }
        };
        Error::new(ErrorKind::Kubeconfig, message)
            .hint("give one with --kubeconfig FILE")
            .hint("or look at files: kubectl clbmigrate status -f FILE")
    }
}

impl Kubeconfig {
    /// Both, where this one wins: for the current context, and for each entry as a whole.
    fn merge(mut self, next: Self) -> Self {
        if self.current_context.is_empty() {
            self.current_context = next.current_context;
        }
        add_new(&mut self.clusters, next.clusters);
        add_new(&mut self.users, next.users);
        add_new(&mut self.contexts, next.contexts);
        self
    }

    /// Makes paths absolute that are relative to the folder of the kubeconfig.
    fn resolve_paths(&mut self, file: &Path) {
        let folder = file.parent().unwrap_or(Path::new(""));
        let folder = std::path::absolute(folder.join(".")).unwrap_or_else(|_| folder.to_owned());
        let resolve = |path: &mut String| {
            if !path.is_empty() && Path::new(path.as_str()).is_relative() {
                // Go cleans paths up, so that they hold no dot.
                let whole: PathBuf = folder.join(path.as_str()).components().collect();
                *path = whole.to_string_lossy().into_owned();
            }
        };
        for cluster in &mut self.clusters {
            resolve(&mut cluster.value.certificate_authority);
        }
        for Named { value: user, .. } in &mut self.users {
            resolve(&mut user.client_certificate);
            resolve(&mut user.client_key);
            resolve(&mut user.token_file);
            // A program without a separator is looked for on PATH.
            if let Some(exec) = user.exec.as_mut()
                && exec.command.contains(MAIN_SEPARATOR)
            {
                resolve(&mut exec.command);
            }
        }
    }
}

fn add_new<T>(entries: &mut Vec<Named<T>>, more: Vec<Named<T>>) {
    for entry in more {
        if !entries.iter().any(|known| known.name == entry.name) {
            entries.push(entry);
        }
    }
}
