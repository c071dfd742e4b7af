//! Who is let in: told what is asked and when, it says yes, or which limit is reached.
//!
//! **Satellite calls.** A request of S3 is one or more calls to the satellite, each of which takes a
//! token of the project's (`storj/storj` satellite/metainfo/validation.go, checkRate; a batch counts
//! each of its calls). Most calls are refused when there is none. Those of a remote segment on its way
//! up (BeginSegment, CommitSegment) and CommitObject take a token if there is one, and go on without
//! (RateLimitPutNoError).
//!
//! | request | calls that may be refused | calls that may not |
//! |---|---|---|
//! | PutObject of 0 or 1 B | none | none |
//! | PutObject | BeginObject; MakeInlineSegment of an inline segment | 2 for each remote segment, CommitObject |
//! | UploadPart | MakeInlineSegment of an inline segment | 2 for each remote segment |
//! | CreateMultipartUpload | BeginObject | |
//! | CompleteMultipartUpload | ListSegments, ListObjects | CommitObject |
//! | GetObject | DownloadObject | DownloadSegment for each segment after the first |
//! | CopyObject | five, however large the object is | |
//! | DeleteObject of a missing key | one | one more |
//! | any other | one | |
//!
//! How many there are was measured on a real network that allowed one call a second, on 2026-11-28; which of them are
//! refused is read from the source
//! (`storj/uplink`, and `storj/gateway-st` miniogw/multipart.go.) What is simpler here than there,
//! ASSUMPTION: all calls of an upload are counted when it begins; DownloadSegments, which Storj can
//! refuse in the middle of an answer, only take tokens; all five calls of a copy can be refused.
//!
//! **Tokens.** `burst` at first, one more each 1/rate, never more than `burst`: kept as the one time at
//! which all would be there again (the generic cell rate algorithm), exact to the nanosecond.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::limits::Limits;
use crate::clock::Instant;

/// Keys remembered before those are forgotten that are free again.
const KEYS_BEFORE_FORGETTING: usize = 1024;

/// What a client asks for, as far as the limits go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask<'a> {
    /// PutObject.
    Put {
        /// Bucket.
        bucket: &'a str,
        /// Key.
        key: &'a str,
        /// Its size.
        bytes: u64,
    },
    /// UploadPart.
    Part {
        /// Its size.
        bytes: u64,
    },
    /// GetObject. Tell the segments of the answer to [`Limiter::read`].
    Get,
    /// CreateMultipartUpload.
    Create {
        /// Bucket.
        bucket: &'a str,
        /// Key.
        key: &'a str,
    },
    /// CompleteMultipartUpload.
    Complete,
    /// CopyObject.
    Copy,
    /// Anything else.
    Other,
}

/// Which limit is reached. The texts are those of Storj's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limited {
    /// As many transfers as allowed are under way (`storj/edge` pkg/minio/api-router.go).
    #[error("Only {0} concurrent uploads or downloads are allowed per credential")]
    Transfers(u32),
    /// The satellite's calls of this project (`storj/gateway-st` miniogw/gateway.go, ErrSlowDown).
    #[error("Please reduce your request rate.")]
    Calls,
    /// The beginnings of an object of the same key; the answer is the same.
    #[error("Please reduce your request rate.")]
    KeyWrites,
}

/// A request that was let in; hand it back with [`Limiter::leave`] when its answer is over.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Admitted {
    transfers: u32,
}

/// The limits and how far they are reached.
#[derive(Debug)]
pub struct Limiter {
    limits: Limits,
    transfers: u32,
    transfers_peak: u32,
    calls: Option<Allowance>,
    calls_full_at: Instant,
    key_writes: Option<KeyWrites>,
}

/// Calls of one request in their order, as far as it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    /// Refused without a token.
    first: u32,
    /// Take a token if there is one.
    unrefused: u32,
    /// Refused without a token.
    last: u32,
}

impl Limiter {
    /// Nobody was there yet.
    pub fn new(limits: Limits) -> Self {
        let calls = limits.calls_per_second.map(|rate| Allowance::new(rate, limits.calls_burst));
        let key_writes = limits
            .key_writes_per_second
            .map(|rate| KeyWrites::new(Allowance::new(rate, limits.key_writes_burst)));
        let calls_full_at = Instant::default();
        Self { limits, transfers: 0, transfers_peak: 0, calls, calls_full_at, key_writes }
    }

    /// What it goes by.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Transfers under way, and the most that were at one time.
    pub fn transfers(&self) -> (u32, u32) {
        (self.transfers, self.transfers_peak)
    }

    /// Whether a request may come in now. `now` never goes back.
    ///
    /// # Errors
    /// Which limit is reached. Tokens taken until then are gone, as they are on the satellite.
    pub fn admit(&mut self, now: Instant, ask: Ask<'_>) -> Result<Admitted, Limited> {
        let transfers = u32::from(ask.is_transfer());
        match self.limits.transfers {
            Some(most) if self.transfers + transfers > most => {
                return Err(Limited::Transfers(most));
            }
            _ => {}
        }
        let calls = ask.calls(&self.limits);
        for _ in 0..calls.first {
            self.take(now)?;
        }
        if let (Some(key), Some(key_writes)) = (ask.begins(), &mut self.key_writes) {
            key_writes.take(now, key)?;
        }
        self.take_if_there(now, calls.unrefused);
        for _ in 0..calls.last {
            self.take(now)?;
        }
        self.transfers += transfers;
        self.transfers_peak = self.transfers_peak.max(self.transfers);
        Ok(Admitted { transfers })
    }

    /// A GetObject answers with bytes of so many stored segments.
    pub fn read(&mut self, now: Instant, segments: usize) {
        self.also_takes(now, u32::try_from(segments.saturating_sub(1)).unwrap_or(u32::MAX));
    }

    /// A request turns out to take so many calls more, which are not refused.
    pub fn also_takes(&mut self, now: Instant, calls: u32) {
        self.take_if_there(now, calls);
    }

    /// A request is over.
    pub fn leave(&mut self, admitted: Admitted) {
        self.transfers -= admitted.transfers;
    }

    fn take(&mut self, now: Instant) -> Result<(), Limited> {
        match &self.calls {
            Some(calls) if !calls.take(now, &mut self.calls_full_at) => Err(Limited::Calls),
            _ => Ok(()),
        }
    }

    fn take_if_there(&mut self, now: Instant, count: u32) {
        if self.calls.is_some() {
            for _ in 0..count {
                if self.take(now).is_err() {
                    break;
                }
            }
        }
    }
}

impl<'a> Ask<'a> {
    /// Whether the gateway counts it among those at a time.
    fn is_transfer(self) -> bool {
        matches!(self, Self::Put { .. } | Self::Part { .. } | Self::Get)
    }

    /// The bucket and key of the object that it begins, if it does.
    fn begins(self) -> Option<(&'a str, &'a str)> {
        match self {
            Self::Put { bucket, key, .. } | Self::Create { bucket, key } => Some((bucket, key)),
            _ => None,
        }
    }

    pub(super) fn calls(self, limits: &Limits) -> Calls {
        match self {
            Self::Put { bytes: 0 | 1, .. } => Calls::default(),
            Self::Put { bytes, .. } => {
                let segments = Calls::of_segments(bytes, limits);
                Calls { first: 1, unrefused: segments.unrefused + 1, ..segments }
            }
            Self::Part { bytes } => Calls::of_segments(bytes, limits),
            Self::Complete => Calls { first: 2, unrefused: 1, last: 0 },
            Self::Copy => Calls { first: 5, ..Calls::default() },
            Self::Get | Self::Create { .. } | Self::Other => Calls { first: 1, ..Calls::default() },
        }
    }
}

impl Calls {
    /// How many there are.
    pub(super) fn all(self) -> u32 {
        self.first.saturating_add(self.unrefused).saturating_add(self.last)
    }

    /// Those of the segments of a body on its way up, the last of which may be inline.
    fn of_segments(bytes: u64, limits: &Limits) -> Self {
        let segment_size = limits.segment_size.0;
        let segments = bytes.div_ceil(segment_size).max(1);
        let last_is_inline = bytes - (segments - 1) * segment_size <= limits.inline_size_max.0;
        let remote = segments - u64::from(last_is_inline);
        let unrefused = u32::try_from(2 * remote).unwrap_or(u32::MAX);
        Self { first: 0, unrefused, last: u32::from(last_is_inline) }
    }
}

/// Tokens of one kind: so many at once, and one more each so often.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    each: Duration,
    burst: u32,
}

impl Allowance {
    /// Nobody waits longer for a token; it can be counted with.
    const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

    fn new(per_second: f64, burst: u32) -> Self {
        let each = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(Self::LONGEST);
        Self { each: each.min(Self::LONGEST), burst }
    }

    /// Takes one, if there is one, from those that are all there at `full_at`.
    fn take(&self, now: Instant, full_at: &mut Instant) -> bool {
        let then_full_at = now.max(*full_at) + self.each;
        let there = then_full_at.since(now) <= self.each * self.burst;
        if there {
            *full_at = then_full_at;
        }
        there
    }
}

/// Tokens of each key.
#[derive(Debug)]
struct KeyWrites {
    allowance: Allowance,
    /// By the key's hash: Storj too takes keys of one hash for one (satellite/metainfo/bloomrate).
    full_at: HashMap<u64, Instant>,
    forget_at_length: usize,
}

impl KeyWrites {
    fn new(allowance: Allowance) -> Self {
        let forget_at_length = KEYS_BEFORE_FORGETTING;
        Self { allowance, full_at: HashMap::new(), forget_at_length }
    }

    fn take(&mut self, now: Instant, key: (&str, &str)) -> Result<(), Limited> {
        if self.full_at.len() >= self.forget_at_length {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.forget_at_length = KEYS_BEFORE_FORGETTING.max(2 * self.full_at.len());
        }
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let full_at = self.full_at.entry(hasher.finish()).or_default();
        if self.allowance.take(now, full_at) { Ok(()) } else { Err(Limited::KeyWrites) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MIB;
    use proptest::prelude::*;

    const GET: Ask<'_> = Ask::Get;

    fn at(ms: u64) -> Instant {
        Instant::default() + Duration::from_millis(ms)
    }

    fn create(key: &str) -> Ask<'_> {
        Ask::Create { bucket: "b", key }
    }

    fn only_transfers(most: u32) -> Limiter {
        Limiter::new(Limits { transfers: Some(most), ..Limits::none() })
    }

    fn only_calls(per_second: f64, burst: u32) -> Limiter {
        let calls_per_second = Some(per_second);
        Limiter::new(Limits { calls_per_second, calls_burst: burst, ..Limits::none() })
    }

    /// How many of `asks` are let in at this time.
    fn let_in(limiter: &mut Limiter, now: Instant, asks: &[Ask<'_>]) -> usize {
        asks.iter().filter(|ask| limiter.admit(now, **ask).is_ok()).count()
    }

    #[test]
    fn storj_refuses_the_501st_transfer_until_one_leaves() {
        let mut limiter = Limiter::new(Limits { calls_per_second: None, ..Limits::storj() });
        let part = Ask::Part { bytes: 64 * MIB };
        let mut inside: Vec<_> = (0..500).map(|_| limiter.admit(at(0), part).unwrap()).collect();
        assert_eq!(limiter.admit(at(0), part), Err(Limited::Transfers(500)));
        assert_eq!(limiter.admit(at(0), GET), Err(Limited::Transfers(500)));
        assert!(limiter.admit(at(0), Ask::Complete).is_ok(), "only transfers are counted");
        limiter.leave(inside.pop().unwrap());
        assert!(limiter.admit(at(0), GET).is_ok());
        assert_eq!(limiter.transfers(), (500, 500));
        assert_eq!(limiter.limits().retry_after, Duration::from_secs(12));
    }

    #[test]
    fn storj_answers_a_hundred_calls_at_once_and_then_one_every_10_ms() {
        let mut limiter = Limiter::new(Limits::storj());
        assert_eq!(let_in(&mut limiter, at(0), &[Ask::Other; 150]), 100);
        assert_eq!(limiter.admit(at(9), Ask::Other), Err(Limited::Calls));
        assert!(limiter.admit(at(10), Ask::Other).is_ok());
        assert_eq!(limiter.admit(at(19), Ask::Other), Err(Limited::Calls));
        assert_eq!(let_in(&mut limiter, at(1010), &[Ask::Other; 150]), 100);
        // Idle time is not saved up.
        assert_eq!(let_in(&mut limiter, at(60_000), &[Ask::Other; 150]), 100);
    }

    #[test]
    fn storj_begins_an_object_of_one_key_three_times_at_once_and_then_once_a_second() {
        let mut limiter = Limiter::new(Limits { calls_per_second: None, ..Limits::storj() });
        assert_eq!(let_in(&mut limiter, at(0), &[create("k"); 5]), 3);
        assert_eq!(limiter.admit(at(999), create("k")), Err(Limited::KeyWrites));
        let put = Ask::Put { bucket: "b", key: "k", bytes: 1 };
        assert!(limiter.admit(at(1000), put).is_ok(), "PutObject begins an object, too");
        assert_eq!(limiter.admit(at(1001), create("k")), Err(Limited::KeyWrites));
        assert!(limiter.admit(at(1001), create("l")).is_ok(), "other keys are free");
        let elsewhere = Ask::Create { bucket: "c", key: "k" };
        assert!(limiter.admit(at(1001), elsewhere).is_ok(), "and other buckets");
        assert!(limiter.admit(at(1001), Ask::Complete).is_ok(), "the end of an upload is no begin");
    }

    #[test]
    fn parts_of_remote_segments_take_tokens_but_are_never_refused() {
        let mut limiter = only_calls(1.0, 5);
        assert_eq!(let_in(&mut limiter, at(0), &[Ask::Part { bytes: 64 * MIB }; 10]), 10);
        assert_eq!(limiter.admit(at(0), create("k")), Err(Limited::Calls));
        // 4 KiB are inline, and that can be refused.
        assert_eq!(limiter.admit(at(0), Ask::Part { bytes: 4096 }), Err(Limited::Calls));
        assert!(limiter.admit(at(0), Ask::Part { bytes: 4097 }).is_ok());
        assert_eq!(limiter.admit(at(0), Ask::Part { bytes: 64 * MIB + 1 }), Err(Limited::Calls));
    }

    #[test]
    fn each_request_takes_its_calls() {
        let put = |bytes| Ask::Put { bucket: "b", key: "k", bytes };
        for (ask, tokens) in [
            (put(0), 0),
            (put(1), 0),
            (put(2), 3),
            (put(4096), 3),
            (put(4097), 4),
            (put(64 * MIB), 4),
            (put(64 * MIB + 1), 5),
            (put(640 * MIB), 22),
            (Ask::Part { bytes: 1 }, 1),
            (Ask::Part { bytes: 64 * MIB }, 2),
            (Ask::Part { bytes: 128 * MIB }, 4),
            (create("k"), 1),
            (Ask::Complete, 3),
            (Ask::Copy, 5),
            (GET, 1),
            (Ask::Other, 1),
        ] {
            let mut limiter = only_calls(1.0, 100);
            assert!(limiter.admit(at(0), ask).is_ok());
            assert_eq!(100 - let_in(&mut limiter, at(0), &[Ask::Other; 100]), tokens, "{ask:?}");
        }
    }

    #[test]
    fn an_answer_takes_a_call_for_each_segment_after_the_first() {
        for (segments, tokens) in [(0, 0), (1, 0), (2, 1), (10, 9)] {
            let mut limiter = only_calls(1.0, 100);
            limiter.read(at(0), segments);
            assert_eq!(100 - let_in(&mut limiter, at(0), &[Ask::Other; 100]), tokens, "{segments}");
        }
    }

    #[test]
    fn a_transfer_that_the_satellite_refuses_does_not_stay_inside() {
        let mut limiter = Limiter::new(Limits {
            transfers: Some(1),
            calls_per_second: Some(1.0),
            calls_burst: 1,
            ..Limits::none()
        });
        let admitted = limiter.admit(at(0), GET).unwrap();
        limiter.leave(admitted);
        assert_eq!(limiter.admit(at(0), GET), Err(Limited::Calls));
        assert_eq!(limiter.transfers(), (0, 1));
        assert!(limiter.admit(at(1000), GET).is_ok());
    }

    #[test]
    fn without_limits_everybody_is_let_in() {
        let mut limiter = Limiter::new(Limits::none());
        let asks = [create("k"), GET, Ask::Other, Ask::Part { bytes: 1 }];
        for _ in 0..1000 {
            assert_eq!(let_in(&mut limiter, at(0), &asks), 4);
        }
    }

    #[test]
    fn keys_that_are_free_again_are_forgotten() {
        let mut limiter = Limiter::new(Limits { calls_per_second: None, ..Limits::storj() });
        for number in 0..100_000_u64 {
            assert!(limiter.admit(at(10 * number), create(&number.to_string())).is_ok());
        }
        let remembered = limiter.key_writes.unwrap().full_at.len();
        assert!(remembered <= KEYS_BEFORE_FORGETTING, "{remembered}");
    }

    proptest! {
        #[test]
        fn in_any_time_no_more_calls_pass_than_rate_and_burst_allow(
            rate in 1_u32..2000,
            burst in 1_u32..50,
            pauses_us in proptest::collection::vec(0_u64..20_000, 1..300),
        ) {
            let mut limiter = only_calls(rate.into(), burst);
            let mut now = Instant::default();
            let mut passed = Vec::new();
            for pause_us in pauses_us {
                now = now + Duration::from_micros(pause_us);
                if limiter.admit(now, Ask::Other).is_ok() {
                    passed.push(now);
                }
            }
            for (index, from) in passed.iter().enumerate() {
                for (count, until) in (1..).zip(&passed[index..]) {
                    let allowed = f64::from(burst) + until.since(*from).as_secs_f64() * f64::from(rate);
                    prop_assert!(f64::from(count) <= allowed + 1e-3, "{count} in {:?}", until.since(*from));
                }
            }
        }

        #[test]
        fn who_waits_for_1_over_rate_each_time_is_never_refused(rate in 1_u32..2000, count in 1_u64..500) {
            let mut limiter = only_calls(rate.into(), 1);
            let each = Duration::from_secs_f64(1.0 / f64::from(rate));
            let mut now = Instant::default();
            for _ in 0..count {
                prop_assert!(limiter.admit(now, Ask::Other).is_ok());
                now = now + each;
            }
        }

        #[test]
        fn never_more_than_the_limit_are_inside_and_all_places_can_be_had(
            most in 1_u32..20,
            steps in proptest::collection::vec(any::<bool>(), 1..200),
        ) {
            let mut limiter = only_transfers(most);
            let mut inside = Vec::new();
            for comes in steps {
                if comes {
                    match limiter.admit(at(0), GET) {
                        Ok(admitted) => inside.push(admitted),
                        Err(limited) => {
                            prop_assert_eq!(limited, Limited::Transfers(most));
                            prop_assert_eq!(inside.len(), most as usize);
                        }
                    }
                } else if let Some(admitted) = inside.pop() {
                    limiter.leave(admitted);
                }
                prop_assert_eq!(limiter.transfers().0 as usize, inside.len());
                prop_assert!(limiter.transfers().1 <= most);
            }
        }
    }
}
