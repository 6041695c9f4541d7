//! What a journal needs of a disk, so that tests can put a failing one in its place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

/// A folder's files and names.
pub trait Disk: Send + 'static {
    /// An open file.
    type File: Medium;

    /// Opens a file that exists, to read and write.
    fn open(&mut self, path: &Path) -> io::Result<Self::File>;
    /// Makes an empty file, over whatever is there.
    fn create(&mut self, path: &Path) -> io::Result<Self::File>;
    /// Gives a file another name, over whatever is there. Atomic.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a second name, which must be free.
    fn keep(&mut self, path: &Path, also: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&mut self, path: &Path) -> io::Result<()>;
    /// Makes the names in the folder around `path` durable.
    fn sync_names(&mut self, path: &Path) -> io::Result<()>;
}

/// An open file.
pub trait Medium: Read + Write + Seek + Send + 'static {
    /// Cuts the file off, or fills it up with zeros.
    fn set_len(&mut self, bytes: u64) -> io::Result<()>;
    /// Makes what was written durable, and the file's length.
    fn sync_data(&mut self) -> io::Result<()>;
    /// The same, with everything else that is known of the file: what a cut needs.
    fn sync_all(&mut self) -> io::Result<()>;
}

/// The real disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files;

impl Disk for Files {
    type File = File;

    fn open(&mut self, path: &Path) -> io::Result<File> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        close_to_others(&file);
        Ok(file)
    }

    fn create(&mut self, path: &Path) -> io::Result<File> {
        let mut how = OpenOptions::new();
        how.read(true).write(true).create(true).truncate(true);
        let file = ours_alone(&mut how).open(path)?;
        close_to_others(&file);
        Ok(file)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn keep(&mut self, path: &Path, also: &Path) -> io::Result<()> {
        match fs::hard_link(path, also) {
            // Some memory cards know no second names.
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                let mut how = OpenOptions::new();
                let mut copy = ours_alone(how.write(true).create_new(true)).open(also)?;
                io::copy(&mut File::open(path)?, &mut copy)?;
                copy.sync_all()
            }
            linked => linked,
        }
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_names(&mut self, path: &Path) -> io::Result<()> {
        match path.parent() {
            Some(folder) if folder.as_os_str().is_empty() => File::open(".")?.sync_all(),
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// A journal has what was whispered: what is made is for nobody else on this machine.
fn ours_alone(how: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(how, 0o600);
    how
}

/// The same of what is there already. Not every disk knows owners.
fn close_to_others(file: &File) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let is_open = |data: fs::Metadata| data.permissions().mode() & 0o077 != 0;
        if file.metadata().is_ok_and(is_open) {
            let _ = file.set_permissions(fs::Permissions::from_mode(0o600));
        }
    }
    #[cfg(not(unix))]
    let _ = file;
}

impl Medium for File {
    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        File::set_len(self, bytes)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn sync_all(&mut self) -> io::Result<()> {
        File::sync_all(self)
    }
}
