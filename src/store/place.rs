//! Where a run's bucket is, and the store of whoever is not particular about which kind it is.

use std::ops::Range;
use std::sync::Arc;

use super::model::ModelStore;
use super::s3::{Connection, S3Store, Written};
use super::{
    Download, FirstPart, ObjectInfo, OpenUpload, Page, Part, PartInfo, Store, StoreError, Upload,
    Versioning,
};
use crate::clock;
use crate::dataset::Payload;
use crate::measure::Probe;

/// Where a bucket is.
#[derive(Clone)]
pub enum Place {
    /// At an endpoint; each thread makes connections of its own.
    Endpoint(Box<Connection>),
    /// In this thread, in simulated time.
    Simulated(ModelStore),
}

impl Place {
    /// Base URL of the endpoint.
    pub fn endpoint(&self) -> &str {
        match self {
            Self::Endpoint(connection) => connection.endpoint(),
            Self::Simulated(_) => "simulated",
        }
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        match self {
            Self::Endpoint(connection) => connection.bucket(),
            Self::Simulated(_) => "simulated",
        }
    }

    /// The same place, where nothing that is there is written over.
    #[must_use]
    pub fn only_new(&self) -> Self {
        match self {
            Self::Endpoint(connection) => Self::Endpoint(Box::new(connection.only_new())),
            Self::Simulated(store) => Self::Simulated(store.only_new()),
        }
    }

    /// A store for the calling thread.
    pub fn connect(&self) -> AnyStore {
        match self {
            Self::Endpoint(connection) => AnyStore::S3(S3Store::connect(connection)),
            Self::Simulated(store) => AnyStore::Model(store.clone()),
        }
    }
}

/// A store of either kind, for housekeeping; measured requests go to the store itself.
pub enum AnyStore {
    /// At an endpoint.
    S3(S3Store),
    /// In simulated time.
    Model(ModelStore),
}

impl AnyStore {
    /// What the server calls itself in an answer, if it does. A simulated one answers as Storj does.
    ///
    /// # Errors
    /// The attempt's, if there was no answer.
    pub async fn server(&self, probe: &Arc<Probe>) -> Result<Option<String>, StoreError> {
        match self {
            Self::S3(store) => store.server(probe).await,
            Self::Model(_) => Ok(Some("Storj".to_owned())),
        }
    }

    /// Whether the bucket keeps versions. The simulated one never does.
    ///
    /// # Errors
    /// The attempt's.
    pub async fn versioning(&self, probe: &Arc<Probe>) -> Result<Versioning, StoreError> {
        match self {
            Self::S3(store) => store.versioning(probe).await,
            Self::Model(_) => Ok(Versioning::Never),
        }
    }
}

impl AnyStore {
    /// When an object was written, and how long ago that is; `None` if the server does not tell.
    ///
    /// # Errors
    /// The attempt's.
    pub async fn written(
        &self,
        key: &str,
        probe: &Arc<Probe>,
    ) -> Result<Option<Written>, StoreError> {
        match self {
            Self::S3(store) => store.written(key, probe).await,
            Self::Model(store) => {
                let found = store.head_object(key, probe).await?;
                let written = |at| Written { at, ago: clock::calendar().duration_since(at).ok() };
                Ok(found.and_then(|found| found.modified).map(written))
            }
        }
    }
}

macro_rules! either {
    ($any:ident, $store:ident => $call:expr) => {
        match $any {
            Self::S3($store) => $call.await,
            Self::Model($store) => $call.await,
        }
    };
}

impl Store for AnyStore {
    fn keeps_bytes(&self) -> bool {
        match self {
            Self::S3(store) => store.keeps_bytes(),
            Self::Model(store) => store.keeps_bytes(),
        }
    }

    async fn locate_bucket(&self, probe: &Arc<Probe>) -> Result<(), StoreError> {
        either!(self, store => store.locate_bucket(probe))
    }

    async fn put_object(
        &self,
        key: &str,
        payload: Payload,
        probe: &Arc<Probe>,
    ) -> Result<String, StoreError> {
        either!(self, store => store.put_object(key, payload, probe))
    }

    async fn create_upload(&self, key: &str, probe: &Arc<Probe>) -> Result<Upload, StoreError> {
        either!(self, store => store.create_upload(key, probe))
    }

    async fn upload_part(
        &self,
        upload: &Upload,
        number: u32,
        payload: Payload,
        probe: &Arc<Probe>,
    ) -> Result<Part, StoreError> {
        either!(self, store => store.upload_part(upload, number, payload, probe))
    }

    async fn complete_upload(
        &self,
        upload: &Upload,
        parts: &[Part],
        probe: &Arc<Probe>,
    ) -> Result<String, StoreError> {
        either!(self, store => store.complete_upload(upload, parts, probe))
    }

    async fn abort_upload(&self, upload: &Upload, probe: &Arc<Probe>) -> Result<(), StoreError> {
        either!(self, store => store.abort_upload(upload, probe))
    }

    async fn list_uploads(
        &self,
        prefix: &str,
        probe: &Arc<Probe>,
    ) -> Result<Vec<OpenUpload>, StoreError> {
        either!(self, store => store.list_uploads(prefix, probe))
    }

    async fn list_parts(
        &self,
        upload: &Upload,
        probe: &Arc<Probe>,
    ) -> Result<Vec<PartInfo>, StoreError> {
        either!(self, store => store.list_parts(upload, probe))
    }

    async fn head_object(
        &self,
        key: &str,
        probe: &Arc<Probe>,
    ) -> Result<Option<ObjectInfo>, StoreError> {
        either!(self, store => store.head_object(key, probe))
    }

    async fn first_part(
        &self,
        key: &str,
        probe: &Arc<Probe>,
    ) -> Result<Option<FirstPart>, StoreError> {
        either!(self, store => store.first_part(key, probe))
    }

    async fn get_object(
        &self,
        key: &str,
        range: Option<Range<u64>>,
        probe: &Arc<Probe>,
    ) -> Result<Download, StoreError> {
        either!(self, store => store.get_object(key, range, probe))
    }

    async fn list_objects(
        &self,
        prefix: &str,
        after: Option<&str>,
        probe: &Arc<Probe>,
    ) -> Result<Page, StoreError> {
        either!(self, store => store.list_objects(prefix, after, probe))
    }

    async fn delete_objects(
        &self,
        keys: &[String],
        probe: &Arc<Probe>,
    ) -> Result<Vec<(String, String)>, StoreError> {
        either!(self, store => store.delete_objects(keys, probe))
    }
}
