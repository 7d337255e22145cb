//! Why a TLS connection was not made.

use rustls::{CertificateError, Error};

/// Why a TLS connection was not made, as far as people can do something about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsFailure {
    /// The server's certificate has expired.
    Expired,
    /// The server's certificate is not valid yet.
    NotYetValid,
    /// No trusted authority has signed the server's certificate.
    UnknownIssuer,
    /// The server's certificate is for another name.
    WrongName,
    /// Any other reason, with the message of rustls.
    Other(String),
}

impl From<&Error> for TlsFailure {
    fn from(error: &Error) -> Self {
        let Error::InvalidCertificate(certificate) = error else {
            return Self::Other(error.to_string());
        };
        match certificate {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotYetValid
            }
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::WrongName
            }
            _ => Self::Other(error.to_string()),
        }
    }
}

impl TlsFailure {
    /// The failure in a sentence about `server`. `distrust` ends the sentence about an unknown
    /// authority, as in `this machine does not trust`.
    pub fn describe(&self, server: &str, distrust: &str) -> String {
        match self {
            Self::Expired => format!("the certificate of {server} has expired"),
            Self::NotYetValid => format!("the certificate of {server} is not valid yet"),
            Self::UnknownIssuer => {
                format!("the certificate of {server} is signed by an authority {distrust}")
            }
            Self::WrongName => format!("the certificate of {server} is for another name"),
            Self::Other(message) => format!("no TLS connection with {server}: {message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(CertificateError::Expired, "the certificate of host has expired")]
    #[case(CertificateError::NotValidYet, "the certificate of host is not valid yet")]
    #[case(
        CertificateError::UnknownIssuer,
        "the certificate of host is signed by an authority this machine does not trust"
    )]
    #[case(CertificateError::NotValidForName, "the certificate of host is for another name")]
    #[case(
        CertificateError::BadSignature,
        "no TLS connection with host: invalid peer certificate: BadSignature"
    )]
    fn a_certificate_that_is_not_accepted_is_described(
        #[case] error: CertificateError,
        #[case] message: &str,
    ) {
        let failure = TlsFailure::from(&Error::InvalidCertificate(error));
        assert_eq!(failure.describe("host", "this machine does not trust"), message);
    }

    #[test]
    fn another_failure_keeps_its_message() {
        let failure = TlsFailure::from(&Error::DecryptError);
        let message = "no TLS connection with host: cannot decrypt peer's message";
        assert_eq!(failure.describe("host", "nobody trusts"), message);
    }
}
