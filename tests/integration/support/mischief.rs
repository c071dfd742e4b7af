//! A server in between that does to each request what a test says: the faults of networks and servers.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;

use super::relay::{Asked, Relay, read_answer, read_head};

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// It goes its way.
    None,
    /// It is read whole, and this is the answer; the server knows nothing of it.
    Answer(String),
    /// The connection is reset while its body is on the way.
    Reset,
    /// The server does it, and the connection is closed instead of an answer.
    LoseAnswer,
    /// Half of the answer's body comes, then the connection is closed.
    Truncate,
}

impl Fault {
    /// An answer that says no, with one more header if there is one.
    pub fn refusal(status: u16, code: &str, header: &str) -> Self {
        let body = format!("<Error><Code>{code}</Code><Message>as planned</Message></Error>");
        let length = body.len();
        Self::Answer(format!(
            "HTTP/1.1 {status} No\r\n{header}Content-Length: {length}\r\n\r\n{body}"
        ))
    }
}

type Plan = Box<dyn FnMut(&Asked) -> Fault + Send>;

/// In front of another server.
pub fn mischief(upstream: &str, plan: impl FnMut(&Asked) -> Fault + Send + 'static) -> Relay {
    let plan: Mutex<Plan> = Mutex::new(Box::new(plan));
    Relay::start(upstream, move |client, server| pass(client, server, &plan))
}

/// The requests of a connection, one after the other, until one goes wrong.
fn pass(client: &TcpStream, server: &TcpStream, plan: &Mutex<Plan>) -> io::Result<()> {
    let (mut from_client, mut from_server) = (BufReader::new(client), BufReader::new(server));
    let (mut to_client, mut to_server) = (client, server);
    loop {
        let head = read_head(&mut from_client)?;
        let asked = Asked::of(&head);
        let fault = plan.lock().unwrap()(&asked);
        if fault == Fault::Reset {
            // To close with unread input is to reset.
            from_client.read_exact(&mut vec![0; asked.length / 2])?;
            return Ok(());
        }
        let mut body = vec![0; asked.length];
        from_client.read_exact(&mut body)?;
        if let Fault::Answer(answer) = fault {
            to_client.write_all(answer.as_bytes())?;
            continue;
        }
        to_server.write_all(head.as_bytes())?;
        to_server.write_all(&body)?;
        let (head, body) = read_answer(&mut from_server, asked.method == "HEAD")?;
        match fault {
            Fault::LoseAnswer => return Ok(()),
            Fault::Truncate => {
                to_client.write_all(head.as_bytes())?;
                return to_client.write_all(&body[..body.len() / 2]);
            }
            _ => {
                to_client.write_all(head.as_bytes())?;
                to_client.write_all(&body)?;
            }
        }
    }
}
