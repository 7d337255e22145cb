//! A certificate authority per cluster and what it signs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, ensure};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// Tests set clocks off by an hour in both directions; certificates must outlast that.
const BEFORE: Duration = Duration::from_secs(2 * 3600);
const AFTER: Duration = Duration::from_secs(365 * 24 * 3600);
const NAME: &str = "kubernetes";
/// Of an organization in a subject (X.520).
const ORGANIZATION: [u64; 4] = [2, 5, 4, 10];

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Validity {
    /// From two hours ago for a year.
    Valid,
    /// Ended two hours ago.
    Expired,
}

/// A certificate and its key, both PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The private key, PKCS #8.
    pub key: String,
}

/// What signs the certificates of one cluster.
pub(crate) struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    pub certificate: String,
}

impl CertificateAuthority {
    /// Makes an authority and keeps it as `ca.crt` and `ca.key` in the folder.
    pub fn create(folder: &Path) -> anyhow::Result<Self> {
        let key = KeyPair::generate().context("key of the authority")?;
        let params = Self::params()?;
        let certificate = params.self_signed(&key).context("certificate of the authority")?.pem();
        let identity = Identity { certificate, key: key.serialize_pem() };
        identity.write(folder, "ca")?;
        Ok(Self { issuer: Issuer::new(params, key), certificate: identity.certificate })
    }

    /// Takes the authority that was made in the folder.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let identity = Identity::read(folder, "ca")?;
        let key = KeyPair::from_pem(&identity.key).context("key of the authority")?;
        let issuer = Issuer::new(Self::params()?, key);
        Ok(Self { issuer, certificate: identity.certificate })
    }

    fn params() -> anyhow::Result<CertificateParams> {
        let mut params = params(Vec::new(), Validity::Valid)?;
        params.distinguished_name.push(DnType::CommonName, NAME);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Ok(params)
    }

    /// A certificate with which a user, at most in two groups, shows who it is.
    pub fn client_certificate(
        &self,
        user: &str,
        groups: &[&str],
        validity: Validity,
    ) -> anyhow::Result<Identity> {
        let mut params = params(Vec::new(), validity)?;
        let name = &mut params.distinguished_name;
        // rcgen takes one value a kind of name; the numbers of a kind count as another kind.
        let kinds = [DnType::OrganizationName, DnType::CustomDnType(ORGANIZATION.to_vec())];
        ensure!(groups.len() <= kinds.len(), "{user}: a certificate holds two groups at most");
        for (kind, group) in kinds.into_iter().zip(groups) {
            name.push(kind, *group);
        }
        name.push(DnType::CommonName, user);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(user, params)
    }

    /// A certificate with which a server at these names and addresses shows who it is.
    pub fn server_certificate(
        &self,
        user: &str,
        names: &[&str],
        validity: Validity,
    ) -> anyhow::Result<Identity> {
        let names = names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let mut params = params(names, validity)?;
        params.distinguished_name.push(DnType::CommonName, user);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(user, params)
    }

    fn sign(&self, user: &str, mut params: CertificateParams) -> anyhow::Result<Identity> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().with_context(|| format!("key of {user}"))?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .with_context(|| format!("certificate of {user}"))?;
        Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

fn params(names: Vec<String>, validity: Validity) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(names).context("names in a certificate")?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    let now = SystemTime::now();
    let (from, until) = match validity {
        Validity::Valid => (now - BEFORE, now + AFTER),
        Validity::Expired => (now - 2 * BEFORE, now - BEFORE),
    };
    params.not_before = from.into();
    params.not_after = until.into();
    Ok(params)
}

impl Identity {
    /// A pair of keys to sign tokens of service accounts: `NAME.key` and `NAME.pub`.
    pub(crate) fn signing_keys(folder: &Path, name: &str) -> anyhow::Result<()> {
        let key = KeyPair::generate().context("key for tokens")?;
        write(&folder.join(format!("{name}.key")), &key.serialize_pem())?;
        write(&folder.join(format!("{name}.pub")), &key.public_key_pem())
    }

    /// Keeps both as `NAME.crt` and `NAME.key` in the folder.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> anyhow::Result<()> {
        let [certificate, key] = Self::files(folder, name);
        write(&certificate, &self.certificate)?;
        write(&key, &self.key)
    }

    pub(crate) fn read(folder: &Path, name: &str) -> anyhow::Result<Self> {
        let read = |file: &PathBuf| {
            fs::read_to_string(file).with_context(|| format!("{}", file.display()))
        };
        let [certificate, key] = Self::files(folder, name);
        Ok(Self { certificate: read(&certificate)?, key: read(&key)? })
    }

    fn files(folder: &Path, name: &str) -> [PathBuf; 2] {
        ["crt", "key"].map(|kind| folder.join(format!("{name}.{kind}")))
    }
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(file, text).with_context(|| format!("{}", file.display()))
}
