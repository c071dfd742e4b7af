//! One request under way: its place inside, its counters and its line in the log. All of them end
//! when it is dropped, be it that all was sent, or that the client went away.

use super::gate::Pass;
use super::log::Entry;
use super::seat::Busy;
use super::statistics::Counted;

/// One request under way.
#[derive(Debug)]
pub struct UnderWay {
    /// Its counters.
    pub counted: Counted,
    /// Its line in the log, if there is one.
    pub entry: Option<Entry>,
    /// That it was let in; none if it was refused.
    pub pass: Option<Pass>,
    /// That its connection is not idle.
    pub _busy: Busy,
}

impl UnderWay {
    /// The head of the answer is made.
    pub fn answered(&mut self, status: u16, error: Option<String>) {
        self.counted.answered(status);
        if let Some(entry) = &mut self.entry {
            entry.answered(status, error);
        }
    }

    /// So many bytes of the answer's body were handed over.
    pub fn sends(&mut self, bytes: u64) {
        self.counted.bytes_out += bytes;
        if let Some(entry) = &mut self.entry {
            entry.bytes_out += bytes;
        }
    }

    /// All of the answer was handed over.
    pub fn sent(&mut self) {
        self.counted.sent();
        if let Some(entry) = &mut self.entry {
            entry.sent();
        }
    }
}
