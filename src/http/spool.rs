//! The file into which an upload goes while it arrives.
//!
//! What is larger than the memory for files keeps is written past the system's cache, where it can be:
//! a film of 200 MB would push everything else out of a small machine's memory, and wait there
//! only to hold up everybody's next save when it is synced. It also takes a fraction of the CPU time.

use std::io::{self, Write};
use tempfile::NamedTempFile;

/// Bytes that are written at once.
pub(super) const BUFFER_BYTES: usize = 1 << 20;
/// The beginning of a file goes through the system's cache, from where small files are read at once.
const CACHED_BYTES: u64 = 16 << 20;
/// Addresses and lengths that every disk takes for writing past the cache.
const ALIGNMENT: usize = 4096;

/// Bytes on their way to a file, at an aligned address.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    /// An empty one.
    pub fn new() -> Self {
        let mut bytes: Vec<u8> = Vec::with_capacity(BUFFER_BYTES + ALIGNMENT);
        // Never more than the capacity is written, so the address stays as it is.
        let start = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        bytes.resize(start, 0);
        Self { bytes, start }
    }

    /// Takes as much as there is room for, and returns how much that was.
    pub fn take(&mut self, bytes: &[u8]) -> usize {
        let room = self.start + BUFFER_BYTES - self.bytes.len();
        let taken = bytes.len().min(room);
        self.bytes.extend_from_slice(&bytes[..taken]);
        taken
    }

    /// Whether no more fits in.
    pub fn is_full(&self) -> bool {
        self.bytes.len() == self.start + BUFFER_BYTES
    }

    /// What is in it.
    fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    fn clear(&mut self) {
        self.bytes.truncate(self.start);
    }
}

/// A file that is written from its beginning to its end.
pub(super) struct Spool {
    file: NamedTempFile,
    written: u64,
    direct: bool,
}

impl Spool {
    /// Writes into `file`, which is empty.
    pub fn new(file: NamedTempFile) -> Self {
        Self {
            file,
            written: 0,
            direct: false,
        }
    }

    /// Writes what is in `buffer` and empties it; all but the last must be full. Blocks.
    pub fn write(&mut self, buffer: &mut Buffer) -> io::Result<()> {
        self.set_direct(buffer.is_full() && self.written >= CACHED_BYTES);
        let mut rest = buffer.bytes();
        while !rest.is_empty() {
            match self.file.as_file_mut().write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(done) => rest = &rest[done..],
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // A disk of its own mind: through the cache, then.
                Err(e) if e.kind() == io::ErrorKind::InvalidInput && self.direct => {
                    self.set_direct(false);
                }
                Err(e) => return Err(e),
            }
        }
        self.written += buffer.bytes().len() as u64;
        buffer.clear();
        Ok(())
    }

    /// The file, written whole.
    pub fn into_file(self) -> NamedTempFile {
        self.file
    }

    /// Whether what follows goes past the cache. Not every file system can: then nothing changes.
    #[cfg(target_os = "linux")]
    fn set_direct(&mut self, direct: bool) {
        use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
        if self.direct == direct {
            return;
        }
        let file = self.file.as_file();
        let changed = fcntl_getfl(file).and_then(|mut flags| {
            flags.set(OFlags::DIRECT, direct);
            fcntl_setfl(file, flags)
        });
        self.direct = direct && changed.is_ok();
    }

    #[cfg(not(target_os = "linux"))]
    fn set_direct(&mut self, _: bool) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_in_pieces_is_the_file() {
        let bytes: Vec<u8> = (0..20_000_000u32).map(|n| (n / 5) as u8).collect();
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(NamedTempFile::new_in(folder.path()).unwrap());
        let mut buffer = Buffer::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let taken = buffer.take(rest);
            rest = &rest[taken..];
            if buffer.is_full() || rest.is_empty() {
                spool.write(&mut buffer).unwrap();
            }
        }
        assert!(std::fs::read(spool.into_file().path()).unwrap() == bytes);
    }
}
