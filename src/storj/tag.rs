//! Entity tags: what identifies the content of a part and of an object.

use std::fmt;

use md5::{Digest, Md5};

/// What identifies the bytes of one PutObject or UploadPart. Displayed, it is the ETag, unquoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// MD5 of the bytes, as Storj answers.
    Md5([u8; 16]),
    /// The bytes were not kept, nor hashed: a number of this arrival. It does not look like an MD5,
    /// lest a client compare it with one.
    Discarded(u64),
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Md5(bytes) => write!(f, "{:032x}", u128::from_be_bytes(*bytes)),
            Self::Discarded(number) => write!(f, "discarded-{number:x}"),
        }
    }
}

impl Tag {
    /// The ETag of an object made of parts: MD5 of the parts' MD5s, `-`, number of parts.
    pub fn of_parts(parts: &[Self]) -> String {
        let mut md5 = Md5::new();
        let mut first_discarded = None;
        for part in parts {
            match part {
                Self::Md5(bytes) => md5.update(bytes),
                Self::Discarded(_) => first_discarded = first_discarded.or(Some(part)),
            }
        }
        let whole = first_discarded.copied().unwrap_or_else(|| Self::Md5(md5.finalize().into()));
        format!("{whole}-{}", parts.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn md5(bytes: &[u8]) -> Tag {
        Tag::Md5(Md5::digest(bytes).into())
    }

    #[test]
    fn a_part_is_tagged_with_its_md5() {
        assert_eq!(md5(b"").to_string(), "d41d8cd98f00b204e9800998ecf8427e");
    }

    #[test]
    fn an_object_is_tagged_with_the_md5_of_md5s_and_the_number_of_parts() {
        let parts = [md5(b"a"), md5(b"b")];
        assert_eq!(Tag::of_parts(&parts), "96e024ba2074fe77e8e965ba43a704be-2");
    }

    #[test]
    fn tags_of_discarded_bytes_do_not_look_like_md5() {
        let tag = Tag::Discarded(0x1f);
        assert_eq!(tag.to_string(), "discarded-1f");
        assert_eq!(Tag::of_parts(&[tag, Tag::Discarded(2)]), "discarded-1f-2");
    }
}
