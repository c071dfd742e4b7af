//! A recommendation in the words of GCS, rclone, the AWS CLI and s5cmd.

use std::collections::BTreeSet;

use super::decide::MARGIN;
use super::levels::Levels;
use super::programs::{Way, aws, rclone, s5cmd};
use super::search::Search;
use super::{GCS_NORMAL_CONCURRENCY, GCS_NORMAL_PARALLELISM};
use crate::result::{Commands, Settings};

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

/// The concurrency for a connector whose part size we cannot set. Where that is known, or only one was
/// measured, and it is the recommended one, so is the concurrency. Otherwise it is the one that loses least in
/// the worst case over the part sizes that it may have; of those within the margin of that, the smallest.
///
/// `None` before the race, and where other parts of one file were in flight than the connector has: it
/// sends its blocks in order, if nobody saw more.
pub fn gcs_concurrency(
    search: &Search,
    recommended: Settings,
    options: &GcsOptions,
) -> Option<u32> {
    let levels = Levels::of(&search.raced().and(search.confirmed()), options);
    if levels.part_sizes == BTreeSet::from([recommended.part_size_bytes])
        && recommended.parts_in_flight == levels.parts_in_flight
    {
        return Some(recommended.concurrency);
    }
    let worst = |concurrency: u32| {
        let one = |part_size: &u64| levels.share(levels.settings(*part_size, concurrency));
        let shares: Option<Vec<f64>> = levels.part_sizes.iter().map(one).collect();
        Some((concurrency, shares?.into_iter().fold(1.0, f64::min)))
    };
    let worst: Vec<(u32, f64)> = levels.concurrencies().into_iter().filter_map(worst).collect();
    let least_loss = worst.iter().map(|(_, share)| *share).fold(0.0, f64::max);
    worst.iter().find(|(_, share)| *share >= least_loss * (1.0 - MARGIN)).map(|(n, _)| *n)
}

/// Commands that set a recommendation for one way. `concurrency` is that of [`gcs_concurrency`].
pub fn commands(
    settings: Settings,
    concurrency: Option<u32>,
    options: &GcsOptions,
    way: Way,
) -> Commands {
    let [gcs_storage_gateway, gcs_endpoint, gcs_revert] = match concurrency {
        Some(concurrency) => gcs_commands(concurrency, settings, options),
        None => [(); 3].map(|()| NOT_FOR_GCS.to_owned()),
    };
    Commands {
        gcs_storage_gateway,
        gcs_endpoint,
        gcs_revert,
        rclone: rclone(settings, way),
        aws: aws(settings, way),
        s5cmd: s5cmd(settings, way),
    }
}

/// Instead of commands for GCS.
const NOT_FOR_GCS: &str = "# nothing for GCS: these trials had other parts of a file in flight than its connector, which has 1 unless --connector says more";

/// For the storage gateway, for the endpoint, and to undo both.
fn gcs_commands(concurrency: u32, best: Settings, options: &GcsOptions) -> [String; 3] {
    let printed = options.dtn_cores.map_or(concurrency, |cores| concurrency.min(cores));
    let mut remarks = String::new();
    if concurrency != best.concurrency {
        let why = match options.connector_part_size_bytes {
            Some(_) => "it is for the connector's parts, as far as they were tried".to_owned(),
            None => format!(
                "the connector's part size is not known, and over those tried {concurrency} loses least (`tidegate observe` finds it)"
            ),
        };
        remarks += &format!("# {concurrency} and not {}: {why}\n", best.concurrency);
    }
    if printed < concurrency {
        remarks +=
            &format!("# {concurrency} measured best; {printed} is the number of the DTN's cores\n");
    }
    if let Some((preferred, max)) = options.peer {
        // From memory of Globus's documentation (ASSUMPTION): the larger of both preferred values,
        // held down by the smaller of both limits.
        let effective = printed.max(preferred).min(printed.min(max));
        remarks += &format!(
            "# with a peer of {preferred} preferred / {max} max a transfer gets {effective} (ASSUMPTION)\n"
        );
    }
    let storage_gateway = gcs("storage-gateway update s3 STORAGE_GATEWAY_ID", printed, options);
    let endpoint = gcs("endpoint update", printed, options);
    let undo = "--network-use normal";
    let revert = format!(
        "# to GCS's default; if something else was set before, put that back\nglobus-connect-server storage-gateway update s3 STORAGE_GATEWAY_ID {undo}\nglobus-connect-server endpoint update {undo}"
    );
    [remarks + &storage_gateway, endpoint, revert]
}

/// `network_use: custom` needs all four numbers (GCS Endpoint and StorageGateway 1.3.0 schemas).
/// That the storage gateway's options are named as the endpoint's is an ASSUMPTION.
fn gcs(object: &str, concurrency: u32, options: &GcsOptions) -> String {
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

    #[test]
    fn the_gcs_commands_carry_all_four_numbers() {
        let commands = commands(settings(), Some(8), &GcsOptions::default(), Way::Up);
        for command in [commands.gcs_storage_gateway, commands.gcs_endpoint] {
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
        let all = commands(settings(), Some(16), &options, Way::Up);
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
        assert_eq!(without_remarks(&all.gcs_storage_gateway), [(gateway.into(), custom())]);
        assert_eq!(without_remarks(&all.gcs_endpoint), [(endpoint.into(), custom())]);
        let normal = |object: &str| (object.to_owned(), NetworkUse::Normal {});
        assert_eq!(without_remarks(&all.gcs_revert), [normal(gateway), normal(endpoint)]);
    }

    #[test]
    fn a_number_other_than_the_recommended_is_explained() {
        let same = commands(settings(), Some(8), &GcsOptions::default(), Way::Up);
        assert!(!same.gcs_storage_gateway.contains('#'), "{}", same.gcs_storage_gateway);
        let other = commands(settings(), Some(16), &GcsOptions::default(), Way::Up);
        assert!(other.gcs_storage_gateway.starts_with("# 16 and not 8: the connector's part size"));
    }

    #[test]
    fn several_parts_of_a_file_in_flight_say_nothing_of_gcs() {
        let commands = commands(settings(), None, &GcsOptions::default(), Way::Up);
        for command in [commands.gcs_storage_gateway, commands.gcs_endpoint, commands.gcs_revert] {
            assert!(command.starts_with("# nothing for GCS"), "{command}");
        }
    }

    #[test]
    fn the_cores_cap_the_printed_number_and_the_measured_one_stands_beside_it() {
        let options = GcsOptions { dtn_cores: Some(4), ..GcsOptions::default() };
        let commands = commands(settings(), Some(8), &options, Way::Up);
        assert!(commands.gcs_endpoint.contains("--max-concurrency 4 "));
        assert!(commands.gcs_storage_gateway.starts_with("# 8 measured best; 4 is"));
        assert!(commands.rclone.contains("--transfers 8 "));
    }

    #[test]
    fn a_normal_peer_holds_the_number_down() {
        let options = GcsOptions { peer: Some((2, 4)), ..GcsOptions::default() };
        let commands = commands(settings(), Some(16), &options, Way::Up);
        assert!(commands.gcs_storage_gateway.contains("a transfer gets 4"));
    }
}
