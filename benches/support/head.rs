//! As much of HTTP/1.1 answers as these clients need.

use super::Result;

/// The start of an answer.
pub struct Head {
    /// Status code.
    pub status: u16,
    /// Bytes of the body that follows, as `Content-Length` says.
    pub length: u64,
    /// With quotes; empty when there is none.
    pub etag: String,
    /// Bytes of the head itself, the empty line included.
    pub bytes: usize,
}

impl Head {
    /// Reads the head at the start of `received`; `None` when it is not complete yet.
    pub fn parse(received: &[u8]) -> Result<Option<Self>> {
        let Some(end) = memchr::memmem::find(received, b"\r\n\r\n") else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&received[..end])?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let mut head = Self {
            status: status.ok_or("an answer that is not HTTP")?.parse()?,
            length: 0,
            etag: String::new(),
            bytes: end + 4,
        };
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            if name.eq_ignore_ascii_case("content-length") {
                head.length = value.parse()?;
            } else if name.eq_ignore_ascii_case("etag") {
                value.clone_into(&mut head.etag);
            }
        }
        Ok(Some(head))
    }
}
