//! The commands that set a concurrency in Globus, on a DTN or from any machine, and those that undo them.

use super::gcs::GcsOptions;
use super::gcs_endpoint::NetworkLevels;
use crate::result::{Command, ForGcs, GCS, GLOBUS_CLI};

/// What sets it for the endpoint, what for one storage gateway, and what undoes either; nothing where the endpoint is
/// set to these numbers. First comes what sets most of what is known.
pub(super) fn globus_commands(found: &ForGcs, options: &GcsOptions) -> Vec<Command> {
    let wanted = options.levels(found.concurrency);
    let gateway = Command::new(GCS, "this storage gateway only", for_gateway(wanted, options));
    let endpoint = Command::new(
        GCS,
        "the whole endpoint (all its gateways)",
        format!("{ENDPOINT_UPDATE} {}", wanted.flags()),
    );
    let remote = Command::new(
        GLOBUS_CLI,
        "the whole endpoint, from any machine",
        format!("{} {}", remote_update(options), wanted.flags()),
    );
    let set = match options.endpoint {
        Some(_) if options.is_set(found.concurrency) => return Vec::new(),
        Some(_) => [remote, endpoint, gateway],
        None => [gateway, endpoint, remote],
    };
    set.into_iter().chain(undoing(options)).collect()
}

const ENDPOINT_UPDATE: &str = "globus-connect-server endpoint update";

/// In place of IDs that are not known, as Globus's own help writes them.
const STORAGE_GATEWAY_ID: &str = "STORAGE_GATEWAY_ID";
const ENDPOINT_ID: &str = "ENDPOINT_ID";

/// GCS refuses the name of a gateway: "... is not a valid UUID" (seen by jrussell9000/cloudpipe at 027e342).
const NOT_ITS_NAME: &str = "# STORAGE_GATEWAY_ID is the UUID that globus-connect-server storage-gateway list shows, not the name";

const TO_DEFAULT: &str = "# to GCS's default; if something else was set before, put that back";

/// Of a storage gateway, whose numbers are its own: nobody has told those it has now. That its options are named
/// as the endpoint's is an ASSUMPTION.
fn gateway_update(options: &GcsOptions) -> String {
    let id = options.storage_gateway.map(|id| id.to_string());
    let id = id.as_deref().unwrap_or(STORAGE_GATEWAY_ID);
    format!("globus-connect-server storage-gateway update s3 {id}")
}

fn for_gateway(wanted: NetworkLevels, options: &GcsOptions) -> String {
    let update = format!("{} {}", gateway_update(options), wanted.flags());
    match options.storage_gateway {
        Some(_) => update,
        None => format!("{NOT_ITS_NAME}\n{update}"),
    }
}

fn remote_update(options: &GcsOptions) -> String {
    let id = options.endpoint.map(|endpoint| endpoint.id.to_string());
    format!("globus gcs endpoint update {}", id.as_deref().unwrap_or(ENDPOINT_ID))
}

/// On the DTN for both, and from any machine for the endpoint: to what it had, if that is known.
fn undoing(options: &GcsOptions) -> [Command; 2] {
    let gateway = format!("{TO_DEFAULT}\n{} --network-use normal", gateway_update(options));
    let remote = remote_update(options);
    let (on_dtn, from_afar) = match options.endpoint {
        Some(endpoint) => {
            let flags = endpoint.flags();
            let on_dtn = format!(
                "# the endpoint, to what it had\n{ENDPOINT_UPDATE} {flags}\n# the storage gateway\n{gateway}"
            );
            (on_dtn, format!("# to what it had\n{remote} {flags}"))
        }
        None => (
            format!("{gateway}\n{ENDPOINT_UPDATE} --network-use normal"),
            format!("{TO_DEFAULT}\n{remote} --network-use normal"),
        ),
    };
    [
        Command::new(GCS, "to undo both", on_dtn),
        Command::new(GLOBUS_CLI, "to undo it, from any machine", from_afar),
    ]
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::Value;
    use uuid::Uuid;

    use super::super::gcs::held_down;
    use super::super::gcs_endpoint::GcsEndpoint;
    use super::super::gcs_endpoint::tests::{custom, document};
    use super::*;

    fn all(concurrency: u32, options: &GcsOptions) -> Vec<Command> {
        globus_commands(&held_down(concurrency, None, options), options)
    }

    /// Network use in the documents `endpoint#1.2.0` and `storage_gateway#1.3.0` of the GCS Manager API
    /// (globus/globus-sdk-javascript, src/open-api/types/gcs/v5.4.ts at a30fbfb): the numbers belong to
    /// `custom`, which needs all four.
    #[derive(Clone, Debug, PartialEq, Deserialize)]
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

    /// What all commands of a program send, in order.
    fn sent_by(program: &str, commands: &[Command]) -> Vec<(String, NetworkUse)> {
        let texts = commands.iter().filter(|command| command.program == program);
        let lines = texts.flat_map(|command| command.text.lines());
        lines.filter(|line| !line.starts_with('#')).map(sent).collect()
    }

    fn to(concurrency: [u32; 2], parallelism: [u32; 2]) -> NetworkUse {
        let [preferred_concurrency, max_concurrency] = concurrency;
        let [preferred_parallelism, max_parallelism] = parallelism;
        NetworkUse::Custom {
            max_concurrency,
            preferred_concurrency,
            max_parallelism,
            preferred_parallelism,
        }
    }

    const GATEWAY: &str = "globus-connect-server storage-gateway update s3 STORAGE_GATEWAY_ID";
    const ENDPOINT: &str = "globus-connect-server endpoint update";

    #[test]
    fn the_commands_make_documents_of_gcs_schema_and_are_undone_to_its_default() {
        let options = GcsOptions { parallelism: Some((3, 6)), ..GcsOptions::default() };
        let commands = all(16, &options);
        let (wanted, normal) = (to([16, 16], [3, 6]), NetworkUse::Normal {});
        let by = |objects: [&str; 2], uses: [&NetworkUse; 2]| -> Vec<(String, NetworkUse)> {
            objects.into_iter().map(str::to_owned).zip(uses.into_iter().cloned()).collect()
        };
        let on_dtn = sent_by(GCS, &commands);
        assert_eq!(on_dtn[..2], by([GATEWAY, ENDPOINT], [&wanted, &wanted]));
        assert_eq!(on_dtn[2..], by([GATEWAY, ENDPOINT], [&normal, &normal]));
        let remote = ["globus gcs endpoint update ENDPOINT_ID"; 2];
        assert_eq!(sent_by(GLOBUS_CLI, &commands), by(remote, [&wanted, &normal]));
    }

    #[test]
    fn an_endpoint_that_is_known_is_set_first_and_put_back_to_what_it_had() {
        let options = GcsOptions { endpoint: Some(custom(8, 16)), ..GcsOptions::default() };
        let commands = all(24, &options);
        assert_eq!(commands[0].program, GLOBUS_CLI);
        let id = "globus gcs endpoint update c574170d-3690-4343-bd16-2c9e49bd1ab0";
        let [set, undone] = &sent_by(GLOBUS_CLI, &commands)[..] else { panic!("{commands:?}") };
        // Its parallelism stays as it is.
        assert_eq!(*set, (id.to_owned(), to([24, 24], [3, 6])));
        assert_eq!(*undone, (id.to_owned(), to([8, 16], [3, 6])));
        assert!(sent_by(GCS, &commands).contains(&(ENDPOINT.to_owned(), to([8, 16], [3, 6]))));
    }

    #[test]
    fn a_preset_is_put_back_by_its_name() {
        let endpoint = GcsEndpoint::read(&document(r#""network_use": "aggressive""#)).unwrap();
        let options = GcsOptions { endpoint: Some(endpoint), ..GcsOptions::default() };
        let undone = sent_by(GLOBUS_CLI, &all(24, &options)).pop().unwrap();
        assert_eq!(undone.1, NetworkUse::Aggressive {});
    }

    #[test]
    fn an_endpoint_that_has_the_numbers_needs_no_command() {
        let options = GcsOptions { endpoint: Some(custom(16, 16)), ..GcsOptions::default() };
        assert_eq!(all(16, &options), []);
        let found = held_down(16, None, &options);
        assert!(found.remarks[0].starts_with("nothing to change"), "{found:?}");
        // A limit above what is preferred lets the other endpoint ask for more.
        let open = GcsOptions { endpoint: Some(custom(16, 32)), ..GcsOptions::default() };
        assert!(!all(16, &open).is_empty());
    }

    #[test]
    fn a_storage_gateway_is_named_by_its_uuid_or_said_to_need_it() {
        let unknown = &all(8, &GcsOptions::default())[0].text;
        assert!(unknown.contains("UUID") && unknown.contains(GATEWAY), "{unknown}");
        let id = Uuid::from_u128(7);
        let options = GcsOptions { storage_gateway: Some(id), ..GcsOptions::default() };
        let known = &all(8, &options)[0].text;
        assert!(known.contains(&format!("update s3 {id} --network-use")), "{known}");
        assert!(!known.contains('#'), "{known}");
    }
}
