//! A crew over channels, a thread for each DTN.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::{Crew, SILENT_MAX, Wire};
use crate::clock::{self, Instant};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;

const SOON: Duration = Duration::from_secs(20);

/// One end of a wire between threads.
struct Channels {
    rank: u32,
    to: Vec<Sender<(u32, Vec<u8>)>>,
    here: Receiver<(u32, Vec<u8>)>,
}

impl Wire for Channels {
    fn rank(&self) -> u32 {
        self.rank
    }

    fn size(&self) -> u32 {
        self.to.len() as u32
    }

    fn send(&self, to: u32, message: &[u8]) {
        // Who has gone hears nothing.
        let _ = self.to[to as usize].send((self.rank, message.to_vec()));
    }

    fn receive(&self) -> Option<(u32, Vec<u8>)> {
        self.here.try_recv().ok()
    }
}

impl Drop for Channels {
    fn drop(&mut self) {
        (0..self.size()).filter(|rank| *rank != self.rank).for_each(|rank| self.send(rank, &[]));
    }
}

/// Does the work of each rank on a thread of its own. What came of it, by rank.
fn crew_of<T: Send>(size: u32, work: impl AsyncFn(Crew) -> T + Sync) -> Vec<T> {
    let (to, here): (Vec<_>, Vec<_>) = (0..size).map(|_| channel()).unzip();
    let ends =
        here.into_iter().zip(0..).map(|(here, rank)| Channels { rank, to: to.clone(), here });
    let ends: Vec<Channels> = ends.collect();
    drop(to);
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = ends
            .into_iter()
            .map(|end| {
                scope.spawn(move || {
                    let mut builder = tokio::runtime::Builder::new_current_thread();
                    let runtime = builder.enable_all().build().unwrap();
                    runtime.block_on(work(Crew::over(end)))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn one_alone_leads_and_waits_for_nobody() {
    clock::simulate(async {
        let crew = Crew::alone();
        assert!(crew.leads() && crew.is_alone());
        crew.tell(&"nobody");
        assert_eq!(crew.answers::<u32>(1, Duration::ZERO).await.unwrap(), Vec::<u32>::new());
        crew.set_clocks(1).await.unwrap();
        let done = crew.beside(&Interrupt::never(), async |_| Ok(7)).await;
        assert_eq!(done.unwrap(), 7);
    });
}

#[test]
fn answers_come_in_the_order_of_ranks_and_of_only_those_that_were_told() {
    let found = crew_of(4, async |crew| {
        if crew.leads() {
            crew.tell_first(3, &10_u32);
            return crew.answers::<u32>(3, SOON).await.unwrap();
        }
        if crew.rank() < 3 {
            let order: u32 = crew.order(SOON).await.unwrap();
            // The later ranks answer first.
            clock::sleep(Duration::from_millis(u64::from(10 * (4 - crew.rank())))).await;
            crew.tell_one(0, &(order + crew.rank()));
        }
        Vec::new()
    });
    assert_eq!(found[0], [11, 12]);
}

#[test]
fn the_clocks_of_one_machine_are_found_to_agree_within_the_error_that_is_told() {
    let found = crew_of(3, async |crew| {
        if !crew.leads() {
            return crew.order::<()>(SOON).await.map(|()| Vec::new());
        }
        crew.set_clocks(3).await?;
        crew.tell(&());
        Ok(crew.clocks())
    });
    // The threads of a process have one clock.
    for clock in found.into_iter().next().unwrap().unwrap() {
        let at = Instant::default() + Duration::from_secs(100);
        let [there, back] = [clock.of_leader(at), clock.to_leader(clock.of_leader(at))];
        assert_eq!(back, at);
        let off = there.since(at).max(at.since(there)).as_secs_f64();
        assert!(off <= clock.error_s, "{off} of {}", clock.error_s);
        assert!(clock.calendar_ahead_s.abs() <= clock.error_s + 1e-3, "{clock:?}");
    }
}

#[test]
fn one_that_is_slow_to_answer_is_not_asked_often() {
    let answer_after = Duration::from_millis(40);
    let found = crew_of(2, async |crew| {
        if crew.leads() {
            crew.set_clocks(2).await.unwrap();
            crew.tell(&());
            return 0;
        }
        let mut answered = 0;
        while crew.mail.borrow().is_empty() {
            clock::sleep(answer_after).await;
            crew.look().unwrap();
            answered += 1;
        }
        answered
    });
    // Six of 40 ms fit into the time for asking; the last look finds what was told.
    assert!((1..=8).contains(&found[1]), "{} answers", found[1]);
}

#[test]
fn why_one_goes_is_told_to_all_and_interrupts_what_they_do() {
    let found = crew_of(3, async |crew| {
        crew.all_are_there();
        let rank = crew.rank();
        let work = async |interrupt: Interrupt| -> Result<()> {
            if rank == 1 {
                return Err(Error::environment("no room on its disk"));
            }
            interrupt.asked().await;
            Ok(())
        };
        crew.beside(&Interrupt::never(), work).await.unwrap_err()
    });
    for rank in [0, 2] {
        let told = found[rank].to_string();
        assert!(told.contains("dtn2 has stopped") && told.contains("no room"), "{told}");
    }
    assert_eq!(found[1].message(), "no room on its disk");
}

#[test]
fn one_that_is_not_heard_any_more_ends_the_work_of_the_others() {
    let found = crew_of(2, async |crew| {
        crew.all_are_there();
        if crew.rank() == 1 {
            // It hangs: it neither speaks nor goes.
            std::thread::sleep(SILENT_MAX + Duration::from_secs(2));
            return None;
        }
        let _moving = crew.moving();
        let work = async |interrupt: Interrupt| -> Result<()> {
            interrupt.asked().await;
            Err(Error::interrupted())
        };
        Some(crew.beside(&Interrupt::never(), work).await.unwrap_err().to_string())
    });
    let told = found[0].as_deref().unwrap();
    assert!(told.contains("dtn2 was not heard for 8s"), "{told}");
}

#[test]
fn one_that_has_ended_is_not_waited_for() {
    let found = crew_of(2, async |crew| match crew.leads() {
        true => crew.answers::<u32>(2, Duration::from_secs(3600)).await.err(),
        false => None,
    });
    let told = found[0].as_ref().unwrap().to_string();
    assert!(told.contains("dtn2 has stopped: it has ended"), "{told}");
}
