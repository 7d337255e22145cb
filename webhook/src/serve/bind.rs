//! Opens the sockets that the server listens on.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// How many connections may wait to be accepted, as the standard library has it.
const BACKLOG: i32 = 1024;
/// Linux: the kernel runs without this family of addresses. The error has no kind of its own.
const EAFNOSUPPORT: i32 = 97;

/// Listens on an address. `[::]` takes connections over IPv6 and over IPv4, whatever the system's
/// default for that is, and over IPv4 alone where the system has no IPv6.
///
/// # Errors
/// When the address cannot be listened on.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    with_fallback(address, open)
}

fn with_fallback<T>(
    address: SocketAddr,
    open: impl Fn(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    match open(address) {
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && is_without_ipv6(&error) => {
            tracing::info!(%error, "there is no IPv6 here; listening on IPv4 alone");
            open(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port()))
        }
        opened => opened,
    }
}

/// Whether an error says that the system has no IPv6: no such family of addresses, or no such address.
fn is_without_ipv6(error: &io::Error) -> bool {
    error.raw_os_error() == Some(EAFNOSUPPORT) || error.kind() == io::ErrorKind::AddrNotAvailable
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if matches!(address.ip(), IpAddr::V6(ip) if ip.is_unspecified()) {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for connections of the process before.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, net::TcpStream};

    use super::*;

    const EVERYWHERE: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 8443);

    /// The addresses that are tried where IPv6 fails with this error.
    fn tried(address: SocketAddr, error: fn() -> io::Error) -> Vec<String> {
        let tried = RefCell::new(Vec::new());
        let opened = with_fallback(address, |address| {
            tried.borrow_mut().push(address.to_string());
            if address.is_ipv6() { Err(error()) } else { Ok(()) }
        });
        assert_eq!(opened.is_ok(), tried.borrow().len() == 2);
        tried.into_inner()
    }

    #[test]
    fn without_ipv6_all_of_ipv4_is_listened_on() {
        let unsupported = || io::Error::from_raw_os_error(EAFNOSUPPORT);
        assert_eq!(tried(EVERYWHERE, unsupported), ["[::]:8443", "0.0.0.0:8443"]);
        let unavailable = || io::ErrorKind::AddrNotAvailable.into();
        assert_eq!(tried(EVERYWHERE, unavailable), ["[::]:8443", "0.0.0.0:8443"]);
    }

    #[test]
    fn a_port_that_is_taken_is_no_reason_to_try_ipv4() {
        assert_eq!(tried(EVERYWHERE, || io::ErrorKind::AddrInUse.into()), ["[::]:8443"]);
    }

    #[test]
    fn an_address_that_is_named_is_not_exchanged_for_another() {
        let loopback = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 8443);
        assert_eq!(tried(loopback, || io::Error::from_raw_os_error(EAFNOSUPPORT)), ["[::1]:8443"]);
    }

    #[tokio::test]
    async fn one_socket_takes_connections_over_both_families() {
        let listener = bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0)).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let mut clients: Vec<IpAddr> = vec![Ipv4Addr::LOCALHOST.into()];
        if address.is_ipv6() {
            clients.push(Ipv6Addr::LOCALHOST.into());
        }
        for ip in clients {
            let client = TcpStream::connect((ip, address.port())).expect("a connection");
            let (_, peer) = listener.accept().await.expect("the connection");
            assert_eq!(peer.port(), client.local_addr().expect("an address").port());
        }
    }
}
