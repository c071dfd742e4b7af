//! What a hostile server answers: its bytes as they are, whatever was asked.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::clock;
use crate::dataset::Payload;
use crate::measure::Probe;
use crate::store::s3::{Config, Credentials, S3Store};
use crate::store::{Part, Store, StoreError, Upload};

/// A client and a server that says what it is told to.
struct Pair {
    runtime: Runtime,
    store: S3Store,
    answer: Arc<Mutex<Vec<u8>>>,
}

impl Pair {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("the system gives a thread its event queue");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("loopback is there");
        let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
        let answer = Arc::<Mutex<Vec<u8>>>::default();
        runtime.spawn(serve(listener, Arc::clone(&answer)));
        let store = runtime.block_on(async {
            let credentials =
                Credentials::Static { access_key: "key".into(), secret_key: "secret".into() };
            let patience = Duration::from_secs(2);
            let config = Config {
                credentials,
                stall_timeout: patience,
                ..Config::new(&endpoint, "bucket", "region")
            };
            S3Store::connect(&config.resolve().await.expect("the endpoint is a URL"))
        });
        Self { runtime, store, answer }
    }
}

/// In the client's thread: another would have to be woken for each answer.
async fn serve(listener: TcpListener, answer: Arc<Mutex<Vec<u8>>>) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { continue };
        // The requests are small: they come in one piece.
        let _ = stream.read(&mut [0; 4096]).await;
        let says = answer.lock().expect("nobody panics with it").clone();
        let _ = stream.write_all(&says).await;
    }
}

/// The first byte says what is asked, the rest is the answer.
pub fn answer(input: &[u8]) {
    thread_local! {
        static PAIR: RefCell<Option<Pair>> = const { RefCell::new(None) };
    }
    let Some((which, bytes)) = input.split_first() else { return };
    PAIR.with_borrow_mut(|pair| {
        let Pair { runtime, store, answer } = pair.get_or_insert_with(Pair::start);
        bytes.clone_into(&mut answer.lock().expect("nobody panics with it"));
        runtime.block_on(ask(store, which % 15));
    });
}

async fn ask(store: &S3Store, which: u8) {
    let probe = &Probe::begin(&Default::default(), clock::now());
    let upload = Upload { key: "key".into(), id: "id".into() };
    let nothing = || Payload::from(vec![]);
    match which {
        0 => told(store.locate_bucket(probe).await),
        1 => told(store.put_object("key", nothing(), probe).await),
        2 => told(store.create_upload("key", probe).await),
        3 => {
            let parts = [Part { number: 1, etag: "\"e\"".into(), checksum: None }];
            told(store.complete_upload(&upload, &parts, probe).await);
        }
        4 => told(store.abort_upload(&upload, probe).await),
        5 => told(store.list_uploads("p/", probe).await),
        6 => told(store.list_parts(&upload, probe).await),
        7 => told(store.head_object("key", probe).await),
        8 => read(store, None, probe).await,
        9 => list(store, probe).await,
        10 => told(store.upload_part(&upload, 1, nothing(), probe).await),
        11 => told(store.first_part("key", probe).await),
        12 => told(store.versioning(probe).await),
        13 => told(store.object_lock(probe).await),
        _ => read(store, Some(10..20), probe).await,
    }
}

/// A failure is told in a few words, whatever the answer says.
fn told<T>(result: Result<T, StoreError>) {
    if let Err(error) = result {
        let told = error.to_string();
        assert!(told.len() < 16 << 10, "{} bytes: {told}", told.len());
    }
}

async fn read(store: &S3Store, range: Option<Range<u64>>, probe: &Arc<Probe>) {
    match store.get_object("key", range, probe).await {
        Ok(mut download) => while let Some(Ok(_)) = download.body.next().await {},
        Err(error) => told::<()>(Err(error)),
    }
}

/// As whoever reads all pages does; a server that always has more is not waited for.
async fn list(store: &S3Store, probe: &Arc<Probe>) {
    let mut after = None;
    for _ in 0..10 {
        match store.list_objects("p/", after.as_deref(), probe).await {
            Ok(page) if page.next.is_some() => after = page.next,
            last => {
                told(last);
                break;
            }
        }
    }
    told(store.delete_objects(&["key".into()], probe).await);
}
