//! What the time of attempts is spent on.

use super::probe::{Connecting, Probe};
use crate::clock::Instant;
use crate::result::TimeSpent;

impl TimeSpent {
    /// Adds a successful attempt that ended at `ended`.
    ///
    /// Whatever was not seen (an answer that came before the request was sent whole) took no time, so that
    /// the sum stays the service time.
    pub(super) fn add(&mut self, probe: &Probe, ended: Instant) {
        let micros = |from: Instant, to: Instant| to.since(from).as_micros() as u64;
        let first_byte = probe.first_byte_at().unwrap_or(ended).min(ended);
        let sent = probe.sent_at().unwrap_or(first_byte).min(first_byte);
        let [dns, connect, tls] = match probe.connecting() {
            Some(Connecting::New { dns, tcp, tls }) => {
                [dns, tcp, tls].map(|time| time.as_micros() as u64)
            }
            Some(Connecting::Reused) | None => [0; 3],
        };
        self.dns += dns;
        self.connect += connect;
        self.tls += tls;
        self.send += micros(probe.began, sent).saturating_sub(dns + connect + tls);
        self.wait += micros(sent, first_byte);
        self.receive += micros(first_byte, ended);
    }

    /// Adds what another thread saw.
    pub(super) fn merge(&mut self, other: &Self) {
        self.dns += other.dns;
        self.connect += other.connect;
        self.tls += other.tls;
        self.send += other.send;
        self.wait += other.wait;
        self.receive += other.receive;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    /// An attempt with a known time in each of its stages, in milliseconds.
    fn spent(connecting: Option<Connecting>, [before, send, wait, receive]: [u64; 4]) -> TimeSpent {
        let ms = Duration::from_millis;
        clock::simulate(async {
            let probe = Probe::begin(&Default::default(), clock::now());
            clock::sleep(ms(before)).await;
            connecting.into_iter().for_each(|connecting| probe.connected(connecting));
            clock::sleep(ms(send)).await;
            probe.request_sent();
            clock::sleep(ms(wait)).await;
            probe.answer_began();
            clock::sleep(ms(receive)).await;
            let mut spent = TimeSpent::default();
            spent.add(&probe, clock::now());
            spent
        })
    }

    #[test]
    fn each_stage_gets_its_time_and_the_sum_is_the_service_time() {
        let [dns, tcp, tls] = [1, 2, 3].map(Duration::from_millis);
        let new = spent(Some(Connecting::New { dns, tcp, tls }), [6, 10, 20, 30]);
        let expected = TimeSpent {
            dns: 1_000,
            connect: 2_000,
            tls: 3_000,
            send: 10_000,
            wait: 20_000,
            receive: 30_000,
        };
        assert_eq!(new, expected);
        assert_eq!(new.total(), 66_000);
        let reused = spent(Some(Connecting::Reused), [0, 10, 20, 30]);
        assert_eq!((reused.tls, reused.total()), (0, 60_000));
    }
}
