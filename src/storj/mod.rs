//! Storj without HTTP: its buckets, objects and multipart uploads with their rules, and the link
//! towards it.
//!
//! Everything here is a plain value that is told what happens and when; nothing reads a clock, waits,
//! or does I/O. [`crate::gateway`] speaks for it over sockets in real time; a store in virtual time
//! can use the same types. The rules were observed on a real network (satellite `storj/storj@5dbec64`,
//! gateway `storj/gateway-st@90ba168`) unless a comment names another source.

mod bucket;
mod buckets;
mod link;
mod listing;
mod object;
mod refusal;
mod tag;
mod upload;

pub use bucket::{Bucket, Overwrite};
pub use buckets::{Admission, Buckets};
pub use link::{Direction, Flow, Lane, Link, Model, QUANTUM_BYTES};
pub use listing::{Listing, Query};
pub use object::{Attributes, Object, Piece};
pub use refusal::Refusal;
pub use tag::Tag;
pub use upload::{ListedPart, Part, PartNumber, Upload, UploadId};
