//! tidegate measures and tunes the transfer of large research datasets to and from Storj, driven the
//! way a Globus S3 storage gateway drives them.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod cli;
pub mod clock;
pub mod dataset;
pub mod error;
pub mod gateway;
pub mod interrupt;
pub mod measure;
pub mod report;
pub mod result;
pub mod session;
pub mod stats;
pub mod store;
pub mod storj;
pub mod transfer;
pub mod trial;
pub mod tune;
pub mod units;
