//! What Prometheus reads of this process: metric families in its formats, over HTTP or in a file.
//!
//! Who has something to tell is a [`Collector`]: it is asked when somebody reads, and until then costs nothing. An
//! [`Exporter`] answers and writes on a thread of its own, so that neither a reader nor a slow disk holds up data.

mod exporter;
mod exposition;
mod families;

pub use exporter::{Destinations, Exporter};
pub use exposition::Exposition;
pub use families::{Families, Labels, Unit};
pub use prometheus_client::collector::Collector;
pub use prometheus_client::encoding::DescriptorEncoder;
