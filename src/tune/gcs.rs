//! A recommendation for GCS: one number of files in flight, for a connector whose part size it cannot set.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use uuid::Uuid;

use super::blocks::{Blocks, Levels};
use super::gcs_endpoint::{GcsEndpoint, NetworkLevels};
use super::margin::MARGIN;
use super::search::Search;
use super::{GCS_NORMAL_CONCURRENCY, GCS_NORMAL_PARALLELISM};
use crate::result::{ForGcs, Settings};
use crate::units::ByteSize;
use crate::words;

/// What the GCS command depends on beside the measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcsOptions {
    /// Part size of the S3 connector, if known.
    pub connector_part_size_bytes: Option<u64>,
    /// Parts of a file that the S3 connector has in flight; 1 if nobody looked.
    pub connector_parts_in_flight: Option<u32>,
    /// Caps the printed number; never the search.
    pub dtn_cores: Option<u32>,
    /// Preferred and highest concurrency of the other endpoint, if known.
    pub peer: Option<(u32, u32)>,
    /// Preferred and highest parallelism to set; otherwise those of the endpoint, or GCS's `normal`.
    pub parallelism: Option<(u32, u32)>,
    /// The endpoint as it is set now, if that is known.
    pub endpoint: Option<GcsEndpoint>,
    /// The storage gateway, if it is known.
    pub storage_gateway: Option<Uuid>,
    /// Servers of the endpoint, which share its files in flight; 1 if nobody says.
    pub servers: Option<NonZeroU32>,
    /// Of these, those that were measured together; 1 if nobody says.
    pub measured: Option<NonZeroU32>,
    /// Transfers at a time that the S3 endpoint lets all servers have together, if that is known.
    pub transfers_max: Option<u32>,
}

impl GcsOptions {
    /// Servers of the endpoint.
    pub fn servers(&self) -> u32 {
        self.servers.map_or(1, NonZeroU32::get).max(self.measured())
    }

    fn measured(&self) -> u32 {
        self.measured.map_or(1, NonZeroU32::get)
    }

    /// How far the settings that the connector can have came in these blocks.
    pub(super) fn levels_of(&self, blocks: &Blocks) -> Levels {
        let parts_in_flight = self.connector_parts_in_flight.unwrap_or(1);
        Levels::of(blocks, parts_in_flight, self.connector_part_size_bytes)
    }

    /// What the endpoint is to have with so many files in flight. Preferred and highest are the same, so that no other
    /// endpoint gets more.
    pub(super) fn levels(&self, concurrency: u32) -> NetworkLevels {
        let levels = self.endpoint.and_then(|endpoint| endpoint.levels());
        let set = levels.map(|levels| (levels.preferred_parallelism, levels.max_parallelism));
        let (preferred_parallelism, max_parallelism) =
            self.parallelism.or(set).unwrap_or(GCS_NORMAL_PARALLELISM);
        NetworkLevels {
            preferred_concurrency: concurrency,
            max_concurrency: concurrency,
            preferred_parallelism,
            max_parallelism,
        }
    }

    /// Whether the endpoint is known to have what so many files in flight would set.
    pub(super) fn is_set(&self, concurrency: u32) -> bool {
        let levels = self.endpoint.and_then(|endpoint| endpoint.levels());
        levels == Some(self.levels(concurrency))
    }
}

/// What to set for a connector whose part size we cannot. Where that is known, or only one was measured, and it is
/// the recommended one, so is the concurrency. Otherwise it is the one that loses least in the worst case over
/// the part sizes that it may have; of those within the margin of that, the smallest.
///
/// `None` where other parts of one file were in flight than the connector has, which sends its blocks in order if
/// nobody saw more: then at most one number, what is set now, was tried as it sends, and there is nothing to
/// compare that with.
pub fn for_gcs(search: &Search, recommended: Settings, options: &GcsOptions) -> Option<ForGcs> {
    let levels = options.levels_of(&search.raced().and(search.confirmed()));
    let is_connectors = recommended.parts_in_flight == levels.parts_in_flight;
    let is_only_one = levels.part_sizes == BTreeSet::from([recommended.part_size_bytes]);
    if is_connectors && (is_only_one || levels.part_sizes.is_empty()) {
        return Some(held_down(recommended.concurrency, None, options));
    }
    if levels.concurrencies().len() < 2 {
        return None;
    }
    let worst = |concurrency: u32| {
        let one = |part_size: &u64| levels.share(levels.settings(*part_size, concurrency));
        let shares: Option<Vec<f64>> = levels.part_sizes.iter().map(one).collect();
        Some((concurrency, shares?.into_iter().fold(1.0, f64::min)))
    };
    let worst: Vec<(u32, f64)> = levels.concurrencies().into_iter().filter_map(worst).collect();
    let least_loss = worst.iter().map(|(_, share)| *share).fold(0.0, f64::max);
    let (concurrency, share) =
        worst.into_iter().find(|(_, share)| *share >= least_loss * (1.0 - MARGIN))?;
    let remark = at_the_connectors_parts(recommended, concurrency, share, options);
    Some(held_down(concurrency, Some(remark), options))
}

/// Why it is this number, and what it carries at its worst.
fn at_the_connectors_parts(
    measured: Settings,
    concurrency: u32,
    share: f64,
    options: &GcsOptions,
) -> String {
    let part_size_bytes = options.connector_part_size_bytes;
    let gcs = ForGcs { concurrency, servers: 1, part_size_bytes, remarks: Vec::new() };
    let best = if gcs.is(measured) {
        String::new()
    } else {
        format!("{} measured best, but ", words::settings(measured))
    };
    let loss = words::whole_percent(1.0 - share);
    match part_size_bytes.map(ByteSize) {
        Some(size) => format!(
            "{best}the connector sends parts of {size}, and with those {concurrency} loses {loss} against their best"
        ),
        None => format!(
            "{best}the connector's part size is not known, and {concurrency} loses at most {loss} against the best of each that was tried (`tidegate observe` finds it)"
        ),
    }
}

/// So many files in flight for each server of the endpoint, as far as the DTN, the S3 endpoint and the other end let
/// them.
pub(super) fn held_down(measured: u32, remark: Option<String>, options: &GcsOptions) -> ForGcs {
    let of_one = options.dtn_cores.map_or(measured, |cores| measured.min(cores));
    let servers = options.servers();
    let of_all = of_one.saturating_mul(servers);
    let concurrency = options.transfers_max.map_or(of_all, |most| of_all.min(most.max(of_one)));
    let mut remarks = Vec::from_iter(remark);
    if of_one < measured {
        remarks
            .push(format!("{measured} measured best; {of_one} is the number of the DTN's cores"));
    }
    let measured = match options.measured() {
        1 => "only this one was".to_owned(),
        several => format!("only {several} of them were"),
    };
    if servers > options.measured() {
        remarks.push(format!(
            "{of_one} for each of the endpoint's {servers} servers: {measured} measured; that the others carry as much, and what they share carries all of it, is an ASSUMPTION"
        ));
    }
    if concurrency < of_all {
        remarks.push(format!("{of_all} would be more than the {concurrency} transfers at a time that the S3 endpoint allows"));
    }
    if let Some((preferred, max)) = options.peer {
        // From memory of Globus's documentation (ASSUMPTION): the larger of both preferred values,
        // held down by the smaller of both limits.
        let effective = concurrency.max(preferred).min(concurrency.min(max));
        remarks.push(format!(
            "with a peer of {preferred} preferred and {max} at most a transfer gets {effective} (ASSUMPTION)"
        ));
    }
    if options.is_set(concurrency) {
        remarks.push("nothing to change: the endpoint has these numbers already".into());
    }
    let part_size_bytes = options.connector_part_size_bytes;
    ForGcs { concurrency, servers, part_size_bytes, remarks }
}

/// The settings a transfer has before anybody tunes: GCS's `normal`.
pub fn untuned(part_size_bytes: u64) -> Settings {
    Settings { part_size_bytes, concurrency: GCS_NORMAL_CONCURRENCY.0, parts_in_flight: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MIB;

    fn settings() -> Settings {
        Settings { part_size_bytes: 64 * MIB, concurrency: 8, parts_in_flight: 1 }
    }

    #[test]
    fn a_number_other_than_the_measured_best_is_explained() {
        let of = |concurrency| {
            at_the_connectors_parts(settings(), concurrency, 0.9, &GcsOptions::default())
        };
        assert!(of(16).starts_with(
            "64 MiB parts, concurrency 8 measured best, but the connector's part size"
        ));
        assert!(
            of(8).starts_with("the connector's part size is not known, and 8 loses at most 10 %")
        );
    }

    #[test]
    fn the_cores_cap_the_number_and_the_measured_one_stands_beside_it() {
        let options = GcsOptions { dtn_cores: Some(4), ..GcsOptions::default() };
        let found = held_down(8, None, &options);
        assert_eq!((found.concurrency, found.remarks.len()), (4, 1));
        assert!(found.remarks[0].starts_with("8 measured best; 4 is"), "{found:?}");
    }

    #[test]
    fn a_normal_peer_holds_the_number_down() {
        let options = GcsOptions { peer: Some((2, 4)), ..GcsOptions::default() };
        let found = held_down(16, None, &options);
        assert!(found.remarks[0].contains("a transfer gets 4"), "{found:?}");
    }

    #[test]
    fn each_server_of_an_endpoint_gets_what_one_measured() {
        let servers = NonZeroU32::new(3);
        let options = GcsOptions { servers, ..GcsOptions::default() };
        let found = held_down(8, None, &options);
        assert_eq!((found.concurrency, found.servers), (24, 3));
        assert!(found.is(settings()) && found.remarks[0].contains("ASSUMPTION"), "{found:?}");
    }

    #[test]
    fn servers_together_get_no_more_than_the_s3_endpoint_allows() {
        let servers = NonZeroU32::new(3);
        let options = GcsOptions { servers, transfers_max: Some(500), ..GcsOptions::default() };
        assert_eq!(held_down(100, None, &options).concurrency, 300);
        let found = held_down(200, None, &options);
        assert_eq!(found.concurrency, 500);
        assert!(found.remarks[1].contains("600 would be more"), "{found:?}");
    }
}
