//! stub
#![allow(missing_docs)]
use super::*;
use crate::measure::Probe;
use std::ops::Range;
use std::sync::Arc;
#[derive(Clone, Debug)]
pub struct Connection;
impl Connection {
    pub fn bucket(&self) -> &str {
        ""
    }
    pub fn endpoint(&self) -> &str {
        ""
    }
}
pub struct S3Store;
impl S3Store {
    pub fn connect(_: &Connection) -> Self {
        todo!()
    }
}
#[derive(Clone, Debug)]
pub enum Credentials {
    Chain,
    Anonymous,
    Static { access_key: String, secret_key: String },
}
#[derive(Clone, Debug)]
pub struct Config {
    pub profile: Option<String>,
    pub ca_bundle: Option<std::path::PathBuf>,
    pub insecure: bool,
    pub credentials: Credentials,
}
impl Config {
    pub fn new(_: &str, _: &str, _: &str) -> Self {
        todo!()
    }
    pub async fn resolve(self) -> crate::error::Result<Connection> {
        todo!()
    }
}
impl Store for S3Store {
    async fn locate_bucket(&self, _: &Arc<Probe>) -> Result<(), StoreError> {
        todo!()
    }
    async fn put_object(&self, _: &str, _: Payload, _: &Arc<Probe>) -> Result<String, StoreError> {
        todo!()
    }
    async fn create_upload(&self, _: &str, _: &Arc<Probe>) -> Result<Upload, StoreError> {
        todo!()
    }
    async fn upload_part(
        &self,
        _: &Upload,
        _: u32,
        _: Payload,
        _: &Arc<Probe>,
    ) -> Result<Part, StoreError> {
        todo!()
    }
    async fn complete_upload(
        &self,
        _: &Upload,
        _: &[Part],
        _: &Arc<Probe>,
    ) -> Result<String, StoreError> {
        todo!()
    }
    async fn abort_upload(&self, _: &Upload, _: &Arc<Probe>) -> Result<(), StoreError> {
        todo!()
    }
    async fn list_uploads(&self, _: &str, _: &Arc<Probe>) -> Result<Vec<Upload>, StoreError> {
        todo!()
    }
    async fn head_object(&self, _: &str, _: &Arc<Probe>) -> Result<Option<ObjectInfo>, StoreError> {
        todo!()
    }
    async fn get_object(
        &self,
        _: &str,
        _: Option<Range<u64>>,
        _: &Arc<Probe>,
    ) -> Result<Download, StoreError> {
        todo!()
    }
    async fn list_objects(
        &self,
        _: &str,
        _: Option<&str>,
        _: &Arc<Probe>,
    ) -> Result<Page, StoreError> {
        todo!()
    }
    async fn delete_objects(
        &self,
        _: &[String],
        _: &Arc<Probe>,
    ) -> Result<Vec<(String, String)>, StoreError> {
        todo!()
    }
}
