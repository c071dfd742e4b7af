//! A server that lies: what its listings say is changed by whoever tests with it.

use std::sync::Arc;

use super::content::Content;
use super::{ModelStore, answers};
use crate::store::{ObjectInfo, OpenUpload};
use crate::storj::{Bucket, Query};

/// Changes a page of objects or of uploads; it is told of all that are there.
pub(crate) type Lie =
    fn(fastrand::Rng, &mut Vec<ObjectInfo>, &mut Vec<OpenUpload>, (&[ObjectInfo], &[OpenUpload]));

/// A way to lie, and what it draws from.
pub(super) struct Liar {
    random: fastrand::Rng,
    lie: Lie,
}

impl ModelStore {
    /// From now on listings are changed.
    pub(crate) fn lie(&self, random: fastrand::Rng, lie: Lie) {
        *self.world.liar.borrow_mut() = Some(Liar { random, lie });
    }

    /// No more.
    pub(crate) fn tell_the_truth(&self) {
        *self.world.liar.borrow_mut() = None;
    }

    pub(super) fn objects_as_told(
        &self,
        mut objects: Vec<ObjectInfo>,
        bucket: &Bucket<Content>,
    ) -> Vec<ObjectInfo> {
        self.change(&mut objects, &mut Vec::new(), bucket);
        objects
    }

    pub(super) fn uploads_as_told(
        &self,
        mut uploads: Vec<OpenUpload>,
        bucket: &Bucket<Content>,
    ) -> Vec<OpenUpload> {
        self.change(&mut Vec::new(), &mut uploads, bucket);
        uploads
    }

    fn change(
        &self,
        objects: &mut Vec<ObjectInfo>,
        uploads: &mut Vec<OpenUpload>,
        bucket: &Bucket<Content>,
    ) {
        let Some(Liar { random, lie }) = &mut *self.world.liar.borrow_mut() else { return };
        let query = Query { prefix: "", delimiter: None, after: "", limit: usize::MAX };
        let info = |(key, object): (&str, &Arc<_>)| answers::info(key, object);
        let all: Vec<ObjectInfo> = bucket.list(query).objects.into_iter().map(info).collect();
        let open: Vec<OpenUpload> =
            bucket.uploads("", "").into_iter().map(answers::open_upload).collect();
        lie(random.fork(), objects, uploads, (&all, &open));
    }
}
