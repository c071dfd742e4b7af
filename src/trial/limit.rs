//! What limited a trial: a verdict with its evidence in one sentence.
//!
//! The verdict is a pure function of what was observed. What is at its limit is named; the gateway or
//! the network are named when threads, source and destination were seen not to be; and where these could
//! not be seen, the verdict is "unknown". A link whose speed the system does not tell is part of the network,
//! and the evidence says so.

use super::used::Used;
use crate::result::{InterfaceUse, LimitedBy, TcpUse, ThreadUse};
use crate::units::{Rate, counted};
use crate::words::{percent, whole_percent};

/// A share of failed attempts above which they, and not the settings, explain the rate
/// (procedure in Abedi & Brecht, "Conducting Repeatable Experiments in Highly Variable Cloud
/// Computing Environments", ICPE 2017, asks for undisturbed trials; the number is an ASSUMPTION).
const FAILED_SHARE: f64 = 0.01;

/// A share of a thread's time, running or ready to run, above which this program is the limit
/// (ASSUMPTION).
const THREAD_SHARE: f64 = 0.85;

/// A share of the movers' time spent waiting for the source, or the destination, above which it is
/// the limit (ASSUMPTION).
const WAITED_SHARE: f64 = 0.5;

/// A share of the movers' time spent waiting for the pace that refusals have taught, above which that explains the
/// rate, however few requests are refused for it (ASSUMPTION).
const PACED_SHARE: f64 = 0.1;

/// A share of a link's speed above which it is full. Of Ethernet's bits at most 98.4 % are counted
/// (1,514 of 1,538 bytes of a full frame); the rest of the margin is an ASSUMPTION.
const LINK_SHARE: f64 = 0.9;

/// Others used the link when it carried more than this times what we did: heads and acknowledgements
/// are 5 % at an MTU of 1,500 (ASSUMPTION: clearly more).
const FOREIGN_FACTOR: f64 = 1.25;

/// A share of the time with data to send that a send buffer may hold it back before it is worth a
/// warning (ASSUMPTION).
const SEND_BUFFER_SHARE: f64 = 0.5;

/// What was seen of a trial.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    /// Attempts of all requests.
    pub(super) attempts: u64,
    /// Of these, those told to slow down.
    pub(super) throttled: u64,
    /// Of these, those that failed otherwise.
    pub(super) failed: u64,
    /// Share of the movers' time spent waiting for the pace that refusals have taught.
    pub(super) paced_share: f64,
    /// Of attempts that ended well, or were well on their way.
    pub(super) payload_bytes: u64,
    /// Per second in the window.
    pub(super) sent_bytes_per_second: f64,
    /// Per second in the window.
    pub(super) received_bytes_per_second: f64,
    /// Files arrived by themselves, and nearly all were moved as they came.
    pub(super) arrivals_set_the_rate: bool,
    /// A cap of ours that was used up, in a sentence.
    pub(super) capped: Option<String>,
    /// Nothing was sent: what this machine used says nothing.
    pub(super) simulated: bool,
    /// Threads that move data.
    pub(super) workers: usize,
    /// `None` when there was no window or it did not close.
    pub(super) used: Option<Used>,
    pub(super) tcp: Option<TcpUse>,
}

/// The verdict on one trial.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Limit {
    pub(super) limited_by: LimitedBy,
    pub(super) evidence: String,
}

/// Names the limit.
pub(super) fn judge(seen: &Observed) -> Limit {
    let (limited_by, evidence) = by_answers(seen)
        .or_else(|| by_nothing_to_do(seen))
        .or_else(|| seen.capped.clone().map(|cap| (LimitedBy::Cap, cap)))
        .or_else(|| seen.simulated.then(by_simulation))
        .or_else(|| seen.used.as_ref().and_then(|used| by_resources(used, seen.workers)))
        .unwrap_or_else(|| (LimitedBy::GatewayOrNetwork, nothing_else(seen)));
    Limit { limited_by, evidence }
}

type Verdict = Option<(LimitedBy, String)>;

fn by_answers(seen: &Observed) -> Verdict {
    let share = |attempts: u64| attempts as f64 / seen.attempts.max(1) as f64;
    if share(seen.throttled) > FAILED_SHARE {
        let evidence = format!(
            "{} of all its attempts, warm-up included, were told to slow down",
            whole_percent(share(seen.throttled))
        );
        return Some((LimitedBy::Throttled, evidence));
    }
    if seen.paced_share > PACED_SHARE {
        let evidence = format!(
            "{} of {} attempts were told to slow down, and workers then spent {} of their time waiting to keep the pace",
            seen.throttled,
            seen.attempts,
            whole_percent(seen.paced_share)
        );
        return Some((LimitedBy::Throttled, evidence));
    }
    let evidence = || format!("{} of the attempts failed", whole_percent(share(seen.failed)));
    (share(seen.failed) > FAILED_SHARE).then(|| (LimitedBy::Errors, evidence()))
}

fn by_nothing_to_do(seen: &Observed) -> Verdict {
    let why = if seen.payload_bytes == 0 {
        "no request with data succeeded"
    } else if seen.arrivals_set_the_rate {
        "files arrived more slowly than they could be moved, so their arrivals set the rate"
    } else if seen.used.is_none() && !seen.simulated {
        "there was no window in which all workers stayed busy to the end"
    } else {
        return None;
    };
    Some((LimitedBy::Unknown, why.into()))
}

/// The client of a simulation costs no time.
fn by_simulation() -> (LimitedBy, String) {
    let evidence = "in a simulation nothing but the modelled gateway and network takes time";
    (LimitedBy::GatewayOrNetwork, evidence.into())
}

fn by_resources(used: &Used, workers: usize) -> Verdict {
    if let Some(full) = used.interfaces.iter().find(|interface| is_full(interface)) {
        // Those beside it say whether there is room left.
        let others = used.interfaces.iter().filter(|other| other.name != full.name);
        let told: Vec<String> = std::iter::once(full).chain(others).map(carried).collect();
        return Some((LimitedBy::Nic, told.join("; ")));
    }
    match used.threads.first() {
        Some(busiest) if wanted(busiest) > THREAD_SHARE => {
            let others = used.machine_busy_share.filter(|_| busiest.ready_share > 0.01);
            let others = others.map_or(String::new(), |share| {
                format!(
                    "; all processors of this machine together were {} busy",
                    whole_percent(share)
                )
            });
            return Some((LimitedBy::ClientCpu, format!("{}{others}", busy(busiest))));
        }
        None if used.processors > THREAD_SHARE * workers as f64 => {
            let threads = counted(workers, "thread");
            let evidence = format!("tidegate used {:.1} processors for {threads}", used.processors);
            return Some((LimitedBy::ClientCpu, evidence));
        }
        _ => {}
    }
    let waited = |share: f64, what: &str| {
        (share > WAITED_SHARE)
            .then(|| format!("workers waited {} of the time for {what}", whole_percent(share)))
    };
    if let Some(evidence) = waited(used.source_waited_share, "the source") {
        return Some((LimitedBy::Source, evidence));
    }
    if let Some(evidence) = waited(used.destination_waited_share, "the destination") {
        return Some((LimitedBy::Destination, evidence));
    }
    // Together they wanted more than one thread can have: one of them may be at its limit.
    if used.threads.is_empty() && used.processors > THREAD_SHARE {
        let evidence = format!(
            "tidegate used {:.1} processors, and this system does not tell whether one of its {} was always busy",
            used.processors,
            counted(workers, "thread")
        );
        return Some((LimitedBy::Unknown, evidence));
    }
    None
}

/// What else was looked at and was not the limit.
fn nothing_else(seen: &Observed) -> String {
    let Some(used) = &seen.used else { return String::new() };
    let mut facts = vec![match used.threads.first() {
        Some(busiest) => busy(busiest),
        None => format!("tidegate used {:.1} processors", used.processors),
    }];
    facts.push(format!(
        "workers waited {} of the time for the source and {} for the destination",
        whole_percent(used.source_waited_share),
        whole_percent(used.destination_waited_share)
    ));
    facts.extend(used.interfaces.iter().map(carried));
    if used.interfaces.is_empty() {
        facts.push("the network interface is unknown".into());
    }
    facts.extend(seen.tcp.as_ref().map(connections));
    let failed = seen.failed + seen.throttled;
    facts.push(format!("{failed} of {} attempts failed", seen.attempts));
    facts.join("; ")
}

/// What a reader must know of the network before relying on the trial.
pub(super) fn warnings(seen: &Observed) -> Vec<String> {
    let Some(used) = &seen.used else { return Vec::new() };
    let real = || used.interfaces.iter().filter(|interface| !interface.loopback);
    let foreign = real().filter(|interface| {
        interface.sent_bytes_per_second > FOREIGN_FACTOR * seen.sent_bytes_per_second
            && seen.sent_bytes_per_second > seen.received_bytes_per_second
            || interface.received_bytes_per_second > FOREIGN_FACTOR * seen.received_bytes_per_second
                && seen.received_bytes_per_second > seen.sent_bytes_per_second
    });
    let mut warnings: Vec<String> = foreign
        .map(|interface| {
            format!(
                "{} carried clearly more than this trial: something else used the link at the same time",
                interface.name
            )
        })
        .collect();
    let held_back = seen.tcp.as_ref().and_then(|tcp| share(tcp.send_buffer_limited_s, tcp.busy_s));
    if real().next().is_some() && held_back.is_some_and(|share| share > SEND_BUFFER_SHARE) {
        warnings.push(
            "this machine's send buffers held the connections back: raise the maximum of net.ipv4.tcp_wmem".into(),
        );
    }
    warnings
}

fn busy(thread: &ThreadUse) -> String {
    let running = format!(
        "the busiest thread ({}) ran {} of the time",
        thread.name,
        whole_percent(thread.running_share)
    );
    match thread.ready_share > 0.01 {
        true => {
            format!("{running} and waited {} for a processor", whole_percent(thread.ready_share))
        }
        false => running,
    }
}

/// A thread that is ready but not running wants a processor as much as one that runs.
fn wanted(thread: &ThreadUse) -> f64 {
    thread.running_share + thread.ready_share
}

fn is_full(interface: &InterfaceUse) -> bool {
    link_share(interface).is_some_and(|share| share > LINK_SHARE)
}

/// Of the fuller direction.
fn link_share(interface: &InterfaceUse) -> Option<f64> {
    share(8.0 * carried_most(interface), interface.speed_bits_per_second? as f64)
}

fn carried_most(interface: &InterfaceUse) -> f64 {
    interface.sent_bytes_per_second.max(interface.received_bytes_per_second)
}

fn carried(interface: &InterfaceUse) -> String {
    let (name, rate) = (&interface.name, Rate(carried_most(interface)));
    match (link_share(interface), interface.speed_bits_per_second) {
        (Some(share), Some(speed)) => {
            format!("{name} carried {} of its {} Gbit/s", whole_percent(share), speed as f64 / 1e9)
        }
        _ if interface.loopback => format!("{name}, this machine's loopback, carried {rate}"),
        _ => format!("{name}, whose speed is unknown, carried {rate}"),
    }
}

fn connections(tcp: &TcpUse) -> String {
    let of_busy = |seconds: f64| share(seconds, tcp.busy_s).map_or("0 %".into(), whole_percent);
    let milliseconds = |time_us: u64| format!("{:.2} ms", time_us as f64 / 1e3);
    let least = tcp
        .round_trip_min_us
        .filter(|time_us| *time_us >= 5)
        .map_or(String::new(), |time| format!(" (least {})", milliseconds(time)));
    format!(
        "connections with data to send were held back by the receiver {} and by the send buffer {} of the time, {} of the bytes were sent again, the median round trip was {}{least}",
        of_busy(tcp.receive_window_limited_s),
        of_busy(tcp.send_buffer_limited_s),
        share(tcp.resent_bytes as f64, tcp.sent_bytes as f64).map_or("none".into(), percent),
        milliseconds(tcp.round_trip_us.p50),
    )
}

fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trial in which nothing was at its limit.
    fn calm() -> Observed {
        Observed {
            attempts: 1000,
            payload_bytes: 1,
            sent_bytes_per_second: 100e6,
            workers: 2,
            used: Some(Used {
                processors: 0.4,
                threads: vec![thread(0.2, 0.0)],
                interfaces: vec![interface(Some(10_000_000_000), 105e6)],
                ..Used::default()
            }),
            ..Observed::default()
        }
    }

    fn thread(running_share: f64, ready_share: f64) -> ThreadUse {
        ThreadUse { name: "workers-0".into(), running_share, ready_share }
    }

    fn interface(speed_bits_per_second: Option<u64>, sent_bytes_per_second: f64) -> InterfaceUse {
        InterfaceUse {
            name: "eth0".into(),
            speed_bits_per_second,
            sent_bytes_per_second,
            ..InterfaceUse::default()
        }
    }

    fn calm_but(change: impl FnOnce(&mut Used)) -> Observed {
        let mut seen = calm();
        change(seen.used.as_mut().expect("it was closed"));
        seen
    }

    fn verdict(seen: &Observed) -> LimitedBy {
        judge(seen).limited_by
    }

    /// Which verdicts a value gives at its border and just above.
    fn border(change: impl Fn(f64) -> Observed, at: f64) -> [LimitedBy; 2] {
        [verdict(&change(at - 1e-6)), verdict(&change(at + 1e-6))]
    }

    const OTHERWISE: LimitedBy = LimitedBy::GatewayOrNetwork;

    #[test]
    fn where_nothing_was_at_its_limit_it_is_the_gateway_or_the_network() {
        let limit = judge(&calm());
        assert_eq!(limit.limited_by, OTHERWISE);
        let told =
            ["workers-0) ran 20 %", "source", "eth0 carried 8 % of its 10 Gbit/s", "0 of 1000"];
        assert!(told.iter().all(|fact| limit.evidence.contains(fact)), "{}", limit.evidence);
    }

    #[test]
    fn more_than_one_in_a_hundred_attempts_explain_the_rate() {
        let throttled = |throttled| verdict(&Observed { throttled, ..calm() });
        assert_eq!([throttled(10), throttled(11)], [OTHERWISE, LimitedBy::Throttled]);
        let failed = |failed| verdict(&Observed { failed, ..calm() });
        assert_eq!([failed(10), failed(11)], [OTHERWISE, LimitedBy::Errors]);
        let both = Observed { failed: 500, throttled: 11, ..calm() };
        assert_eq!(verdict(&both), LimitedBy::Throttled);
    }

    #[test]
    fn a_pace_that_holds_the_movers_is_throttling_however_few_are_refused() {
        let paced = |paced_share| Observed { throttled: 1, paced_share, ..calm() };
        assert_eq!(border(paced, PACED_SHARE), [OTHERWISE, LimitedBy::Throttled]);
        assert!(judge(&paced(0.6)).evidence.contains("1 of 1000 attempts"));
    }

    #[test]
    fn one_busy_thread_is_the_limit_however_idle_the_others_are() {
        let busiest =
            |share| calm_but(|used| used.threads = vec![thread(share, 0.0), thread(0.0, 0.0)]);
        assert_eq!(border(busiest, THREAD_SHARE), [OTHERWISE, LimitedBy::ClientCpu]);
    }

    #[test]
    fn a_thread_that_waits_for_a_processor_is_as_busy_as_one_that_has_it() {
        let ready = |share| calm_but(|used| used.threads = vec![thread(0.4, share)]);
        assert_eq!(border(ready, THREAD_SHARE - 0.4), [OTHERWISE, LimitedBy::ClientCpu]);
        let limit = judge(&ready(0.6));
        assert!(
            limit.evidence.contains("ran 40 % of the time and waited 60 %"),
            "{}",
            limit.evidence
        );
    }

    #[test]
    fn without_times_of_threads_only_what_is_certain_is_said() {
        let unknown = |processors| {
            calm_but(|used| (used.threads, used.processors) = (Vec::new(), processors))
        };
        // Less than one thread could use; perhaps one thread; both threads.
        assert_eq!(border(unknown, THREAD_SHARE), [OTHERWISE, LimitedBy::Unknown]);
        assert_eq!(border(unknown, 2.0 * THREAD_SHARE), [LimitedBy::Unknown, LimitedBy::ClientCpu]);
    }

    #[test]
    fn movers_that_mostly_wait_are_limited_by_what_they_wait_for() {
        let source = |share| calm_but(|used| used.source_waited_share = share);
        assert_eq!(border(source, WAITED_SHARE), [OTHERWISE, LimitedBy::Source]);
        let destination = |share| calm_but(|used| used.destination_waited_share = share);
        assert_eq!(border(destination, WAITED_SHARE), [OTHERWISE, LimitedBy::Destination]);
    }

    #[test]
    fn a_full_link_is_the_limit_in_either_direction() {
        let speed = 1_000_000_000;
        let sent = |share: f64| {
            calm_but(|used| {
                used.interfaces = vec![interface(Some(speed), share * speed as f64 / 8.0)]
            })
        };
        assert_eq!(border(sent, LINK_SHARE), [OTHERWISE, LimitedBy::Nic]);
        let mut received = interface(Some(speed), 0.0);
        received.received_bytes_per_second = 0.95 * speed as f64 / 8.0;
        let received = calm_but(|used| used.interfaces = vec![interface(None, 1.0), received]);
        assert_eq!(verdict(&received), LimitedBy::Nic);
    }

    #[test]
    fn of_several_links_the_full_one_is_named_first() {
        let speed = 10_000_000_000;
        let mut full = interface(Some(speed), 0.95 * speed as f64 / 8.0);
        full.name = "eth1".into();
        let both = vec![interface(Some(speed), 0.4 * speed as f64 / 8.0), full];
        let limit = judge(&calm_but(|used| used.interfaces = both));
        assert_eq!(limit.limited_by, LimitedBy::Nic);
        assert_eq!(
            limit.evidence,
            "eth1 carried 95 % of its 10 Gbit/s; eth0 carried 40 % of its 10 Gbit/s"
        );
    }

    #[test]
    fn a_link_of_unknown_speed_is_never_called_full() {
        let limit = judge(&calm_but(|used| used.interfaces = vec![interface(None, 1e12)]));
        assert_eq!(limit.limited_by, OTHERWISE);
        assert!(limit.evidence.contains("eth0, whose speed is unknown"), "{}", limit.evidence);
        let limit = judge(&calm_but(|used| used.interfaces.clear()));
        assert!(limit.evidence.contains("interface is unknown"), "{}", limit.evidence);
    }

    #[test]
    fn what_cannot_be_known_stays_unknown() {
        let cases = [
            (Observed { payload_bytes: 0, ..calm() }, "no request"),
            (Observed { used: None, ..calm() }, "no window in which"),
            (Observed { arrivals_set_the_rate: true, ..calm() }, "arrivals set the rate"),
        ];
        for (seen, why) in cases {
            let limit = judge(&seen);
            assert_eq!(limit.limited_by, LimitedBy::Unknown);
            assert!(limit.evidence.contains(why), "{}", limit.evidence);
        }
    }

    #[test]
    fn a_simulation_is_limited_by_its_model_and_never_by_this_machine() {
        let simulated = Observed { simulated: true, used: None, ..calm() };
        assert_eq!(verdict(&simulated), LimitedBy::GatewayOrNetwork);
        assert_eq!(verdict(&Observed { throttled: 500, ..simulated }), LimitedBy::Throttled);
    }

    #[test]
    fn the_evidence_tells_how_the_connections_fared() {
        let tcp = TcpUse {
            sent_bytes: 1000,
            resent_bytes: 5,
            busy_s: 10.0,
            receive_window_limited_s: 4.0,
            send_buffer_limited_s: 1.0,
            round_trip_min_us: Some(9_800),
            ..TcpUse::default()
        };
        let evidence = judge(&Observed { tcp: Some(tcp), ..calm() }).evidence;
        let told = ["receiver 40 %", "send buffer 10 %", "0.50 % of the bytes", "least 9.80 ms"];
        assert!(told.iter().all(|fact| evidence.contains(fact)), "{evidence}");
    }

    #[test]
    fn traffic_of_others_is_warned_of_but_not_on_loopback() {
        let carried =
            |factor: f64| calm_but(|used| used.interfaces = vec![interface(None, factor * 100e6)]);
        assert_eq!(warnings(&carried(FOREIGN_FACTOR - 0.01)), [""; 0]);
        assert!(warnings(&carried(FOREIGN_FACTOR + 0.01))[0].contains("eth0 carried clearly more"));
        let mut loopback = carried(2.0);
        loopback.used.as_mut().unwrap().interfaces[0].loopback = true;
        assert_eq!(warnings(&loopback), [""; 0]);
    }

    #[test]
    fn a_send_buffer_that_is_too_small_is_warned_of() {
        let tcp = |send_buffer_limited_s| TcpUse {
            busy_s: 10.0,
            send_buffer_limited_s,
            ..TcpUse::default()
        };
        let held = |seconds| warnings(&Observed { tcp: Some(tcp(seconds)), ..calm() });
        assert_eq!(held(4.9), [""; 0]);
        assert!(held(5.1)[0].contains("tcp_wmem"));
    }
}
