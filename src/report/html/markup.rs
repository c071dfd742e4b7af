//! Markup as a type: text becomes [`Markup`] only escaped, and an element closes what it opens, so that a
//! page is well formed and no bucket name becomes part of it.

use std::fmt;

/// Well-formed markup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Markup(String);

impl Markup {
    /// Markup of our own making; never anything with a user's words in it that were not escaped.
    pub fn trusted(markup: &str) -> Self {
        Self(markup.into())
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text, escaped.
impl From<&str> for Markup {
    fn from(text: &str) -> Self {
        let mut escaped = String::with_capacity(text.len());
        for character in text.chars() {
            match character {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&#39;"),
                // HTML forbids the other control characters even as references.
                control if control.is_control() && control != '\n' => escaped.push('\u{fffd}'),
                plain => escaped.push(plain),
            }
        }
        Self(escaped)
    }
}

/// Text, escaped.
impl From<String> for Markup {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

/// One after another.
impl<const N: usize> From<[Markup; N]> for Markup {
    fn from(parts: [Markup; N]) -> Self {
        parts.into_iter().collect()
    }
}

/// One after another.
impl FromIterator<Markup> for Markup {
    fn from_iter<I: IntoIterator<Item = Markup>>(parts: I) -> Self {
        Self(parts.into_iter().map(|part| part.0).collect())
    }
}

/// `<opening>content</tag>`, where `opening` is the tag's name with its attributes.
pub fn element(opening: &'static str, content: impl Into<Markup>) -> Markup {
    let name = opening.split(' ').next().unwrap_or(opening);
    Markup(format!("<{opening}>{}</{name}>\n", content.into()))
}

/// The same with an `aria-label`.
pub fn labelled(opening: &'static str, label: &str, content: impl Into<Markup>) -> Markup {
    let name = opening.split(' ').next().unwrap_or(opening);
    let label = Markup::from(label);
    Markup(format!("<{opening} aria-label=\"{label}\">{}</{name}>\n", content.into()))
}

/// A table in a box that scrolls by itself; the first cell of each row is its heading.
pub fn table<const N: usize>(
    caption: &str,
    columns: [&str; N],
    rows: impl IntoIterator<Item = [Markup; N]>,
) -> Markup {
    let heading = columns.map(|column| element("th scope=\"col\"", column));
    let rows = rows.into_iter().map(row);
    let table = element(
        "table",
        [
            element("caption", caption),
            element("thead", element("tr", heading)),
            element("tbody", rows.collect::<Markup>()),
        ],
    );
    labelled("div class=\"scroll\" role=\"region\" tabindex=\"0\"", caption, table)
}

fn row<const N: usize>(cells: [Markup; N]) -> Markup {
    let cell = |(index, cell)| match index {
        0 => element("th scope=\"row\"", cell),
        _ => element("td", cell),
    };
    element("tr", cells.into_iter().enumerate().map(cell).collect::<Markup>())
}

/// Names with their values.
pub fn definitions(pairs: impl IntoIterator<Item = (&'static str, Markup)>) -> Markup {
    let pairs = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    let pair =
        |(name, value): (&str, Markup)| element("div", [element("dt", name), element("dd", value)]);
    element("dl", pairs.map(pair).collect::<Markup>())
}

/// A list of texts.
pub fn list(items: impl IntoIterator<Item = String>) -> Markup {
    let items = items.into_iter().map(|item| element("li", item));
    element("ul", items.collect::<Markup>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unescape(text: &str) -> String {
        let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
        text.replace("&#39;", "'").replace("&amp;", "&")
    }

    proptest! {
        #[test]
        fn escaped_text_holds_no_markup_and_reads_back(text in "[^\\p{Cc}]*") {
            let escaped = Markup::from(text.as_str()).to_string();
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
            prop_assert_eq!(unescape(&escaped), text);
        }
    }

    #[test]
    fn an_element_closes_itself_by_its_name() {
        let paragraph = element("p class=\"note\"", "1 < 2");
        assert_eq!(paragraph.to_string(), "<p class=\"note\">1 &lt; 2</p>\n");
    }
}
