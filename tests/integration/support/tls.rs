//! A gateway that speaks TLS.

use std::path::{Path, PathBuf};

use super::servers::{Serve, text};

/// A gateway with a certificate for `localhost` and 127.0.0.1.
pub fn serve(options: &[&str]) -> Serve {
    serve_with("server", options)
}

/// A gateway with another certificate beside the tests.
pub fn serve_with(name: &str, options: &[&str]) -> Serve {
    let (certificate, key) = (data(&format!("{name}.pem")), data(&format!("{name}.key")));
    let tls = ["--tls-cert", text(&certificate), "--tls-key", text(&key)];
    let serve = Serve::start(&[&tls, options].concat());
    assert!(serve.endpoint().starts_with("https://"), "{}", serve.endpoint());
    serve
}

/// A file beside the tests.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/data").join(name)
}
