//! What went to each address of the endpoint's name, and what by each address of this machine.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Outcome, Probe};
use crate::measure::Connecting;
use crate::result::AddressUse;

/// The addresses at one end of the connections of a thread, or of a trial.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct AddressTally(BTreeMap<IpAddr, AddressUse>);

impl AddressTally {
    /// An attempt over a connection with this address is over. One that got no connection has none.
    pub(super) fn add(&mut self, address: Option<IpAddr>, probe: &Probe, outcome: Outcome) {
        let Some(address) = address else { return };
        let used = self.0.entry(address).or_default();
        used.connections += u64::from(matches!(probe.connecting(), Some(Connecting::New { .. })));
        used.attempts += 1;
        match outcome {
            Outcome::Ok => used.payload_bytes += probe.payload_bytes(),
            Outcome::Failed(_) => used.failed_attempts += 1,
            Outcome::Cut | Outcome::UnderWay => {}
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (address, more) in other.0 {
            let used = self.0.entry(address).or_default();
            used.connections += more.connections;
            used.attempts += more.attempts;
            used.failed_attempts += more.failed_attempts;
            used.payload_bytes += more.payload_bytes;
        }
    }

    /// In the words of the result.
    pub(super) fn summary(&self) -> Vec<AddressUse> {
        let named = |(address, used): (&IpAddr, &AddressUse)| AddressUse {
            address: address.to_string(),
            ..used.clone()
        };
        self.0.iter().map(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::measure::{FailureClass, SocketUse};
    use std::time::Duration;

    fn attempt(tally: &mut AddressTally, address: &str, new: bool, outcome: Outcome) {
        let probe = Probe::begin(&Default::default(), clock::now());
        let zero = Duration::ZERO;
        probe.connected(match new {
            true => Connecting::New { dns: zero, tcp: zero, tls: zero },
            false => Connecting::Reused,
        });
        probe.payload_sent(100);
        let remote = Some(address.parse().unwrap());
        probe.socket_left(SocketUse { remote, ..SocketUse::default() });
        tally.add(remote, &probe, outcome);
    }

    #[test]
    fn each_address_has_figures_of_its_own_over_all_threads() {
        let failed = Outcome::Failed(FailureClass::Server);
        let (mut one, mut other) = (AddressTally::default(), AddressTally::default());
        attempt(&mut one, "192.0.2.1", true, Outcome::Ok);
        attempt(&mut one, "192.0.2.1", false, Outcome::Ok);
        attempt(&mut one, "192.0.2.2", true, failed);
        attempt(&mut other, "192.0.2.1", true, Outcome::Cut);
        one.add(None, &Probe::begin(&Default::default(), clock::now()), failed);
        one.merge(other);
        let of = |address: &str, connections, attempts, failed_attempts, payload_bytes| {
            let address = address.to_owned();
            AddressUse { address, connections, attempts, failed_attempts, payload_bytes }
        };
        let expected = [of("192.0.2.1", 2, 3, 0, 200), of("192.0.2.2", 1, 1, 1, 0)];
        assert_eq!(one.summary(), expected);
    }
}
