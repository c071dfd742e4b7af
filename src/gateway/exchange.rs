//! One request and its answer, as the client sees them: let in or not, delayed by the model, paced,
//! counted, logged.

use std::ops::Range;
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
use super::domain::Domain;
use super::embedded::{ErrorCode, slow_down};
use super::gate::{self, Gate};
use super::log::{RequestLog, Traffic};
use super::manner::Manner;
use super::pace::{Received, Sent, paced, pause, pause_until};
use super::seat::Seat;
use super::statistics::{One, Statistics};
use super::under_way::UnderWay;
use crate::clock::now;
use crate::result::Direction;
use crate::storj::{Flow, Lane, segments_of};

/// Answers of errors are a few hundred bytes of XML.
const LARGEST_ERROR_BYTES: usize = 64 << 10;

/// One connection: all that its requests have in common.
pub struct Connection {
    /// From 1, in order of arrival.
    pub id: u64,
    /// Under which buckets are names of hosts.
    pub domain: Arc<Domain>,
    /// Its part of the modelled link.
    pub lane: Arc<Lane>,
    /// Who is let in.
    pub gate: Arc<Gate>,
    /// Its place among all.
    pub seat: Arc<Seat>,
    /// What answers.
    pub peer: Peer,
    /// Where requests are counted.
    pub statistics: Arc<Statistics>,
    /// Where requests are logged, if they are.
    pub log: Option<Arc<RequestLog>>,
    /// Requests so far.
    pub requests: AtomicU64,
    /// That it is counted.
    pub _one: One,
}

impl Connection {
    /// Carries a request to its answer. An error cuts the connection.
    pub async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, StdError> {
        let busy = self.seat.begins().ok_or("its connection was told to leave")?;
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let asked = Asked::of(&request, &self.domain);
        let part = asked.part();
        let heads_only = *request.method() == Method::HEAD;
        let traffic = Arc::<Traffic>::default();
        let log = |log: &Arc<RequestLog>| {
            let manner = Manner::of(request.headers());
            log.begin(self.id, number, asked.clone(), manner, Arc::clone(&traffic))
        };
        let mut under_way = UnderWay {
            counted: self.statistics.request(asked.operation, Arc::clone(&traffic)),
            entry: self.log.as_ref().map(log),
            pass: None,
            _busy: busy,
        };

        pause(self.lane.model().round_trip).await;
        let bytes = gate::announced_bytes(request.headers());
        let up = (part == Some(Direction::Up)).then(|| self.lane.up(now()));
        let request = request.map(|body| self.receive(body, up.clone(), &traffic));
        let request_id = format!("{:08X}{number:08X}", self.id);
        let response = match self.peer.identified(request, &asked, &request_id)? {
            Err(answer) => answer,
            Ok(request) => match self.gate.enter(&asked, bytes) {
                Ok(pass) => {
                    under_way.pass = Some(pass);
                    self.peer.call(request, &asked, &request_id, &traffic).await?
                }
                Err(limited) => {
                    self.statistics.refused(limited);
                    slow_down(limited, self.gate.retry_after(), heads_only, &request_id)?
                }
            },
        };
        if let (Some(pass), Some(AlsoTakes(calls))) = (&under_way.pass, response.extensions().get())
        {
            pass.also_takes(*calls);
        }
        let (mut response, error) = with_error_code(response).await?;
        if let Some(code) = &error {
            self.statistics.failed(asked.operation, response.status().as_u16(), code);
        }
        if !traffic.ended.load(Ordering::Relaxed) {
            // The rest of the body is in the way of a next request.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let announced = announced_bytes(&response);
        let empty = heads_only || announced == Some(0) || response.body().is_end_stream();
        let down = match response.status().is_success() {
            true => self.until_it_answers(&response, part.is_some(), up, (&under_way, empty)).await,
            false => None,
        };
        under_way.answered(response.status().as_u16(), error);
        if empty {
            under_way.sent();
            return Ok(response);
        }
        Ok(response.map(|body| {
            let paced = self.pace(body, down);
            Body::http_body_unsync(Sent::new(paced, announced, under_way))
        }))
    }

    /// Waits as long as the link takes until the first byte of an answer; for data on its way down with how fast the
    /// rest comes.
    async fn until_it_answers(
        &self,
        response: &Response<Body>,
        moves_data: bool,
        up: Option<Flow>,
        (under_way, empty): (&UnderWay, bool),
    ) -> Option<Flow> {
        match up {
            _ if !moves_data => pause(self.lane.model().call_overhead).await,
            Some(up) => pause_until(up.close(now())).await,
            None => {
                let segments = self.segments_of(response);
                under_way.pass.iter().for_each(|pass| pass.reads(segments.len()));
                let down = self.lane.down(segments, now());
                pause_until(down.open(now(), empty)).await;
                return Some(down);
            }
        }
        None
    }

    /// The body on its way up.
    fn receive(&self, body: Incoming, flow: Option<Flow>, traffic: &Arc<Traffic>) -> Body {
        let received = Received::new(body, Arc::clone(traffic), Arc::clone(&self.seat));
        let received = Body::http_body(received);
        self.pace(received, flow)
    }

    fn pace(&self, body: Body, flow: Option<Flow>) -> Body {
        match flow {
            Some(flow) if self.lane.model().paces() => Body::http_body_unsync(paced(body, flow)),
            _ => body,
        }
    }

    /// What of each stored segment the answer carries; empty if whoever answered does not say.
    fn segments_of(&self, response: &Response<Body>) -> Vec<u64> {
        let stored = response.extensions().get::<StoredRanges>();
        let ranges = stored.map(|StoredRanges(ranges)| ranges.clone()).unwrap_or_default();
        segments_of(ranges, self.lane.model().segment_size.0)
    }
}

/// How many calls to the satellite a request took beside those that were counted when it came: an extension of its
/// answer.
#[derive(Clone, Copy, Debug)]
pub struct AlsoTakes(pub u32);

/// What of each stored piece an answer carries: an extension of the answer to GetObject.
#[derive(Clone, Debug)]
pub struct StoredRanges(pub Vec<Range<u64>>);

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
    if let Some(ErrorCode(code)) = response.extensions().get() {
        let code = code.clone();
        return Ok((response, Some(code)));
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
