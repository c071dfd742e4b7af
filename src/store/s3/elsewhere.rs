//! Where a server says that a bucket is, when it is not where it was asked for. Nothing is sent there: a signed
//! request is for the endpoint that the user named.

use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use url::Url;

/// The longest name of a host (RFC 1035, 2.3.4), and more than any region has.
const NAME_MAX: usize = 253;

/// Another endpoint, another region, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Elsewhere {
    /// Base URL.
    endpoint: Option<String>,
    region: Option<String>,
}

impl Elsewhere {
    /// Of an answer that says no. `None` if it names no other place, or nothing that could be one.
    pub(super) fn told_by(answer: &HttpResponse, code: Option<&str>) -> Option<Self> {
        let is_redirect = matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308);
        // AWS answers this to a request that is signed for another region.
        if !is_redirect && code != Some("AuthorizationHeaderMalformed") {
            return None;
        }
        let header = |name: &str| answer.headers().get(name);
        let body = answer.body().bytes().and_then(|body| std::str::from_utf8(body).ok());
        let element = |name: &str| element(body?, name);
        let location = header("location").and_then(base_url);
        let endpoint = || base_url(&format!("https://{}", element("Endpoint")?));
        let endpoint = location.or_else(endpoint).filter(|_| is_redirect);
        let region = header("x-amz-bucket-region").or_else(|| element("Region"));
        let found = Self {
            endpoint: endpoint.map(|url| without_bucket(url, element("Bucket"))),
            region: region.filter(|region| is_region(region)).map(str::to_owned),
        };
        (found.endpoint.is_some() || found.region.is_some()).then_some(found)
    }

    /// Which options to give.
    pub(super) fn next_step(&self) -> String {
        let endpoint = self.endpoint.iter().map(|endpoint| format!("--endpoint {endpoint}"));
        let region = self.region.iter().map(|region| format!("--region {region}"));
        let options: Vec<_> = endpoint.chain(region).collect();
        format!(
            "requests never follow to another place by themselves: if that is the right one, give {}",
            options.join(" ")
        )
    }
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.endpoint, &self.region) {
            (Some(endpoint), Some(region)) => {
                write!(f, "it points to {endpoint}, region {region}")
            }
            (Some(endpoint), None) => write!(f, "it points to {endpoint}"),
            (None, Some(region)) => write!(f, "the bucket's region is {region}"),
            (None, None) => Ok(()),
        }
    }
}

/// Scheme, host and port; `None` if it is no URL of a server.
fn base_url(location: &str) -> Option<Url> {
    let mut url = Url::parse(location).ok()?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str()?.len() > NAME_MAX {
        return None;
    }
    url.set_path("");
    url.set_query(None);
    url.set_fragment(None);
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some(url)
}

/// Our requests have the bucket in their path: a host's name that begins with it is told without.
fn without_bucket(mut url: Url, bucket: Option<&str>) -> String {
    let host = url.host_str().unwrap_or_default();
    let rest = bucket.and_then(|bucket| host.strip_prefix(bucket)?.strip_prefix('.'));
    if let Some(rest) = rest.map(str::to_owned) {
        // What is left of a host's name is one; if not, it is told whole.
        let _ = url.set_host(Some(&rest));
    }
    url.as_str().trim_end_matches('/').to_owned()
}

fn is_region(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(plain)
}

/// The text of the first XML element of this name; host names and regions need no decoding.
fn element<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let (_, behind) = body.split_once(&format!("<{name}>"))?;
    let (text, _) = behind.split_once(&format!("</{name}>"))?;
    (text.len() <= NAME_MAX).then(|| text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_types::body::SdkBody;

    fn told(
        status: u16,
        headers: &[(&'static str, &'static str)],
        body: &str,
    ) -> Option<Elsewhere> {
        let status = http::StatusCode::from_u16(status).unwrap().into();
        let mut answer = HttpResponse::new(status, SdkBody::from(body));
        for (name, value) in headers {
            answer.headers_mut().insert(*name, *value);
        }
        Elsewhere::told_by(&answer, element(body, "Code"))
    }

    #[test]
    fn a_redirect_says_where_to_and_which_options_to_give() {
        let aws = "<Error><Code>PermanentRedirect</Code><Bucket>b.c</Bucket>\
                   <Endpoint>b.c.s3.eu-west-1.amazonaws.com</Endpoint></Error>";
        let cases: [(u16, &[_], _, _, _); 4] = [
            (
                301,
                &[("x-amz-bucket-region", "eu-west-1")],
                aws,
                "https://s3.eu-west-1.amazonaws.com, region eu-west-1",
                "--endpoint https://s3.eu-west-1.amazonaws.com --region eu-west-1",
            ),
            (
                307,
                &[("location", "http://other.example:9000/b?location#x")],
                "",
                "points to http://other.example:9000",
                "give --endpoint http://other.example:9000",
            ),
            (
                301,
                &[("x-amz-bucket-region", "eu-west-1")],
                "",
                "region is eu-west-1",
                "--region eu-west-1",
            ),
            (
                400,
                &[],
                "<Error><Code>AuthorizationHeaderMalformed</Code><Region>us-west-2</Region></Error>",
                "region is us-west-2",
                "--region us-west-2",
            ),
        ];
        for (status, headers, body, says, options) in cases {
            let elsewhere = told(status, headers, body).unwrap();
            assert!(elsewhere.to_string().ends_with(says), "{elsewhere}");
            assert!(elsewhere.next_step().ends_with(options), "{}", elsewhere.next_step());
        }
    }

    #[test]
    fn what_cannot_be_a_place_is_not_repeated() {
        let cases: [(u16, &[_], _); 6] = [
            (301, &[("location", "file:///etc/passwd")], ""),
            (301, &[("location", "/elsewhere")], ""),
            (301, &[], "<Endpoint>a b\u{1b}[31m</Endpoint>"),
            (301, &[("x-amz-bucket-region", "eu west")], ""),
            (403, &[("x-amz-bucket-region", "eu-west-1")], ""),
            (200, &[("location", "http://other.example")], ""),
        ];
        for (status, headers, body) in cases {
            assert_eq!(told(status, headers, body), None, "{status} {headers:?} {body}");
        }
        let elsewhere =
            told(301, &[("location", "https://user:secret@other.example")], "").unwrap();
        assert_eq!(elsewhere.endpoint.as_deref(), Some("https://other.example"));
    }
}
