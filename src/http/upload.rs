//! Multipart forms with one file, streamed to disk in constant memory.
//!
//! The file goes to a temporary file in the target's own file system while it arrives, so that a
//! rename puts it in place.

use super::body::claimed_length;
use super::multipart::Form;
use super::spool::{Buffer, Spool};
use crate::error::{Error, Problem, Result};
use crate::store::{Format, Shelf};
use actix_web::{HttpRequest, web};
use serde_json::{Value, json};
use std::collections::HashMap;
use tempfile::NamedTempFile;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Longest text field of a form.
pub const TEXT_BYTES: usize = 4 << 10;
/// Fields of a form, beyond which nobody means well.
const MAX_FIELDS: usize = 32;
/// Room for the form around the file, when the claimed length is compared with the limit.
const FORM_BYTES: u64 = 64 << 10;

/// Largest side of a picture, in pixels.
pub const MAX_SIDE: usize = 65_535;
/// Most pixels of a picture.
pub const MAX_PIXELS: usize = 1_000_000_000;

/// What an upload may be.
pub struct UploadLimits {
    /// For the sentence of a 413: `the map`.
    pub what: &'static str,
    /// Most bytes of the file.
    pub max_bytes: u64,
    /// What the bytes may be.
    pub formats: &'static [Format],
    /// The same for people: `png, jpg`.
    pub takes: String,
}

/// Bounds how many uploads hold buffers at the same time.
pub struct UploadSlots(Semaphore);

impl UploadSlots {
    /// `slots` uploads at a time, at least one.
    pub fn new(slots: u16) -> Self {
        Self(Semaphore::new(usize::from(slots.max(1))))
    }

    async fn take(&self) -> Result<SemaphorePermit<'_>> {
        let stopping = |_| Error::Unavailable("the server is shutting down".into());
        self.0.acquire().await.map_err(stopping)
    }
}

/// A file that has arrived whole, not yet in its place.
pub struct Uploaded {
    /// The name that the client gave, as it came: unchecked.
    pub name: String,
    /// The bytes; deleted when dropped.
    pub file: NamedTempFile,
    /// What the bytes are.
    pub format: Format,
    /// The form's text fields.
    pub texts: HashMap<String, String>,
}

/// Receives the form's field `file`, to be put on `shelf`, and its text fields.
///
/// Errors: 422 without a file, 400 with two, 413 over the limit (at once), 415 for bytes of another format, 507
/// on a full disk. Nothing stays behind then.
pub async fn receive(
    req: &HttpRequest,
    payload: web::Payload,
    slots: &UploadSlots,
    shelf: &Shelf,
    limits: &UploadLimits,
) -> Result<Uploaded> {
    let too_large = || Error::TooLarge {
        what: limits.what,
        limit_bytes: limits.max_bytes,
    };
    let Some(mut form) = Form::new(req.headers(), payload)? else {
        return Err(missing_file());
    };
    if claimed_length(req).is_some_and(|claimed| claimed > limits.max_bytes + FORM_BYTES) {
        return Err(too_large());
    }
    let _slot = slots.take().await?;
    let mut texts = HashMap::new();
    let mut file = None;
    let mut fields = 0;
    while let Some(part) = form.next_part().await? {
        fields += 1;
        if fields > MAX_FIELDS {
            return Err(Error::Invalid(format!(
                "a form may have at most {MAX_FIELDS} fields"
            )));
        }
        match part.file_name {
            Some(_) if part.name == "file" && file.is_some() => {
                return Err(Error::Invalid("one file for each request".into()));
            }
            Some(given) if part.name == "file" => {
                let (bytes, head) = save(&mut form, shelf, limits.max_bytes, &too_large).await?;
                // Browsers write a double quote as %22 (WHATWG, multipart/form-data encoding).
                file = Some((given.replace("%22", "\""), bytes, head));
            }
            Some(_) => skip(&mut form, limits.max_bytes, &too_large).await?,
            None => {
                let text = read_text(&mut form, &part.name).await?;
                if part.name == "file" {
                    return Err(text_for_file(&text).into());
                }
                texts.insert(part.name, text);
            }
        }
    }
    let Some((name, file, head)) = file else {
        return Err(missing_file());
    };
    if name.is_empty() {
        return Err(Error::Invalid("File name is required".into()));
    }
    let format = Format::of(&head).filter(|format| limits.formats.contains(format));
    let Some(format) = format else {
        return Err(Error::UnsupportedType(format!(
            "the content of '{name}' is of no type that this library takes: {}",
            limits.takes
        )));
    };
    let file = web::block(move || check_picture(&file, format, &head).map(|()| file))
        .await
        .map_err(|_| gone())??;
    Ok(Uploaded {
        name,
        file,
        format,
        texts,
    })
}

/// Streams a field into a temporary file, two buffers in turn: one fills while the other is written.
async fn save(
    form: &mut Form,
    shelf: &Shelf,
    max_bytes: u64,
    too_large: &impl Fn() -> Error,
) -> Result<(NamedTempFile, Vec<u8>)> {
    let mut spool = Some(Spool::new(shelf.temporary_file()?));
    let mut head = Vec::new();
    let mut filling = Buffer::new();
    let mut spare = None;
    let mut writing = None;
    let mut total = 0u64;
    loop {
        let chunk = form.next_chunk().await?;
        let mut rest = chunk.as_deref().unwrap_or_default();
        total += rest.len() as u64;
        if total > max_bytes {
            return Err(too_large());
        }
        let wanted = Format::HEAD_BYTES - head.len();
        head.extend_from_slice(&rest[..rest.len().min(wanted)]);
        loop {
            rest = &rest[filling.take(rest)..];
            if !filling.is_full() && chunk.is_some() {
                break;
            }
            if let Some(job) = writing.take() {
                let (written, empty) = finish(job).await?;
                (spool, spare) = (Some(written), Some(empty));
            }
            let full = std::mem::replace(&mut filling, spare.take().unwrap_or_else(Buffer::new));
            writing = Some(web::block(write(spool.take().ok_or_else(gone)?, full)));
            if rest.is_empty() {
                break;
            }
        }
        if chunk.is_none() {
            break;
        }
    }
    if let Some(job) = writing.take() {
        spool = Some(finish(job).await?.0);
    }
    Ok((spool.ok_or_else(gone)?.into_file(), head))
}

type Written = std::io::Result<(Spool, Buffer)>;

fn write(mut spool: Spool, mut full: Buffer) -> impl FnOnce() -> Written {
    move || {
        spool.write(&mut full)?;
        Ok((spool, full))
    }
}

async fn finish(
    job: impl Future<Output = Result<Written, actix_web::error::BlockingError>>,
) -> Result<(Spool, Buffer)> {
    Ok(job.await.map_err(|_| gone())??)
}

async fn skip(form: &mut Form, max_bytes: u64, too_large: &impl Fn() -> Error) -> Result<()> {
    let mut total = 0;
    while let Some(chunk) = form.next_chunk().await? {
        total += chunk.len() as u64;
        if total > max_bytes {
            return Err(too_large());
        }
    }
    Ok(())
}

async fn read_text(form: &mut Form, name: &str) -> Result<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = form.next_chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > TEXT_BYTES {
            return Err(Error::Invalid(format!(
                "a text field may have at most {TEXT_BYTES} bytes"
            )));
        }
    }
    String::from_utf8(bytes).map_err(|_| {
        let shown: String = name.chars().take(40).collect();
        Error::Invalid(format!("the field '{shown}' is not valid UTF-8"))
    })
}

/// Reads the header only: nobody's picture is decoded here.
fn check_picture(file: &NamedTempFile, format: Format, head: &[u8]) -> Result<()> {
    let is_picture = matches!(
        format,
        Format::Png | Format::Jpeg | Format::Webp | Format::Gif | Format::Bmp | Format::Avif
    );
    if !is_picture {
        return Ok(());
    }
    // A header that cannot be read is the browser's to judge; its size cannot hurt this server.
    let Ok(mut size) = imagesize::size(file.path()) else {
        return Ok(());
    };
    if format == Format::Bmp {
        // Below zero when its lines go from top to bottom.
        let height = u32::try_from(size.height).map_or(0, u32::cast_signed);
        size.height = height.unsigned_abs() as usize;
    }
    if !has_size(format, head) {
        return Ok(());
    }
    if size.width > MAX_SIDE || size.height > MAX_SIDE || size.width * size.height > MAX_PIXELS {
        return Err(Problem {
            ctx: Some(json!({ "width": size.width, "height": size.height })),
            ..Problem::new(
                "value_error",
                vec!["body".into(), "file".into()],
                "Value error, a picture may have at most 65535 pixels on a side and a thousand million in all",
                Value::Null,
            )
        }
        .into());
    }
    Ok(())
}

/// Whether the size really stands where it is looked for: the parser takes any bytes there.
fn has_size(format: Format, head: &[u8]) -> bool {
    match format {
        Format::Png => head.get(12..16) == Some(b"IHDR"),
        // The known lengths of a bitmap's second header.
        Format::Bmp => matches!(head.get(14), Some(12 | 40 | 52 | 56 | 64 | 108 | 124)),
        _ => true,
    }
}

fn missing_file() -> Error {
    Problem::missing(vec!["body".into(), "file".into()], Value::Null).into()
}

fn text_for_file(text: &str) -> Problem {
    Problem {
        ctx: Some(json!({ "error": {} })),
        ..Problem::new(
            "value_error",
            vec!["body".into(), "file".into()],
            "Value error, Expected UploadFile, received: <class 'str'>",
            json!(text),
        )
    }
}

fn gone() -> Error {
    Error::Unavailable("the server is shutting down".into())
}
