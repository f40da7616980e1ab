//! Ctrl-C and SIGTERM: the first stops gracefully, the second at once.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// What a shell expects after a program was interrupted.
const INTERRUPTED: i32 = 130;

/// Becomes true at the first signal; at the second the process ends with 130. Call inside the runtime.
///
/// # Errors
/// If the signals cannot be caught.
pub fn on_signals() -> anyhow::Result<watch::Receiver<bool>> {
    on_signals_saying("stopping: nobody enters any more, areas save")
}

/// As [`on_signals`], and says so in these words.
///
/// # Errors
/// If the signals cannot be caught.
pub fn on_signals_saying(text: &'static str) -> anyhow::Result<watch::Receiver<bool>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be caught")?;
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be caught")?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        next(&mut interrupt, &mut terminate).await;
        eprintln!("\n{text}; Ctrl-C again ends at once");
        // Nobody listens any more if all roles have ended by themselves.
        let _ = stop.send(true);
        next(&mut interrupt, &mut terminate).await;
        std::process::exit(INTERRUPTED);
    });
    Ok(stopped)
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Waits until the receiver says stop, or its sender is gone.
pub async fn wait(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop too.
    let _ = stopped.wait_for(|stop| *stop).await;
}
