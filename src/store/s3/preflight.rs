//! What is asked before a run, and by no connector: versions, clocks, TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::types::{BucketVersioningStatus, ObjectLockEnabled};
use http::Uri;

use super::asked::OfAnswer;
use super::error::{Call, http_date, not_connected};
use super::http_client::{Carries, Trust, client_config, tls_version, try_each_address};
use super::{Connection, S3Store, as_time, observe};
use crate::measure::{FailureClass, Probe};
use crate::store::{StoreError, Versioning};

/// What a TLS handshake with the endpoint agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSeen {
    /// As rustls names it, such as `TLSv1_3`.
    pub version: String,
    /// Why the certificate was believed.
    pub trust: TrustSeen,
}

/// Why a certificate was believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustSeen {
    /// An authority that this system trusts.
    System,
    /// One of the file named, which this system does not trust.
    PrivateAuthority,
    /// For no reason: any would do.
    Unchecked,
}

/// When an object was written, by the server's clock alone, which tells seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its `Last-Modified`.
    pub at: SystemTime,
    /// From then to the answer's `Date`, if it has one.
    pub ago: Option<Duration>,
}

impl S3Store {
    /// GetBucketVersioning.
    pub async fn versioning(&self, probe: &Arc<Probe>) -> Result<Versioning, StoreError> {
        let call = Call { operation: "GetBucketVersioning", subject: &self.bucket };
        let request = self
            .client
            .get_bucket_versioning()
            .bucket(&self.bucket)
            .customize()
            .mutate_request(observe(probe, Carries::Nothing));
        let output = self.attempt(call, probe, request.send()).await?;
        Ok(match output.status {
            None => Versioning::Never,
            Some(BucketVersioningStatus::Suspended) => Versioning::Suspended,
            Some(_) => Versioning::Enabled,
        })
    }

    /// What the server calls itself in its answer to GetBucketLocation, whatever else that says.
    pub async fn server(&self, probe: &Arc<Probe>) -> Result<Option<String>, StoreError> {
        let call = Call { operation: "GetBucketLocation", subject: &self.bucket };
        let server = OfAnswer::new(|answer| Some(answer.headers().get("server")?.to_owned()));
        let request = self
            .client
            .get_bucket_location()
            .bucket(&self.bucket)
            .customize()
            .interceptor(server.clone())
            .mutate_request(observe(probe, Carries::Nothing));
        match self.attempt(call, probe, request.send()).await {
            Err(error) if error.status.is_none() => Err(error),
            _ => Ok(server.get().cloned()),
        }
    }

    /// GetObjectLockConfiguration: whether Object Lock is enabled.
    pub async fn object_lock(&self, probe: &Arc<Probe>) -> Result<bool, StoreError> {
        let call = Call { operation: "GetObjectLockConfiguration", subject: &self.bucket };
        let request = self
            .client
            .get_object_lock_configuration()
            .bucket(&self.bucket)
            .customize()
            .mutate_request(observe(probe, Carries::Nothing));
        match self.attempt(call, probe, request.send()).await {
            Ok(output) => {
                let lock =
                    output.object_lock_configuration.and_then(|lock| lock.object_lock_enabled);
                Ok(lock == Some(ObjectLockEnabled::Enabled))
            }
            Err(error) if error.has_code("ObjectLockConfigurationNotFoundError") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// HeadObject: when an object was written, and how long ago that is. `None` if the server does not tell.
    pub async fn written(
        &self,
        key: &str,
        probe: &Arc<Probe>,
    ) -> Result<Option<Written>, StoreError> {
        let call = Call { operation: "HeadObject", subject: key };
        let date = OfAnswer::new(|answer| answer.headers().get("date").and_then(http_date));
        let request = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(key)
            .customize()
            .interceptor(date.clone())
            .mutate_request(observe(probe, Carries::Nothing));
        let output = self.attempt(call, probe, request.send()).await?;
        let at = output.last_modified.and_then(as_time);
        let ago = |at| Some(date.get()?.duration_since(at).unwrap_or_default());
        Ok(at.map(|at| Written { at, ago: ago(at) }))
    }
}

impl Connection {
    /// Shakes hands with the endpoint and sends nothing; `None` if it speaks plain HTTP.
    ///
    /// # Errors
    /// Why no connection came about.
    pub async fn tls(&self) -> Result<Option<TlsSeen>, StoreError> {
        let uri = self.uri()?;
        let version =
            tls_version(&uri, &self.sockets).await.map_err(|error| not_connected(&error))?;
        let Some(version) = version else { return Ok(None) };
        let trust = match &self.trust {
            Trust::Anybody => TrustSeen::Unchecked,
            Trust::Authorities { ca_bundle: None } => TrustSeen::System,
            Trust::Authorities { ca_bundle: Some(_) } => self.trust_without_bundle(&uri).await,
        };
        Ok(Some(TlsSeen { version, trust }))
    }

    /// Connects to each address of the endpoint and sends nothing; of those that do not answer, why.
    ///
    /// # Errors
    /// Why its name has no addresses.
    pub async fn addresses(&self) -> Result<Vec<(IpAddr, Result<(), String>)>, StoreError> {
        let tried = try_each_address(&self.uri()?, &self.sockets).await;
        let tried = tried.map_err(|error| not_connected(&error))?;
        let told = |(address, connected): (SocketAddr, io::Result<()>)| {
            (address.ip(), connected.map_err(|error| error.to_string()))
        };
        Ok(tried.into_iter().map(told).collect())
    }

    fn uri(&self) -> Result<Uri, StoreError> {
        let invalid = |_| StoreError::new(FailureClass::Client, "the endpoint is no URL");
        self.endpoint.parse().map_err(invalid)
    }

    async fn trust_without_bundle(&self, uri: &Uri) -> TrustSeen {
        let Ok(tls) = client_config(&Trust::Authorities { ca_bundle: None }) else {
            return TrustSeen::PrivateAuthority;
        };
        let mut sockets = self.sockets.clone();
        sockets.tls = Some(Arc::new(tls));
        match tls_version(uri, &sockets).await {
            Ok(_) => TrustSeen::System,
            Err(_) => TrustSeen::PrivateAuthority,
        }
    }
}
