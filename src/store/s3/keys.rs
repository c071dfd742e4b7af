//! Keys in listings. XML cannot hold every character, so we ask for keys in URL encoding.

use std::borrow::Cow;

use aws_sdk_s3::types::EncodingType;
use percent_encoding::percent_decode_str;

/// A key as it is, from a listing whose answer names its encoding.
///
/// S3 writes a space as `+` and a plus as `%2B`. A server that ignored our wish says so by naming
/// no encoding; then the key is as it stands.
pub(super) fn decoded(key: &str, encoding: Option<&EncodingType>) -> String {
    match encoding {
        Some(EncodingType::Url) => {
            let spaced: Cow<'_, str> =
                if key.contains('+') { key.replace('+', " ").into() } else { key.into() };
            percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
        }
        _ => key.to_owned(),
    }
}

/// How a listing that was asked for in URL encoding writes its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// In URL encoding.
    Encoded,
    /// As they are.
    Plain,
    /// It does not say, and both are possible.
    Unclear,
}

impl Writing {
    /// Of these keys below `prefix`, from an answer that names its encoding or does not.
    pub(super) fn of<'a>(
        encoding: Option<&EncodingType>,
        prefix: &str,
        keys: impl Iterator<Item = &'a str> + Clone,
    ) -> Self {
        if encoding == Some(&EncodingType::Url) {
            return Self::Encoded;
        }
        let is_odd = |key: &str| key.contains(['%', '+']);
        if !keys.clone().any(is_odd) {
            return Self::Plain;
        }
        let makes_sense_decoded = |key: &str| {
            let decoded = decoded(key, Some(&EncodingType::Url));
            !key.starts_with(prefix) && decoded.starts_with(prefix)
        };
        match keys.into_iter().all(makes_sense_decoded) {
            true => Self::Encoded,
            false => Self::Unclear,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_key_survives_the_encoding(key in ".*", space_as_plus: bool) {
            let mut encoded = utf8_percent_encode(&key, NON_ALPHANUMERIC).to_string();
            if space_as_plus {
                encoded = encoded.replace("%20", "+");
            }
            prop_assert_eq!(decoded(&encoded, Some(&EncodingType::Url)), key);
        }
    }

    #[test]
    fn keys_are_taken_for_encoded_without_a_word_only_if_they_make_no_sense_otherwise() {
        let writing = |prefix, keys: &[&str]| Writing::of(None, prefix, keys.iter().copied());
        assert_eq!(writing("a b/", &["a%20b/x", "a+b/y"]), Writing::Encoded);
        assert_eq!(writing("p/", &["p/x", "p/y"]), Writing::Plain);
        assert_eq!(writing("p/", &["p/x%20y", "p/y"]), Writing::Unclear);
        assert_eq!(writing("a b/", &["a b/50%25", "a b/y"]), Writing::Unclear);
        let said = Writing::of(Some(&EncodingType::Url), "p/", ["p/1+1"].into_iter());
        assert_eq!(said, Writing::Encoded);
    }

    #[test]
    fn a_key_that_is_not_encoded_is_left_alone() {
        assert_eq!(decoded("1+1=%32", None), "1+1=%32");
    }
}
