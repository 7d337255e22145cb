//! The authority's Secret, which all replicas share.

use std::{collections::BTreeMap, str, time::SystemTime};

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};

use super::{Authority, AuthorityError, Bundle, MANAGER};

/// The Secret's name.
pub const SECRET: &str = "clbmigrate-webhook-ca";

/// Certificates that API servers shall trust: the signer's, and others while one follows another.
const BUNDLE: &str = "ca.crt";
/// What signs the replicas' certificates.
const SIGNER: &str = "signer.crt";
const SIGNER_KEY: &str = "signer.key";
/// Counts the changes of the bundle.
const GENERATION: &str = "generation";

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The API server does not do what is asked.
    #[error("Secret {SECRET}: {0}")]
    Api(#[from] kube::Error),
    /// What is in it is of no use.
    #[error("Secret {SECRET}: {0}")]
    Useless(String),
    /// No authority can be made.
    #[error(transparent)]
    Make(#[from] AuthorityError),
}

/// Where the Secret is.
#[derive(Debug, Clone)]
pub struct Vault {
    api: Api<Secret>,
}

impl Vault {
    /// The Secret of that namespace.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self { api: Api::namespaced(client, namespace) }
    }

    /// For a watch.
    pub fn api(&self) -> Api<Secret> {
        self.api.clone()
    }

    /// The authority in the Secret. If there is none, or it is of no use, `known` or else a new one
    /// is put there; of replicas that do this at once one succeeds, and the others take its.
    ///
    /// # Errors
    /// If the Secret can be neither read nor written.
    pub async fn open(
        &self,
        known: Option<&Authority>,
        now: SystemTime,
    ) -> Result<Authority, SecretError> {
        let old = self.api.get_opt(SECRET).await?;
        let mut last = 0;
        if let Some(secret) = &old {
            match parse(secret, now) {
                Ok(authority) => return Ok(authority),
                Err(why) => {
                    tracing::error!(secret = SECRET, why, "the authority is of no use; made anew");
                    last =
                        text(secret, GENERATION).ok().and_then(|it| it.parse().ok()).unwrap_or(0);
                }
            }
        }
        match known.filter(|known| known.bundle().generation() >= last) {
            Some(known) => self.write(old, known, now).await,
            // What the bundle was is lost, so this one must count as newer.
            None => self.write(old, &Authority::create(last.saturating_add(1), now)?, now).await,
        }
    }

    /// Counts the Secret's bundle beyond `published`, if it is behind.
    ///
    /// # Errors
    /// If the Secret can be neither read nor written.
    pub async fn pass(&self, published: u64, now: SystemTime) -> Result<Authority, SecretError> {
        let secret = self.api.get(SECRET).await?;
        let authority = parse(&secret, now).map_err(SecretError::Useless)?;
        if authority.bundle().generation() >= published {
            return Ok(authority);
        }
        let authority = authority.renumbered(published.saturating_add(1));
        self.write(Some(secret), &authority, now).await
    }

    /// Writes over what was read, or creates, and gives what is there then.
    async fn write(
        &self,
        old: Option<Secret>,
        authority: &Authority,
        now: SystemTime,
    ) -> Result<Authority, SecretError> {
        let params =
            PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let data = Some(data(authority));
        let written = match old {
            None => {
                let metadata =
                    ObjectMeta { name: Some(SECRET.to_owned()), ..ObjectMeta::default() };
                let secret = Secret { metadata, data, ..Secret::default() };
                self.api.create(&params, &secret).await
            }
            // With the resourceVersion that was read, so that nobody's write is lost.
            Some(old) => self.api.replace(SECRET, &params, &Secret { data, ..old }).await,
        };
        let secret = match written {
            // AlreadyExists or Conflict: another replica was faster.
            Err(kube::Error::Api(status)) if status.code == 409 => self.api.get(SECRET).await?,
            written => written?,
        };
        parse(&secret, now).map_err(SecretError::Useless)
    }
}

fn data(authority: &Authority) -> BTreeMap<String, ByteString> {
    let generation = authority.bundle().generation().to_string();
    [
        (BUNDLE, authority.bundle().pem()),
        (SIGNER, authority.certificate()),
        (SIGNER_KEY, authority.key()),
        (GENERATION, &generation),
    ]
    .map(|(key, value)| (key.to_owned(), ByteString(value.as_bytes().to_vec())))
    .into()
}

/// The authority in a Secret. The error never shows what is in it.
pub(super) fn parse(secret: &Secret, now: SystemTime) -> Result<Authority, String> {
    let generation = text(secret, GENERATION)?;
    let generation: u64 =
        generation.trim().parse().map_err(|_| format!("{GENERATION} is no number"))?;
    let bundle = Bundle::new(text(secret, BUNDLE)?, generation)
        .map_err(|error| format!("{BUNDLE}: {error}"))?;
    Authority::open(text(secret, SIGNER)?, text(secret, SIGNER_KEY)?, bundle, now)
        .map_err(|error| format!("{SIGNER}: {error}"))
}

fn text<'s>(secret: &'s Secret, key: &str) -> Result<&'s str, String> {
    let bytes = secret.data.as_ref().and_then(|data| data.get(key));
    let bytes = bytes.ok_or_else(|| format!("it has no {key}"))?;
    str::from_utf8(&bytes.0).map_err(|_| format!("{key} is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(authority: &Authority) -> Secret {
        Secret { data: Some(data(authority)), ..Secret::default() }
    }

    #[test]
    fn an_authority_is_read_back_and_signs_for_those_who_trust_it() {
        let now = SystemTime::now();
        let made = Authority::create(7, now).expect("an authority");
        let read = parse(&secret(&made), now).expect("the same authority");
        assert_eq!(read.bundle(), made.bundle());
        assert_eq!(read.bundle().generation(), 7);
        let pair = read.sign(&["web.shop.svc".to_owned()], now).expect("a certificate");
        let mut roots = rustls::RootCertStore::empty();
        for certificate in made.bundle().certificates() {
            roots.add(certificate).expect("an authority's certificate");
        }
        let provider = rustls::crypto::ring::default_provider();
        let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(
            std::sync::Arc::new(roots),
            std::sync::Arc::new(provider),
        );
        let verifier = verifier.build().expect("a verifier");
        let verify = |name: &str| {
            use rustls::client::danger::ServerCertVerifier as _;
            let name = name.to_owned().try_into().expect("a name");
            let time = rustls::pki_types::UnixTime::now();
            verifier.verify_server_cert(pair.leaf().expect("a leaf"), &[], &name, &[], time)
        };
        assert!(verify("web.shop.svc").is_ok());
        assert!(verify("web.other.svc").is_err());
    }

    #[test]
    fn a_secret_that_is_not_whole_says_what_is_wrong_and_shows_nothing() {
        let now = SystemTime::now();
        let made = Authority::create(7, now).expect("an authority");
        let other = Authority::create(8, now).expect("an authority");
        let with = |key: &str, value: Option<&str>| {
            let mut secret = secret(&made);
            let data = secret.data.as_mut().expect("data");
            match value {
                Some(value) => data.insert(key.to_owned(), ByteString(value.into())),
                None => data.remove(key),
            };
            parse(&secret, now).expect_err("of no use")
        };
        assert_eq!(with(SIGNER_KEY, None), "it has no signer.key");
        assert_eq!(with(GENERATION, Some("one")), "generation is no number");
        assert!(with(BUNDLE, Some("")).contains("ca.crt: the certificate is unreadable"));
        let mismatch = with(SIGNER_KEY, Some(other.key()));
        assert!(mismatch.contains("not that of the first certificate"), "{mismatch}");
        assert!(!mismatch.contains("PRIVATE"));
        assert!(with(BUNDLE, Some(other.bundle().pem())).contains("other certificates"));
        let later = now + std::time::Duration::from_secs(11 * 365 * 24 * 3600);
        assert!(parse(&secret(&made), later).expect_err("over").contains("expired"));
    }
}
