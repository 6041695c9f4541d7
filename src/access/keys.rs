//! One secret, from which each purpose derives its own key.

use crate::error::{Error, Result};
use hkdf::Hkdf;
use sha2::Sha256;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;
use tempfile::NamedTempFile;

/// Length of a key, in bytes.
pub(super) const KEY_BYTES: usize = 32;

/// The server's secret: `.tablekeep/key`, 32 random bytes that only this user may read.
///
/// Whoever has it can make every cookie. Deleting the file makes all of them void.
pub struct Keys {
    hkdf: Hkdf<Sha256>,
}

impl Keys {
    /// Reads the key file below `folder`, or makes it at the first start. Blocks.
    ///
    /// Errors are sentences for the person who started the server.
    pub fn open(folder: &Path) -> Result<Self> {
        let file = folder.join("key");
        let explain = |error: std::io::Error| {
            Error::Invalid(format!(
                "the key file {} cannot be used ({error})",
                file.display()
            ))
        };
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => make(&file).map_err(explain)?,
            Err(error) => return Err(explain(error)),
        };
        let key: [u8; KEY_BYTES] = bytes.as_slice().try_into().map_err(|_| {
            Error::Invalid(format!(
                "the key file {} has {} bytes instead of {KEY_BYTES}; delete it, and everybody signs in anew",
                file.display(),
                bytes.len()
            ))
        })?;
        keep_private(&file);
        Ok(Self::new(&key))
    }

    /// From the secret itself.
    pub fn new(secret: &[u8; KEY_BYTES]) -> Self {
        Self {
            hkdf: Hkdf::new(None, secret),
        }
    }

    /// The key for one purpose (HKDF-SHA256, RFC 5869). `context`: what else it depends on.
    pub fn derive(&self, purpose: &str, context: &[u8]) -> [u8; KEY_BYTES] {
        let mut key = [0; KEY_BYTES];
        // The zero keeps a purpose and its context apart.
        self.hkdf
            .expand_multi_info(
                &[b"tablekeep ", purpose.as_bytes(), b"\0", context],
                &mut key,
            )
            .expect("32 bytes are less than HKDF's limit");
        key
    }
}

/// Random bytes from the operating system.
///
/// Errors: `Internal`, when it has none to give.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(bytes)
}

/// Whole or not at all, and never over another one: a crash leaves no half key.
fn make(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut key = vec![0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|error| std::io::Error::other(error.to_string()))?;
    // Made with mode 0600.
    let folder = file.with_file_name("");
    let mut draft = NamedTempFile::new_in(&folder)?;
    draft.write_all(&key)?;
    draft.as_file().sync_all()?;
    draft.persist_noclobber(file)?;
    fs::File::open(folder)?.sync_all()?;
    Ok(key)
}

/// A copied folder may have lost the file's mode.
fn keep_private(file: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let open_to_others = |mode: u32| mode & 0o077 != 0;
        if fs::metadata(file).is_ok_and(|data| open_to_others(data.permissions().mode())) {
            let closed = fs::set_permissions(file, fs::Permissions::from_mode(0o600));
            tracing::warn!(
                closed = closed.is_ok(),
                "other users of this machine could read the key file: delete it, if there are any whom you do not trust"
            );
        }
    }
    #[cfg(not(unix))]
    let _ = file;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_only_ours_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let first = Keys::open(folder.path()).unwrap().derive("a", b"");
        let again = Keys::open(folder.path()).unwrap().derive("a", b"");
        assert_eq!(first, again);
        let file = folder.path().join("key");
        assert_eq!(fs::read(&file).unwrap().len(), KEY_BYTES);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = || fs::metadata(&file).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(), 0o600);
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
            Keys::open(folder.path()).unwrap();
            assert_eq!(mode(), 0o600);
        }
    }

    #[test]
    fn a_broken_key_is_one_sentence_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("key"), b"short").unwrap();
        let said = Keys::open(folder.path()).err().unwrap().to_string();
        assert!(said.contains("5 bytes instead of 32"), "{said}");
        assert_eq!(fs::read(folder.path().join("key")).unwrap(), b"short");
    }

    #[test]
    fn every_purpose_and_context_has_its_own_key() {
        let keys = Keys::new(&[7; KEY_BYTES]);
        let made = [
            keys.derive("a", b""),
            keys.derive("b", b""),
            keys.derive("a", b"b"),
            keys.derive("ab", b""),
            Keys::new(&[8; KEY_BYTES]).derive("a", b""),
        ];
        for (nth, key) in made.iter().enumerate() {
            assert!(!made[..nth].contains(key), "{nth}");
        }
    }
}
