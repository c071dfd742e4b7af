//! One self-contained page: no scripts, nothing loaded from elsewhere, readable in any browser, on a
//! telephone and on paper. The answer comes first, then what it rests on.

mod answer;
mod evidence;
mod markup;

use super::chart::{Chart, export};
use super::digest::{Answer, Digest};
use super::wording;
use crate::error::Result;
use crate::result::TargetKind;
use markup::{Markup, element};

const STYLE: &str = include_str!("style.css");

/// The whole page.
///
/// # Errors
/// If a chart cannot be drawn.
pub fn page(digest: &Digest, goodput: &Chart, latency: &Chart) -> Result<String> {
    let title = title(digest);
    let body = [
        element("h1", title.as_str()),
        demonstration(digest),
        answer::section(digest),
        element("h2", "Charts"),
        figure(goodput)?,
        figure(latency)?,
        evidence::sections(digest),
    ];
    let head = [
        element("title", title.as_str()),
        Markup::trusted(
            "<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n",
        ),
        element("style", Markup::trusted(STYLE)),
    ];
    let html = element("html lang=\"en\"", [element("head", head), body_element(body)]);
    Ok(format!("<!DOCTYPE html>\n{html}"))
}

fn body_element(content: impl Into<Markup>) -> Markup {
    element("body", element("main", content))
}

fn title(digest: &Digest) -> String {
    let place = wording::place(&digest.document.target);
    match digest.answer {
        Answer::Settings(_) => format!("Settings for {place}"),
        Answer::Task(trial, _) => {
            let journey = wording::journey(trial.direction, &digest.document.target);
            format!("A dataset moved {journey}")
        }
        Answer::Trials => format!("Trials: {place}"),
    }
}

fn demonstration(digest: &Digest) -> Markup {
    match digest.document.target.kind {
        TargetKind::Embedded => {
            element("p class=\"note\" role=\"note\"", element("strong", wording::DEMONSTRATION))
        }
        TargetKind::Simulated => {
            element("p class=\"note\" role=\"note\"", element("strong", wording::SIMULATION))
        }
        TargetKind::Endpoint => Markup::default(),
    }
}

/// Both sizes of a chart, of which the style shows the one that fits, and what it says in words.
fn figure(chart: &Chart) -> Result<Markup> {
    let mut words = format!("{}. {}", chart.title, chart.caption);
    if let Some(highlight) = &chart.highlight {
        words = format!("{words} Ringed: {}.", highlight.name);
    }
    let picture = |svg: String| {
        // plotters writes the text of a chart escaped.
        let svg = Markup::trusted(&svg.replacen("<svg ", "<svg aria-hidden=\"true\" ", 1));
        markup::labelled("div role=\"img\"", &words, svg)
    };
    Ok(element(
        "figure",
        [
            element("div class=\"wide\"", picture(export::inline_svg(chart, export::Room::Wide)?)),
            element(
                "div class=\"narrow\"",
                picture(export::inline_svg(chart, export::Room::Narrow)?),
            ),
            element("figcaption", chart.caption.as_str()),
        ],
    ))
}

#[cfg(test)]
mod tests {
    use super::super::chart;
    use super::super::samples;
    use super::*;
    use crate::result::Document;

    fn page_of(document: &Document) -> String {
        let digest = Digest::of(document);
        page(&digest, &chart::goodput::chart(&digest), &chart::latency::chart(&digest))
            .expect("a page")
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
