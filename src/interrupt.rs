//! Ctrl-C: the first stops the work and lets the clean-up run, the second ends the process at once.
//! A terminal that goes away (SIGHUP) counts as a first one only: there is nobody to press it twice.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::terminal;

/// Whether the user has asked to stop (SIGINT, SIGTERM or SIGHUP), or this program for a reason of its own.
#[derive(Clone, Debug)]
pub struct Interrupt {
    asked: watch::Receiver<bool>,
    stopped: Option<watch::Receiver<bool>>,
}

/// Stops work as the user would.
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// From now on it is asked for.
    pub fn now(&self) {
        self.0.send_replace(true);
    }
}

impl Interrupt {
    /// Takes over the signals of this process. Call it within a tokio runtime, once.
    ///
    /// # Errors
    /// If the system refuses the signal handlers.
    pub fn install() -> Result<Self> {
        let (mut interrupts, mut terminations, mut hang_ups) = (
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        );
        let (ask, asked) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupts.recv() => {}
                _ = terminations.recv() => {}
                _ = hang_ups.recv() => {}
            }
            ask.send_replace(true);
            terminal::say(
                "tidegate: stopping and cleaning up; press Ctrl-C again to leave at once",
            );
            tokio::select! { _ = interrupts.recv() => {}, _ = terminations.recv() => {} }
            terminal::say(
                "tidegate: left without cleaning up; `tidegate clean TARGET --dry-run` says what is left there",
            );
            std::process::exit(130);
        });
        Ok(Self { asked, stopped: None })
    }

    /// Of a user who never asks.
    #[cfg(test)]
    pub(crate) fn never() -> Self {
        Self { asked: watch::channel(false).1, stopped: None }
    }

    /// The same for some work that may have to stop for another reason, too.
    pub fn or_stopped(&self) -> (Self, Stop) {
        let (stop, stopped) = watch::channel(false);
        (Self { asked: self.asked.clone(), stopped: Some(stopped) }, Stop(stop))
    }

    /// Waits until somebody asks to stop; for ever if that never happens.
    pub async fn asked(&self) {
        match &self.stopped {
            None => is_set(&self.asked).await,
            Some(stopped) => tokio::select! {
                () = is_set(&self.asked) => {}
                () = is_set(stopped) => {}
            },
        }
    }

    /// Does work that may be dropped half-way, unless the user asks to stop.
    ///
    /// # Errors
    /// The work's, or that the user interrupted.
    pub async fn unless_asked<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.asked() => Err(Error::interrupted()),
            done = work => done,
        }
    }
}

async fn is_set(flag: &watch::Receiver<bool>) {
    if flag.clone().wait_for(|is_set| *is_set).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn listen(kind: SignalKind) -> Result<Signal> {
    signal(kind).map_err(|error| Error::environment(format!("cannot listen for Ctrl-C: {error}")))
}
