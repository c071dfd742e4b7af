//! One self-contained page: no scripts, nothing loaded from elsewhere, readable in any browser, on a
//! telephone and on paper.

mod markup;

use super::chart::{Chart, export};
use super::page::{Block, Page, Section};
use crate::error::Result;
use markup::{Markup, definitions, element, heading, labelled, list, table};

const STYLE: &str = include_str!("style.css");

/// The whole page.
///
/// # Errors
/// If a chart cannot be made or drawn.
pub fn write(page: Page) -> Result<String> {
    let head = [
        element("title", page.title.as_str()),
        Markup::trusted(
            "<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta http-equiv=\"Content-Security-Policy\" \
             content=\"default-src 'none'; style-src 'unsafe-inline'\">\n",
        ),
        element("style", style()),
    ];
    let main = element("main", under_a_heading(&page.title, page.blocks, 1)?);
    let html = element("html lang=\"en\"", [element("head", head), element("body", main)]);
    Ok(format!("<!DOCTYPE html>\n{html}"))
}

/// On a dark screen the charts are dark too; paper is white.
fn style() -> Markup {
    let dark = export::css_on_dark();
    Markup::trusted(&format!(
        "{STYLE}@media screen and (prefers-color-scheme: dark) {{\n{dark}}}\n"
    ))
}

/// Nothing where nothing is written below it.
fn under_a_heading(title: &str, blocks: Vec<Block>, level: usize) -> Result<Markup> {
    let blocks = blocks.into_iter().map(|one| block(one, level + 1)).collect::<Result<Markup>>()?;
    let is_empty = blocks.is_empty();
    Ok(if is_empty { blocks } else { [heading(level, title), blocks].into() })
}

fn block(block: Block, level: usize) -> Result<Markup> {
    Ok(match block {
        Block::Caution(text) => element("p class=\"note\" role=\"note\"", element("strong", text)),
        Block::Answer(text) => element("p class=\"answer\"", text),
        Block::Text(text) => element("p", text),
        Block::Facts(facts) => definitions(&facts),
        Block::List(items) => list(items),
        Block::Code { what, text } => [heading(level, &what), code(&what, text)].into(),
        Block::Table(all) => table(&all),
        Block::Figure(chart) => figure(&*chart?)?,
        Block::Section(Section { title, blocks }) => under_a_heading(&title, blocks, level)?,
        Block::Article(Section { title, blocks }) => {
            element("article", under_a_heading(&title, blocks, level)?)
        }
    })
}

/// In a box that scrolls by itself.
fn code(what: &str, text: String) -> Markup {
    labelled("pre tabindex=\"0\" role=\"region\"", what, element("code", text))
}

/// Both sizes of a chart, of which the style shows the one that fits, and what it says in words.
fn figure(chart: &Chart) -> Result<Markup> {
    let mut words = format!("{}. {}", chart.title, chart.caption);
    if chart.is_empty() {
        return Ok(element("p", words));
    }
    if let Some(highlight) = &chart.highlight {
        words = format!("{words} Marked: {}.", highlight.name);
    }
    let picture = |room| {
        // plotters writes the text of a chart escaped.
        let svg = export::inline_svg(chart, room)?;
        let svg = Markup::trusted(&svg.replacen("<svg ", "<svg aria-hidden=\"true\" ", 1));
        Ok(labelled("div role=\"img\"", &words, svg))
    };
    Ok(element(
        "figure",
        [
            element("div class=\"wide\"", picture(export::Room::Wide)?),
            element("div class=\"narrow\"", picture(export::Room::Narrow)?),
            element("figcaption", chart.caption.as_str()),
        ],
    ))
}

#[cfg(test)]
mod tests {
    use super::super::{Report, chart, samples, wording};
    use super::*;
    use crate::result::Document;

    fn page_of(document: &Document) -> String {
        several([document.clone()])
    }

    fn several<const N: usize>(documents: [Document; N]) -> String {
        write(samples::saved(&documents).page()).expect("a page")
    }

    #[test]
    fn several_runs_share_a_page_with_their_answers_first() {
        let page = several([samples::tune(), samples::run_with_failures()]);
        assert!(page.contains("<h1>2 runs</h1>"));
        assert_eq!(page.matches("<article>").count(), 2);
        assert_eq!(page.matches("<h3>The answer</h3>").count(), 2);
        assert!(page.find("The answers of all runs").unwrap() < page.find("<article>").unwrap());
    }

    /// The names of all tags in order, closing ones with their slash; `>` never stands in our attributes.
    fn tags(page: &str) -> Vec<String> {
        let mut tags = Vec::new();
        for rest in page.split('<').skip(1) {
            let (tag, _) = rest.split_once('>').expect("every < begins a tag");
            assert_eq!(tag.matches('"').count() % 2, 0, "an attribute is broken off: <{tag}>");
            let name = tag.split([' ', '\n']).next().unwrap_or_default();
            if !tag.ends_with('/') && !["!DOCTYPE", "meta"].contains(&name) {
                tags.push(name.to_owned());
            }
        }
        tags
    }

    #[test]
    fn every_tag_is_closed_where_it_was_opened() {
        for (name, document) in samples::all() {
            let mut open = Vec::new();
            for tag in tags(&page_of(&document)) {
                match tag.strip_prefix('/') {
                    Some(closed) => assert_eq!(open.pop().as_deref(), Some(closed), "{name}"),
                    None => open.push(tag),
                }
            }
            assert!(open.is_empty(), "{name}: {open:?} stay open");
        }
    }

    #[test]
    fn what_users_name_is_text_and_never_markup() {
        let page = page_of(&samples::hostile());
        for foreign in ["<script", "<b>", "<i>", "<img", "<svg onload", "<h1>\"", "\u{1b}", "<k>"] {
            assert!(!page.contains(foreign), "{foreign} is in the page");
        }
        assert!(page.contains("&lt;b&gt;&amp;&quot;&lt;/b&gt;"));
    }

    #[test]
    fn the_page_loads_nothing() {
        for (name, document) in samples::all() {
            // Only inside of tags: elsewhere the words of a user may look like anything.
            let page = page_of(&document);
            let inside = page.split('<').filter_map(|rest| rest.split_once('>').map(|tag| tag.0));
            for tag in inside {
                let element = tag.split(' ').next().unwrap_or_default();
                assert!(!["script", "link", "iframe", "img", "image", "use"].contains(&element));
                assert!(!tag.contains(" src=") && !tag.contains("href="), "{name}: <{tag}>");
            }
            assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
        }
    }

    #[test]
    fn every_colour_of_a_chart_without_cells_has_a_dark_one() {
        let dark = export::css_on_dark();
        for (name, document) in samples::all() {
            let run = &samples::saved(&[document])[0];
            let charts = chart::all(run).expect("no record is read");
            let plain = charts.iter().filter(|(_, chart)| chart.cells.is_empty());
            for (_, chart) in plain {
                let svg = export::inline_svg(chart, export::Room::Wide).expect("a picture");
                for what in ["fill=\"#", "stroke=\"#"] {
                    for rest in svg.split(what).skip(1) {
                        let selector = format!("[{what}{}\"]", &rest[..6]);
                        assert!(dark.contains(&selector), "{name}: {selector}");
                    }
                }
            }
        }
    }

    #[test]
    fn headings_go_down_one_level_at_a_time() {
        for (name, document) in samples::all() {
            let levels = tags(&page_of(&document))
                .into_iter()
                .filter_map(|tag| tag.strip_prefix('h')?.parse::<u32>().ok());
            let levels: Vec<_> = levels.collect();
            assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1, "{name}");
            assert_eq!(levels[0], 1, "{name}");
            assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{name}: {levels:?}");
        }
    }

    #[test]
    fn only_the_embedded_gateway_is_called_a_demonstration() {
        assert!(page_of(&samples::embedded()).contains(wording::DEMONSTRATION));
        assert!(!page_of(&samples::tune()).contains(wording::DEMONSTRATION));
    }

    #[test]
    fn an_answer_without_a_recommendation_shows_the_task() {
        let page = page_of(&samples::run_with_failures());
        for said in ["effective speed", "1,870 of 1,875 files", "run-7/shot-0004/detector.h5"] {
            assert!(page.contains(said), "{said}");
        }
    }
}
