//! A session server as one would write it at first, and as the original's is: one thread, and after
//! every event the whole room is made into a text for each of its members.

use super::TEXT;
use crate::support::Result;
use serde::Serialize;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::{LocalSet, spawn_local};

/// The argument that makes this program that server.
pub const PLAIN: &str = "--plain";

#[derive(Serialize)]
struct Said {
    #[serde(rename = "userId")]
    user_id: String,
    msg: String,
    ts: String,
}

#[derive(Default, Serialize)]
struct Room {
    messages: Vec<Said>,
    #[serde(rename = "connectedUsers")]
    connected_users: Vec<String>,
    #[serde(skip)]
    members: Vec<UnboundedSender<Vec<u8>>>,
}

impl Room {
    fn tell_all(&self) {
        for member in &self.members {
            let text = serde_json::to_vec(self).unwrap_or_default();
            let _ = member.send(frame(&text));
        }
    }
}

type Rooms = Rc<RefCell<HashMap<String, Room>>>;

/// Serves until it is killed.
pub fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on http://{}", listener.local_addr()?);
        let rooms = Rooms::default();
        loop {
            let (stream, _) = listener.accept().await?;
            let rooms = rooms.clone();
            spawn_local(async move {
                let _ = member(stream, rooms).await;
            });
        }
    })
}

/// A member until it goes. What it says is a frame of the benchmark's one size.
async fn member(mut stream: TcpStream, rooms: Rooms) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head)?;
    let path = head.split(' ').nth(1).ok_or("no path")?;
    let (room, user) = path[1..].split_once('/').ok_or("no room")?;
    let (room, user) = (room.to_owned(), user.to_owned());
    stream
        .write_all(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
        .await?;
    let (mut reader, mut writer) = stream.into_split();
    let (frames, mut outbox) = unbounded_channel::<Vec<u8>>();
    spawn_local(async move {
        while let Some(frame) = outbox.recv().await {
            if writer.write_all(&frame).await.is_err() {
                return;
            }
        }
    });
    {
        let mut rooms = rooms.borrow_mut();
        let room = rooms.entry(room.clone()).or_default();
        room.connected_users.push(user.clone());
        room.members.push(frames);
        room.tell_all();
    }
    let mut frame = vec![0; 6 + TEXT.len()];
    loop {
        reader.read_exact(&mut frame).await?;
        let mut rooms = rooms.borrow_mut();
        let room = rooms.entry(room.clone()).or_default();
        room.messages.push(Said {
            user_id: user.clone(),
            // The mask of the benchmark's members is zero.
            msg: String::from_utf8(frame[6..].to_vec())?,
            ts: "2026-11-20T09:20:10.820Z".into(),
        });
        room.tell_all();
    }
}

fn frame(text: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        short @ 0..126 => frame.push(short as u8),
        long @ 126..=0xffff => {
            frame.push(126);
            frame.extend((long as u16).to_be_bytes());
        }
        longer => {
            frame.push(127);
            frame.extend((longer as u64).to_be_bytes());
        }
    }
    frame.extend(text);
    frame
}
