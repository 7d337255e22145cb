//! The client of a connection, and whether reviews are taken from it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustls::pki_types::CertificateDer;

use crate::tls::{ClientAuthority, ClientRefusal};

/// How long a verdict about a certificate holds: an open connection may outlive it.
const VERDICT_LIFE: Duration = Duration::from_secs(60);

/// The client of one connection.
#[derive(Debug)]
pub(super) struct Client {
    pub address: SocketAddr,
    /// The certificates that it has shown, its own first; empty without one.
    shown: Vec<CertificateDer<'static>>,
    last: Mutex<Option<Verdict>>,
}

#[derive(Debug, Clone)]
struct Verdict {
    at: Instant,
    generation: u64,
    result: Result<(), ClientRefusal>,
}

impl Client {
    /// A client that has shown these certificates.
    pub fn new(address: SocketAddr, shown: Option<&[CertificateDer<'static>]>) -> Self {
        // A socket for both families has IPv4 as ::ffff:192.0.2.7, which nobody looks for in a log.
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        Self { address, shown: shown.unwrap_or_default().to_vec(), last: Mutex::default() }
    }

    /// Whether `authority` lets this client post reviews.
    ///
    /// # Errors
    /// When it does not: the reason.
    pub fn check(
        &self,
        authority: &Arc<ClientAuthority>,
        now: Instant,
    ) -> Result<(), ClientRefusal> {
        let generation = authority.generation();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verdict) = last.as_ref()
            && verdict.generation == generation
            && now.saturating_duration_since(verdict.at) < VERDICT_LIFE
        {
            return verdict.result.clone();
        }
        let result = authority.check(&self.shown);
        *last = Some(Verdict { at: now, generation, result: result.clone() });
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_of_ipv4_is_told_by_its_ipv4_address_on_a_socket_for_both() {
        for (seen, told) in [
            ("[::ffff:192.0.2.7]:40000", "192.0.2.7:40000"),
            ("[2001:db8::7]:40000", "[2001:db8::7]:40000"),
            ("192.0.2.7:40000", "192.0.2.7:40000"),
        ] {
            let client = Client::new(seen.parse().expect("an address"), None);
            assert_eq!(client.address.to_string(), told);
        }
    }
}
