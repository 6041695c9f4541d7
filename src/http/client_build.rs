//! Another system's own client: a folder of files as its build makes them, with one page for all paths.

use super::send_bytes;
use crate::error::{Error, Result};
use crate::store::AssetPath;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Larger files belong to no client.
const MAX_BYTES: u64 = 64 << 20;
const INDEX: &str = "index.html";

/// The builds that are served, by the names of their dialects.
#[derive(Default)]
pub struct ClientBuilds(HashMap<&'static str, ClientBuild>);

/// One build.
pub struct ClientBuild {
    folder: PathBuf,
    /// What its page gets in front of its first script.
    script: Option<&'static str>,
}

impl ClientBuilds {
    /// Adds one, with a script that its page is to have first. Errors: a sentence when the folder has no
    /// page.
    pub fn open(
        &mut self,
        name: &'static str,
        folder: &Path,
        script: Option<&'static str>,
    ) -> Result<()> {
        let found = folder
            .canonicalize()
            .ok()
            .filter(|folder| folder.join(INDEX).is_file());
        let folder = found.ok_or_else(|| {
            let folder = folder.display();
            Error::Invalid(format!("there is no {INDEX} in {folder}; name the folder of the client's build with --client {name}=DIR"))
        })?;
        self.0.insert(name, ClientBuild { folder, script });
        Ok(())
    }

    /// The build of this dialect's client.
    pub fn get(&self, name: &str) -> Option<&ClientBuild> {
        self.0.get(name)
    }
}

impl ClientBuild {
    /// Answers with the file of the request's path, or with the page where the client has paths of its
    /// own: where the last name has no extension.
    pub async fn send(&self, req: &HttpRequest) -> Result<HttpResponse> {
        let missing = || Error::NotFound("Not Found".into());
        if req.method() != actix_web::http::Method::GET {
            return Err(Error::MethodNotAllowed {
                allow: "GET, HEAD".into(),
            });
        }
        let path = percent_decode_str(req.path().trim_start_matches('/'));
        let path = path.decode_utf8().map_err(|_| missing())?;
        let asked = match &*path {
            "" => None,
            path => Some(AssetPath::parse(path).map_err(|_| missing())?),
        };
        let hidden = |path: &AssetPath| path.names().any(|name| name.starts_with('.'));
        if asked.as_ref().is_some_and(hidden) {
            return Err(missing());
        }
        let is_page = asked
            .as_ref()
            .is_none_or(|path| path.extension().is_empty());
        let index = || AssetPath::parse(INDEX).ok();
        let (folder, script) = (self.folder.clone(), self.script);
        let found = web::block(move || {
            let file = asked.and_then(|path| read(&folder, path));
            let found = file.or_else(|| read(&folder, index().filter(|_| is_page)?));
            found.map(|(path, bytes)| match script {
                Some(script) if path.as_str() == INDEX => (path, with_script(&bytes, script)),
                _ => (path, bytes),
            })
        });
        let found = found
            .await
            .map_err(|_| Error::Unavailable("the server is shutting down".into()))?;
        let (path, bytes) = found.ok_or_else(missing)?;
        let media_type = mime_guess::from_path(path.as_str()).first_or_octet_stream();
        let media_type = match media_type.type_() {
            mime_guess::mime::TEXT => format!("{media_type}; charset=utf-8"),
            _ => media_type.to_string(),
        };
        let tag: String = Sha256::digest(&bytes)[..12]
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let mut answer = send_bytes(req, &media_type, &tag, bytes.into())?;
        let headers = answer.headers_mut();
        let frames = header::HeaderValue::from_static("frame-ancestors 'self'");
        headers.insert(header::CONTENT_SECURITY_POLICY, frames);
        Ok(answer)
    }
}

/// The page with `script` in front of its first one, or at its end where it has none.
fn with_script(page: &[u8], script: &str) -> Vec<u8> {
    const TAG: &[u8] = b"<script";
    let mut starts = page.windows(TAG.len());
    let first = starts.position(|part| part.eq_ignore_ascii_case(TAG));
    let first = first.unwrap_or(page.len());
    let (before, behind) = page.split_at(first);
    [before, script.as_bytes(), behind].concat()
}

/// A file below the folder, wherever links lead.
fn read(folder: &Path, path: AssetPath) -> Option<(AssetPath, Vec<u8>)> {
    let file = path.below(folder).canonicalize().ok()?;
    if !file.starts_with(folder) || !file.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(file).ok()?;
    let read = file.take(MAX_BYTES + 1).read_to_end(&mut bytes).ok()?;
    (read as u64 <= MAX_BYTES).then_some((path, bytes))
}

#[cfg(test)]
mod tests {
    use super::with_script;

    #[test]
    fn a_script_comes_before_all_others() {
        for (page, expected) in [
            (
                "<p><SCRIPT src=a></SCRIPT><script>",
                "<p>X<SCRIPT src=a></SCRIPT><script>",
            ),
            ("<p>", "<p>X"),
            ("", "X"),
        ] {
            assert_eq!(with_script(page.as_bytes(), "X"), expected.as_bytes());
        }
    }
}
