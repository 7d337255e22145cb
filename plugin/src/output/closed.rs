//! Noticing that nobody reads the output any more.

/// Waits until the reader of the pipe on standard output is gone. Where that cannot be noticed, as for
/// a file, it waits for ever.
#[cfg(unix)]
pub async fn stdout_is_closed() {
    use std::os::fd::AsFd;

    use tokio::{io::Interest, net::unix::pipe::Sender};

    let stdout = std::io::stdout().as_fd().try_clone_to_owned();
    // Nothing is written through this, so that it need not be in non-blocking mode.
    if let Ok(pipe) = stdout.and_then(Sender::from_owned_fd_unchecked) {
        while let Ok(ready) = pipe.ready(Interest::ERROR).await {
            if ready.is_error() {
                return;
            }
        }
    }
    std::future::pending::<()>().await;
}

/// Waits for ever: the next write shows it.
#[cfg(not(unix))]
pub async fn stdout_is_closed() {
    std::future::pending::<()>().await;
}
