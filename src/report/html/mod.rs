//! One self-contained page: no scripts, nothing loaded from elsewhere, readable in any browser, on a
//! telephone and on paper. The answer comes first, then what it rests on.

mod answer;
mod evidence;
pub(super) mod markup;

use super::chart::{self, Chart, export};
use super::digest::Digest;
use super::{facts, wording};
use crate::error::Result;
use crate::result::Saved;
use markup::{Markup, element};

const STYLE: &str = include_str!("style.css");

/// The whole page, on one run or on several.
///
/// # Errors
/// If a record of a run cannot be read or a chart cannot be drawn.
pub fn page(runs: &[Saved]) -> Result<String> {
    let digests: Vec<Digest> = runs.iter().map(|run| Digest::of(&run.document)).collect();
    let (title, body) = match (runs, digests.as_slice()) {
        ([run], [digest]) => (facts::title(digest), run_in_full(run, digest)?),
        _ => (format!("{} runs", runs.len()), several(runs, &digests)?),
    };
    Ok(document(&title, body))
}

/// A page with a title and, below it, a body.
pub(super) fn document(title: &str, body: Markup) -> String {
    let head = [
        element("title", title),
        Markup::trusted(
            "<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta http-equiv=\"Content-Security-Policy\" \
             content=\"default-src 'none'; style-src 'unsafe-inline'\">\n",
        ),
        element("style", style()),
    ];
    let main = element("main", [element("h1", title), body]);
    let html = element("html lang=\"en\"", [element("head", head), element("body", main)]);
    format!("<!DOCTYPE html>\n{html}")
}

/// On a dark screen the charts are dark too; paper is white.
fn style() -> Markup {
    let dark = export::css_on_dark();
    Markup::trusted(&format!(
        "{STYLE}@media screen and (prefers-color-scheme: dark) {{\n{dark}}}\n"
    ))
}

/// The answers side by side, then each run in full.
fn several(runs: &[Saved], digests: &[Digest]) -> Result<Markup> {
    let articles = runs.iter().zip(digests).map(|(run, digest)| {
        let title = format!("{}: {}", digest.document.id, facts::title(digest));
        let body = run_in_full(run, digest)?.under_a_heading();
        Ok(element("article", [element("h2", title), body]))
    });
    let articles: Markup = articles.collect::<Result<_>>()?;
    let answers = markup::table(&facts::answers(digests));
    Ok([element("h2", "The answers"), answers, articles].into())
}

/// Everything about a run.
fn run_in_full(run: &Saved, digest: &Digest) -> Result<Markup> {
    let charts = chart::all(run)?.into_iter();
    let charts: Markup = charts.map(|(_, chart)| figure(&chart)).collect::<Result<_>>()?;
    Ok([
        caution(digest),
        answer::section(digest),
        evidence::comparison(digest),
        element("h2", "Charts"),
        charts,
        evidence::requests(digest),
        evidence::limits_and_errors(digest),
        evidence::trials(digest),
        evidence::method(digest),
    ]
    .into())
}

fn caution(digest: &Digest) -> Markup {
    wording::caution(digest.document.target.kind).map_or_else(Markup::default, |caution| {
        element("p class=\"note\" role=\"note\"", element("strong", caution))
    })
}

/// Both sizes of a chart, of which the style shows the one that fits, and what it says in words.
pub(super) fn figure(chart: &Chart) -> Result<Markup> {
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
        Ok(markup::labelled("div role=\"img\"", &words, svg))
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
    use super::super::samples;
    use super::*;
    use crate::result::Document;

    fn page_of(document: &Document) -> String {
        page(&[saved(document)]).expect("a page")
    }

    fn saved(document: &Document) -> Saved {
        Saved { document: document.clone(), directory: "absent".into() }
    }

    #[test]
    fn several_runs_share_a_page_with_their_answers_first() {
        let page = page(&[saved(&samples::tune()), saved(&samples::run_with_failures())]).unwrap();
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
            let charts = chart::all(&saved(&document)).expect("no record is read");
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
