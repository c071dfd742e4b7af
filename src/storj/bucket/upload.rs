//! Multipart uploads. Storj's Complete is stricter than AWS's: it must list every uploaded part.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Bucket, Overwrite, Rules};
use crate::storj::object::{Attributes, Object, Piece};
use crate::storj::objects::Place;
use crate::storj::refusal::Refusal;
use crate::storj::tag::Tag;

/// Highest part number of S3 (`storj/minio` cmd/utils.go, globalMaxPartID); a bucket's may be lower.
const PART_NUMBER_MAX: u16 = 10_000;

/// Names an open upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UploadId(u128);

impl UploadId {
    /// An id from a number that no other upload has.
    pub fn new(number: u128) -> Self {
        Self(number)
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for UploadId {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let ours = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(ours) {
            return Err(Refusal::NoSuchUpload);
        }
        // By halves: the standard library's parser of 128 bits is slow.
        let half = |digits| u64::from_str_radix(digits, 16).map_err(|_| Refusal::NoSuchUpload);
        let (high, low) = text.split_at(16);
        Ok(Self(u128::from(half(high)?) << 64 | u128::from(half(low)?)))
    }
}

/// 1 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartNumber(u16);

impl PartNumber {
    /// The number as an integer.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<i32> for PartNumber {
    type Error = Refusal;

    fn try_from(number: i32) -> Result<Self, Refusal> {
        match u16::try_from(number) {
            Ok(number @ 1..=PART_NUMBER_MAX) => Ok(Self(number)),
            _ => Err(Refusal::InvalidPartNumber),
        }
    }
}

/// A part that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<C> {
    /// Its bytes.
    pub piece: Piece<C>,
    /// What identifies them.
    pub tag: Tag,
    /// When it was there.
    pub modified: SystemTime,
}

/// A part as a Complete lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPart {
    /// Its number, whatever the client wrote.
    pub number: i32,
    /// Its ETag, unquoted.
    pub etag: String,
}

/// An open upload.
#[derive(Debug)]
pub struct Upload<C> {
    /// Key of the object to be.
    pub key: String,
    /// When it was begun.
    pub begun: SystemTime,
    /// The parts that arrived, in order of number.
    pub parts: BTreeMap<PartNumber, Part<C>>,
    /// Those that were sent under another key: Storj finds an upload by its id alone.
    strays: BTreeMap<PartNumber, String>,
    attributes: Attributes,
}

impl<C> Upload<C> {
    /// Whether the ETags of its parts can be decrypted by who asks for this key.
    fn check_key(&self, key: &str) -> Result<(), Refusal> {
        let sent_under = |number| self.strays.get(number).map_or(self.key.as_str(), String::as_str);
        let readable = self.parts.keys().all(|number| sent_under(number) == key);
        if readable { Ok(()) } else { Err(Refusal::Undecryptable) }
    }

    fn check_listed(&self, listed: &[ListedPart], rules: Rules) -> Result<(), Refusal> {
        if listed.is_empty() {
            return Err(Refusal::NoPartsListed);
        }
        if !listed.is_sorted_by_key(|part| part.number) {
            return Err(Refusal::InvalidPartOrder);
        }
        // Part by part, as the gateway compares them: the first fault it meets is the answer
        // (`storj/gateway-st` miniogw/multipart.go, CompleteMultipartUpload).
        for (index, (number, part)) in self.parts.iter().enumerate() {
            let Some(listed_part) = listed.get(index) else { return Err(Refusal::InvalidPart) };
            let is_last = index + 1 == listed.len();
            if !is_last && part.piece.size_bytes < rules.part_size_min_bytes {
                return Err(Refusal::EntityTooSmall);
            }
            let same = listed_part.number == i32::from(number.get())
                && listed_part.etag == part.tag.to_string();
            if !same {
                return Err(Refusal::InvalidPart);
            }
        }
        if listed.len() > self.parts.len() { Err(Refusal::InvalidPart) } else { Ok(()) }
    }

    fn into_object(self, now: SystemTime) -> Object<C> {
        let tags: Vec<Tag> = self.parts.values().map(|part| part.tag).collect();
        Object {
            etag: Tag::of_parts(&tags),
            modified: now,
            attributes: self.attributes,
            pieces: self.parts.into_values().map(|part| part.piece).collect(),
        }
    }
}

impl<C> Bucket<C> {
    /// CreateMultipartUpload.
    pub fn create_upload(
        &mut self,
        key: &str,
        id: UploadId,
        attributes: Attributes,
        now: SystemTime,
    ) {
        let upload = Upload {
            key: key.to_owned(),
            begun: now,
            parts: BTreeMap::new(),
            strays: BTreeMap::new(),
            attributes,
        };
        self.uploads.insert(id, upload);
    }

    /// The open upload of this id, for who reads its parts.
    ///
    /// # Errors
    /// [`Refusal::NoSuchUpload`], or [`Refusal::Undecryptable`] if it was begun, or has parts, under another key.
    pub fn upload(&self, key: &str, id: UploadId) -> Result<&Upload<C>, Refusal> {
        let upload = self.uploads.get(&id).ok_or(Refusal::NoSuchUpload)?;
        upload.check_key(key)?;
        Ok(upload)
    }

    /// Whether a part of this number and size may be uploaded.
    ///
    /// # Errors
    /// [`Refusal::EntityTooLarge`], [`Refusal::InvalidPartNumber`] or [`Refusal::NoSuchUpload`].
    pub fn check_part(
        &self,
        id: UploadId,
        number: PartNumber,
        size_bytes: u64,
    ) -> Result<(), Refusal> {
        if size_bytes > self.rules.part_size_max_bytes {
            return Err(Refusal::EntityTooLarge);
        }
        if number.get() > self.rules.part_number_max {
            return Err(Refusal::InvalidPartNumber);
        }
        if self.uploads.contains_key(&id) { Ok(()) } else { Err(Refusal::NoSuchUpload) }
    }

    /// UploadPart; answers with the part that was replaced. Under another key than the upload's it is taken, but
    /// then nobody can complete the upload.
    ///
    /// # Errors
    /// Those of [`Bucket::check_part`]: the upload may have ended while the part was on its way.
    pub fn put_part(
        &mut self,
        key: &str,
        id: UploadId,
        number: PartNumber,
        part: Part<C>,
    ) -> Result<Option<Part<C>>, Refusal> {
        self.check_part(id, number, part.piece.size_bytes)?;
        let upload = self.uploads.get_mut(&id).ok_or(Refusal::NoSuchUpload)?;
        if upload.key == key {
            upload.strays.remove(&number);
        } else {
            upload.strays.insert(number, key.to_owned());
        }
        Ok(upload.parts.insert(number, part))
    }

    /// CompleteMultipartUpload; answers with the object that was replaced.
    ///
    /// # Errors
    /// If the list is not exactly that of the parts; then the upload stays open. A second Complete
    /// finds [`Refusal::NoSuchKey`].
    pub fn complete_upload(
        &mut self,
        key: &str,
        id: UploadId,
        listed: &[ListedPart],
        overwrite: Overwrite,
        now: SystemTime,
    ) -> Result<Option<Arc<Object<C>>>, Refusal> {
        let upload = self.upload_to_complete(key, id)?;
        upload.check_listed(listed, self.rules)?;
        self.check_overwrite(key, overwrite)?;
        let upload = self.uploads.remove(&id).ok_or(Refusal::NoSuchKey)?;
        self.put(key, upload.into_object(now), Overwrite::Allowed)
    }

    /// The object that CompleteMultipartUpload would make. Nothing has changed yet: [`Bucket::publish`] does that.
    ///
    /// # Errors
    /// Those of [`Bucket::complete_upload`].
    pub fn assembled(
        &self,
        key: &str,
        id: UploadId,
        listed: &[ListedPart],
        overwrite: Overwrite,
        now: SystemTime,
    ) -> Result<Object<C>, Refusal>
    where
        C: Clone,
    {
        let upload = self.upload_to_complete(key, id)?;
        upload.check_listed(listed, self.rules)?;
        self.check_overwrite(key, overwrite)?;
        let tags: Vec<Tag> = upload.parts.values().map(|part| part.tag).collect();
        Ok(Object {
            etag: Tag::of_parts(&tags),
            modified: now,
            attributes: upload.attributes.clone(),
            pieces: upload.parts.values().map(|part| part.piece.clone()).collect(),
        })
    }

    /// The upload, or what Complete says where there is none.
    fn upload_to_complete(&self, key: &str, id: UploadId) -> Result<&Upload<C>, Refusal> {
        self.upload(key, id).map_err(|refusal| match refusal {
            Refusal::NoSuchUpload => Refusal::NoSuchKey,
            refusal => refusal,
        })
    }

    /// AbortMultipartUpload; answers with the upload. That there is none of this id and key is no error.
    pub fn abort_upload(&mut self, key: &str, id: UploadId) -> Option<Upload<C>> {
        self.uploads.get(&id).filter(|upload| upload.key == key)?;
        self.uploads.remove(&id)
    }

    /// Open uploads, in Storj's order of keys and in order of id: those below `prefix` that come behind the key
    /// `after`, if the prefix is empty or ends in a slash, else those of the key `prefix`.
    pub fn uploads(&self, prefix: &str, after: &str) -> Vec<(UploadId, &Upload<C>)> {
        let is_closed = prefix.is_empty() || prefix.ends_with('/');
        let is_listed = |key: &str| if is_closed { key.starts_with(prefix) } else { key == prefix };
        // Unless an upload has that very key, a marker that is the prefix is none.
        let has_key = || self.uploads.values().any(|upload| upload.key == after);
        let is_marker =
            |after: &&str| is_closed && !after.is_empty() && (*after != prefix || has_key());
        let after = Some(after).filter(is_marker).map(Place::of);
        let uploads = self.uploads.iter().filter(|(_, upload)| is_listed(&upload.key));
        let placed = uploads.map(|(id, upload)| (Place::of(&upload.key), *id, upload));
        let is_behind = |place: &Place| after.as_ref().is_none_or(|after| place > after);
        let mut placed: Vec<_> = placed.filter(|(place, _, _)| is_behind(place)).collect();
        placed.sort_by(|(one, id, _), (other, other_id, _)| (one, id).cmp(&(other, other_id)));
        placed.into_iter().map(|(_, id, upload)| (id, upload)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storj::Limits;
    use crate::units::{GIB, MIB};
    use proptest::prelude::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;
    const ID: UploadId = UploadId(7);

    fn number(number: i32) -> PartNumber {
        PartNumber::try_from(number).unwrap()
    }

    fn part(size_bytes: u64, content: u64) -> Part<u64> {
        Part { piece: Piece { size_bytes, content }, tag: Tag::Discarded(content), modified: NOW }
    }

    fn listed(number: i32, content: u64) -> ListedPart {
        ListedPart { number, etag: Tag::Discarded(content).to_string() }
    }

    /// A bucket with one upload of the key `k` whose part of number n has content n.
    fn uploading(parts: &[(i32, u64)]) -> Bucket<u64> {
        let mut bucket = Bucket::new(NOW, Limits::storj().rules());
        bucket.create_upload("k", ID, Attributes::default(), NOW);
        for (n, size_bytes) in parts {
            bucket.put_part("k", ID, number(*n), part(*size_bytes, *n as u64)).unwrap();
        }
        bucket
    }

    fn complete(bucket: &mut Bucket<u64>, listed: &[ListedPart]) -> Result<(), Refusal> {
        bucket.complete_upload("k", ID, listed, Overwrite::Allowed, NOW).map(drop)
    }

    #[test]
    fn an_object_is_its_parts_in_order_of_number_whatever_their_order_of_arrival() {
        let mut bucket = uploading(&[(3, 9), (1, 5 * MIB)]);
        assert_eq!(bucket.object("k"), Err(Refusal::NoSuchKey));
        complete(&mut bucket, &[listed(1, 1), listed(3, 3)]).unwrap();
        let object = bucket.object("k").unwrap();
        assert_eq!(object.size_bytes(), 5 * MIB + 9);
        assert_eq!(object.pieces.iter().map(|piece| piece.content).collect::<Vec<_>>(), [1, 3]);
        assert!(object.etag.ends_with("-2"));
    }

    #[test]
    fn a_part_sent_again_replaces_the_first() {
        let mut bucket = uploading(&[(1, 10)]);
        let replaced = bucket.put_part("k", ID, number(1), part(20, 99)).unwrap();
        assert_eq!(replaced, Some(part(10, 1)));
        assert_eq!(complete(&mut bucket, &[listed(1, 1)]), Err(Refusal::InvalidPart));
        assert_eq!(complete(&mut bucket, &[listed(1, 99)]), Ok(()));
    }

    #[test]
    fn a_complete_must_list_exactly_the_uploaded_parts_in_order() {
        let mut bucket = uploading(&[(1, 5 * MIB), (2, 5 * MIB), (4, 1)]);
        let (one, two, four) = (listed(1, 1), listed(2, 2), listed(4, 4));
        let mut refused = |parts: &[&ListedPart]| {
            let parts: Vec<_> = parts.iter().map(|part| (*part).clone()).collect();
            complete(&mut bucket, &parts).unwrap_err()
        };
        assert_eq!(refused(&[]), Refusal::NoPartsListed);
        assert_eq!(refused(&[&one, &two]), Refusal::InvalidPart);
        assert_eq!(refused(&[&one, &two, &listed(3, 4)]), Refusal::InvalidPart);
        assert_eq!(refused(&[&one, &two, &listed(4, 5)]), Refusal::InvalidPart);
        assert_eq!(refused(&[&two, &one, &four]), Refusal::InvalidPartOrder);
        // Twice the same number is in order, but no second part has it.
        assert_eq!(refused(&[&one, &one, &two, &four]), Refusal::InvalidPart);
        // With one too many the last that there is does not count as the last: it is too small.
        assert_eq!(refused(&[&one, &two, &four, &listed(5, 5)]), Refusal::EntityTooSmall);
        assert_eq!(complete(&mut bucket, &[one, two, four]), Ok(()));
    }

    #[test]
    fn only_the_last_part_may_be_smaller_than_5_mib() {
        let mut bucket = uploading(&[(1, 5 * MIB - 1), (2, 5 * MIB)]);
        let parts = [listed(1, 1), listed(2, 2)];
        assert_eq!(complete(&mut bucket, &parts), Err(Refusal::EntityTooSmall));
        // The size is looked at before the number and the ETag.
        assert_eq!(
            complete(&mut bucket, &[listed(1, 9), listed(2, 2)]),
            Err(Refusal::EntityTooSmall)
        );
        bucket.put_part("k", ID, number(1), part(5 * MIB, 1)).unwrap();
        assert_eq!(complete(&mut bucket, &parts), Ok(()));
    }

    #[test]
    fn a_part_is_at_most_5_gib() {
        let mut bucket = uploading(&[(1, 5 * GIB)]);
        let larger = bucket.put_part("k", ID, number(2), part(5 * GIB + 1, 2));
        assert_eq!(larger, Err(Refusal::EntityTooLarge));
        let before_its_body = bucket.check_part(ID, number(2), 5 * GIB + 1);
        assert_eq!(before_its_body, Err(Refusal::EntityTooLarge));
    }

    #[test]
    fn the_rules_of_parts_can_be_set() {
        let rules = Rules { part_size_min_bytes: 10, part_size_max_bytes: 20, part_number_max: 2 };
        let mut bucket = Bucket::new(NOW, rules);
        bucket.create_upload("k", ID, Attributes::default(), NOW);
        assert_eq!(bucket.put_part("k", ID, number(1), part(21, 1)), Err(Refusal::EntityTooLarge));
        assert_eq!(
            bucket.put_part("k", ID, number(3), part(20, 3)),
            Err(Refusal::InvalidPartNumber)
        );
        bucket.put_part("k", ID, number(1), part(9, 1)).unwrap();
        bucket.put_part("k", ID, number(2), part(1, 2)).unwrap();
        let parts = [listed(1, 1), listed(2, 2)];
        assert_eq!(complete(&mut bucket, &parts), Err(Refusal::EntityTooSmall));
        bucket.put_part("k", ID, number(1), part(10, 1)).unwrap();
        assert_eq!(complete(&mut bucket, &parts), Ok(()));
    }

    #[test]
    fn a_complete_upload_is_gone() {
        let mut bucket = uploading(&[(1, 1)]);
        complete(&mut bucket, &[listed(1, 1)]).unwrap();
        assert_eq!(complete(&mut bucket, &[listed(1, 1)]), Err(Refusal::NoSuchKey));
        let late = bucket.put_part("k", ID, number(2), part(1, 2));
        assert_eq!(late, Err(Refusal::NoSuchUpload));
        assert!(bucket.abort_upload("k", ID).is_none());
        assert!(bucket.object("k").is_ok());
    }

    #[test]
    fn an_object_is_assembled_before_anything_changes() {
        let mut bucket = uploading(&[(1, 5 * MIB), (2, 9)]);
        let assemble = |bucket: &Bucket<u64>, parts: &[ListedPart]| {
            bucket.assembled("k", ID, parts, Overwrite::Allowed, NOW)
        };
        let parts = [listed(1, 1), listed(2, 2)];
        assert_eq!(assemble(&bucket, &parts[..1]), Err(Refusal::InvalidPart));
        let object = assemble(&bucket, &parts).unwrap();
        assert_eq!(bucket.object("k"), Err(Refusal::NoSuchKey));
        assert_eq!(bucket.upload("k", ID).unwrap().parts.len(), 2);

        assert_eq!(bucket.publish("k", Arc::new(object.clone()), Some(ID)), None);
        assert_eq!(assemble(&bucket, &parts), Err(Refusal::NoSuchKey), "the upload is over");
        let mut other = uploading(&[(1, 5 * MIB), (2, 9)]);
        complete(&mut other, &parts).unwrap();
        assert_eq!(**other.object("k").unwrap(), object, "as CompleteMultipartUpload makes it");
    }

    #[test]
    fn an_aborted_upload_hands_back_its_parts_and_leaves_no_object() {
        let mut bucket = uploading(&[(1, 1), (2, 2)]);
        assert_eq!(bucket.abort_upload("k", ID).unwrap().parts.len(), 2);
        assert!(bucket.is_empty());
    }

    #[test]
    fn a_part_sent_under_another_key_is_taken_and_spoils_the_upload_until_it_is_replaced() {
        let mut bucket = uploading(&[(1, 5 * MIB)]);
        assert_eq!(bucket.put_part("other", ID, number(2), part(1, 2)), Ok(None));
        let parts = [listed(1, 1), listed(2, 2)];
        assert_eq!(complete(&mut bucket, &parts), Err(Refusal::Undecryptable));
        assert_eq!(bucket.upload("other", ID).err(), Some(Refusal::Undecryptable));
        assert!(bucket.abort_upload("other", ID).is_none(), "only its own key aborts it");
        bucket.put_part("k", ID, number(2), part(1, 2)).unwrap();
        assert_eq!(complete(&mut bucket, &parts), Ok(()));
    }

    #[test]
    fn part_numbers_are_1_to_10000() {
        assert!(PartNumber::try_from(1).is_ok() && PartNumber::try_from(10_000).is_ok());
        for outside in [i32::MIN, -1, 0, 10_001, 65_537, i32::MAX] {
            assert_eq!(PartNumber::try_from(outside), Err(Refusal::InvalidPartNumber));
        }
    }

    #[test]
    fn uploads_of_one_key_stand_together_in_order_of_id() {
        let mut bucket = Bucket::<u64>::new(NOW, Limits::storj().rules());
        for (key, id) in [("p/b", 1), ("p/a", 3), ("p/a", 2), ("q", 0)] {
            bucket.create_upload(key, UploadId(id), Attributes::default(), NOW);
        }
        let ids = |prefix, after| {
            bucket.uploads(prefix, after).iter().map(|(id, _)| id.0).collect::<Vec<_>>()
        };
        let all = ids("p/", "");
        assert!(all == [2, 3, 1] || all == [1, 2, 3], "{all:?}");
        assert_eq!(ids("p/a", ""), [2, 3], "a prefix that is not closed is a key");
        assert_eq!(ids("p", ""), []);
        let behind_a: &[u128] = if all[0] == 2 { &[1] } else { &[] };
        assert_eq!(ids("p/", "p/a"), behind_a);
    }

    proptest! {
        #[test]
        fn an_upload_id_reads_back_and_nothing_else_reads(id: u128, noise in ".{0,40}") {
            prop_assert_eq!(UploadId(id).to_string().parse(), Ok(UploadId(id)));
            if let Ok(read) = noise.parse::<UploadId>() {
                prop_assert_eq!(read.to_string(), noise);
            }
        }
    }
}
