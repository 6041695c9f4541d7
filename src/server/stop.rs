//! What ends the server in order.

/// Done when the process is told to stop: Ctrl-C, SIGTERM, SIGQUIT, or SIGHUP, which comes when the
/// terminal is closed; that one does not count where it was ignored at start, as under `nohup`.
#[cfg(unix)]
pub async fn stop_signal() {
    use tokio::signal::unix::SignalKind;
    tokio::select! {
        () = told(SignalKind::interrupt()) => {}
        () = told(SignalKind::terminate()) => {}
        () = told(SignalKind::quit()) => {}
        () = told(SignalKind::hangup()), if !ignores_hangup() => {}
    }
}

/// The same where there are no signals: Ctrl-C.
#[cfg(not(unix))]
pub async fn stop_signal() {
    let _ = tokio::signal::ctrl_c().await;
}

#[cfg(unix)]
async fn told(kind: tokio::signal::unix::SignalKind) {
    match tokio::signal::unix::signal(kind) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        // It ends the process out of order, as it does by itself; the others still count.
        Err(error) => {
            tracing::warn!(%error, "a signal cannot be listened to: {error}");
            std::future::pending().await
        }
    }
}

#[cfg(unix)]
fn ignores_hangup() -> bool {
    // SAFETY: without a new action only the present one is written, into a value that lives long
    // enough and of which all zeros are a valid one (sigaction(2)).
    #[allow(unsafe_code)]
    unsafe {
        let mut present: libc::sigaction = std::mem::zeroed();
        let asked = libc::sigaction(libc::SIGHUP, std::ptr::null(), &mut present);
        asked == 0 && present.sa_sigaction == libc::SIG_IGN
    }
}
