//! A server in between that knows where each request is, and may do something about it: the network
//! with somebody in it.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use super::relay::{Asked, Relay, read_answer, read_head};

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Its head has been read; the server knows nothing.
    Asked,
    /// The server has the head and half of the body.
    Halfway,
    /// The server has all of it.
    Sent,
    /// The answer is here; the client knows nothing.
    Answered,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    On,
    /// It reaches nobody.
    Lost,
}

/// Looks at each request at each moment. It may change the body that is at hand: all of it when it is
/// [`Moment::Asked`] (the way up) or [`Moment::Answered`] (the way down).
pub trait Watcher: Send + Sync + 'static {
    fn sees(&self, asked: &Asked, moment: Moment, body: &mut [u8]) -> Way;
}

/// In front of another server.
pub fn proxy(upstream: &str, watcher: Arc<impl Watcher>) -> Relay {
    Relay::start(upstream, move |client, server| pass(client, server, &*watcher))
}

/// The requests of a connection, one after the other.
fn pass(client: &TcpStream, server: &TcpStream, watcher: &impl Watcher) -> io::Result<()> {
    let (mut from_client, mut from_server) = (BufReader::new(client), BufReader::new(server));
    let (mut to_client, mut to_server) = (client, server);
    loop {
        let head = read_head(&mut from_client)?;
        let asked = Asked::of(&head);
        let mut body = vec![0; asked.length];
        from_client.read_exact(&mut body)?;
        if watcher.sees(&asked, Moment::Asked, &mut body) == Way::Lost {
            return Ok(());
        }
        let (half, rest) = body.split_at(body.len() / 2);
        to_server.write_all(head.as_bytes())?;
        to_server.write_all(half)?;
        if !half.is_empty() && watcher.sees(&asked, Moment::Halfway, &mut []) == Way::Lost {
            return Ok(());
        }
        to_server.write_all(rest)?;
        watcher.sees(&asked, Moment::Sent, &mut []);
        let (head, mut body) = read_answer(&mut from_server, asked.method == "HEAD")?;
        watcher.sees(&asked, Moment::Answered, &mut body);
        to_client.write_all(head.as_bytes())?;
        to_client.write_all(&body)?;
    }
}
