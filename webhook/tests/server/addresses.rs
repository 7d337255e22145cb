//! Families of addresses that the program listens on.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use anyhow::{Result, ensure};

use crate::{
    process::{WebhookProcess, connect},
    program::{Files, NAME},
};

/// Whether this machine has IPv6.
fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[test]
fn on_all_addresses_it_answers_over_ipv4_and_over_ipv6() -> Result<()> {
    let files = Files::new()?;
    let process = WebhookProcess::start(files.command(&["--listen", "[::]:0"]))?;
    let port = process.address.port();
    let mut loopbacks = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))];
    if has_ipv6() {
        ensure!(process.address.is_ipv6(), "{}", process.address);
        loopbacks.push(SocketAddr::from((Ipv6Addr::LOCALHOST, port)));
    }
    for address in loopbacks {
        // The handshake trusts the program's certificate alone.
        connect(address, &files.certificate, NAME)?;
    }
    Ok(())
}

#[test]
fn on_an_ipv6_address_it_answers_there_alone() -> Result<()> {
    if !has_ipv6() {
        println!("skipped: this machine has no IPv6");
        return Ok(());
    }
    let files = Files::new()?;
    let process = WebhookProcess::start(files.command(&["--listen", "[::1]:0"]))?;
    connect(process.address, &files.certificate, NAME)?;
    let other = SocketAddr::from((Ipv4Addr::LOCALHOST, process.address.port()));
    ensure!(connect(other, &files.certificate, NAME).is_err(), "it listens on {other}, too");
    Ok(())
}
