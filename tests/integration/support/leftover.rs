//! What a run that was killed leaves in a bucket, written as a run writes it.

use std::path::Path;

use sha2::{Digest, Sha256};
use tidegate::store::s3::S3Store;

use super::uploading::{probe, put};
use tidegate::store::Store;

/// The name of a marker below a run's prefix.
pub const MARKER: &str = ".tidegate-run.json";

/// A run that began on the first of January.
pub struct Leftover {
    /// Its name.
    pub run: String,
    token: String,
    heartbeat: &'static str,
}

impl Leftover {
    /// With a name that this token proves.
    pub fn new(token: &str) -> Self {
        let proof: String =
            Sha256::digest(token)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let run = format!("20260101T000000Z-{proof}");
        Self { run, token: token.into(), heartbeat: "2026-01-01T00:00:00Z" }
    }

    /// The text of its marker.
    pub fn marker(&self, keeps: bool) -> String {
        let Self { run, token, heartbeat } = self;
        format!(
            r#"{{"tool":"tidegate","run":"{run}","token":"{token}","owner":"o","began":"{heartbeat}","heartbeat":"{heartbeat}","keeps":{keeps}}}"#
        )
    }

    /// A key below its prefix at `p/`.
    pub fn below(&self, name: &str) -> String {
        format!("p/tidegate-{}/{name}", self.run)
    }

    /// Writes its marker, objects and open uploads below `p/`.
    pub async fn leave(&self, store: &S3Store, objects: &[&str], uploads: &[&str]) {
        put(store, &self.below(MARKER), &self.marker(false)).await;
        for name in objects {
            put(store, &self.below(name), "data").await;
        }
        for name in uploads {
            store.create_upload(&self.below(name), &probe()).await.unwrap();
        }
    }

    /// Writes the journal that it has on this machine: these uploads are open at the target itself.
    pub fn journal(&self, results: &Path, open: &[(&str, &str)]) {
        let directory = results.join(&self.run);
        std::fs::create_dir_all(&directory).unwrap();
        let mut lines = vec![serde_json::json!({ "token": self.token })];
        lines.extend(
            open.iter().map(|(key, id)| serde_json::json!({ "begun": { "key": key, "id": id } })),
        );
        let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(directory.join("claim.jsonl"), lines).unwrap();
    }
}
