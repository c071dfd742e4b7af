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
    fn a_key_that_is_not_encoded_is_left_alone() {
        assert_eq!(decoded("1+1=%32", None), "1+1=%32");
    }
}
