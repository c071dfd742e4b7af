//! A session in simulated time: on a thread of its own, so that Ctrl-C is still heard on this one.

use std::future::Future;

use tokio::sync::oneshot;

use crate::clock;
use crate::error::{Error, Result};

/// Does all of `work` in simulated time.
///
/// # Errors
/// The work's.
pub async fn in_simulated_time<T, F>(work: impl FnOnce() -> F + Send + 'static) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>>,
{
    let (sender, done) = oneshot::channel();
    let simulate = move || {
        // Nobody to hear of it any more: then nobody misses it.
        let _ = sender.send(clock::simulate(work()));
    };
    let thread = std::thread::Builder::new().name("simulation".into()).spawn(simulate);
    thread.map_err(|error| Error::environment(format!("cannot start a thread: {error}")))?;
    // The panic itself is on standard error already.
    done.await.map_err(|_| Error::environment("the simulation panicked: this is a bug"))?
}
