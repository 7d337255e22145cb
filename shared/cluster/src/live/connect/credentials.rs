//! What a request tells of the user: a token, a password, or the word of a credential plugin.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use http::HeaderValue;
use jiff::Timestamp;
use rustls::sign::CertifiedKey;
use tokio::{sync::Mutex, task, time::Instant};

use super::{
    Error, ErrorKind,
    exec::{Granted, Plugin},
};

/// How long a token of a file is used before the file is read again (client-go 0.36:
/// `transport/token_source.go`, a minute without the leeway).
const TOKEN_FILE: Duration = Duration::from_secs(50);

/// How long what a credential plugin said counts, even if it has expired by its own words.
const MOMENT: Duration = Duration::from_secs(10);

/// What tells an API server who the user is, beside a client certificate of the kubeconfig.
pub(super) enum Credentials {
    /// Nothing.
    None,
    /// The same header for ever.
    Fixed(HeaderValue),
    /// A token in a file, which others renew.
    File(TokenFile),
    /// A program that is asked.
    Plugin(Asked),
}

/// What a request is sent with.
#[derive(Clone, Default)]
pub(super) struct Current {
    /// The header `Authorization`.
    pub header: Option<HeaderValue>,
    /// The client certificate of a credential plugin.
    pub certificate: Option<Arc<CertifiedKey>>,
    /// How often a credential plugin was asked so far.
    pub generation: u64,
}

/// A token in a file.
pub(super) struct TokenFile {
    path: PathBuf,
    read: Mutex<(HeaderValue, Instant)>,
}

/// A credential plugin, and what it said last.
pub(super) struct Asked {
    plugin: Arc<Plugin>,
    /// Held while it runs, so that it asks the user once.
    said: Mutex<Option<Said>>,
    /// The generation that the API server has refused.
    refused: AtomicU64,
}

impl Credentials {
    /// A bearer token.
    ///
    /// # Errors
    /// It cannot stand in a header.
    pub fn token(token: &str, user: &str) -> Result<Self, Error> {
        let header = bearer(token).map_err(|why| {
            Error::new(ErrorKind::Credentials, format!("the token of user {user:?} {why}"))
        })?;
        Ok(Self::Fixed(header))
    }

    /// A user and a password.
    ///
    /// # Errors
    /// They cannot stand in a header.
    pub fn basic(user: &str, password: &str) -> Result<Self, Error> {
        let packed = BASE64.encode(format!("{user}:{password}"));
        let mut header = HeaderValue::try_from(format!("Basic {packed}")).map_err(|_| {
            Error::new(ErrorKind::Credentials, "username and password cannot be sent")
        })?;
        header.set_sensitive(true);
        Ok(Self::Fixed(header))
    }

    /// A token in a file. Where `token` is given, it counts as long as the file cannot be read.
    ///
    /// # Errors
    /// There is no token to begin with.
    pub fn file(path: &str, token: &str, user: &str) -> Result<Self, Error> {
        let header = match read_token(Path::new(path)) {
            Ok(header) => header,
            Err(_) if !token.is_empty() => return Self::token(token, user),
            Err(why) => {
                let message = format!("the token file of user {user:?}, {path}, {why}");
                return Err(Error::new(ErrorKind::Credentials, message));
            }
        };
        let read = Mutex::new((header, Instant::now()));
        Ok(Self::File(TokenFile { path: path.into(), read }))
    }

    /// A credential plugin, which is run when it is first needed.
    pub fn plugin(plugin: Plugin) -> Self {
        Self::Plugin(Asked {
            plugin: Arc::new(plugin),
            said: Mutex::default(),
            refused: AtomicU64::new(0),
        })
    }

    /// What a request is sent with now. A credential plugin is run where it has not been, or where
    /// what it said has expired or was refused.
    ///
    /// # Errors
    /// A credential plugin fails.
    pub async fn current(&self) -> Result<Current, Error> {
        let of =
            |header: &HeaderValue| Current { header: Some(header.clone()), ..Current::default() };
        match self {
            Self::None => Ok(Current::default()),
            Self::Fixed(header) => Ok(of(header)),
            Self::File(file) => {
                let mut read = file.read.lock().await;
                if read.1.elapsed() >= TOKEN_FILE {
                    let last = read.0.clone();
                    *read = (read_token(&file.path).unwrap_or(last), Instant::now());
                }
                Ok(of(&read.0))
            }
            Self::Plugin(asked) => asked.current().await,
        }
    }

    /// Notes that the API server does not know the user of a request (401). A credential plugin is
    /// asked again before the next one.
    pub fn refuse(&self, generation: u64) {
        if let Self::Plugin(asked) = self {
            asked.refused.store(generation, Ordering::Relaxed);
        }
    }
}

/// What a credential plugin said.
struct Said {
    granted: Granted,
    /// How often it was asked until then.
    generation: u64,
    /// When it was asked.
    at: Instant,
}

impl Said {
    /// Whether this still counts. What has expired by its own words counts for a moment: the clocks of
    /// two machines differ, and the user is not asked at each request.
    fn is_fresh(&self) -> bool {
        let has_expired = self.granted.ends.is_some_and(|end| end < Timestamp::now());
        !has_expired || self.at.elapsed() < MOMENT
    }

    fn current(&self) -> Current {
        Current {
            header: self.granted.header.clone(),
            certificate: self.granted.certificate.clone(),
            generation: self.generation,
        }
    }
}

impl Asked {
    async fn current(&self) -> Result<Current, Error> {
        let mut said = self.said.lock().await;
        let refused = self.refused.load(Ordering::Relaxed);
        let generation = match said.as_ref() {
            Some(said) if said.generation != refused && said.is_fresh() => {
                return Ok(said.current());
            }
            Some(said) => said.generation + 1,
            None => 1,
        };
        let plugin = Arc::clone(&self.plugin);
        let run = task::spawn_blocking(move || plugin.run()).await;
        let granted = run.map_err(|error| {
            Error::new(ErrorKind::Credentials, format!("a credential plugin was lost: {error}"))
        })??;
        let next = Said { granted, generation, at: Instant::now() };
        let current = next.current();
        *said = Some(next);
        Ok(current)
    }
}

/// The header of a token, or what is wrong with it.
pub(super) fn bearer(token: &str) -> Result<HeaderValue, &'static str> {
    let header = HeaderValue::try_from(format!("Bearer {token}"));
    let mut header = header.map_err(|_| "holds a line break or another control character")?;
    header.set_sensitive(true);
    Ok(header)
}

fn read_token(path: &Path) -> Result<HeaderValue, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    // client-go 0.36: `strings.TrimSpace`.
    let token = text.trim();
    if token.is_empty() {
        return Err("is empty".to_owned());
    }
    Ok(bearer(token)?)
}
