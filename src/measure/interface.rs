//! What network interfaces carry and could carry, as Linux's sysfs says
//! (`Documentation/ABI/testing/sysfs-class-net` and `-statistics`). Elsewhere nothing is known.

use std::collections::BTreeMap;
use std::path::Path;

use crate::result::InterfaceUse;
use std::net::IpAddr;
use std::time::Duration;

/// Where Linux describes its interfaces.
const SYSFS: &str = "/sys/class/net";

/// What all interfaces have carried since the machine started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces(BTreeMap<String, Carried>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Carried {
    received_bytes: u64,
    sent_bytes: u64,
}

impl Interfaces {
    /// As of now.
    pub fn now() -> Self {
        Self::below(Path::new(SYSFS))
    }

    fn below(directory: &Path) -> Self {
        let Ok(entries) = std::fs::read_dir(directory) else { return Self::default() };
        let carried = entries.flatten().filter_map(|entry| {
            let counter = |name: &str| number(&entry.path().join("statistics").join(name));
            let carried =
                Carried { received_bytes: counter("rx_bytes")?, sent_bytes: counter("tx_bytes")? };
            Some((entry.file_name().to_string_lossy().into_owned(), carried))
        });
        Self(carried.collect())
    }

    /// What those carried since `earlier` that have one of these addresses.
    pub fn since(
        &self,
        earlier: &Self,
        elapsed: Duration,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Vec<InterfaceUse> {
        let mut used = Vec::<InterfaceUse>::new();
        for address in addresses {
            let Some(name) = with_address(address) else { continue };
            if used.iter().all(|interface| interface.name != name) {
                used.extend(self.one_since(earlier, elapsed, name, address.is_loopback()));
            }
        }
        used
    }

    fn one_since(
        &self,
        earlier: &Self,
        elapsed: Duration,
        name: String,
        loopback: bool,
    ) -> Option<InterfaceUse> {
        let (now, then) = (self.0.get(&name)?, earlier.0.get(&name)?);
        let seconds = elapsed.as_secs_f64();
        let per_second = |now: u64, then: u64| {
            if seconds > 0.0 { now.saturating_sub(then) as f64 / seconds } else { 0.0 }
        };
        Some(InterfaceUse {
            speed_bits_per_second: speed(&Path::new(SYSFS).join(&name)),
            loopback,
            received_bytes_per_second: per_second(now.received_bytes, then.received_bytes),
            sent_bytes_per_second: per_second(now.sent_bytes, then.sent_bytes),
            name,
        })
    }
}

/// The link's speed. `None` where it has none (loopback), where its driver does not know it (virtio),
/// and where it is a constant of the driver and no property of a link (veth, tun): only a device and
/// what is stacked on one (bond, VLAN, bridge) are believed.
fn speed(interface: &Path) -> Option<u64> {
    let is_stacked = || {
        let entries = std::fs::read_dir(interface).ok()?;
        let mut names = entries.flatten().map(|entry| entry.file_name());
        names.any(|name| name.to_string_lossy().starts_with("lower_")).then_some(())
    };
    if !interface.join("device").exists() {
        is_stacked()?;
    }
    // In Mbit/s; -1 is "unknown" and no number here.
    Some(number(&interface.join("speed"))? * 1_000_000).filter(|speed| *speed > 0)
}

fn number(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The name of the interface that has this address; `None` if none has, or the system does not say.
fn with_address(address: IpAddr) -> Option<String> {
    let all = if_addrs::get_if_addrs().ok()?;
    all.into_iter().find(|interface| interface.ip() == address).map(|interface| interface.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// An interface as sysfs shows it, with the given entries beside its counters.
    fn interface(directory: &Path, name: &str, entries: &[(&str, &str)]) {
        let path = directory.join(name);
        fs::create_dir_all(path.join("statistics")).unwrap();
        for (entry, content) in entries {
            fs::write(path.join(entry), content).unwrap();
        }
    }

    #[test]
    fn the_speed_of_a_device_and_of_what_is_stacked_on_one_is_known() {
        let sysfs = tempfile::tempdir().unwrap();
        let speed_of = |name, entries: &[(&str, &str)]| {
            interface(sysfs.path(), name, entries);
            speed(&sysfs.path().join(name))
        };
        assert_eq!(speed_of("eth0", &[("device", ""), ("speed", "25000\n")]), Some(25_000_000_000));
        assert_eq!(
            speed_of("bond0", &[("lower_eth0", ""), ("speed", "50000\n")]),
            Some(50_000_000_000)
        );
    }

    #[test]
    fn a_speed_that_is_no_property_of_a_link_is_unknown() {
        let sysfs = tempfile::tempdir().unwrap();
        let speed_of = |name, entries: &[(&str, &str)]| {
            interface(sysfs.path(), name, entries);
            speed(&sysfs.path().join(name))
        };
        assert_eq!(speed_of("virtio", &[("device", ""), ("speed", "-1\n")]), None);
        assert_eq!(speed_of("veth1", &[("speed", "10000\n")]), None);
        assert_eq!(speed_of("lo", &[]), None);
    }

    #[test]
    fn counters_are_read_and_subtracted() {
        let sysfs = tempfile::tempdir().unwrap();
        let counted = |received: &str, sent: &str| {
            interface(
                sysfs.path(),
                "eth0",
                &[("statistics/rx_bytes", received), ("statistics/tx_bytes", sent)],
            );
            Interfaces::below(sysfs.path())
        };
        let (then, now) = (counted("1000\n", "50\n"), counted("5000\n", "250\n"));
        let used = now.one_since(&then, Duration::from_secs(2), "eth0".into(), false).unwrap();
        assert_eq!((used.received_bytes_per_second, used.sent_bytes_per_second), (2000.0, 100.0));
        let none = now.one_since(&then, Duration::from_secs(2), "eth1".into(), false);
        assert!(none.is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_interface_of_loopback_is_found_by_its_address_and_has_no_speed() {
        let (then, now) = (Interfaces::now(), Interfaces::now());
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        let used = now.since(&then, Duration::from_secs(1), [loopback, loopback]);
        assert_eq!(used.len(), 1, "{used:?}");
        assert_eq!((used[0].speed_bits_per_second, used[0].loopback), (None, true));
    }
}
