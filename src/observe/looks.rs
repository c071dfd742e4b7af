//! An observation from looks at the uploads that are open.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::waves::{Arrivals, parts_in_flight};
use super::{Certainty, Finding, Observation, Origin, SCHEMA, Way};
use crate::store::{OpenUpload, PartInfo, Upload};
use crate::units::counted;

/// An upload that did not change in so many looks is looked at only once in so many: there may be
/// hundreds that somebody abandoned.
const PATIENCE: usize = 8;

/// All that was seen in looks at a bucket.
#[derive(Debug, Default)]
pub struct Sightings {
    looks: Vec<SystemTime>,
    uploads: BTreeMap<Upload, Sighted>,
}

/// What was seen of one upload.
#[derive(Debug)]
struct Sighted {
    initiated: Option<SystemTime>,
    first_look: usize,
    last_look: usize,
    /// The last look that showed something new.
    changed: usize,
    /// Its parts were listed before.
    listed: bool,
    /// Parts arrived while we looked.
    grew: bool,
    parts: BTreeMap<u32, SightedPart>,
    /// Most unfinished parts in one look.
    unfinished_max: usize,
}

#[derive(Clone, Copy, Debug)]
struct SightedPart {
    size_bytes: u64,
    finished: bool,
    /// By the server's clock; by ours if it does not say.
    arrived: SystemTime,
    by_server: bool,
}

impl Sightings {
    /// A look shows these uploads. Answers with those whose parts should be listed next.
    pub fn open(&mut self, at: SystemTime, open: Vec<OpenUpload>) -> Vec<Upload> {
        let look = self.looks.len();
        self.looks.push(at);
        let mut to_list = Vec::new();
        for OpenUpload { upload, initiated } in open {
            let sighted =
                self.uploads.entry(upload.clone()).or_insert_with(|| Sighted::new(initiated, look));
            sighted.last_look = look;
            if look - sighted.changed < PATIENCE || look.is_multiple_of(PATIENCE) {
                to_list.push(upload);
            }
        }
        to_list
    }

    /// The parts of an upload in this look.
    pub fn parts(&mut self, upload: &Upload, parts: &[PartInfo]) {
        let Some(at) = self.looks.last().copied() else { return };
        let look = self.looks.len() - 1;
        let Some(sighted) = self.uploads.get_mut(upload) else { return };
        let mut changed = false;
        for part in parts {
            let seen = SightedPart {
                size_bytes: part.size_bytes,
                finished: part.etag.is_some(),
                arrived: part.modified.unwrap_or(at),
                by_server: part.modified.is_some(),
            };
            let before = sighted.parts.get(&part.number);
            let is_same = |before: &SightedPart| {
                (before.size_bytes, before.finished) == (seen.size_bytes, seen.finished)
            };
            if !before.is_some_and(is_same) {
                sighted.parts.insert(part.number, seen);
                changed = true;
            }
        }
        if changed {
            sighted.grew |= sighted.listed;
            sighted.changed = look;
        }
        sighted.listed = true;
        let unfinished = parts.iter().filter(|part| part.etag.is_none()).count();
        sighted.unfinished_max = sighted.unfinished_max.max(unfinished);
    }

    /// Uploads that moved and parts that arrived so far.
    pub fn moved(&self) -> (usize, usize) {
        let moved: Vec<&Sighted> = self.moving().collect();
        (moved.len(), moved.iter().map(|sighted| sighted.parts.len()).sum())
    }

    /// What the looks show.
    pub fn observation(&self) -> Observation {
        let (first, last) = (self.looks.first(), self.looks.last());
        let time = first.zip(last).and_then(|(first, last)| last.duration_since(*first).ok());
        Observation {
            schema: SCHEMA,
            origin: Origin::Looks,
            seen: self.looks.len() as u64,
            seconds: time.unwrap_or_default().as_secs_f64(),
            up: self.up(),
            down: None,
            client: None,
            remarks: self.remarks(),
        }
    }

    fn up(&self) -> Option<Way> {
        let moving: Vec<&Sighted> = self.moving().collect();
        if moving.is_empty() {
            return None;
        }
        let parts = moving.iter().flat_map(|sighted| sighted.parts.values());
        let mut way = Way {
            files: moving.len() as u64,
            files_in_parts: moving.len() as u64,
            bytes: parts.fold(0, |sum, part| sum.saturating_add(part.size_bytes)),
            files_in_flight: self.files_in_flight(),
            ..Way::default()
        };
        let mut sizes = BTreeMap::new();
        for size in moving.iter().flat_map(|sighted| sighted.full_sizes()) {
            *sizes.entry(size).or_default() += 1;
        }
        way.set_part_size(sizes);
        let part_size = way.part_size_bytes.as_ref().map_or(u64::MAX, |found| found.value);
        let arrivals: Vec<Arrivals> =
            moving.iter().map(|sighted| sighted.arrivals(part_size)).collect();
        let visible = moving.iter().map(|sighted| sighted.unfinished_max).max().unwrap_or(0);
        let resolution_us = self.resolution().as_micros() as u64;
        let parts = parts_in_flight(&arrivals, resolution_us, visible as u64);
        (way.parts_in_flight, way.order) = parts.unzip();
        Some(way)
    }

    /// Uploads that appeared, disappeared or grew while we looked; others were abandoned, or wait.
    fn moving(&self) -> impl Iterator<Item = &Sighted> {
        let last = self.looks.len().saturating_sub(1);
        self.uploads.values().filter(move |sighted| {
            sighted.first_look > 0 || sighted.last_look < last || sighted.grew
        })
    }

    /// How many were open in each look.
    fn files_in_flight(&self) -> Option<Finding> {
        let mut open = vec![0_u64; self.looks.len()];
        for sighted in self.moving() {
            open[sighted.first_look..=sighted.last_look].iter_mut().for_each(|count| *count += 1);
        }
        let max = open.iter().copied().max().filter(|max| *max > 0)?;
        let reached = open.iter().position(|count| *count == max)?;
        let last_new = self.moving().map(|sighted| sighted.first_look).max()?;
        // As long as files were still to come, and one was there.
        let later = open.get(reached..last_new).unwrap_or_default();
        let kept = later.iter().filter(|count| **count == max).count();
        let (certainty, evidence) = match later.iter().filter(|count| **count > 0).count() {
            0 => (Certainty::AtLeast, "no more files came".to_owned()),
            of => (
                if of >= 2 && 2 * kept >= of { Certainty::Observed } else { Certainty::AtLeast },
                format!("so many were open in {kept} of {of} looks while more were to come"),
            ),
        };
        Some(Finding { value: max, certainty, evidence })
    }

    /// How exact the times of arrival are.
    fn resolution(&self) -> Duration {
        let parts = || self.uploads.values().flat_map(|sighted| sighted.parts.values());
        if !parts().all(|part| part.by_server) {
            let between =
                self.looks.windows(2).filter_map(|pair| pair[1].duration_since(pair[0]).ok());
            return between.max().unwrap_or(Duration::from_secs(1));
        }
        match parts().all(|part| is_whole_second(part.arrived)) {
            true => Duration::from_secs(1),
            false => Duration::from_millis(1),
        }
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = vec![
            "looking at a bucket shows no files sent in one request, no downloads and no requests: `tidegate serve --log FILE` does".to_owned(),
        ];
        let waiting = self.uploads.len() - self.moving().count();
        if waiting > 0 {
            remarks.push(format!("{} did not move: left out", counted(waiting, "open upload")));
        }
        if self.resolution() >= Duration::from_secs(1) {
            remarks.push("times of arrival are known to a second at best".to_owned());
        }
        remarks
    }
}

impl Sighted {
    fn new(initiated: Option<SystemTime>, look: usize) -> Self {
        Self {
            initiated,
            first_look: look,
            last_look: look,
            changed: look,
            listed: false,
            grew: false,
            parts: BTreeMap::new(),
            unfinished_max: 0,
        }
    }

    /// The part with the highest number may be the last, which is as large as what is left.
    fn full_sizes(&self) -> impl Iterator<Item = u64> {
        let highest = self.parts.keys().next_back().copied();
        let full = self.parts.iter().filter(move |(number, _)| Some(**number) != highest);
        full.map(|(_, part)| part).filter(|part| part.finished).map(|part| part.size_bytes)
    }

    fn arrivals(&self, part_size: u64) -> Arrivals {
        let full =
            self.parts.iter().filter(|(_, part)| part.finished && part.size_bytes == part_size);
        let mut parts: Vec<(u64, u32)> =
            full.map(|(number, part)| (microseconds(part.arrived), *number)).collect();
        parts.sort_unstable();
        Arrivals { begun_us: self.initiated.map(microseconds), parts }
    }
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn microseconds(time: SystemTime) -> u64 {
    since_1970(time).as_micros() as u64
}

fn is_whole_second(time: SystemTime) -> bool {
    since_1970(time).subsec_nanos() == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START_S: f64 = 1000.0;
    const PART_BYTES: u64 = 8 << 20;

    fn at(seconds: f64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(((START_S + seconds) * 1e3).round() as u64)
    }

    fn upload(file: usize) -> Upload {
        Upload { key: format!("file {file}"), id: format!("id {file}") }
    }

    /// A client with so many files and parts of each in flight; each part takes a second.
    #[derive(Clone, Copy, Debug)]
    struct Client {
        files: usize,
        files_in_flight: usize,
        parts_in_flight: usize,
        waves: usize,
    }

    impl Client {
        fn begins_s(self, file: usize) -> f64 {
            (file / self.files_in_flight * (self.waves + 1)) as f64
        }

        fn ends_s(self, file: usize) -> f64 {
            self.begins_s(file) + self.waves as f64 + 0.9
        }

        /// The parts of a file that arrived by `now_s`; the last one is short.
        fn parts(self, file: usize, now_s: f64) -> Vec<PartInfo> {
            let parts = self.waves * self.parts_in_flight;
            let arrives_s = |part: usize| {
                let jitter = ((part * 7 + file * 3) % 5) as f64 * 0.008;
                self.begins_s(file) + (part / self.parts_in_flight + 1) as f64 + jitter
            };
            let info = |part: usize| PartInfo {
                number: part as u32 + 1,
                size_bytes: if part + 1 == parts { 99 } else { PART_BYTES },
                etag: Some("etag".into()),
                modified: Some(at(arrives_s(part))),
            };
            (0..parts).filter(|part| arrives_s(*part) <= now_s).map(info).collect()
        }

        fn seen_every(self, every_s: f64) -> Observation {
            let mut sightings = Sightings::default();
            let end_s = self.ends_s(self.files - 1) + every_s;
            for look in 0..=(end_s / every_s) as usize {
                let now_s = look as f64 * every_s;
                let is_open =
                    |file: &usize| (self.begins_s(*file)..self.ends_s(*file)).contains(&now_s);
                let open = (0..self.files).filter(is_open).map(|file| OpenUpload {
                    upload: upload(file),
                    initiated: Some(at(self.begins_s(file))),
                });
                for listed in sightings.open(at(now_s), open.collect()) {
                    let file = (0..self.files).find(|file| upload(*file) == listed).unwrap();
                    sightings.parts(&listed, &self.parts(file, now_s));
                }
            }
            sightings.observation()
        }
    }

    proptest! {
        #[test]
        fn a_client_is_recovered_from_looks(
            files_in_flight in 1_usize..5,
            parts_in_flight in 1_usize..6,
            every_s in 0.3_f64..0.9,
        ) {
            let client = Client { files: 3 * files_in_flight, files_in_flight, parts_in_flight, waves: 9 };
            let up = client.seen_every(every_s).up.unwrap();
            let found = |finding: &Option<Finding>| finding.clone().map(|f| (f.value, f.certainty));
            prop_assert_eq!(found(&up.part_size_bytes), Some((PART_BYTES, Certainty::Observed)));
            prop_assert_eq!(
                found(&up.parts_in_flight), Some((parts_in_flight as u64, Certainty::Inferred)));
            prop_assert_eq!(
                found(&up.files_in_flight), Some((files_in_flight as u64, Certainty::Observed)));
        }
    }

    #[test]
    fn uploads_that_do_not_move_are_left_out_and_looked_at_rarely() {
        let mut sightings = Sightings::default();
        let mut listed = 0;
        for look in 0..40 {
            let open = OpenUpload { upload: upload(0), initiated: Some(at(-9999.0)) };
            for upload in sightings.open(at(f64::from(look)), vec![open]) {
                listed += 1;
                sightings.parts(
                    &upload,
                    &[PartInfo {
                        number: 1,
                        size_bytes: PART_BYTES,
                        etag: Some("etag".into()),
                        modified: Some(at(-9990.0)),
                    }],
                );
            }
        }
        let observation = sightings.observation();
        assert_eq!(observation.up, None);
        assert!(observation.remarks.iter().any(|remark| remark.starts_with("1 open upload ")));
        assert!((8..16).contains(&listed), "{listed} of 40 looks");
    }

    #[test]
    fn a_part_that_still_grows_has_no_size_yet() {
        let mut sightings = Sightings::default();
        let part = |number, size_bytes, etag: Option<&str>, second: f64| PartInfo {
            number,
            size_bytes,
            etag: etag.map(str::to_owned),
            modified: Some(at(second)),
        };
        let open = || vec![OpenUpload { upload: upload(0), initiated: Some(at(0.0)) }];
        sightings.open(at(0.0), vec![]);
        sightings.open(at(1.0), open());
        sightings.parts(&upload(0), &[part(1, 64, None, 0.9), part(2, 64, None, 0.8)]);
        sightings.open(at(2.0), open());
        sightings.parts(&upload(0), &[part(1, 128, Some("e"), 1.9), part(2, 64, None, 0.8)]);
        let up = sightings.observation().up.unwrap();
        assert_eq!(up.part_sizes, BTreeMap::from([(128, 1)]));
        let parts = up.parts_in_flight.unwrap();
        assert_eq!((parts.value, parts.certainty), (2, Certainty::AtLeast));
    }
}
