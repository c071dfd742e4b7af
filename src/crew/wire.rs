//! How messages get from one DTN to another.

/// A way to all others. Nothing of it waits, and messages from one to another arrive in the order in which they were
/// sent.
pub trait Wire {
    /// Number of this end, from 0.
    fn rank(&self) -> u32;
    /// How many ends there are.
    fn size(&self) -> u32;
    /// Sends a message to another end.
    fn send(&self, to: u32, message: &[u8]);
    /// A message that has come, and from which end. An empty one says that nothing more will come from there.
    fn receive(&self) -> Option<(u32, Vec<u8>)>;
}

/// A wire with one end.
pub(super) struct Alone;

impl Wire for Alone {
    fn rank(&self) -> u32 {
        0
    }

    fn size(&self) -> u32 {
        1
    }

    fn send(&self, _: u32, _: &[u8]) {}

    fn receive(&self) -> Option<(u32, Vec<u8>)> {
        None
    }
}
