//! Each invariant can fail: a true account is spoiled as a bug would, and that must be seen.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::account::Account;
use super::invariants::{INVARIANTS, Invariant};
use super::play_to;
use super::random::Schedule;
use crate::measure::{Attempt, FailureClass, Operation, Outcome};
use crate::result::FileFailure;
use crate::transfer::Order;

/// A bug by what it leaves.
struct Bug {
    what: &'static str,
    seen_by: Invariant,
    /// Spoils the account; `None` where there is nothing that it could spoil.
    plant: fn(&mut Account) -> Option<()>,
}

/// Each bug is planted in so many accounts.
const ACCOUNTS: usize = 5;

const BUGS: &[Bug] = &[
    // Every request ends in exactly one outcome.
    Bug {
        what: "a failed attempt is not recorded",
        seen_by: Account::requests_end_in_one_outcome,
        plant: |account| {
            let (first, _) = tried_again(account)?;
            account.attempts.remove(first);
            Some(())
        },
    },
    Bug {
        what: "a request that is given up is not recorded",
        seen_by: Account::requests_end_in_one_outcome,
        plant: |account| {
            let only = |of: &&Attempt| of.number == 1 && of.outcome != Outcome::Ok;
            let given_up = *account.attempts.iter().find(only)?;
            account.attempts.retain(|attempt| !is_same_request(attempt, &given_up));
            Some(())
        },
    },
    Bug {
        what: "what was done is done again",
        seen_by: Account::requests_end_in_one_outcome,
        plant: |account| {
            let (first, _) = tried_again(account)?;
            account.attempts[first].outcome = Outcome::Ok;
            Some(())
        },
    },
    Bug {
        what: "what was cut off is done again",
        seen_by: Account::requests_end_in_one_outcome,
        plant: |account| {
            let (first, _) = tried_again(account)?;
            account.attempts[first].outcome = Outcome::Cut;
            Some(())
        },
    },
    Bug {
        what: "a refusal that will not change is tried again",
        seen_by: Account::requests_end_in_one_outcome,
        plant: |account| {
            let (first, _) = tried_again(account)?;
            account.attempts[first].outcome = Outcome::Failed(FailureClass::Client);
            Some(())
        },
    },
    Bug {
        what: "two attempts of a request are under way at a time",
        seen_by: Account::requests_end_in_one_outcome,
        plant: |account| {
            let (first, second) = tried_again(account)?;
            account.attempts[first].end = account.attempts[second].start + Duration::from_nanos(1);
            Some(())
        },
    },
    Bug {
        what: "a failure is recorded as a success",
        seen_by: Account::outcomes_are_those_the_store_gave,
        plant: |account| {
            let puts = [Operation::Put, Operation::Part, Operation::Create, Operation::Abort];
            let failed = |of: &&mut Attempt| {
                puts.contains(&of.operation) && matches!(of.outcome, Outcome::Failed(_))
            };
            account.attempts.iter_mut().find(failed)?.outcome = Outcome::Ok;
            Some(())
        },
    },
    Bug {
        what: "a request is made and nobody knows of it",
        seen_by: Account::outcomes_are_those_the_store_gave,
        plant: |account| {
            let more = *account.answered.last()?;
            account.answered.push(more);
            Some(())
        },
    },
    // Every byte is accounted for.
    Bug {
        what: "a byte is on the wire and in no attempt",
        seen_by: Account::bytes_are_accounted_for,
        plant: |account| {
            account.bytes.wire += 1;
            Some(())
        },
    },
    Bug {
        what: "bytes of a failed attempt count as goodput",
        seen_by: Account::bytes_are_accounted_for,
        plant: |account| {
            let in_vain = |of: &&Attempt| of.outcome != Outcome::Ok && of.bytes > 0;
            account.bytes.good += account.attempts.iter().find(in_vain)?.bytes;
            Some(())
        },
    },
    Bug {
        what: "the view shows fewer bytes than passed",
        seen_by: Account::bytes_are_accounted_for,
        plant: |account| {
            account.bytes.seen = account.bytes.seen.checked_sub(1)?;
            Some(())
        },
    },
    Bug {
        what: "a part of a file is not sent",
        seen_by: Account::bytes_are_accounted_for,
        plant: |account| {
            let at = part_that_arrived(account)?;
            let bytes = account.attempts.remove(at).bytes;
            sums(account).into_iter().for_each(|sum| *sum -= bytes);
            Some(())
        },
    },
    Bug {
        what: "a part of a file counts twice",
        seen_by: Account::bytes_are_accounted_for,
        plant: |account| {
            let twice = account.attempts[part_that_arrived(account)?];
            account.attempts.push(twice);
            sums(account).into_iter().for_each(|sum| *sum += twice.bytes);
            Some(())
        },
    },
    Bug {
        what: "more is sent than was allowed",
        seen_by: Account::bytes_are_accounted_for,
        plant: |account| {
            let (spent, allowed) = account.bytes.spent_of_allowed.as_mut()?;
            *allowed = spent.checked_sub(1)?;
            Some(())
        },
    },
    Bug {
        what: "corruption is not told",
        seen_by: Account::corruption_is_found_and_not_invented,
        plant: |account| {
            let told = !account.corrupt.is_none();
            account.corrupt = Default::default();
            told.then_some(())
        },
    },
    Bug {
        what: "corruption is invented",
        seen_by: Account::corruption_is_found_and_not_invented,
        plant: |account| {
            account.corrupt.in_reading += 1;
            Some(())
        },
    },
    // Every file is done or failed, and said to be.
    Bug {
        what: "a file that failed is not told",
        seen_by: Account::files_are_accounted_for,
        plant: |account| account.failures.pop().map(drop),
    },
    Bug {
        what: "a file counts twice",
        seen_by: Account::files_are_accounted_for,
        plant: |account| {
            account.files.done += 1;
            is_whole_job(account).then_some(())
        },
    },
    Bug {
        what: "a file is forgotten",
        seen_by: Account::files_are_accounted_for,
        plant: |account| {
            account.files.done = account.files.done.checked_sub(1)?;
            is_whole_job(account).then_some(())
        },
    },
    // No object and no file under its name unless whole.
    Bug {
        what: "an object is cut short",
        seen_by: Account::objects_are_whole,
        plant: |account| expected_object(account)?.pop().map(drop),
    },
    Bug {
        what: "an object has another byte",
        seen_by: Account::objects_are_whole,
        plant: |account| {
            let may_be_corrupt = !account.corrupt_keys.is_empty();
            *expected_object(account)?.first_mut()? ^= 1;
            (!may_be_corrupt).then_some(())
        },
    },
    Bug {
        what: "a file is done and its object is not there",
        seen_by: Account::objects_are_whole,
        plant: |account| {
            let files = 0..account.job.dataset.files();
            let mut files = files.filter_map(|index| account.job.object(index));
            let (key, _) = files.find(|(_, file)| account.has_arrived(file))?;
            account.objects.remove(&key).map(drop)
        },
    },
    Bug {
        what: "something is written that belongs to no file",
        seen_by: Account::objects_are_whole,
        plant: |account| {
            account.objects.insert(format!("{}stray", account.job.prefix), Vec::new());
            Some(())
        },
    },
    Bug {
        what: "a file has its name before it is whole",
        seen_by: Account::downloaded_files_are_whole,
        plant: |account| account.written.as_mut()?.values_mut().next()?.pop().map(drop),
    },
    Bug {
        what: "a file under a temporary name stays",
        seen_by: Account::downloaded_files_are_whole,
        plant: |account| {
            account.written.as_mut()?.insert(".tidegate-1-1.part".into(), Vec::new());
            Some(())
        },
    },
    Bug {
        what: "a file that failed has its name",
        seen_by: Account::downloaded_files_are_whole,
        plant: |account| {
            let path = account.written.as_ref()?.keys().next()?.clone();
            account.failures.push(FileFailure { path, reason: "it is said to have failed".into() });
            Some(())
        },
    },
    Bug {
        what: "a file is done and not there",
        seen_by: Account::downloaded_files_are_whole,
        plant: |account| {
            let written = account.written.as_mut()?;
            written.pop_first()?;
            (!account.interrupted).then_some(())
        },
    },
    // No upload is left open.
    Bug {
        what: "an upload is left open and nobody knows of it",
        seen_by: Account::open_uploads_are_known_or_their_answer_was_lost,
        plant: |account| {
            let lost =
                |of: &&Attempt| of.operation == Operation::Create && of.outcome != Outcome::Ok;
            let unknown = account.attempts.iter().filter(lost).count();
            account.open_uploads = account.known_uploads + unknown + 1;
            Some(())
        },
    },
];

/// What each byte of a successful attempt is counted in.
fn sums(account: &mut Account) -> [&mut u64; 4] {
    let bytes = &mut account.bytes;
    [&mut bytes.wire, &mut bytes.good, &mut bytes.payload, &mut bytes.seen]
}

fn is_same_request(one: &Attempt, other: &Attempt) -> bool {
    let id = |of: &Attempt| (of.operation, of.file, of.part_number);
    id(one) == id(other)
}

/// Where the first two attempts of a request are.
fn tried_again(account: &Account) -> Option<(usize, usize)> {
    let attempts = &account.attempts;
    let second = attempts.iter().position(|attempt| attempt.number == 2)?;
    let is_first =
        |attempt: &Attempt| attempt.number == 1 && is_same_request(attempt, &attempts[second]);
    Some((attempts.iter().position(is_first)?, second))
}

/// Whether each file was to be moved once, and nobody interrupted.
fn is_whole_job(account: &Account) -> bool {
    !account.interrupted && account.job.order == Order::Once
}

/// Where the last attempt of a part is whose file arrived.
fn part_that_arrived(account: &Account) -> Option<usize> {
    let arrived = |attempt: &Attempt| {
        let file = account.job.object(attempt.file);
        file.is_some_and(|(_, file)| account.has_arrived(&file))
    };
    let is_one = |attempt: &Attempt| {
        let direction = account.job.direction.place(attempt.file).direction;
        let moves = attempt.operation.moves_data() && attempt.operation.direction() == direction;
        moves && attempt.outcome == Outcome::Ok && attempt.bytes > 0 && arrived(attempt)
    };
    account.attempts.iter().position(is_one)
}

/// The bytes of an object of the job that is there.
fn expected_object(account: &mut Account) -> Option<&mut Vec<u8>> {
    let files = 0..account.job.dataset.files();
    let mut keys = files.filter_map(|index| Some(account.job.object(index)?.0));
    let key = keys.find(|key| account.objects.contains_key(key))?;
    account.objects.get_mut(&key)
}

fn holds(invariant: Invariant, account: &Account) -> bool {
    catch_unwind(AssertUnwindSafe(|| invariant(account))).is_ok()
}

#[test]
fn every_invariant_sees_the_bugs_it_is_for() {
    let mut planted = vec![0; BUGS.len()];
    for seed in 0.. {
        if planted.iter().all(|count| *count >= ACCOUNTS) {
            break;
        }
        assert!(seed < 300, "too few accounts: {planted:?}");
        play_to(Schedule::draw(seed), |account| {
            for (bug, count) in BUGS.iter().zip(&mut planted) {
                let mut spoiled = account.clone();
                if *count < ACCOUNTS && (bug.plant)(&mut spoiled).is_some() {
                    assert!(!holds(bug.seen_by, &spoiled), "{} in {seed}: not seen", bug.what);
                    *count += 1;
                }
            }
        });
    }
    let has_a_bug = |invariant: &Invariant| {
        BUGS.iter().any(|bug| std::ptr::fn_addr_eq(bug.seen_by, *invariant))
    };
    assert!(INVARIANTS.iter().all(has_a_bug), "an invariant without a bug that it sees");
}
