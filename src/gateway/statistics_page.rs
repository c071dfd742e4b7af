//! The statistics as a page and as JSON, on a port of their own: no bucket's name is taken from S3.

use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::server::accept;
use super::statistics::{Count, RuledCount, Snapshot, Statistics};
use crate::units::ByteSize;

const STYLE: &str = "body{font:15px sans-serif;margin:2em}table{border-collapse:collapse;margin:1em 0}\
    td,th{padding:.2em .8em;border-bottom:1px solid #ccc;text-align:right}\
    td:first-child,th:first-child{text-align:left}";

/// Readers at a time; others wait.
const READERS_MOST: usize = 16;
/// How long one may take to ask and to read.
const READER_WITHIN: Duration = Duration::from_secs(10);

/// Answers until it is dropped.
pub async fn serve(listener: TcpListener, statistics: Arc<Statistics>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            stream = accept(&listener), if connections.len() < READERS_MOST => {
                let statistics = Arc::clone(&statistics);
                let service = service_fn(move |request| {
                    std::future::ready(Ok::<_, Infallible>(answer(&request, &statistics)))
                });
                // A reader comes again every two seconds: it need not keep its place meanwhile.
                let served = http1::Builder::new()
                    .keep_alive(false)
                    .serve_connection(TokioIo::new(stream), service);
                connections.spawn(async move {
                    match timeout(READER_WITHIN, served).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => tracing::debug!("a reader of the statistics: {error}"),
                        Err(_) => tracing::debug!("a reader of the statistics took too long"),
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

fn answer<B>(request: &Request<B>, statistics: &Statistics) -> Response<Full<Bytes>> {
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
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
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
