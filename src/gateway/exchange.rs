//! One request and its answer, as the client sees them: delayed by the model, paced, logged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue};
use http::{Method, Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use s3s::{Body, StdError};

use super::asked::Asked;
use super::backend::Peer;
use super::log::{Entry, RequestLog, Traffic};
use super::pace::{Received, Sent, paced, pause};
use crate::clock::now;
use crate::storj::{Direction, Lane};

/// Answers of errors are a few hundred bytes of XML.
const LARGEST_ERROR_BYTES: usize = 64 << 10;

/// One connection: all that its requests have in common.
pub struct Connection {
    /// From 1, in order of arrival.
    pub id: u64,
    /// Its part of the modelled link.
    pub lane: Arc<Lane>,
    /// What answers.
    pub peer: Peer,
    /// Where requests are logged, if they are.
    pub log: Option<Arc<RequestLog>>,
    /// Requests so far.
    pub requests: AtomicU64,
}

impl Connection {
    /// Carries a request to its answer. An error cuts the connection.
    pub async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, StdError> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let asked = Asked::of(&request);
        let part = asked.part();
        let heads_only = *request.method() == Method::HEAD;
        let traffic = Arc::<Traffic>::default();
        let log = |log: &Arc<RequestLog>| log.begin(self.id, number, asked, Arc::clone(&traffic));
        let mut entry = self.log.as_ref().map(log);

        pause(self.lane.model().round_trip).await;
        let request = request.map(|body| self.receive(body, part, &traffic));
        let request_id = format!("{:08X}{number:08X}", self.id);
        let response = self.peer.call(request, &request_id, &traffic).await?;
        let (mut response, error) = with_error_code(response).await?;
        if !traffic.ended.load(Ordering::Relaxed) {
            // The rest of the body is in the way of a next request.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if part.is_some() && response.status().is_success() {
            pause(self.lane.model().part_overhead).await;
        }
        if let Some(entry) = &mut entry {
            entry.answered(response.status().as_u16(), error);
        }
        Ok(self.send(response, part, heads_only, entry))
    }

    /// The body on its way up.
    fn receive(&self, body: Incoming, part: Option<Direction>, traffic: &Arc<Traffic>) -> Body {
        let received = Body::http_body(Received::new(body, Arc::clone(traffic)));
        self.pace(received, part, Direction::Up)
    }

    /// The body on its way down.
    fn send(
        &self,
        response: Response<Body>,
        part: Option<Direction>,
        heads_only: bool,
        entry: Option<Entry>,
    ) -> Response<Body> {
        let announced = announced_bytes(&response);
        let empty = heads_only || announced == Some(0) || response.body().is_end_stream();
        let response = match part {
            _ if empty => response,
            part if response.status().is_success() => {
                response.map(|body| self.pace(body, part, Direction::Down))
            }
            _ => response,
        };
        match entry {
            None => response,
            Some(mut entry) if empty => {
                entry.sent();
                response
            }
            Some(entry) => {
                response.map(|body| Body::http_body_unsync(Sent::new(body, announced, entry)))
            }
        }
    }

    fn pace(&self, body: Body, part: Option<Direction>, direction: Direction) -> Body {
        if part != Some(direction) || !self.lane.model().paces() {
            return body;
        }
        Body::http_body_unsync(paced(body, self.lane.flow(direction, now())))
    }
}

/// The bytes of the body, where the answer's head tells them.
fn announced_bytes(response: &Response<Body>) -> Option<u64> {
    let header = response.headers().get(http::header::CONTENT_LENGTH);
    let announced = header.and_then(|value| value.to_str().ok()?.parse().ok());
    announced.or_else(|| response.body().size_hint().exact())
}

/// The answer, and the S3 error code in its body if it is an error.
async fn with_error_code(
    response: Response<Body>,
) -> Result<(Response<Body>, Option<String>), StdError> {
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return Ok((response, None));
    }
    let (head, mut body) = response.into_parts();
    let body = body.store_all_limited(LARGEST_ERROR_BYTES).await?;
    let code = error_code(&body);
    Ok((Response::from_parts(head, Body::from(body)), code))
}

fn error_code(body: &Bytes) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, behind) = text.split_once("<Code>")?;
    let (code, _) = behind.split_once("</Code>")?;
    Some(code.to_owned())
}
