//! Whether a server's certificate is one that the cluster's authority vouches for.

use std::sync::Arc;

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use x509_parser::{parse_x509_certificate, time::ASN1Time};

use super::{Error, ErrorKind};

/// TLS with servers that these certificates vouch for. As for Go, a certificate vouches for itself
/// (Go: crypto/x509, `Verify`), also one that may sign others, as `openssl req -x509` makes it.
///
/// # Errors
/// None of the certificates can vouch for a server.
pub(super) fn with_authority(certificates: &[Vec<u8>]) -> Result<ClientConfig, Error> {
    let own: Vec<CertificateDer<'static>> =
        certificates.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(own.iter().cloned());
    let signed = WebPkiServerVerifier::builder(Arc::new(roots)).build().map_err(|error| {
        let message = format!("the certificate authority cannot be used: {error}");
        Error::new(ErrorKind::Certificate, message)
    })?;
    let verifier = Arc::new(OwnOrSigned { signed, own });
    let tls = ClientConfig::builder().dangerous().with_custom_certificate_verifier(verifier);
    Ok(tls.with_no_client_auth())
}

/// Accepts what the authority has signed, and what it consists of.
#[derive(Debug)]
struct OwnOrSigned {
    signed: Arc<WebPkiServerVerifier>,
    own: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for OwnOrSigned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let verified = self.signed.verify_server_cert(certificate, intermediates, name, ocsp, now);
        if verified.is_ok() || !self.own.contains(certificate) {
            return verified;
        }
        is_valid_at(certificate, now)?;
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.signed.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.signed.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}

fn is_valid_at(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), TlsError> {
    let broken = || TlsError::from(CertificateError::BadEncoding);
    let (_, certificate) = parse_x509_certificate(certificate).map_err(|_| broken())?;
    let now = i64::try_from(now.as_secs()).map_err(|_| broken())?;
    let now = ASN1Time::from_timestamp(now).map_err(|_| broken())?;
    let validity = certificate.validity();
    if now < validity.not_before {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
    use rstest::rstest;

    use super::*;

    /// A certificate of itself for `api.example.com`, which may sign others.
    fn certificate(change: impl Fn(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(["api.example.com".to_owned()]).expect("names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").der().clone()
    }

    /// What comes of a server that shows this certificate under this name.
    fn shown(
        authority: &CertificateDer<'static>,
        certificate: &CertificateDer<'static>,
        name: &str,
    ) -> Result<(), TlsError> {
        let own = vec![authority.clone()];
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone()).expect("a certificate");
        let signed = WebPkiServerVerifier::builder(Arc::new(roots)).build().expect("a verifier");
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let verifier = OwnOrSigned { signed, own };
        verifier.verify_server_cert(certificate, &[], &name, &[], UnixTime::now()).map(drop)
    }

    #[test]
    fn a_certificate_vouches_for_itself() {
        let own = certificate(|_| {});
        assert_eq!(shown(&own, &own, "api.example.com"), Ok(()));
        assert!(with_authority(&[own.to_vec()]).is_ok());
    }

    #[test]
    fn it_vouches_for_no_other_name_and_no_other_certificate() {
        let (own, other) = (certificate(|_| {}), certificate(|_| {}));
        assert!(shown(&own, &own, "other.example.com").is_err());
        assert!(shown(&own, &other, "api.example.com").is_err());
    }

    #[rstest]
    #[case::expired((2000, 2001), CertificateError::Expired)]
    #[case::not_yet_valid((3000, 3001), CertificateError::NotValidYet)]
    fn it_does_not_outlast_its_time(#[case] years: (i32, i32), #[case] why: CertificateError) {
        let own = certificate(|params| {
            params.not_before = date_time_ymd(years.0, 1, 1);
            params.not_after = date_time_ymd(years.1, 1, 1);
        });
        assert_eq!(shown(&own, &own, "api.example.com"), Err(why.into()));
    }

    #[test]
    fn without_a_certificate_there_is_no_authority() {
        assert!(with_authority(&[]).is_err());
    }
}
