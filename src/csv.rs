//! Comma-separated values (RFC 4180).

use std::borrow::Cow;

/// A field, in quotes if it needs them (section 2, rules 5 to 7).
pub fn field(text: &str) -> Cow<'_, str> {
    match text.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")).into(),
        false => text.into(),
    }
}

/// A row with its line feed.
pub fn row<S: AsRef<str>>(fields: impl IntoIterator<Item = S>) -> String {
    let fields: Vec<String> =
        fields.into_iter().map(|text| field(text.as_ref()).into_owned()).collect();
    fields.join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fields_that_need_quotes_have_them() {
        assert_eq!(row(["a b", "1,5", "say \"hi\""]), "a b,\"1,5\",\"say \"\"hi\"\"\"\n");
    }
}
