//! `GET /metrics`, and nothing else.

use std::sync::Arc;

use http::header::ACCEPT;
use http::{Method, Request, StatusCode};
use prometheus_client::encoding::prometheus_text;
use tokio::net::TcpListener;

use super::exposition::Exposition;
use crate::http_page::{self, Page, page};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// Answers until it is dropped.
pub(super) async fn serve(listener: TcpListener, exposition: Arc<Exposition>) {
    http_page::serve(listener, move |request| answer(request, &exposition)).await;
}

fn answer<B>(request: &Request<B>, exposition: &Exposition) -> Page {
    if request.method() != Method::GET || request.uri().path() != "/metrics" {
        return page(StatusCode::NOT_FOUND, PLAIN, "metrics are at GET /metrics\n".to_owned());
    }
    let (content_type, text) = match takes_open_metrics(request) {
        true => (OPEN_METRICS, exposition.open_metrics()),
        false => (prometheus_text::CONTENT_TYPE, exposition.text()),
    };
    match text {
        Ok(text) => page(StatusCode::OK, content_type, text),
        Err(error) => page(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, format!("{error}\n")),
    }
}

/// Prometheus names it first where it knows it.
fn takes_open_metrics<B>(request: &Request<B>) -> bool {
    let accepted = request.headers().get_all(ACCEPT).into_iter();
    accepted
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("application/openmetrics-text"))
}
