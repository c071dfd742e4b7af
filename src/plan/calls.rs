//! What the satellite's limit on calls lets through when more is asked for.
//!
//! A refused request waits as long as `Retry-After` says and asks again; one that was let in goes on to
//! its end even if its other calls find no token ([`crate::storj::Limiter`]). So the limit does not hold
//! throughput at rate / calls: the harder it is pressed, the fewer calls of those that come in are paid
//! for, at the price of refusals. Where this settles is a fixed point of two curves: what share is let in
//! at a rate of asking, and how often movers ask at that share.

use crate::storj::Limits;
use crate::transfer::RetryPolicy;

/// The share is found to this.
const STEPS: u32 = 40;

/// Sweeps over the states of the token bucket; where it is pressed it forgets where it began in far fewer.
const SWEEPS: u32 = 300;

/// Tokens that ever lie there while the limit is pressed: more are of no matter.
const TOKENS_MAX: u32 = 32;

/// What a file asks of the satellite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Asking {
    /// Seconds of a mover for a file when nothing is refused.
    pub file_s: f64,
    /// Calls of a file.
    pub calls: f64,
    /// Requests of a file that can be refused.
    pub refusable: f64,
}

/// Where it settles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settled {
    /// Files a second.
    pub files_per_second: f64,
    /// Share of the attempts that are let in.
    pub let_in: f64,
    /// Share of the files that fail: all attempts of a request were refused.
    pub failing: f64,
}

/// Where `movers` files in flight settle under these limits.
pub fn settle(asking: Asking, movers: f64, limits: &Limits) -> Settled {
    let free = Settled { files_per_second: movers / asking.file_s, let_in: 1.0, failing: 0.0 };
    let Some(rate) = limits.calls_per_second else { return free };
    // Movers ask one after the other: the burst takes up what is uneven.
    if free.files_per_second * asking.calls <= rate {
        return free;
    }
    let retry = RetryPolicy::default();
    let wait_s = |let_in: f64| waiting(let_in, limits.retry_after.as_secs_f64(), retry);
    let files = |let_in: f64| movers / (asking.file_s + asking.refusable * wait_s(let_in));
    let attempts = |let_in: f64| files(let_in) * asking.refusable / let_in;
    let calls = asking.calls / asking.refusable;
    // The more are let in the more often movers ask, and the fewer are let in.
    let (mut low, mut high) = (1e-3, 1.0);
    for _ in 0..STEPS {
        let middle = 0.5 * (low + high);
        match share_let_in(attempts(middle), rate, limits.calls_burst, calls) > middle {
            true => low = middle,
            false => high = middle,
        }
    }
    let let_in = 0.5 * (low + high);
    let tries = i32::try_from(retry.attempts_max).unwrap_or(i32::MAX);
    let failing = 1.0 - (1.0 - (1.0 - let_in).powi(tries)).powf(asking.refusable);
    Settled { files_per_second: files(let_in) * (1.0 - failing), let_in, failing }
}

/// Seconds that a request waits in the mean until it is let in: `Retry-After` and the jitter of each try.
fn waiting(let_in: f64, retry_after_s: f64, retry: RetryPolicy) -> f64 {
    let delay = |attempt: u32| {
        let doubled = retry.delay_first.saturating_mul(1 << (attempt - 1).min(20));
        retry_after_s + 0.5 * doubled.min(retry.delay_max).as_secs_f64()
    };
    (1..retry.attempts_max).map(|n| (1.0 - let_in).powi(n as i32) * delay(n)).sum()
}

/// The share of attempts that find a token, when `attempts` ask each second at random, `rate` tokens come
/// each second, and who finds one takes up to `calls`. The states are the tokens that are there when one
/// more comes; between two of them Poisson many ask.
fn share_let_in(attempts: f64, rate: f64, burst: u32, calls: f64) -> f64 {
    let mean = attempts / rate;
    let most = burst.min(TOKENS_MAX) as usize;
    let asked = poisson(mean);
    let mut states = vec![0.0; most + 1];
    states[most.min(1)] = 1.0;
    let mut share = 1.0;
    for _ in 0..SWEEPS {
        let mut next = vec![0.0; most + 1];
        let mut let_in = 0.0;
        for (tokens, probability) in states.iter().enumerate().filter(|(_, p)| **p > 1e-12) {
            for (number, chance) in asked.iter().enumerate() {
                let left = tokens as f64 - number as f64 * calls;
                let served = (tokens as f64 / calls).ceil().min(number as f64);
                let_in += probability * chance * served;
                // Part of a call is so likely a whole one.
                let left = left.max(0.0);
                let (whole, part) = (left.floor(), left.fract());
                let place = |tokens: f64| (tokens as usize + 1).min(most);
                next[place(whole)] += probability * chance * (1.0 - part);
                next[place(whole + 1.0)] += probability * chance * part;
            }
        }
        let moved: f64 = states.iter().zip(&next).map(|(was, is)| (was - is).abs()).sum();
        states = next;
        share = if mean > 0.0 { (let_in / mean).min(1.0) } else { 1.0 };
        if moved < 1e-6 {
            break;
        }
    }
    share
}

/// Chances of 0, 1, 2, ... at this mean, as far as they matter.
fn poisson(mean: f64) -> Vec<f64> {
    let most = (mean + 8.0 * mean.sqrt() + 8.0) as usize;
    let mut chances = vec![(-mean).exp()];
    for number in 1..=most {
        chances.push(chances[number - 1] * mean / number as f64);
    }
    chances
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Asking = Asking { file_s: 1.0, calls: 4.0, refusable: 1.0 };

    #[test]
    fn below_the_limit_nothing_is_refused() {
        let settled = settle(FILE, 10.0, &Limits::storj());
        assert!((settled.files_per_second - 10.0).abs() < 0.05, "{settled:?}");
        assert!(settled.let_in > 0.999, "{settled:?}");
    }

    #[test]
    fn without_limits_nothing_is_refused() {
        assert_eq!(settle(FILE, 1000.0, &Limits::none()).files_per_second, 1000.0);
    }

    #[test]
    fn the_harder_the_limit_is_pressed_the_more_goes_through_and_the_more_is_refused() {
        let at = |movers| settle(FILE, movers, &Limits::storj());
        let [some, many, most] = [50.0, 200.0, 2000.0].map(at);
        assert!(some.files_per_second > 25.0 && some.files_per_second < 50.0, "{some:?}");
        assert!(many.files_per_second > some.files_per_second, "{many:?}");
        assert!(many.let_in < some.let_in && most.let_in < many.let_in);
        // Each file takes one token at least.
        assert!(most.files_per_second <= 100.0, "{most:?}");
        assert!(most.failing > many.failing);
    }

    #[test]
    fn requests_of_one_call_get_what_the_satellite_allows() {
        let limits =
            Limits { retry_after: std::time::Duration::from_millis(100), ..Limits::storj() };
        let asking = Asking { file_s: 0.001, calls: 1.0, refusable: 1.0 };
        let settled = settle(asking, 64.0, &limits);
        assert!(
            (settled.files_per_second / (1.0 - settled.failing) - 100.0).abs() < 5.0,
            "{settled:?}"
        );
    }
}
