//! Markup as a type: text becomes [`Markup`] only escaped, and an element closes what it opens, so that a
//! page is well formed and no bucket name becomes part of it.

use std::fmt;

use super::super::page::Facts;
use super::super::table::Table;
use crate::escape;

/// Well-formed markup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Markup(String);

impl Markup {
    /// Markup of our own making; never anything with a user's words in it that were not escaped.
    pub fn trusted(markup: &str) -> Self {
        Self(markup.into())
    }

    /// Whether there is nothing.
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
        // Control characters, which HTML forbids even as references, are escaped as everywhere.
        for character in escape::text(text).chars() {
            match character {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&#39;"),
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

/// A heading of this level; the page's title is the first, and none is below the sixth.
pub fn heading(level: usize, text: &str) -> Markup {
    let level = level.clamp(1, 6);
    Markup(format!("<h{level}>{}</h{level}>\n", Markup::from(text)))
}

/// A table in a box that scrolls by itself; the first cell of each row is its heading.
pub fn table(table: &Table) -> Markup {
    if table.rows.is_empty() {
        return Markup::default();
    }
    let heading = table.columns.iter().map(|column| element("th scope=\"col\"", *column));
    let markup = element(
        "table",
        [
            element("caption", table.caption.as_str()),
            element("thead", element("tr", heading.collect::<Markup>())),
            element("tbody", table.rows.iter().map(|cells| row(cells)).collect::<Markup>()),
        ],
    );
    labelled("div class=\"scroll\" role=\"region\" tabindex=\"0\"", &table.caption, markup)
}

fn row(cells: &[String]) -> Markup {
    let cell = |(index, cell): (usize, &String)| match index {
        0 => element("th scope=\"row\"", cell.as_str()),
        _ => element("td", cell.as_str()),
    };
    element("tr", cells.iter().enumerate().map(cell).collect::<Markup>())
}

/// Names with their values.
pub fn definitions(facts: &Facts) -> Markup {
    let pair = |(name, value)| element("div", [element("dt", name), element("dd", value)]);
    unless_empty("dl", facts.iter().map(pair).collect())
}

/// A list of texts.
pub fn list(items: Vec<String>) -> Markup {
    unless_empty("ul", items.into_iter().map(|item| element("li", item)).collect())
}

fn unless_empty(opening: &'static str, content: Markup) -> Markup {
    if content.is_empty() { content } else { element(opening, content) }
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
        fn escaped_text_holds_no_markup_and_reads_back(text in any::<String>()) {
            let escaped = Markup::from(text.as_str()).to_string();
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
            prop_assert_eq!(unescape(&escaped), escape::text(&text));
        }
    }

    #[test]
    fn an_element_closes_itself_by_its_name() {
        let paragraph = element("p class=\"note\"", "1 < 2");
        assert_eq!(paragraph.to_string(), "<p class=\"note\">1 &lt; 2</p>\n");
    }
}
