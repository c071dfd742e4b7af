//! What strangers wrote, made fit to be shown: nothing of it steers a terminal or makes text look like
//! other text.
//!
//! Servers, file names, logs and results can hold escape sequences (ECMA-48), and characters that turn
//! the direction of text around (Unicode TR #36, "Trojan Source": CVE-2021-42574). They are shown as
//! Rust writes them: `\u{1b}`.

use std::borrow::Cow;
use std::fmt::Write;

/// Text of several lines: line ends and tabs stay.
pub fn text(text: &str) -> Cow<'_, str> {
    escaped(text, |c| steers(c) && !matches!(c, '\n' | '\t'), braced)
}

/// Text that must stay one line, such as a name.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, steers, braced)
}

/// A JSON document, whose strings mean the same after it. Its writer leaves DEL and what is beyond ASCII
/// as it is (RFC 8259, section 7, asks for no more).
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(text, |c| steers(c) && c != '\n', |to, c| write!(to, "\\u{:04x}", u32::from(c)))
}

fn braced(to: &mut String, c: char) -> std::fmt::Result {
    write!(to, "{}", c.escape_unicode())
}

/// C0, DEL, C1; line and paragraph separators; marks, embeddings, overrides and isolates of direction.
fn steers(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

fn escaped(
    text: &str,
    is_escaped: impl Fn(char) -> bool,
    escape: impl Fn(&mut String, char) -> std::fmt::Result,
) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_escaped(c) {
            // To write to a string never fails.
            true => drop(escape(&mut shown, c)),
            false => shown.push(c),
        }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_that_steers_is_left(given in any::<String>()) {
            prop_assert!(!line(&given).contains(steers));
            prop_assert!(!text(&given).contains(|c| steers(c) && c != '\n' && c != '\t'));
            let once = text(&given).into_owned();
            prop_assert_eq!(text(&once), &*once);
        }

        #[test]
        fn a_json_document_means_the_same(given in any::<String>()) {
            let written = serde_json::to_string_pretty(&[&given]).unwrap();
            let shown = json(&written);
            prop_assert!(!shown.contains(|c| steers(c) && c != '\n'));
            prop_assert_eq!(serde_json::from_str::<[String; 1]>(&shown).unwrap(), [given]);
        }
    }

    #[test]
    fn what_steers_is_shown_by_its_number() {
        assert_eq!(line("a\u{1b}[31m\u{9b}\u{202e}\0\n"), r"a\u{1b}[31m\u{9b}\u{202e}\u{0}\u{a}");
        assert_eq!(text("a\tb\r\n"), "a\tb\\u{d}\n");
        assert!(matches!(line("Grüße, 世界"), Cow::Borrowed(_)));
    }
}
