//! What a request costs of the calls that a project may make a second.

use super::limiter::Ask;
use super::limits::Limits;
use crate::measure::Operation;

/// A bucket or key that does not matter.
const ANY: &str = "";

/// Calls to the satellite of a request with so much payload: those that it may refuse and those that go on without a
/// token. What counts is the table of [`super::Limiter`]; it was measured on a real network whose limit was one call
/// a second, on 2026-11-28. An object on its way down is taken for one that was uploaded whole: how it was cut is
/// not known before it comes.
pub fn calls_of(operation: Operation, bytes: u64) -> u32 {
    let limits = Limits::storj();
    let ask = match operation {
        Operation::Get => {
            let segments = bytes.div_ceil(limits.segment_size.0).max(1);
            return u32::try_from(segments).unwrap_or(u32::MAX);
        }
        Operation::Put => Ask::Put { bucket: ANY, key: ANY, bytes },
        Operation::Part => Ask::Part { bytes },
        Operation::Create => Ask::Create { bucket: ANY, key: ANY },
        Operation::Complete => Ask::Complete,
        Operation::Abort
        | Operation::Head
        | Operation::List
        | Operation::Delete
        | Operation::Location => Ask::Other,
    };
    ask.calls(&limits).all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{KIB, MIB};

    #[test]
    fn requests_cost_what_was_measured_on_a_real_network() {
        // 180 objects of 0 or 1 byte, one after the other, were not refused once.
        let puts =
            [(0, 0), (1, 0), (4 * KIB, 3), (4 * KIB + 1, 4), (64 * MIB, 4), (64 * MIB + 1, 5)];
        for (bytes, calls) in puts {
            assert_eq!(calls_of(Operation::Put, bytes), calls, "an object of {bytes} bytes");
        }
        for (bytes, calls) in [(1000, 1), (5 * MIB, 2), (65 * MIB, 4)] {
            assert_eq!(calls_of(Operation::Part, bytes), calls, "a part of {bytes} bytes");
        }
        for (bytes, calls) in [(0, 1), (64 * MIB, 1), (65 * MIB, 2)] {
            assert_eq!(calls_of(Operation::Get, bytes), calls, "{bytes} bytes on their way down");
        }
        let without_payload = [Operation::Create, Operation::Complete, Operation::Head];
        assert_eq!(without_payload.map(|operation| calls_of(operation, 0)), [1, 3, 1]);
    }
}
