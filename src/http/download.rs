//! Sending files: conditions, ranges, safe types (RFC 9110, sections 13 and 14).

use super::cache::{Cached, Content, FileCache, http_date};
use super::{Asked, Outlet};
use crate::error::{Error, Result};
use crate::store::{AssetPath, Format, Shelf, Stamp};
use actix_web::body::{BodySize, MessageBody, SizedStream};
use actix_web::http::header::{
    self, ByteRangeSpec, EntityTag, Header, HeaderMap, HeaderName, HeaderValue, HttpDate, IfMatch,
    IfModifiedSince, IfNoneMatch, IfRange, IfUnmodifiedSince, Range as RangeHeader,
};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder, web};
use bytes::Bytes;
use futures_util::stream;
use std::collections::VecDeque;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Most ranges of one request; more are answered with the whole file.
pub const MAX_RANGES: usize = 16;
/// A body in memory up to this size goes through the dispatcher: copying it is cheaper than asking it
/// twice.
const SMALL: u64 = 16 << 10;
/// What is read from disk, or copied, at once.
const PIECE: u64 = 112 << 10;

/// What users upload may style itself, and nothing else: no script runs on our origin.
const SANDBOX: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");
/// Which pages may show an answer (Fetch, section 3.7).
pub(super) const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const SAME_SITE: HeaderValue = HeaderValue::from_static("same-site");
const BYTES: HeaderValue = HeaderValue::from_static("bytes");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const ANY: HeaderValue = HeaderValue::from_static("*");
const OCTETS: &str = "application/octet-stream";

/// How a library's files are labelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Pictures and films.
    Pictures,
    /// Sounds; any page may play them, as SpellTable's server allows.
    Sounds,
}

impl Disposition {
    fn media_type(self, format: Format) -> &'static str {
        match self {
            Self::Pictures => format.media_type(),
            Self::Sounds => format.sound_media_type(),
        }
    }
}

/// Sends one file of `shelf`. `path` must come from its index.
pub async fn send_file(
    asked: &Asked<'_>,
    cache: &FileCache,
    shelf: &Shelf,
    path: &AssetPath,
    disposition: Disposition,
) -> Result<HttpResponse> {
    loop {
        let file = cache.get(shelf, path).await?;
        // Replaced between two looks: the newer one, then.
        if let Some(source) = source(&file, shelf, path)? {
            return answer(asked, &file, source, path, disposition);
        }
    }
}

/// The same, if the file is in memory as it is at this moment and there is nothing to complain of.
pub fn send_at_once(
    asked: &Asked<'_>,
    cache: &FileCache,
    shelf: &Shelf,
    path: &AssetPath,
    disposition: Disposition,
) -> Option<HttpResponse> {
    let file = cache.peek(shelf, path)?;
    let Content::Memory(bytes) = &file.content else {
        return None;
    };
    let source = Source::Memory(bytes.clone());
    answer(asked, &file, source, path, disposition).ok()
}

fn answer(
    asked: &Asked<'_>,
    file: &Cached,
    source: Source,
    path: &AssetPath,
    disposition: Disposition,
) -> Result<HttpResponse> {
    let size = file.stamp.bytes;
    let state = Validators {
        etag: &file.etag,
        modified: Some(file.stamp.modified),
    };
    let mut answer = match state.check(asked.headers)? {
        Outcome::NotModified => {
            let mut answer = HttpResponse::NotModified();
            label(&mut answer, file);
            return Ok(answer.finish());
        }
        Outcome::Send => HttpResponse::Ok(),
    };
    let ranges = if asked.is_head {
        None
    } else {
        wanted_ranges(asked.headers, &state, size)?
    };
    let media_type = file.format.map(|format| disposition.media_type(format));
    label(&mut answer, file);
    answer.insert_header((header::ACCEPT_RANGES, BYTES));
    answer.insert_header((header::X_CONTENT_TYPE_OPTIONS, NOSNIFF));
    answer.insert_header((header::CONTENT_SECURITY_POLICY, SANDBOX));
    answer.insert_header((CORP, SAME_SITE));
    if disposition == Disposition::Sounds && !asked.headers.contains_key(header::ORIGIN) {
        answer.insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY));
    }
    let shown_type = HeaderValue::from_static(media_type.unwrap_or(OCTETS));
    answer.insert_header((header::CONTENT_TYPE, shown_type));
    if media_type.is_none() {
        answer.insert_header((header::CONTENT_DISPOSITION, attachment(path.name())));
    }
    if asked.is_head {
        return Ok(answer.body(SizedStream::new(size, stream::empty::<Result<Bytes>>())));
    }
    let segments = match ranges.as_deref() {
        None => vec![Segment::plain(0..size)],
        Some([one]) => {
            answer.status(actix_web::http::StatusCode::PARTIAL_CONTENT);
            answer.insert_header((header::CONTENT_RANGE, content_range(one, size)));
            vec![Segment::plain(one.clone())]
        }
        Some(several) => {
            answer.status(actix_web::http::StatusCode::PARTIAL_CONTENT);
            multipart(&mut answer, several, size, media_type)
        }
    };
    Ok(source.respond(answer, segments, asked.outlet))
}

/// Where the bytes come from; `None` when the file has been replaced meanwhile.
fn source(file: &Cached, shelf: &Shelf, path: &AssetPath) -> Result<Option<Source>> {
    Ok(match &file.content {
        Content::Memory(bytes) => Some(Source::Memory(bytes.clone())),
        Content::Disk => {
            let (open, stamp) = shelf.open_file(path)?;
            (stamp == file.stamp).then_some(Source::Disk(Some(open)))
        }
    })
}

/// The headers that a 304 has as well.
fn label(answer: &mut HttpResponseBuilder, file: &Cached) {
    answer.insert_header((header::ETAG, file.etag.clone()));
    answer.insert_header((header::LAST_MODIFIED, file.last_modified.clone()));
    answer.insert_header((header::CACHE_CONTROL, NO_CACHE));
}

/// Sends bytes of ours (pages, documents) with a validator; `tag` names their content.
pub fn send_bytes(
    req: &HttpRequest,
    media_type: &str,
    tag: &str,
    bytes: Bytes,
) -> Result<HttpResponse> {
    let etag = HeaderValue::from_str(&format!("\"{tag}\""))
        .map_err(|e| Error::Internal(std::io::Error::other(e)))?;
    let state = Validators {
        etag: &etag,
        modified: None,
    };
    let mut answer = match state.check(req.headers())? {
        Outcome::NotModified => HttpResponse::NotModified(),
        Outcome::Send => HttpResponse::Ok(),
    };
    answer.insert_header((header::ETAG, etag.clone()));
    answer.insert_header((header::CACHE_CONTROL, NO_CACHE));
    answer.insert_header((header::X_CONTENT_TYPE_OPTIONS, NOSNIFF));
    if matches!(state.check(req.headers())?, Outcome::NotModified) {
        return Ok(answer.finish());
    }
    answer.insert_header((header::CONTENT_TYPE, media_type));
    Ok(answer.body(bytes))
}

/// Sends one of the documents that are part of the program.
pub fn send_document(
    req: &HttpRequest,
    media_type: &str,
    text: &'static str,
) -> Result<HttpResponse> {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    let tag = format!("{:x}", hasher.finish());
    send_bytes(req, media_type, &tag, Bytes::from_static(text.as_bytes()))
}

/// The strong entity tag of a file, quotes included.
pub fn etag_of(stamp: &Stamp) -> String {
    format!("\"{}\"", stamp.tag())
}

struct Validators<'a> {
    etag: &'a HeaderValue,
    /// `None` for what has no date.
    modified: Option<SystemTime>,
}

enum Outcome {
    Send,
    NotModified,
}

impl Validators<'_> {
    /// The conditions in the order of RFC 9110, section 13.2.2, for a GET or HEAD.
    fn check(&self, headers: &HeaderMap) -> Result<Outcome> {
        let failed = |what: &str| {
            Err(Error::PreconditionFailed(format!(
                "{what} does not hold: the file has changed"
            )))
        };
        if headers.contains_key(header::IF_MATCH) {
            let holds = match parse::<IfMatch>(headers) {
                Some(IfMatch::Any) => true,
                Some(IfMatch::Items(tags)) => tags.iter().any(|tag| tag.strong_eq(&self.tag())),
                None => false,
            };
            if !holds {
                return failed("If-Match");
            }
        } else if let Some(since) = parse::<IfUnmodifiedSince>(headers)
            && self.modified.is_some()
            && !self.not_after(since.0)
        {
            return failed("If-Unmodified-Since");
        }
        let unchanged = if headers.contains_key(header::IF_NONE_MATCH) {
            match parse::<IfNoneMatch>(headers) {
                Some(IfNoneMatch::Any) => true,
                Some(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(&self.tag())),
                None => false,
            }
        } else {
            parse::<IfModifiedSince>(headers).is_some_and(|since| self.not_after(since.0))
        };
        Ok(if unchanged {
            Outcome::NotModified
        } else {
            Outcome::Send
        })
    }

    fn tag(&self) -> EntityTag {
        let text = self.etag.to_str().unwrap_or_default();
        EntityTag::new_strong(text.trim_matches('"').to_owned())
    }

    /// Whether the file was last changed at or before `date`, in whole seconds.
    fn not_after(&self, date: HttpDate) -> bool {
        let modified = self.modified.map_or(u64::MAX, seconds);
        modified <= seconds(date.into())
    }

    /// Whether ranges apply: no `If-Range`, or one that names exactly this content.
    fn ranges_apply(&self, headers: &HeaderMap) -> bool {
        if !headers.contains_key(header::IF_RANGE) {
            return true;
        }
        match parse::<IfRange>(headers) {
            Some(IfRange::EntityTag(tag)) => tag.strong_eq(&self.tag()),
            Some(IfRange::Date(date)) => {
                // A date is a strong validator only when the file was quiet for a second.
                self.modified.is_some_and(|modified| {
                    let age = SystemTime::now()
                        .duration_since(modified)
                        .unwrap_or_default();
                    age > Duration::from_secs(1) && http_date(modified) == date.to_string()
                })
            }
            None => false,
        }
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |age| age.as_secs())
}

/// Reads a typed header out of a plain map.
fn parse<H: Header>(headers: &HeaderMap) -> Option<H> {
    struct Only<'a>(&'a HeaderMap, std::cell::RefCell<actix_http::Extensions>);
    impl HttpMessage for Only<'_> {
        type Stream = ();
        fn headers(&self) -> &HeaderMap {
            self.0
        }
        fn take_payload(&mut self) -> actix_http::Payload<()> {
            actix_http::Payload::None
        }
        fn extensions(&self) -> std::cell::Ref<'_, actix_http::Extensions> {
            self.1.borrow()
        }
        fn extensions_mut(&self) -> std::cell::RefMut<'_, actix_http::Extensions> {
            self.1.borrow_mut()
        }
    }
    headers.get(H::name())?;
    H::parse(&Only(headers, Default::default())).ok()
}

/// The byte ranges to send; `None` is the whole file.
fn wanted_ranges(
    headers: &HeaderMap,
    state: &Validators<'_>,
    size: u64,
) -> Result<Option<Vec<Range<u64>>>> {
    let mut values = headers.get_all(header::RANGE);
    let (Some(value), None) = (values.next(), values.next()) else {
        return Ok(None);
    };
    if !state.ranges_apply(headers) {
        return Ok(None);
    }
    let text = clamped(&value.to_str().unwrap_or_default().to_ascii_lowercase());
    // Another unit, or nothing that can be understood: as if it were not there. The parser leaves out
    // what it cannot read.
    let asked = text.trim_start_matches("bytes=").split(',');
    let asked = asked.filter(|spec| !spec.trim().is_empty());
    match text.parse() {
        Ok(RangeHeader::Bytes(specs)) if specs.len() == asked.count() => satisfy(&specs, size),
        _ => Ok(None),
    }
}

/// The same with numbers that the parser can read, where they are beyond every file.
fn clamped(text: &str) -> String {
    const DIGITS: usize = 18;
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let mut clamped = String::with_capacity(text.len());
    for run in text.as_bytes().chunk_by(|a, b| is_digit(a) == is_digit(b)) {
        let run = String::from_utf8_lossy(run);
        match run.trim_start_matches('0').len() {
            len if len > DIGITS && run.as_bytes().iter().all(is_digit) => {
                clamped.push_str(&"9".repeat(DIGITS));
            }
            _ => clamped.push_str(&run),
        }
    }
    clamped
}

/// Clips, drops what lies outside, merges what overlaps or touches, keeps the order asked for.
fn satisfy(specs: &[ByteRangeSpec], size: u64) -> Result<Option<Vec<Range<u64>>>> {
    let found: Vec<_> = specs
        .iter()
        .filter_map(|spec| spec.to_satisfiable_range(size))
        .map(|(first, last)| first..last + 1)
        .collect();
    if found.is_empty() {
        return Err(Error::RangeNotSatisfiable { size });
    }
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(found.len());
    for mut range in found {
        while let Some(at) = merged
            .iter()
            .position(|m| m.start <= range.end && range.start <= m.end)
        {
            let other = merged.remove(at);
            range = range.start.min(other.start)..range.end.max(other.end);
        }
        merged.push(range);
    }
    Ok((merged.len() <= MAX_RANGES).then_some(merged))
}

fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end - 1)
}

/// Bytes of ours, then a part of the file.
#[derive(Debug)]
struct Segment {
    prefix: Bytes,
    range: Range<u64>,
}

impl Segment {
    fn plain(range: Range<u64>) -> Self {
        Self {
            prefix: Bytes::new(),
            range,
        }
    }
}

/// A `multipart/byteranges` body (RFC 9110, section 14.6).
fn multipart(
    answer: &mut HttpResponseBuilder,
    ranges: &[Range<u64>],
    size: u64,
    media_type: Option<&str>,
) -> Vec<Segment> {
    let boundary = uuid::Uuid::new_v4().simple().to_string();
    answer.insert_header((
        header::CONTENT_TYPE,
        format!("multipart/byteranges; boundary={boundary}"),
    ));
    let media_type = media_type.unwrap_or(OCTETS);
    let mut segments: Vec<_> = ranges
        .iter()
        .enumerate()
        .map(|(nth, range)| Segment {
            prefix: Bytes::from(format!(
                "{}--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {}\r\n\r\n",
                if nth == 0 { "" } else { "\r\n" },
                content_range(range, size)
            )),
            range: range.clone(),
        })
        .collect();
    segments.push(Segment {
        prefix: Bytes::from(format!("\r\n--{boundary}--\r\n")),
        range: 0..0,
    });
    segments
}

/// `attachment` with the name in the form that carries all of Unicode (RFC 6266, RFC 8187).
fn attachment(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("attachment; filename*=UTF-8''{encoded}")
}

enum Source {
    Memory(Bytes),
    /// Absent while a read is under way.
    Disk(Option<File>),
}

impl Source {
    fn respond(
        self,
        mut answer: HttpResponseBuilder,
        segments: Vec<Segment>,
        outlet: Option<&Outlet>,
    ) -> HttpResponse {
        let size = segments
            .iter()
            .map(|s| s.prefix.len() as u64 + (s.range.end - s.range.start))
            .sum();
        if let (Self::Memory(bytes), [one]) = (&self, segments.as_slice())
            && size <= SMALL
        {
            return answer.body(bytes.slice(one.range.start as usize..one.range.end as usize));
        }
        if outlet.is_some() {
            // The dispatcher, which counts otherwise, does not see these bytes.
            answer.no_chunking(size);
        }
        answer.body(FileBody {
            source: self,
            segments: segments.into(),
            size,
            reading: None,
            outlet: outlet.cloned(),
        })
    }
}

type Reading = Pin<Box<dyn Future<Output = std::io::Result<(File, Bytes)>>>>;

/// A body that yields its segments piece by piece.
struct FileBody {
    source: Source,
    segments: VecDeque<Segment>,
    size: u64,
    reading: Option<Reading>,
    outlet: Option<Outlet>,
}

impl FileBody {
    /// What can be sent without reading, or the next range to read.
    fn next(&mut self) -> Option<Result<Bytes, Range<u64>>> {
        loop {
            let segment = self.segments.front_mut()?;
            if !segment.prefix.is_empty() {
                return Some(Ok(std::mem::take(&mut segment.prefix)));
            }
            if segment.range.is_empty() {
                self.segments.pop_front();
                continue;
            }
            let Range { start, end } = segment.range;
            let most = match (&self.source, &self.outlet) {
                // Not copied, so there is no buffer to be kept small.
                (Source::Memory(_), Some(_)) => u64::MAX,
                _ => PIECE,
            };
            let end = end.min(start.saturating_add(most));
            segment.range.start = end;
            return Some(match &self.source {
                Source::Memory(bytes) => Ok(bytes.slice(start as usize..end as usize)),
                Source::Disk(_) => Err(start..end),
            });
        }
    }
}

impl FileBody {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<std::io::Result<Bytes>>> {
        loop {
            if let Some(reading) = &mut self.reading {
                let outcome = ready!(reading.as_mut().poll(cx));
                self.reading = None;
                return Poll::Ready(Some(outcome.map(|(file, bytes)| {
                    self.source = Source::Disk(Some(file));
                    bytes
                })));
            }
            match self.next() {
                None => return Poll::Ready(None),
                Some(Ok(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                Some(Err(piece)) => {
                    let Source::Disk(file) = &mut self.source else {
                        return Poll::Ready(None);
                    };
                    let Some(file) = file.take() else {
                        let lost = std::io::Error::other("an earlier read failed");
                        return Poll::Ready(Some(Err(lost)));
                    };
                    self.reading = Some(Box::pin(read_piece(file, piece)));
                }
            }
        }
    }
}

impl MessageBody for FileBody {
    type Error = std::io::Error;

    fn size(&self) -> BodySize {
        match self.outlet {
            Some(_) => BodySize::Stream,
            None => BodySize::Sized(self.size),
        }
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let Some(outlet) = self.outlet.clone() else {
            return self.poll_piece(cx);
        };
        loop {
            ready!(outlet.poll_empty());
            match ready!(self.poll_piece(cx)) {
                Some(Ok(piece)) => outlet.hand_over(piece),
                other => return Poll::Ready(other),
            }
        }
    }
}

async fn read_piece(mut file: File, piece: Range<u64>) -> std::io::Result<(File, Bytes)> {
    web::block(move || {
        let mut bytes = vec![0; (piece.end - piece.start) as usize];
        file.seek(SeekFrom::Start(piece.start))?;
        file.read_exact(&mut bytes)?;
        Ok((file, Bytes::from(bytes)))
    })
    .await
    .map_err(std::io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// First and last byte of each range to send; `None` is the whole file.
    fn ranges(text: &str, size: u64) -> Option<Vec<(u64, u64)>> {
        let Ok(RangeHeader::Bytes(specs)) = text.parse() else {
            return None;
        };
        let found = satisfy(&specs, size).unwrap_or_else(|_| Some(Vec::new()));
        found.map(|list| list.into_iter().map(|r| (r.start, r.end - 1)).collect())
    }

    #[test]
    fn ranges_are_clipped_and_merged() {
        for (text, expected) in [
            ("bytes=0-9", vec![(0, 9)]),
            ("bytes=10-", vec![(10, 77)]),
            ("bytes=-5", vec![(73, 77)]),
            ("bytes=-500", vec![(0, 77)]),
            ("bytes=70-500", vec![(70, 77)]),
            ("bytes=0-9,5-20,30-39", vec![(0, 20), (30, 39)]),
            ("bytes=30-39,0-9", vec![(30, 39), (0, 9)]),
            // Outside: an error, shown here as nothing to send.
            ("bytes=78-", vec![]),
            ("bytes=-0", vec![]),
            ("bytes=100-200", vec![]),
        ] {
            assert_eq!(ranges(text, 78), Some(expected), "{text}");
        }
        assert_eq!(ranges("bytes=0-", 0), Some(vec![]));
        let many: Vec<_> = (0..17)
            .map(|n| format!("{}-{}", n * 10, n * 10 + 1))
            .collect();
        assert_eq!(ranges(&format!("bytes={}", many.join(",")), 1000), None);
    }

    #[test]
    fn names_of_downloads_carry_unicode() {
        assert_eq!(
            attachment("a\"b ü.bin"),
            "attachment; filename*=UTF-8''a%22b%20%C3%BC.bin"
        );
    }

    proptest! {
        #[test]
        fn what_is_sent_is_what_was_asked(size in 1u64..200, wanted in prop::collection::vec((0u64..250, 0u64..250), 1..8)) {
            let specs: Vec<_> = wanted.iter().map(|(a, b)| ByteRangeSpec::FromTo(*a.min(b), *a.max(b))).collect();
            let asked = |byte: u64| wanted.iter().any(|(a, b)| (*a.min(b)..=*a.max(b)).contains(&byte));
            let sent = satisfy(&specs, size).ok().flatten().unwrap_or_default();
            for byte in 0..size {
                let times = sent.iter().filter(|range| range.contains(&byte)).count();
                prop_assert_eq!(times, usize::from(asked(byte)));
            }
        }
    }
}
