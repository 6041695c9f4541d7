//! The socket under actix's HTTP: large bodies go out from where they lie.
//!
//! The dispatcher copies all that it sends into one buffer, and lets that buffer grow and shrink for
//! large bodies. Here a body hands its bytes to the socket instead, and the socket sends them in one
//! call with what the dispatcher has written: the answer's head.

use bytes::{Buf, Bytes};
use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection.
pub struct Socket {
    io: TcpStream,
    outlet: Outlet,
}

impl Socket {
    /// A connection that has just been accepted, and where it comes from.
    pub fn accepted(io: TcpStream) -> (Self, Option<SocketAddr>) {
        // The second of two small messages must not wait for the other side's word on the first.
        let _ = io.set_nodelay(true);
        let peer = io.peer_addr().ok();
        let outlet = Outlet::default();
        (Self { io, outlet }, peer)
    }

    /// The stream below.
    pub fn stream(&self) -> &TcpStream {
        &self.io
    }

    /// The stream alone, for another protocol.
    pub fn into_stream(self) -> TcpStream {
        self.io
    }

    /// The way out for bodies.
    pub fn outlet(&self) -> Outlet {
        self.outlet.clone()
    }
}

/// A connection's way out for the bytes of a body.
///
/// They follow what stands in the dispatcher's buffer when they are handed over. So a body must not
/// end before they are gone, or the head of the next answer would overtake them.
#[derive(Clone, Default)]
pub struct Outlet(Rc<Handed>);

#[derive(Default)]
struct Handed {
    bytes: RefCell<Bytes>,
    /// Whether the body is to be asked again when they are gone.
    awaited: Cell<bool>,
}

impl Outlet {
    /// Ready when all that was handed over is gone; else the task is woken then. Both the body and the
    /// socket are polled by the connection's task.
    pub(super) fn poll_empty(&self) -> Poll<()> {
        if self.0.bytes.borrow().is_empty() {
            return Poll::Ready(());
        }
        self.0.awaited.set(true);
        Poll::Pending
    }

    /// Hands bytes over. The outlet must be empty.
    pub(super) fn hand_over(&self, bytes: Bytes) {
        self.0.bytes.replace(bytes);
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { io, outlet } = &mut *self;
        let mut bytes = outlet.0.bytes.borrow_mut();
        if bytes.is_empty() {
            return Pin::new(io).poll_write(cx, buf);
        }
        let both = [IoSlice::new(buf), IoSlice::new(&bytes)];
        let sent = ready!(Pin::new(io).poll_write_vectored(cx, &both))?;
        bytes.advance(sent.saturating_sub(buf.len()));
        Poll::Ready(Ok(sent.min(buf.len())))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, outlet } = &mut *self;
        let mut bytes = outlet.0.bytes.borrow_mut();
        while !bytes.is_empty() {
            let sent = ready!(Pin::new(&mut *io).poll_write(cx, &bytes))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            bytes.advance(sent);
        }
        if outlet.0.awaited.take() {
            // Not to be held until the body's next turn, or longer.
            *bytes = Bytes::new();
            cx.waker().wake_by_ref();
        }
        Pin::new(io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[actix_web::test]
    async fn what_is_handed_over_follows_what_is_written() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(addr).await.unwrap();
        let (mut socket, _) = Socket::accepted(listener.accept().await.unwrap().0);
        let outlet = socket.outlet();
        // More than any buffer takes at once.
        let body: Vec<u8> = (0..8u32 << 20).map(|n| (n / 7) as u8).collect();
        let expected = [b"head".to_vec(), body.clone(), b"next".to_vec()].concat();
        let reader = actix_rt::spawn(async move {
            let mut got = Vec::new();
            client.read_to_end(&mut got).await.unwrap();
            got
        });
        outlet.hand_over(Bytes::from(body));
        socket.write_all(b"head").await.unwrap();
        assert!(outlet.poll_empty().is_pending());
        poll_fn(|cx| Pin::new(&mut socket).poll_flush(cx))
            .await
            .unwrap();
        assert!(outlet.poll_empty().is_ready());
        socket.write_all(b"next").await.unwrap();
        drop(socket);
        assert!(reader.await.unwrap() == expected);
    }
}
