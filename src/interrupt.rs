//! Ctrl-C: the first stops the work and lets the clean-up run, the second ends the process at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::error::{Error, Result};

/// Whether the user has asked to stop (SIGINT or SIGTERM).
#[derive(Clone, Debug)]
pub struct Interrupt {
    asked: watch::Receiver<bool>,
}

impl Interrupt {
    /// Takes over the signals of this process. Call it within a tokio runtime, once.
    ///
    /// # Errors
    /// If the system refuses the signal handlers.
    pub fn install() -> Result<Self> {
        let refused = |error| Error::environment(format!("cannot listen for Ctrl-C: {error}"));
        let mut interrupts = signal(SignalKind::interrupt()).map_err(refused)?;
        let mut terminations = signal(SignalKind::terminate()).map_err(refused)?;
        let (ask, asked) = watch::channel(false);
        tokio::spawn(async move {
            let mut next = async || {
                tokio::select! { _ = interrupts.recv() => {}, _ = terminations.recv() => {} }
            };
            next().await;
            eprintln!("tidegate: stopping and cleaning up; press Ctrl-C again to leave at once");
            ask.send_replace(true);
            next().await;
            eprintln!("tidegate: left without cleaning up");
            std::process::exit(130);
        });
        Ok(Self { asked })
    }

    /// Waits until the user asks to stop; for ever if that never happens.
    pub async fn asked(&self) {
        let mut asked = self.asked.clone();
        if asked.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether the user has asked to stop.
    pub fn is_asked(&self) -> bool {
        *self.asked.borrow()
    }
}
