//! tidegate measures and tunes the transfer of large research datasets to and from Storj, driven the
//! way a Globus S3 storage gateway drives them.
//!
//! The administrator of a Globus data transfer node (DTN) asks: which concurrency do I set, at which
//! part size, how sure is that, and what limits me? This page is the design; the words are Globus's,
//! S3's and Storj's own.
//!
//! # The rooms: imports point down only
//!
//! | room | what it is for |
//! |---|---|
//! | `cli` | one file per verb, and the options that verbs share: it is in the program, not in the library |
//! | [`session`] | a verb from beginning to end: target, claim, trials, saving, clean-up |
//! | [`scenario`] | models of links by the name of a preset, or from a file |
//! | [`report`] | results, plans and observations as pages: one tree, written as text, Markdown, HTML and CSV; charts |
//! | [`compare`] | pure: whether one run, or series of runs, is slower than another |
//! | [`fit`] | pure: the numbers of a link with which a simulation shows what was measured |
//! | [`plan`] | pure: how long a dataset takes, how many DTNs, at what cost, from measured or simulated transfers |
//! | [`tune`] | pure: which settings next, when to stop, which to recommend, how to say it to GCS |
//! | [`observe`] | pure: what a connector does, from its logged requests or from looks at its uploads; a log as a script that is done again |
//! | [`trial`] | one settings measured on a store: warm-up, window, drain, what limited it |
//! | [`transfer`] | the Globus way of moving a dataset: movers, blocks, parts, retries, verification |
//! | [`store`] | the S3 operations of a connector, each tried once: aws-sdk-s3 over our own HTTP client, or a model in this process |
//! | [`gateway`] | the embedded S3 server: hyper outside (connections, limits, pacing, log), signatures between, s3s inside |
//! | [`metrics`] | what Prometheus reads of this process: metric families, an endpoint, a file |
//! | [`storj`] | Storj as one state machine, and the model of what a request to it takes |
//! | [`dataset`] | profiles, directories, verifiable payload |
//! | [`measure`] | attempts, histograms, bytes over time, what the machine used |
//! | [`stats`] | pure functions; every one cites its source |
//! | [`crew`] | the DTNs that measure together: messages over MPI, clocks, who is still there |
//! | [`words`] | one vocabulary for settings, verdicts, durations, shares and rates |
//! | [`result`] | the result document as plain types; [`Settings`](result::Settings) is used everywhere |
//! | [`prices`] | what storage and egress cost, by published tier or by file |
//! | [`clock`], [`pace`], [`interrupt`], [`terminal`], [`units`], [`http_page`], [`outside`], [`error`], [`escape`] | now and sleep; at most so much a second; Ctrl-C; all that is printed: lines that stay, the view below, data; bytes and rates; pages for a few readers; files that others made; what a user is told; what strangers wrote, fit to be shown |
//!
//! # Rules that keep it simple
//!
//! 1. **Load shapes are values** ([`trial::Load`], [`transfer::Order`]): one engine loop, never a
//!    function per combination.
//! 2. **One engine, two clocks.** The engine of a thread is one future: movers in a
//!    `FuturesUnordered`, no spawn, no `Send`. Real runs have one thread per core, each with a
//!    current_thread runtime, an SDK client and a connection pool. Time comes only from [`clock`]
//!    (clippy refuses other sources), so the same engine runs in simulated time: on a
//!    [`ModelStore`](store::model::ModelStore) it is the simulator (`--simulate`), and its tests run there.
//! 3. **Failure is data.** An attempt ends in one [`measure::Outcome`]; nothing is dropped or averaged
//!    away. Retries are ours and counted; the SDK's are off.
//! 4. **No shared locks on the hot path.** A thread owns its recorder; recorders are merged at the
//!    end. Live counters are plain atomics.
//! 5. **Percentiles come from merged histograms** of the window, never from averages of percentiles.
//! 6. **Decisions are pure**: [`tune`] and [`stats`] do no I/O and are tested on synthetic surfaces.
//! 7. **Every constant of the outside world carries its source** or the word ASSUMPTION.
//! 8. **Results survive**: each finished trial is on disk before the next begins.
//! 9. **Leave nothing behind, touch nothing else.** A run's marker object comes first; on success, error, panic
//!    and Ctrl-C it aborts its own uploads and deletes its own objects, and nothing that it did not make.
//!
//! # Decisions that are not obvious
//!
//! * **The window is chosen from bytes, not from parts.** Each attempt keeps the bytes that passed its
//!   socket by bins of 100 ms. Goodput is what all attempts sent in the window less what the failed and
//!   the cut ones sent, settled after the drain: a 64 MiB part that straddles the window's edge counts
//!   for exactly what was sent inside it.
//! * **A search's trials do not drain** ([`trial::Then::LetGo`]). A part of 64 MiB takes 17 s at 4 MB/s; to wait for
//!   it would cost more than the window. What is healthy and under way when the window closes counts for what it
//!   has sent, and is aborted. So that a window shorter than a part sees what lies between parts as often as it
//!   comes, movers begin midway, each by chance somewhere else in a part and in a file
//!   ([`transfer::Start::Midway`]); with each trial another draw.
//! * **Finding is cheap, claiming is separate, and only a soak is told** ([`tune`]). The way to the knee is single
//!   short trials; what is claimed comes from blocks; and the choice is held for a minute and more before it is
//!   recommended, for a window of seconds does not show what saved-up calls, waits of 12 s and a pace that settles
//!   make of it. Where more streams are throttled but carry a good part, the most of them are held as well; where a
//!   soak is refused more than is allowed, the next one is of fewer streams, chosen by who waited in short trials.
//! * **A 429 is learned from** ([`transfer::RetryMode`]): movers that are told to wait the same time, wake together
//!   and empty the bucket of calls together took 452 s for what rclone does in 117 s. They share one pace in
//!   calls (not requests: a small file takes four), which falls and recovers as in the AWS SDKs' adaptive mode.
//! * **Silence ends a task, an answer never does** ([`transfer::Gone`]). Retries belong to a request; that nobody is
//!   there any more is only seen by all movers together, and what is under way from before may still be answered. A
//!   clean-up then asks once and says what may be left.
//! * **What a head says of a payload is found before its first byte is sent** ([`store::Proof`]): a part is read for its
//!   digest, and its blocks are sent from where they lie. Chunks are signed while they are sent; their lines are no
//!   payload. Both are asked for only to see what they cost, so neither is on by itself.
//! * **What a server names is told, not followed**: another host gets no signed request, and a proxy only a tunnel.
//! * **A trial's records are beside the result, not in it**: histograms, a series and, when asked for,
//!   each attempt ([`trial::Records`]). They are written after `result.json`, which is whole without them.
//! * **A cap holds because bytes are taken before they are sent** ([`transfer::Allowance`]): an attempt takes
//!   all that it may carry, and gives back what it did not. A trial that finds nothing left stops; it is no data.
//!   What the kernel of a server has sent of a download that was cut, and nobody received, is not counted.
//! * **Within the margin of every candidate, not of the leader.** The best of several noisy means looks
//!   better than it is. So it must be shown of every other candidate that it is not better by more than
//!   5 % ([`tune::recommend`]); what is set now is a candidate too.
//! * **Two sessions alone are not judged.** `compare` pairs runs that were made in turns; of two sessions
//!   one after the other nobody knows how much they differ by themselves, unless it is told.
//! * **Figures can be worked out again.** The bytes of a trial in bins of 100 ms lie beside the result:
//!   `report --recompute` gets goodputs, ratios and their intervals from the records once more.
//! * **A whole session is simulated, not a trial**: claims, clean-up and the tuner's budget pass in
//!   simulated time too, so that no verb has a second way through. The client costs nothing there: what
//!   limits a simulation is its model, never this machine.
//! * **A replay waits for answers, not for times** ([`transfer::Script`]). A log says when requests were made. On another
//!   link other answers take other times, and a client that waits for them makes its requests at others. So a request
//!   follows the one whose answer let it begin, after the time that the client took for itself ([`observe::recording_of`]).
//! * **What an assumed number does to an answer is seen on long runs, not on searches**
//!   ([`result::Sensitivity`]): two searches differ by their draws alone.
//! * **All flows of a simulated link have one rate**, so that one number tells when each ends
//!   ([`storj::FairLink`]): what differs between streams is when they wait, not how fast they are.
//! * **The race drops by the t-test of the block design, not by Friedman's test**, which with six
//!   candidates cannot reject before the third block; its bounds are corrected for all comparisons and
//!   looks. What a race has chosen is confirmed on fresh data, and only that is claimed. `cargo bench
//!   --bench tuner` shows what this loses and whether its claims hold, `cargo bench --bench recommendation`
//!   what a recommendation loses against a whole grid over HTTP.
//! * **A bucket that keeps versions is refused.** What a run deletes would stay and be paid for. To delete
//!   versions by their ids would go past the net that the owner has put under his data against mistakes
//!   such as ours, and needs rights that no connector has; a bucket without versioning is safer. Where the
//!   endpoint does not tell, the run says so and goes on.
//! * **A plan's movers are a closed queue, not a sum.** Where a link binds, what files cost is hidden behind the
//!   bytes of others, unless all movers pause together ([`plan::Model`]). Storj's limit on calls does not
//!   hold at rate / calls, because what was let in goes on without tokens, and movers of even files keep out of each
//!   other's way: `plan` follows movers and tokens to where they settle.
//! * **What is deleted was made by this run.** A key says nothing about who wrote it, so movers note in a ledger
//!   ([`transfer::Ledger`]) what answers said was made: keys with ETags and ids of uploads. It alone is deleted or
//!   aborted. It is shared and outlives errors and panics, which a report at the end of a trial would not.
//! * **A marker proves itself.** The name of a run ends in a hash of the token that its marker holds, so that nobody can
//!   put a marker that claims a folder which is there. A second place for markers, at the target itself for runs with
//!   `--keep`, let a marker claim what others had written; now every run has its marker below a name of its own, which
//!   also lets two runs that begin at one place see each other.
//! * **A verdict by exclusion needs everything excluded.** "Gateway or network" is said only when threads,
//!   sources and destinations were seen not to be at their limit; what the system does not tell of these
//!   makes the verdict "unknown" ([`trial`]). A link whose speed is unknown is part of the network. A thread that is ready but has no processor counts as busy, so that a
//!   crowded machine is not mistaken for a slow gateway.
//! * **The send buffer is fixed on loopback only.** Elsewhere a fixed one would carry no more than itself
//!   in a round trip, and the trial would measure our buffer instead of the path.
//! * **AWS's variables and files are read here, not by aws-config.** It hands what they say to requests as it is, line
//!   ends and all, and goes to other hosts for keys. The SDK's parser is used, on lines that are written as it wants
//!   them.
//! * **What is read wrong is read again.** Only a second reading tells a fault of the way from one of the
//!   store, and only bytes that are known are called corrupt: synthetic ones, those of a source file, and
//!   those whose ETag is shown to be an MD5, by another of the same form that was reproduced in the run.
//! * **Several DTNs are several processes with one leader** ([`crew`]). Each engine runs as it does alone, and what they
//!   saw is added up as that of threads is ([`trial::together`]), so there is no second engine. MPI only starts them and carries
//!   messages: its barriers and gathers wait by spinning, without an end, on cores that a trial needs, so they are not
//!   used; a moment to begin is agreed by clocks that were compared. In a simulation one process has all DTNs.
//! * **How many DTNs pay is a search with each number of them.** Goodput of more DTNs at the concurrency that was best for
//!   fewer says nothing: what they share may be full by then.
//! * **Movers begin one after the other over half of the warm-up** in timed trials: parts of equal
//!   size that begin together stay in step, and a short window would catch whole cycles of them.
//! * **`serve` has Storj's limits unless told otherwise.** It stands for Storj, and a client that was only
//!   tried without them fails on the real network. In front of another server it has none: that one has
//!   limits of its own. Refusals for load come from one value, [`storj::Limiter`], that is told the time,
//!   so real and simulated runs are refused alike.
//! * **A real file with several parts in flight is read in order and each part filled before the next
//!   begins**, because a GridFTP server hands its connector one in-order stream of blocks. With one
//!   part in flight the blocks are sent while they are read, and memory is bounded by four blocks.

// What is printed goes through `terminal`, which escapes it. Tests and benches may print; all other lints are in
// Cargo.toml.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod clock;
pub mod compare;
pub mod crew;
pub mod dataset;
pub mod error;
pub mod escape;
pub mod fit;
#[cfg(any(test, fuzzing))]
#[path = "../fuzz/harness/mod.rs"]
pub mod fuzz;
pub mod gateway;
pub mod http_page;
pub mod interrupt;
pub mod measure;
pub mod metrics;
pub mod observe;
pub mod outside;
pub mod pace;
pub mod plan;
pub mod prices;
pub mod report;
pub mod result;
pub mod scenario;
pub mod session;
pub mod stats;
pub mod store;
pub mod storj;
pub mod terminal;
pub mod transfer;
pub mod trial;
pub mod tune;
pub mod units;
pub mod words;
