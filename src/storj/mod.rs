//! Storj without HTTP: its buckets, objects and multipart uploads with their rules, and what a request
//! to it takes ([`Model`]).
//!
//! Everything here is a plain value that is told what happens and when; nothing reads a clock, waits,
//! or does I/O. [`crate::gateway`] speaks for it over sockets in real time; [`crate::store::model`]
//! in simulated time. The rules were observed on a real network (satellite `storj/storj@5dbec64`,
//! gateway `storj/gateway-st@90ba168`) unless a comment names another source.

mod bucket;
mod buckets;
mod calls;
mod carried;
mod course;
mod fair;
mod limiter;
mod limits;
mod link;
mod listing;
mod model;
pub mod nodes;
mod number;
mod object;
mod objects;
mod refusal;
mod segments;
mod tag;
mod weather;

pub use bucket::{
    Bucket, Deleted, Listed, ListedPart, ObjectLock, Overwrite, Part, PartNumber, Rules, Upload,
    UploadId, VersionId, Versioning,
};
pub use buckets::{Admission, Buckets};
pub use calls::calls_of;
pub use carried::Stretch;
pub use course::{Course, Timing};
pub use fair::FairLink;
pub use limiter::{Admitted, Ask, Limited, Limiter};
pub use limits::Limits;
pub use link::{Flow, Lane, Link, QUANTUM_BYTES};
pub use listing::{Listing, Query, folded};
pub use model::{Capacity, Model, SelfHosted};
pub use nodes::Nodes;
pub use object::{Attributes, Object, Piece};
pub use refusal::Refusal;
pub use segments::segments_of;
pub use tag::Tag;
pub use weather::{Forecast, Weather};
