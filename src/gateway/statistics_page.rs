//! The statistics as a page and as JSON, on a port of their own: no bucket's name is taken from S3.

use std::fmt::Write;
use std::sync::Arc;

use http::{Request, StatusCode};
use tokio::net::TcpListener;

use super::statistics::{Count, RuledCount, Snapshot, Statistics};
use crate::http_page::{self, Page};
use crate::units::ByteSize;

const STYLE: &str = "body{font:15px sans-serif;margin:2em}table{border-collapse:collapse;margin:1em 0}\
    td,th{padding:.2em .8em;border-bottom:1px solid #ccc;text-align:right}\
    td:first-child,th:first-child{text-align:left}";

/// Answers until it is dropped.
pub async fn serve(listener: TcpListener, statistics: Arc<Statistics>) {
    http_page::serve(listener, move |request| answer(request, &statistics)).await;
}

fn answer<B>(request: &Request<B>, statistics: &Statistics) -> Page {
    let (status, kind, text) = match request.uri().path() {
        "/" => (StatusCode::OK, "text/html; charset=utf-8", page(&statistics.snapshot())),
        "/stats.json" => match serde_json::to_string_pretty(&statistics.snapshot()) {
            Ok(json) => (StatusCode::OK, "application/json", json),
            Err(error) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", error.to_string())
            }
        },
        _ => (
            StatusCode::NOT_FOUND,
            "text/plain; charset=utf-8",
            "the statistics are at / and at /stats.json\n".to_owned(),
        ),
    };
    http_page::page(status, kind, text)
}

/// The page, which loads itself again every two seconds.
fn page(snapshot: &Snapshot) -> String {
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta http-equiv=\"refresh\" content=\"2\"><title>tidegate serve</title>\
         <style>{STYLE}</style><h1>tidegate serve</h1>\
         <p>Up for {:.0} s. Received {}, sent {}. As JSON: <a href=\"stats.json\">stats.json</a></p>",
        snapshot.uptime_s,
        ByteSize(snapshot.bytes_in),
        ByteSize(snapshot.bytes_out)
    );
    let transfers = &snapshot.transfers;
    let most = transfers.limit.map_or_else(|| "no limit".to_owned(), |most| format!("of {most}"));
    html.push_str("<table><tr><th></th><th>now</th><th>peak</th><th>in all</th></tr>");
    for (name, count) in [("connections", snapshot.connections), ("requests", snapshot.requests)] {
        let Count { now, peak, total } = count;
        row(&mut html, name, &[&now, &peak, &total]);
    }
    row(&mut html, "transfers let in", &[&transfers.now, &transfers.peak, &most]);
    html.push_str("</table><table><tr><th>refused with 429</th><th>requests</th></tr>");
    let refused = &snapshot.refused;
    row(&mut html, "transfers at a time", &[&refused.transfers]);
    row(&mut html, "calls to the satellite", &[&refused.calls]);
    row(&mut html, "writes of one key", &[&refused.key_writes]);
    html.push_str(
        "</table><table><tr><th>operation</th><th>status</th><th>requests</th>\
         <th>received</th><th>sent</th></tr>",
    );
    for answer in &snapshot.answers {
        let status = answer.status.map_or_else(|| "cut".to_owned(), |status| status.to_string());
        let (bytes_in, bytes_out) = (ByteSize(answer.bytes_in), ByteSize(answer.bytes_out));
        row(&mut html, answer.operation, &[&status, &answer.requests, &bytes_in, &bytes_out]);
    }
    html.push_str("</table>");
    if !snapshot.not_of_aws.is_empty() {
        html.push_str(
            "<h2>Answers that AWS S3 would not have given</h2><table><tr><th>operation</th><th>status</th>\
             <th>code</th><th>requests</th><th>why</th></tr>",
        );
        for RuledCount { ruled, requests } in &snapshot.not_of_aws {
            row(&mut html, ruled.operation, &[&ruled.status, &ruled.code, requests, &ruled.why]);
        }
        html.push_str("</table>");
    }
    html.push_str("</html>\n");
    html
}

/// A row of a table. Nothing in it needs escaping: names, codes and sentences are ours, the rest are numbers.
fn row(html: &mut String, name: &str, cells: &[&dyn std::fmt::Display]) {
    let _ = write!(html, "<tr><td>{name}</td>");
    for cell in cells {
        let _ = write!(html, "<td>{cell}</td>");
    }
    html.push_str("</tr>");
}
