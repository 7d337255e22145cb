//! The Secret that holds the certificate authority, shared by all replicas.

use std::{
    collections::BTreeMap,
    str,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use rustls::pki_types::CertificateDer;

use super::{
    CaBundle, CertificateAuthority, CertificateAuthorityError, FIELD_MANAGER, Lifetimes, SignerPem,
};

/// The Secret's name.
pub const SECRET_NAME: &str = "clbmigrate-webhook-ca";

/// The certificates that API servers are to trust: the signer's, and others while one authority follows
/// another.
const BUNDLE_KEY: &str = "ca.crt";
/// The certificate and the private key that sign the replicas' certificates.
const SIGNER_CERT_KEY: &str = "signer.crt";
const SIGNER_PRIVATE_KEY: &str = "signer.key";
/// Those that will sign next, while one authority follows another.
const NEXT_CERT_KEY: &str = "next.crt";
const NEXT_PRIVATE_KEY: &str = "next.key";
/// Since when the signer signs in place of the one before, in seconds since 1970.
const PROMOTED_KEY: &str = "promoted";
/// The bundle's generation: it grows with every change of the bundle.
const GENERATION_KEY: &str = "generation";

/// Why the authority can be neither read nor made.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The API server refuses the request, or cannot be reached.
    #[error("Secret {SECRET_NAME}: {0}")]
    Api(#[from] kube::Error),
    /// The Secret's contents are unusable.
    #[error("Secret {SECRET_NAME}: {0}")]
    Useless(String),
    /// A new authority cannot be made.
    #[error(transparent)]
    Make(#[from] CertificateAuthorityError),
}

/// Reads and writes the authority's Secret.
#[derive(Debug, Clone)]
pub struct AuthoritySecret {
    api: Api<Secret>,
    lifetimes: Lifetimes,
}

impl AuthoritySecret {
    /// The Secret of this namespace. What is made for it lives so long.
    pub fn new(client: Client, namespace: &str, lifetimes: Lifetimes) -> Self {
        Self { api: Api::namespaced(client, namespace), lifetimes }
    }

    /// How long certificates live.
    pub fn lifetimes(&self) -> Lifetimes {
        self.lifetimes
    }

    /// The API of Secrets in its namespace, to watch it.
    pub fn api(&self) -> Api<Secret> {
        self.api.clone()
    }

    /// The authority in the Secret. If the Secret is missing or unusable, `known`, if it is valid, or else
    /// a new authority is written. If several replicas do so at once, one of them succeeds, and all use its authority.
    ///
    /// # Errors
    /// When the Secret cannot be read or written.
    pub async fn load_or_create(
        &self,
        known: Option<&CertificateAuthority>,
        now: SystemTime,
    ) -> Result<CertificateAuthority, SecretError> {
        let old = self.api.get_opt(SECRET_NAME).await?;
        let mut last = 0;
        if let Some(secret) = &old {
            match self.parse(secret, now) {
                Ok(authority) => return Ok(authority),
                Err(why) => {
                    tracing::error!(
                        secret = SECRET_NAME,
                        why,
                        "the authority is of no use; made anew"
                    );
                    last = text(secret, GENERATION_KEY)
                        .ok()
                        .and_then(|it| it.parse().ok())
                        .unwrap_or(0);
                }
            }
        }
        match known.filter(|known| known.is_valid(now) && known.bundle().generation() >= last) {
            Some(known) => self.write(old, known, now).await,
            // What the bundle was is lost, so this one must count as newer.
            None => {
                let generation = last.saturating_add(1);
                let made = CertificateAuthority::create(generation, self.lifetimes, now)?;
                self.write(old, &made, now).await
            }
        }
    }

    /// The authority in the Secret, its bundle's generation raised beyond `published` if it is lower.
    ///
    /// # Errors
    /// When the Secret cannot be read or written, or its contents are unusable.
    pub async fn raise_generation(
        &self,
        published: u64,
        now: SystemTime,
    ) -> Result<CertificateAuthority, SecretError> {
        let secret = self.api.get(SECRET_NAME).await?;
        let authority = self.parse(&secret, now).map_err(SecretError::Useless)?;
        if authority.bundle().generation() >= published {
            return Ok(authority);
        }
        let authority = authority.with_generation(published.saturating_add(1));
        self.write(Some(secret), &authority, now).await
    }

    /// Takes the step of rotation that is due for the authority in the Secret. `is_published` says whether
    /// every webhook configuration carries a certificate. Where another replica has taken it, that counts.
    ///
    /// # Errors
    /// When the Secret cannot be read or written, or its contents are unusable.
    pub async fn rotate(
        &self,
        is_published: impl Fn(&CertificateDer<'static>) -> bool,
        now: SystemTime,
    ) -> Result<CertificateAuthority, SecretError> {
        let secret = self.api.get(SECRET_NAME).await?;
        let authority = self.parse(&secret, now).map_err(SecretError::Useless)?;
        let Some(step) = authority.due_step(now, is_published) else { return Ok(authority) };
        let rotated = authority.after(step, now)?;
        let written = self.write(Some(secret), &rotated, now).await?;
        tracing::info!(?step, generation = written.bundle().generation(), "authority rotated");
        Ok(written)
    }

    /// Writes the Secret over the version that was read, or creates it, and returns the authority that is
    /// stored then, which may be another replica's.
    async fn write(
        &self,
        old: Option<Secret>,
        authority: &CertificateAuthority,
        now: SystemTime,
    ) -> Result<CertificateAuthority, SecretError> {
        let params =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let data = Some(data(authority));
        let written = match old {
            None => {
                let metadata =
                    ObjectMeta { name: Some(SECRET_NAME.to_owned()), ..ObjectMeta::default() };
                let secret = Secret { metadata, data, ..Secret::default() };
                self.api.create(&params, &secret).await
            }
            // With the resourceVersion that was read, so that nobody's write is lost.
            Some(old) => self.api.replace(SECRET_NAME, &params, &Secret { data, ..old }).await,
        };
        let secret = match written {
            // AlreadyExists or Conflict: another replica was faster.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                self.api.get(SECRET_NAME).await?
            }
            written => written?,
        };
        self.parse(&secret, now).map_err(SecretError::Useless)
    }

    fn parse(&self, secret: &Secret, now: SystemTime) -> Result<CertificateAuthority, String> {
        parse(secret, self.lifetimes, now)
    }
}

fn data(authority: &CertificateAuthority) -> BTreeMap<String, ByteString> {
    let generation = authority.bundle().generation().to_string();
    let mut data = vec![
        (BUNDLE_KEY, authority.bundle().pem()),
        (SIGNER_CERT_KEY, authority.certificate()),
        (SIGNER_PRIVATE_KEY, authority.key()),
        (GENERATION_KEY, &generation),
    ];
    let promoted = authority.promoted().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let promoted = promoted.map(|since| since.as_secs().to_string());
    if let Some(promoted) = &promoted {
        data.push((PROMOTED_KEY, promoted));
    }
    if let Some(next) = authority.next() {
        data.extend([(NEXT_CERT_KEY, next.certificate), (NEXT_PRIVATE_KEY, next.key)]);
    }
    let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
    data.into_iter().map(|(key, value)| (key.to_owned(), bytes(value))).collect()
}

/// The authority in a Secret. The error never shows its contents.
pub(super) fn parse(
    secret: &Secret,
    lifetimes: Lifetimes,
    now: SystemTime,
) -> Result<CertificateAuthority, String> {
    let generation = text(secret, GENERATION_KEY)?;
    let generation: u64 =
        generation.trim().parse().map_err(|_| format!("{GENERATION_KEY} is no number"))?;
    let bundle = CaBundle::new(text(secret, BUNDLE_KEY)?, generation)
        .map_err(|error| format!("{BUNDLE_KEY}: {error}"))?;
    let signer = SignerPem {
        certificate: text(secret, SIGNER_CERT_KEY)?,
        key: text(secret, SIGNER_PRIVATE_KEY)?,
    };
    let next = match text(secret, NEXT_CERT_KEY) {
        Ok(certificate) => Some(SignerPem { certificate, key: text(secret, NEXT_PRIVATE_KEY)? }),
        Err(_) => None,
    };
    let promoted = text(secret, PROMOTED_KEY).ok().and_then(|text| text.parse().ok());
    let promoted = promoted.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
    CertificateAuthority::open(signer, next, bundle, lifetimes, now)
        .map(|authority| authority.promoted_at(promoted))
        .map_err(|error| format!("{SIGNER_CERT_KEY}: {error}"))
}

fn text<'s>(secret: &'s Secret, key: &str) -> Result<&'s str, String> {
    let bytes = secret.data.as_ref().and_then(|data| data.get(key));
    let bytes = bytes.ok_or_else(|| format!("it has no {key}"))?;
    str::from_utf8(&bytes.0).map_err(|_| format!("{key} is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(authority: &CertificateAuthority) -> Secret {
        Secret { data: Some(data(authority)), ..Secret::default() }
    }

    #[test]
    fn an_authority_is_read_back_and_signs_for_those_who_trust_it() {
        let now = SystemTime::now();
        let made =
            CertificateAuthority::create(7, Lifetimes::default(), now).expect("an authority");
        let read = parse(&secret(&made), Lifetimes::default(), now).expect("the same authority");
        assert_eq!(read.bundle(), made.bundle());
        assert_eq!(read.bundle().generation(), 7);
        let certificate = read.sign(&["web.shop.svc".to_owned()], now).expect("a certificate");
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
            verifier.verify_server_cert(certificate.leaf().expect("a leaf"), &[], &name, &[], time)
        };
        assert!(verify("web.shop.svc").is_ok());
        assert!(verify("web.other.svc").is_err());
    }

    #[test]
    fn the_one_that_will_sign_is_read_back_too() {
        let now = SystemTime::now();
        let made = CertificateAuthority::create(7, Lifetimes::default(), now).expect("made");
        let made = made.after(super::super::RotationStep::Prepare, now).expect("two authorities");
        let read = parse(&secret(&made), Lifetimes::default(), now).expect("the same");
        assert_eq!(read.bundle(), made.bundle());
        let next = |authority: &CertificateAuthority| {
            authority.next().map(|next| (next.certificate.to_owned(), next.key.to_owned()))
        };
        assert_eq!(next(&read), next(&made));
        assert!(next(&read).is_some());
        let promoted = made.after(super::super::RotationStep::Promote, now).expect("the new one");
        let read = parse(&secret(&promoted), Lifetimes::default(), now).expect("the same");
        let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        assert_eq!(read.promoted().map(seconds), Some(seconds(now)));
        assert!(read.next().is_none());
    }

    #[test]
    fn a_secret_that_is_not_whole_says_what_is_wrong_and_shows_nothing() {
        let now = SystemTime::now();
        let made =
            CertificateAuthority::create(7, Lifetimes::default(), now).expect("an authority");
        let other =
            CertificateAuthority::create(8, Lifetimes::default(), now).expect("an authority");
        let with = |key: &str, value: Option<&str>| {
            let mut secret = secret(&made);
            let data = secret.data.as_mut().expect("data");
            match value {
                Some(value) => data.insert(key.to_owned(), ByteString(value.into())),
                None => data.remove(key),
            };
            parse(&secret, Lifetimes::default(), now).expect_err("of no use")
        };
        assert_eq!(with(SIGNER_PRIVATE_KEY, None), "it has no signer.key");
        assert_eq!(with(GENERATION_KEY, Some("one")), "generation is no number");
        assert!(with(BUNDLE_KEY, Some("")).contains("ca.crt: the certificate is unreadable"));
        let mismatch = with(SIGNER_PRIVATE_KEY, Some(other.key()));
        assert!(mismatch.contains("not that of the first certificate"), "{mismatch}");
        assert!(!mismatch.contains("PRIVATE"));
        assert!(with(BUNDLE_KEY, Some(other.bundle().pem())).contains("other certificates"));
        let later = now + Duration::from_secs(11 * 365 * 24 * 3600);
        assert!(
            parse(&secret(&made), Lifetimes::default(), later)
                .expect_err("over")
                .contains("expired")
        );
    }
}
