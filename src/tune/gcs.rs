//! A recommendation for GCS: one number of files in flight, for a connector whose part size it cannot set.

use std::collections::BTreeSet;

use super::decide::MARGIN;
use super::levels::Levels;
use super::search::Search;
use super::{GCS_NORMAL_CONCURRENCY, GCS_NORMAL_PARALLELISM};
use crate::result::{Command, ForGcs, GCS, Settings};
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
    /// Preferred and highest parallelism as they are now; GCS's `normal` otherwise.
    pub parallelism: Option<(u32, u32)>,
}

/// What to set for a connector whose part size we cannot. Where that is known, or only one was measured, and it is
/// the recommended one, so is the concurrency. Otherwise it is the one that loses least in the worst case over
/// the part sizes that it may have; of those within the margin of that, the smallest.
///
/// `None` where other parts of one file were in flight than the connector has, which sends its blocks in order if
/// nobody saw more: then at most one number, what is set now, was tried as it sends, and there is nothing to
/// compare that with.
pub fn for_gcs(search: &Search, recommended: Settings, options: &GcsOptions) -> Option<ForGcs> {
    let levels = Levels::of(&search.raced().and(search.confirmed()), options);
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
    let gcs = ForGcs { concurrency, part_size_bytes, remarks: Vec::new() };
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

/// So many files in flight, as far as the DTN and the other endpoint let them.
pub(super) fn held_down(measured: u32, remark: Option<String>, options: &GcsOptions) -> ForGcs {
    let concurrency = options.dtn_cores.map_or(measured, |cores| measured.min(cores));
    let mut remarks = Vec::from_iter(remark);
    if concurrency < measured {
        remarks.push(format!(
            "{measured} measured best; {concurrency} is the number of the DTN's cores"
        ));
    }
    if let Some((preferred, max)) = options.peer {
        // From memory of Globus's documentation (ASSUMPTION): the larger of both preferred values,
        // held down by the smaller of both limits.
        let effective = concurrency.max(preferred).min(concurrency.min(max));
        remarks.push(format!(
            "with a peer of {preferred} preferred and {max} at most a transfer gets {effective} (ASSUMPTION)"
        ));
    }
    ForGcs { concurrency, part_size_bytes: options.connector_part_size_bytes, remarks }
}

/// For the storage gateway, for the endpoint, and to undo both.
pub(super) fn gcs_commands(found: &ForGcs, options: &GcsOptions) -> [Command; 3] {
    let gateway = "storage-gateway update s3 STORAGE_GATEWAY_ID";
    let undo = "--network-use normal";
    let revert = format!(
        "# to GCS's default; if something else was set before, put that back\nglobus-connect-server {gateway} {undo}\nglobus-connect-server endpoint update {undo}"
    );
    [
        Command::new(GCS, "this storage gateway only", gcs(gateway, found, options)),
        Command::new(
            GCS,
            "the whole endpoint (all its gateways)",
            gcs("endpoint update", found, options),
        ),
        Command::new(GCS, "to undo both", revert),
    ]
}

/// `network_use: custom` needs all four numbers (GCS Endpoint and StorageGateway 1.3.0 schemas).
/// That the storage gateway's options are named as the endpoint's is an ASSUMPTION.
fn gcs(object: &str, found: &ForGcs, options: &GcsOptions) -> String {
    let concurrency = found.concurrency;
    let (parallelism, parallelism_max) = options.parallelism.unwrap_or(GCS_NORMAL_PARALLELISM);
    format!(
        "globus-connect-server {object} --network-use custom --max-concurrency {concurrency} --preferred-concurrency {concurrency} --max-parallelism {parallelism_max} --preferred-parallelism {parallelism}"
    )
}

/// The settings a transfer has before anybody tunes: GCS's `normal`.
pub fn untuned(part_size_bytes: u64) -> Settings {
    Settings { part_size_bytes, concurrency: GCS_NORMAL_CONCURRENCY.0, parts_in_flight: 1 }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::Value;

    use super::*;
    use crate::units::MIB;

    fn settings() -> Settings {
        Settings { part_size_bytes: 64 * MIB, concurrency: 8, parts_in_flight: 1 }
    }

    fn texts(concurrency: u32, options: &GcsOptions) -> [String; 3] {
        gcs_commands(&held_down(concurrency, None, options), options).map(|command| command.text)
    }

    #[test]
    fn the_gcs_commands_carry_all_four_numbers() {
        let [gateway, endpoint, _] = texts(8, &GcsOptions::default());
        for command in [gateway, endpoint] {
            for flag in [
                "--network-use custom",
                "--max-concurrency 8",
                "--preferred-concurrency 8",
                "--max-parallelism 8",
                "--preferred-parallelism 4",
            ] {
                assert!(command.contains(flag), "{flag} is missing in {command}");
            }
        }
    }

    /// Network use in the documents `endpoint#1.2.0` and `storage_gateway#1.3.0` of the GCS Manager API
    /// (globus/globus-sdk-javascript, src/open-api/types/gcs/v5.4.ts at a30fbfb): the numbers belong to
    /// `custom`, which needs all four.
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "network_use", rename_all = "snake_case", deny_unknown_fields)]
    enum NetworkUse {
        Normal {},
        Minimal {},
        Aggressive {},
        Custom {
            max_concurrency: u32,
            preferred_concurrency: u32,
            max_parallelism: u32,
            preferred_parallelism: u32,
        },
    }

    /// A command's object, and the document that its flags make.
    fn sent(command: &str) -> (String, NetworkUse) {
        let (object, flags) = command.split_once(" --").expect("flags");
        let fields = flags.split(" --").map(|flag| {
            let (name, value) = flag.split_once(' ').expect("a value for each flag");
            let number = value.parse::<u32>().map(Value::from);
            (name.replace('-', "_"), number.unwrap_or_else(|_| value.into()))
        });
        let document = Value::Object(fields.collect());
        let network_use = serde_json::from_value(document.clone());
        (object.into(), network_use.unwrap_or_else(|error| panic!("{document}: {error}")))
    }

    #[test]
    fn the_gcs_commands_make_documents_of_its_schema() {
        let options = GcsOptions { parallelism: Some((3, 6)), ..GcsOptions::default() };
        let [to_gateway, to_endpoint, revert] = texts(16, &options);
        let custom = || NetworkUse::Custom {
            max_concurrency: 16,
            preferred_concurrency: 16,
            max_parallelism: 6,
            preferred_parallelism: 3,
        };
        let without_remarks = |text: &str| -> Vec<(String, NetworkUse)> {
            text.lines().filter(|line| !line.starts_with('#')).map(sent).collect()
        };
        let gateway = "globus-connect-server storage-gateway update s3 STORAGE_GATEWAY_ID";
        let endpoint = "globus-connect-server endpoint update";
        assert_eq!(without_remarks(&to_gateway), [(gateway.into(), custom())]);
        assert_eq!(without_remarks(&to_endpoint), [(endpoint.into(), custom())]);
        let normal = |object: &str| (object.to_owned(), NetworkUse::Normal {});
        assert_eq!(without_remarks(&revert), [normal(gateway), normal(endpoint)]);
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
}
