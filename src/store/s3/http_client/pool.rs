//! Idle connections, by where they lead. The last one returned is the first one taken: its TCP window
//! is the widest, and it is the least likely to have been closed by the server.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::connect::Origin;
use super::connection::HttpConnection;

/// The idle connections of one store.
///
/// It needs no limit of its own: it never holds more than were in use at the same time.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<HashMap<Origin, Vec<HttpConnection>>>);

impl Pool {
    /// An idle connection that is still open, if there is one.
    pub(super) async fn take(&self, origin: &Origin) -> Option<HttpConnection> {
        loop {
            let mut connection = self.lock().get_mut(origin)?.pop()?;
            if connection.is_ready().await {
                return Some(connection);
            }
        }
    }

    /// Takes back a connection whose answer was read to its end.
    pub(super) fn put(&self, origin: Origin, mut connection: HttpConnection) {
        connection.leave();
        if connection.has_sent_all() {
            self.lock().entry(origin).or_default().push(connection);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Origin, Vec<HttpConnection>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
