//! What a hostile server answers: its bytes as they are, whatever was asked.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use tokio::runtime::Runtime;

use crate::clock;
use crate::dataset::Payload;
use crate::measure::Probe;
use crate::store::s3::{Config, Credentials, S3Store};
use crate::store::{Part, Store, Upload};

/// A client and a server that says what it is told to.
struct Pair {
    runtime: Runtime,
    store: S3Store,
    answer: Arc<Mutex<Vec<u8>>>,
}

impl Pair {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
        let answer = Arc::<Mutex<Vec<u8>>>::default();
        let says = Arc::clone(&answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                // The requests are small: they come in one piece.
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(&says.lock().expect("nobody panics with it"));
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("the system gives a thread its event queue");
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

/// The first byte says what is asked, the rest is the answer.
pub(super) fn answer(input: &[u8]) {
    thread_local! {
        static PAIR: RefCell<Option<Pair>> = const { RefCell::new(None) };
    }
    let Some((which, bytes)) = input.split_first() else { return };
    PAIR.with_borrow_mut(|pair| {
        let Pair { runtime, store, answer } = pair.get_or_insert_with(Pair::start);
        bytes.clone_into(&mut answer.lock().expect("nobody panics with it"));
        runtime.block_on(ask(store, which % 10));
    });
}

async fn ask(store: &S3Store, which: u8) {
    let probe = &Probe::begin(&Default::default(), clock::now());
    let upload = Upload { key: "key".into(), id: "id".into() };
    match which {
        0 => drop(store.locate_bucket(probe).await),
        1 => drop(store.put_object("key", Payload::from(vec![]), probe).await),
        2 => drop(store.create_upload("key", probe).await),
        3 => {
            let parts = [Part { number: 1, etag: "\"e\"".into() }];
            drop(store.complete_upload(&upload, &parts, probe).await);
        }
        4 => drop(store.abort_upload(&upload, probe).await),
        5 => drop(store.list_uploads("p/", probe).await),
        6 => drop(store.list_parts(&upload, probe).await),
        7 => drop(store.head_object("key", probe).await),
        8 => {
            let Ok(mut download) = store.get_object("key", None, probe).await else { return };
            while let Some(Ok(_)) = download.body.next().await {}
        }
        _ => {
            let mut after = None;
            // As whoever reads all pages does; a server that always has more is not waited for.
            for _ in 0..10 {
                match store.list_objects("p/", after.as_deref(), probe).await {
                    Ok(page) if page.next.is_some() => after = page.next,
                    _ => break,
                }
            }
            drop(store.delete_objects(&["key".into()], probe).await);
        }
    }
}
