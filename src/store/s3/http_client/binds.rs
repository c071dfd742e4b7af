//! The addresses and interfaces of this machine that connections leave by, in turn: a node with several links to the
//! network fills only one of them by itself.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::net::TcpSocket;

use crate::error::{Error, Result};

/// The longest name that Linux gives an interface (IFNAMSIZ in `linux/if.h`, which counts the zero at its end).
const INTERFACE_NAME_MAX: usize = 15;

/// What connections leave by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// An address of this machine. Which link its packets take is for the routes to say.
    Address(IpAddr),
    /// An interface of this machine, whatever the routes say (SO_BINDTODEVICE, socket(7)).
    Interface(String),
}

impl FromStr for Bind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            if address.is_unspecified() {
                return Err(format!("{address} stands for all addresses: name one"));
            }
            return Ok(Self::Address(address));
        }
        // `dev_valid_name` of Linux's net/core/dev.c.
        let is_of_a_name = |c: char| !c.is_whitespace() && !['/', ':'].contains(&c);
        let is_name = (1..=INTERFACE_NAME_MAX).contains(&text.len());
        if is_name && text.chars().all(is_of_a_name) && ![".", ".."].contains(&text) {
            return Ok(Self::Interface(text.to_owned()));
        }
        Err("write an address or an interface of this machine, such as 10.0.0.7 or eth1".into())
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Interface(name) => name.fmt(f),
        }
    }
}

impl Bind {
    /// Sees that a connection could leave by it.
    ///
    /// # Errors
    /// If this machine has none such, or does not let this user have it.
    pub(in crate::store::s3) fn check(&self) -> Result<()> {
        let to = match self {
            Self::Address(address) => *address,
            Self::Interface(_) => Ipv4Addr::UNSPECIFIED.into(),
        };
        let bound = || self.apply(&socket_to((to, 0).into())?);
        bound().map_err(|error| {
            Error::environment(format!("no connection can leave by {self}: {error}"))
                .hint("name an address or an interface of this machine with --bind: `ip address` lists them")
        })
    }

    /// Whether a connection to this address can leave by it, as far as its kind goes.
    pub(super) fn is_for(&self, remote: IpAddr) -> bool {
        match self {
            Self::Address(address) => address.is_ipv4() == remote.is_ipv4(),
            Self::Interface(_) => true,
        }
    }

    pub(super) fn apply(&self, socket: &TcpSocket) -> io::Result<()> {
        match self {
            Self::Address(address) => socket.bind((*address, 0).into()),
            #[cfg(target_os = "linux")]
            Self::Interface(name) => socket.bind_device(Some(name.as_bytes())),
            #[cfg(not(target_os = "linux"))]
            Self::Interface(_) => Err(io::Error::from(io::ErrorKind::Unsupported)),
        }
    }
}

/// A socket of the family that reaches an address.
pub(super) fn socket_to(address: SocketAddr) -> io::Result<TcpSocket> {
    match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }
}

/// What the connections of all threads leave by.
#[derive(Debug, Default)]
pub(in crate::store::s3) struct Binds {
    all: Vec<Bind>,
    turn: AtomicUsize,
}

impl Binds {
    /// These; none leaves it to the system.
    pub(in crate::store::s3) fn new(all: Vec<Bind>) -> Self {
        Self { all, turn: AtomicUsize::default() }
    }

    /// Whether a connection to this address can leave.
    pub(super) fn reach(&self, remote: IpAddr) -> bool {
        self.all.is_empty() || self.all.iter().any(|bind| bind.is_for(remote))
    }

    /// All that a connection to this address can leave by; `None` is the system's choice.
    pub(super) fn to(&self, remote: IpAddr) -> Vec<Option<&Bind>> {
        if self.all.is_empty() {
            return vec![None];
        }
        self.all.iter().filter(|bind| bind.is_for(remote)).map(Some).collect()
    }

    /// The one of these whose turn it is.
    pub(super) fn next_to(&self, remote: IpAddr) -> Option<&Bind> {
        let all = self.to(remote);
        let turn = self.turn.fetch_add(1, Relaxed);
        all.get(turn % all.len().max(1)).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bind(text: &str) -> Bind {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_and_interfaces_are_told_apart() {
        assert_eq!(bind("10.0.0.7"), Bind::Address([10, 0, 0, 7].into()));
        assert!(matches!(bind("2001:db8::1"), Bind::Address(IpAddr::V6(_))));
        for name in ["eth1", "enp129s0f0np0", "bond0.100", "mlx5_0"] {
            assert_eq!(bind(name), Bind::Interface(name.to_owned()));
        }
        for wrong in
            ["", "0.0.0.0", "::", "10.0.0.7:80", "an interface", "a-name-that-is-long", "../x"]
        {
            assert!(wrong.parse::<Bind>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn connections_leave_evenly_by_all_that_reach_an_address(
            fours in 0_u8..5,
            sixes in 0_u16..5,
            rounds in 1_usize..5,
        ) {
            let four = (0..fours).map(|last| Bind::Address([192, 0, 2, last].into()));
            let six = (0..sixes).map(|last| Bind::Address([0x2001, 0xdb8, 0, 0, 0, 0, 0, last].into()));
            let binds = Binds::new(four.chain(six).collect());
            for remote in [IpAddr::from([198, 51, 100, 1]), "2001:db8:1::1".parse().unwrap()] {
                let fit = binds.to(remote).len();
                prop_assert_eq!(binds.reach(remote), fit > 0);
                let mut carried = vec![0; usize::from(fours) + usize::from(sixes)];
                for _ in 0..rounds * fit {
                    let Some(next) = binds.next_to(remote) else { break };
                    prop_assert!(next.is_for(remote));
                    carried[binds.all.iter().position(|one| one == next).unwrap()] += 1;
                }
                let used = carried.iter().filter(|times| **times > 0);
                if fours + sixes as u8 > 0 {
                    prop_assert!(used.clone().all(|times| *times == rounds), "{carried:?}");
                    prop_assert_eq!(used.count(), fit);
                }
            }
        }
    }

    #[tokio::test]
    async fn what_this_machine_does_not_have_is_refused_with_a_next_step() {
        bind("127.0.0.1").check().unwrap();
        // Of a network for documentation (RFC 5737), and no name that a driver gives.
        for other in ["192.0.2.77", "tidegate-no-if"] {
            let error = bind(other).check().unwrap_err().to_string();
            assert!(error.contains(other) && error.contains("ip address"), "{error}");
        }
    }
}
