//! One connection, one question after the other.

use super::Result;
use super::head::Head;
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

/// Long enough for a slow disk, short enough to notice a server that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A keep-alive connection.
pub struct Talk {
    stream: TcpStream,
    addr: SocketAddr,
}

/// An answer with its body.
pub struct Answer {
    /// Status, length, entity tag.
    pub head: Head,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Talk {
    /// Connects.
    pub fn to(addr: SocketAddr) -> Result<Self> {
        Self::with(TcpStream::connect(addr)?, addr)
    }

    /// Connects as somebody at another address of this machine.
    pub fn from(own: IpAddr, addr: SocketAddr) -> Result<Self> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(own, 0).into())?;
        socket.connect(&addr.into())?;
        Self::with(socket.into(), addr)
    }

    fn with(stream: TcpStream, addr: SocketAddr) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, addr })
    }

    /// Asks and reads the answer.
    pub fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<Answer> {
        let kind = "Content-Type: application/json\r\n";
        self.send_head(method, path, kind, body.len())?;
        self.send(body.as_bytes())?;
        self.answer()
    }

    /// Sends the head of a request whose body of `length` bytes follows with [`Self::send`].
    pub fn send_head(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        length: usize,
    ) -> Result<()> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{headers}Content-Length: {length}\r\n\r\n",
            self.addr
        );
        self.send(head.as_bytes())
    }

    /// Sends a part of the body.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Reads one answer.
    pub fn answer(&mut self) -> Result<Answer> {
        let mut received = vec![0; 64 << 10];
        let mut used = 0;
        loop {
            let more = self.stream.read(&mut received[used..])?;
            if more == 0 {
                return Err("the server closed the connection in an answer".into());
            }
            used += more;
            if let Some(head) = Head::parse(&received[..used])? {
                received.truncate(used);
                let mut body = received.split_off(head.bytes);
                let there = body.len();
                body.resize(usize::try_from(head.length)?, 0);
                self.stream.read_exact(&mut body[there..])?;
                return Ok(Answer { head, body });
            }
        }
    }
}
