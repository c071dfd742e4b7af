//! The way of a request through the rooms of the embedded S3, and of its answer back.

use std::sync::Arc;

use http::request::Parts;
use http::uri::Scheme;
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use s3s::access::{S3Access, S3AccessContext};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;
use s3s::{Body, S3Error, S3ErrorCode, S3Result, StdError, s3_error};

use super::answer::{About, finished};
use super::digest::BodyMd5;
use super::operations::Operations;
use super::{Embedded, Embedding, asks, aspects, door, refused};
use crate::error::Result;
use crate::gateway::asked::Asked;
use crate::gateway::domain::Domain;
use crate::gateway::signature::{Sender, Signer, is_form, unsigned, verified};
use crate::result::Direction;
use crate::storj::{Limits, Refusal};

/// Lists of 10,000 parts or of 1000 keys are some MB long.
const LARGEST_DOCUMENT_BYTES: usize = 20 << 20;
/// The largest file in a form, and all other fields together.
const FORM_FILE_MOST_BYTES: u64 = 64 << 20;
const FORM_FIELDS_MOST_BYTES: usize = 64 << 10;
const WEEK_S: u32 = 7 * 24 * 60 * 60;

/// The embedded S3, shared by all connections.
#[derive(Clone)]
pub struct Service {
    store: Arc<Embedded>,
    s3: S3Service,
    /// Whose requests are answered; without keys, everybody's.
    signer: Option<Arc<Signer>>,
}

/// What is known of a request before anything is done for it.
enum Known {
    /// Who sends it, or that s3s will ask: an extension of it.
    Sender(Request<Body>),
    /// Its answer.
    Answer(Response<Body>),
}

/// Why a request has no answer of its own.
enum Failure {
    /// It is refused.
    Refused(S3Error),
    /// It has none: the connection is cut.
    Cut(StdError),
}

impl From<S3Error> for Failure {
    fn from(error: S3Error) -> Self {
        Self::Refused(error)
    }
}

impl Service {
    /// Opens what it needs; `scheme` is what clients reach it by.
    ///
    /// # Errors
    /// If the directory or a bucket's name cannot be used.
    pub fn open(
        embedding: Embedding,
        domain: &Domain,
        limits: &Limits,
        scheme: Scheme,
    ) -> Result<Self> {
        let store = Arc::new(Embedded::open(&embedding, limits, scheme)?);
        let mut builder = S3ServiceBuilder::new(Operations(Arc::clone(&store)));
        builder.set_validation(AnyBucket);
        builder.set_host(domain.clone());
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(limits_of_forms()))));
        if let Some(keys) = &embedding.keys {
            builder.set_auth(keys.clone());
            builder.set_access(OfKnownSenders);
        }
        let signer = embedding.keys.map(|keys| Arc::new(Signer::new(keys)));
        Ok(Self { store, s3: builder.build(), signer })
    }

    /// The request, of which it is known who sends it, or the answer to one that goes no further: it costs nothing of
    /// what the project may ask the satellite.
    ///
    /// # Errors
    /// If an answer cannot be put together; the connection is then cut.
    pub fn identified(
        &self,
        request: Request<Body>,
        asked: &Asked,
        request_id: &str,
    ) -> std::result::Result<std::result::Result<Request<Body>, Response<Body>>, StdError> {
        let (head, body) = request.into_parts();
        let about = About::of(&head, asked, request_id, &self.store.scheme);
        let answer = match self.known(head, body, asked) {
            Ok(Known::Sender(request)) => return Ok(Ok(request)),
            Ok(Known::Answer(response)) => response,
            Err(error) => error.to_http_response()?,
        };
        finished(answer, &about).map(Err)
    }

    fn known(&self, head: Parts, body: Body, asked: &Asked) -> S3Result<Known> {
        if let Some(response) = door::beside_s3(&head) {
            return Ok(Known::Answer(response));
        }
        door::check(&head, asked, &self.store.scheme)?;
        let request = Request::from_parts(head, body);
        let (mut request, sender) = match &self.signer {
            Some(signer) => verified(request, signer)?,
            None => (unsigned(request)?, Sender::Owner),
        };
        request.extensions_mut().insert(sender);
        Ok(Known::Sender(request))
    }

    /// The answer to an [`Service::identified`] request that asks for this.
    ///
    /// # Errors
    /// If there is none; the connection is then cut.
    pub async fn call(
        &self,
        request: Request<Body>,
        asked: &Asked,
        request_id: &str,
    ) -> std::result::Result<Response<Body>, StdError> {
        let (head, body) = request.into_parts();
        let about = About::of(&head, asked, request_id, &self.store.scheme);
        let response = match self.answer(head, body, asked).await {
            Ok(response) => response,
            Err(Failure::Refused(error)) => error.to_http_response()?,
            Err(Failure::Cut(error)) => return Err(error),
        };
        finished(response, &about)
    }

    async fn answer(
        &self,
        mut head: Parts,
        body: Body,
        asked: &Asked,
    ) -> std::result::Result<Response<Body>, Failure> {
        if head.extensions.get() == Some(&Sender::Owner) {
            asks::put_right(&mut head, asked)?;
            if let Some(answer) = aspects::answer(&self.store, &head, asked) {
                return Ok(answer?);
            }
            if let Some(key) = &asked.key {
                asks::check_key(key)?;
                if let Some(answer) = self.answer_beyond_keys(asked, key) {
                    return Ok(answer?);
                }
            }
        }
        let request = with_whole_body(Request::from_parts(head, body), asked).await?;
        self.s3.call(request).await.map_err(|error| Failure::Cut(error.into()))
    }

    /// The answer to who asks for a key that is longer than any: s3s would refuse to look for it.
    fn answer_beyond_keys(&self, asked: &Asked, key: &str) -> Option<S3Result<Response<Body>>> {
        if !asks::is_beyond_keys(key) {
            return None;
        }
        let bucket = asked.bucket.as_deref()?;
        let answer = match asked.operation {
            "PutObject" | "CopyObject" | "CreateMultipartUpload" => {
                asks::check_new_key(key).map(|()| Response::new(Body::empty()))
            }
            "DeleteObject" => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NO_CONTENT;
                Ok(response)
            }
            _ => Err(refused::answer(Refusal::NoSuchKey)),
        };
        Some(self.store.bucket(bucket, |_| Ok(())).and(answer))
    }
}

/// s3s reads a form, and its file, before it asks who sends it.
fn limits_of_forms() -> S3Config {
    let mut config = S3Config::default();
    config.post_object_max_file_size = FORM_FILE_MOST_BYTES;
    config.form_max_field_size = FORM_FIELDS_MOST_BYTES;
    config.form_max_fields_size = FORM_FIELDS_MOST_BYTES;
    // Only the policy says how long a form is good (`storj/minio` cmd/postpolicyform.go).
    config.presigned_url_max_skew_time_secs = WEEK_S;
    config
}

/// The request, whose body is in memory if it is no content of an object: so that a digest of it that is wrong is
/// refused before anything is done.
async fn with_whole_body(
    request: Request<Body>,
    asked: &Asked,
) -> std::result::Result<Request<Body>, Failure> {
    let (mut head, mut body) = request.into_parts();
    if asked.part() == Some(Direction::Up) || is_form(&head) || body.is_end_stream() {
        return Ok(Request::from_parts(head, body));
    }
    let read = body.store_all_limited(LARGEST_DOCUMENT_BYTES).await;
    let bytes = read.map_err(|error| match error.downcast::<S3Error>() {
        Ok(error) => Failure::Refused(*error),
        Err(error) => Failure::Refused(S3Error::with_source(S3ErrorCode::IncompleteBody, error)),
    })?;
    head.extensions.insert(BodyMd5::of(&bytes));
    Ok(Request::from_parts(head, Body::from(bytes)))
}

/// Lets in who is known: by [`verified`], or by s3s itself.
struct OfKnownSenders;

#[async_trait::async_trait]
impl S3Access for OfKnownSenders {
    async fn check(&self, request: &mut S3AccessContext<'_>) -> S3Result<()> {
        let is_owner = request.extensions_mut().get() == Some(&Sender::Owner);
        if is_owner || request.credentials().is_some() {
            return Ok(());
        }
        Err(s3_error!(AccessDenied, "Access Denied."))
    }
}

/// Storj's gateway looks at the names of buckets when it makes one; another that is no name is one that is not there.
struct AnyBucket;

impl NameValidation for AnyBucket {
    fn validate_bucket_name(&self, _name: &str) -> bool {
        true
    }
}
