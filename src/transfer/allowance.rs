//! What requests may still carry: taken before an attempt begins, so that a cap is never exceeded.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::measure::Operation;
use crate::prices::{Prices, Usd};
use crate::storj::calls_of;

/// Caps that jobs share, and what was spent of them. Locked twice an attempt, not on the way of the data.
#[derive(Debug)]
pub struct Allowance {
    caps: Caps,
    account: Mutex<Account>,
}

/// What may be spent at most.
#[derive(Clone, Debug, Default)]
pub struct Caps {
    /// Payload bytes, both ways together.
    pub bytes: Option<u64>,
    /// Money.
    pub cost: Option<Usd>,
    /// What it costs.
    pub prices: Prices,
    /// How long objects are kept before they are deleted.
    pub kept: Duration,
}

/// What was spent. Bytes are those that passed the sockets, of failed attempts too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// Payload to the bucket.
    pub bytes_up: u64,
    /// Payload from the bucket.
    pub bytes_down: u64,
    /// Attempts of requests.
    pub requests: u64,
    /// Storage for its least time, and egress. Parts of uploads that were aborted are counted as
    /// stored (ASSUMPTION).
    pub cost: Usd,
}

impl Spent {
    /// Both ways.
    pub fn bytes(&self) -> u64 {
        self.bytes_up.saturating_add(self.bytes_down)
    }
}

impl std::ops::Add for Spent {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            bytes_up: self.bytes_up.saturating_add(other.bytes_up),
            bytes_down: self.bytes_down.saturating_add(other.bytes_down),
            requests: self.requests.saturating_add(other.requests),
            cost: Usd(self.cost.0 + other.cost.0),
        }
    }
}

#[derive(Debug, Default)]
struct Account {
    spent: Spent,
    /// Of attempts under way.
    held_bytes: u64,
    held_cost: f64,
}

/// Taken for one request. What its attempt does not carry is given back.
#[derive(Debug)]
pub(super) struct Held<'a> {
    allowance: Option<&'a Allowance>,
    operation: Operation,
    bytes: u64,
    is_open: bool,
}

impl Allowance {
    /// Nothing is spent yet, or so much.
    pub fn new(caps: Caps, spent: Spent) -> Self {
        Self { caps, account: Mutex::new(Account { spent, ..Account::default() }) }
    }

    /// What is left, for one of so many that spend by themselves.
    #[must_use]
    pub fn share(&self, of: u32) -> Self {
        let spent = self.spent();
        let bytes = |cap: u64| cap.saturating_sub(spent.bytes()) / u64::from(of);
        let cost = |cap: Usd| Usd((cap.0 - spent.cost.0).max(0.0) / f64::from(of));
        let caps = Caps {
            bytes: self.caps.bytes.map(bytes),
            cost: self.caps.cost.map(cost),
            ..self.caps.clone()
        };
        Self::new(caps, Spent::default())
    }

    /// Adds what was spent elsewhere.
    pub fn add(&self, spent: Spent) {
        let mut account = self.account();
        account.spent = account.spent + spent;
    }

    /// The caps.
    pub fn caps(&self) -> &Caps {
        &self.caps
    }

    /// What was spent so far, without what is under way.
    pub fn spent(&self) -> Spent {
        self.account().spent
    }

    /// What so many bytes cost in one request of this operation.
    pub fn cost(&self, operation: Operation, bytes: u64) -> Usd {
        let Caps { prices, kept, .. } = &self.caps;
        match operation {
            Operation::Get => prices.egress(bytes),
            Operation::Put => prices.storage(prices.object(bytes, u64::MAX), *kept),
            Operation::Part => prices.storage(prices.part(bytes), *kept),
            _ => Usd::default(),
        }
    }

    fn take(&self, operation: Operation, bytes: u64) -> bool {
        let cost = self.cost(operation, bytes).0;
        let mut account = self.account();
        let taken_bytes = account.spent.bytes().saturating_add(account.held_bytes);
        let taken_cost = account.spent.cost.0 + account.held_cost;
        let fits = self.caps.bytes.is_none_or(|cap| taken_bytes.saturating_add(bytes) <= cap)
            && self.caps.cost.is_none_or(|cap| taken_cost + cost <= cap.0);
        if fits {
            account.held_bytes += bytes;
            account.held_cost += cost;
        }
        fits
    }

    fn settle(&self, operation: Operation, bytes: u64, carried: u64) {
        let (held, cost) = (self.cost(operation, bytes).0, self.cost(operation, carried));
        let mut account = self.account();
        account.held_bytes = account.held_bytes.saturating_sub(bytes);
        account.held_cost = (account.held_cost - held).max(0.0);
        account.spent.requests += 1;
        match operation {
            Operation::Get => account.spent.bytes_down += carried,
            _ => account.spent.bytes_up += carried,
        }
        account.spent.cost += cost;
    }

    fn give_back(&self, operation: Operation, bytes: u64) {
        let mut account = self.account();
        account.held_bytes = account.held_bytes.saturating_sub(bytes);
        account.held_cost = (account.held_cost - self.cost(operation, bytes).0).max(0.0);
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Held<'a> {
    /// For an attempt without payload, which always fits.
    pub(super) fn nothing(allowance: Option<&'a Allowance>, operation: Operation) -> Self {
        Self { allowance, operation, bytes: 0, is_open: true }
    }

    /// For one attempt; `None` if it could break a cap.
    pub(super) fn take(
        allowance: Option<&'a Allowance>,
        operation: Operation,
        bytes: u64,
    ) -> Option<Self> {
        let mut held = Self { allowance, operation, bytes, is_open: false };
        held.take_again().then_some(held)
    }

    /// What each attempt costs of Storj's calls.
    pub(super) fn calls(&self) -> u32 {
        calls_of(self.operation, self.bytes)
    }

    /// For another attempt. Whether there was enough.
    pub(super) fn take_again(&mut self) -> bool {
        let moves = self.operation.moves_data();
        let take = |from: &Allowance| !moves || from.take(self.operation, self.bytes);
        self.is_open = self.allowance.is_none_or(take);
        self.is_open
    }

    /// The attempt is over and carried so much.
    pub(super) fn settle(&mut self, carried: u64) {
        if let Some(allowance) = self.allowance.filter(|_| self.is_open) {
            allowance.settle(self.operation, self.bytes, carried);
        }
        self.is_open = false;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(allowance) = self.allowance.filter(|_| self.is_open) {
            allowance.give_back(self.operation, self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MIB;
    use proptest::prelude::*;

    fn allowance(bytes: u64, usd: f64) -> Allowance {
        let caps = Caps { bytes: Some(bytes), cost: Some(Usd(usd)), ..Caps::default() };
        Allowance::new(caps, Spent::default())
    }

    proptest! {
        #[test]
        fn caps_hold_whatever_attempts_carry(
            cap in 0_u64..200 * MIB,
            usd in 0.0_f64..0.002,
            attempts in prop::collection::vec(
                (0_usize..3, 0_u64..100 * MIB, 0.0_f64..1.0, any::<bool>()), 0..60,
            ),
        ) {
            let allowance = allowance(cap, usd);
            let mut under_way = Vec::new();
            for (operation, bytes, share, settles) in attempts {
                let operation = [Operation::Put, Operation::Part, Operation::Get][operation];
                let held = Held::take(Some(&allowance), operation, bytes);
                under_way.extend(held.map(|held| (held, (bytes as f64 * share) as u64)));
                if settles && let Some((mut held, carried)) = under_way.pop() {
                    held.settle(carried);
                }
                prop_assert!(allowance.spent().bytes() <= cap);
                prop_assert!(allowance.spent().cost.0 <= usd + 1e-12);
            }
            drop(under_way);
            let account = allowance.account();
            prop_assert_eq!(account.held_bytes, 0);
            prop_assert!(account.held_cost < 1e-12);
        }
    }

    #[test]
    fn what_was_not_carried_is_given_back() {
        let allowance = allowance(100, 1.0);
        let mut held = Held::take(Some(&allowance), Operation::Get, 80).unwrap();
        assert!(Held::take(Some(&allowance), Operation::Get, 21).is_none());
        held.settle(30);
        assert!(Held::take(Some(&allowance), Operation::Get, 71).is_none());
        assert!(Held::take(Some(&allowance), Operation::Get, 70).is_some());
        assert_eq!((allowance.spent().bytes_down, allowance.spent().requests), (30, 1));
    }

    #[test]
    fn shares_of_what_is_left_are_within_it_and_what_they_spent_is_added() {
        let whole = allowance(100, 1.0);
        Held::take(Some(&whole), Operation::Get, 10).unwrap().settle(10);
        let shares = [(); 3].map(|()| whole.share(3));
        for share in &shares {
            assert_eq!(share.caps().bytes, Some(30));
            assert!(Held::take(Some(share), Operation::Get, 31).is_none());
            Held::take(Some(share), Operation::Get, 30).unwrap().settle(30);
        }
        shares.iter().for_each(|share| whole.add(share.spent()));
        assert_eq!((whole.spent().bytes(), whole.spent().requests), (100, 4));
        assert!(Held::take(Some(&whole), Operation::Get, 1).is_none());
    }

    #[test]
    fn the_money_is_that_of_the_prices() {
        let allowance = allowance(u64::MAX, 1e9);
        let tb = 1_000_000_000_000;
        let cost = |operation| (allowance.cost(operation, tb).0 * 1e6).round() / 1e6;
        assert_eq!((cost(Operation::Get), cost(Operation::Part)), (7.0, 7.0));
        assert_eq!(allowance.cost(Operation::Put, 1), allowance.cost(Operation::Part, 50_000));
        assert_eq!(allowance.cost(Operation::Create, 0), Usd(0.0));
    }
}
