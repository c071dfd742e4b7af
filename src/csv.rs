//! Comma-separated values (RFC 4180).

use std::borrow::Cow;

use crate::escape;

/// A field, in quotes if it needs them (section 2, rules 5 to 7). It has no line ends: they are escaped.
pub fn field(text: &str) -> Cow<'_, str> {
    let text = escape::line(text);
    match text.contains(['"', ',']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")).into(),
        false => text,
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

    #[test]
    fn a_row_is_one_line_and_steers_no_terminal() {
        assert_eq!(row(["a\u{1b}[2J\n", "b\u{202e}"]), "a\\u{1b}[2J\\u{a},b\\u{202e}\n");
    }
}
