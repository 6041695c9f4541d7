//! JSON bodies, read in full and scanned, with FastAPI's words for what is wrong with them.

use crate::config::Config;
use crate::error::{Error, Problem, Result};
use crate::json::{JsonText, Node, NodeKind};
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::future::{FutureExt, LocalBoxFuture};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::time::Duration;

/// A client that sends nothing for this long has gone.
pub(super) const STALL: Duration = Duration::from_secs(60);

/// Largest [`ShortBody`].
pub const SHORT_BYTES: u64 = 16 << 10;

/// Longer values are not quoted back in an error.
const MAX_QUOTED_BYTES: usize = 64 << 10;

/// Room for a first allocation, whatever the client claims.
const FIRST_BYTES: usize = 64 << 10;

/// A request's body, read whole; at most `--max-scene` bytes.
#[derive(Debug)]
pub enum JsonBody {
    /// Nothing was sent.
    Empty,
    /// Acceptable JSON.
    Json(JsonText),
    /// Something that does not say it is JSON.
    Other(Bytes),
}

impl JsonBody {
    /// The JSON, or the problem that FastAPI would report for a body of a different kind.
    pub fn json(&self, kind: &'static str, message: &str) -> Result<&JsonText> {
        let problem = match self {
            Self::Json(text) => return Ok(text),
            Self::Empty => Problem::missing(vec!["body".into()], Value::Null),
            Self::Other(raw) => {
                let shown = String::from_utf8_lossy(&raw[..raw.len().min(1024)]);
                Problem::new(kind, vec!["body".into()], message, json!(shown))
            }
        };
        Err(problem.into())
    }

    /// The members of a body that must be an object.
    pub fn fields(&self) -> Result<Fields<'_>> {
        const MESSAGE: &str = "Input should be a valid dictionary";
        let object = self.json("dict_type", MESSAGE)?.root();
        if object.kind() != NodeKind::Object {
            let loc = vec!["body".into()];
            return Err(Problem::new("dict_type", loc, MESSAGE, short(object)).into());
        }
        Ok(Fields {
            object,
            problems: Vec::new(),
        })
    }
}

impl FromRequest for JsonBody {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limit = req
            .app_data::<Data<Config>>()
            .map_or(16 << 20, |c| c.limits.max_scene);
        Self::read(req, payload, limit)
    }
}

impl JsonBody {
    fn read(
        req: &HttpRequest,
        payload: &mut Payload,
        limit: u64,
    ) -> LocalBoxFuture<'static, Result<Self>> {
        let is_json = is_json(req);
        let claimed = claimed_length(req);
        let mut payload = payload.take();
        async move {
            if claimed.is_some_and(|claimed| claimed > limit) {
                return Err(too_large(limit));
            }
            let mut body = BytesMut::with_capacity(FIRST_BYTES.min(claimed.unwrap_or(0) as usize));
            while let Some(chunk) = tokio::time::timeout(STALL, payload.next())
                .await
                .map_err(|_| Error::Invalid("the request's body stopped coming".into()))?
            {
                let chunk = chunk.map_err(|_| cut_short())?;
                if (body.len() + chunk.len()) as u64 > limit {
                    return Err(too_large(limit));
                }
                body.extend_from_slice(&chunk);
            }
            match body.freeze() {
                body if body.is_empty() => Ok(Self::Empty),
                body if !is_json => Ok(Self::Other(body)),
                body => JsonText::parse(body)
                    .map(Self::Json)
                    .map_err(|e| Problem::broken_json(e.offset, e.reason).into()),
            }
        }
        .boxed_local()
    }
}

/// The same for bodies of a few words, which strangers may send: at most [`SHORT_BYTES`].
#[derive(Debug)]
pub struct ShortBody(JsonBody);

impl ShortBody {
    /// The members of a body that must be an object.
    pub fn fields(&self) -> Result<Fields<'_>> {
        self.0.fields()
    }
}

impl FromRequest for ShortBody {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        JsonBody::read(req, payload, SHORT_BYTES)
            .map(|body| body.map(Self))
            .boxed_local()
    }
}

fn too_large(limit_bytes: u64) -> Error {
    Error::TooLarge {
        what: "the request",
        limit_bytes,
    }
}

pub(super) fn cut_short() -> Error {
    Error::Invalid("There was an error parsing the body".into())
}

/// What the client says will come; a claim, checked while reading.
pub(super) fn claimed_length(req: &HttpRequest) -> Option<u64> {
    let value = req.headers().get(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

/// `application/json`, `application/*+json`, or no type at all.
fn is_json(req: &HttpRequest) -> bool {
    let Some(value) = req.headers().get(header::CONTENT_TYPE) else {
        return true;
    };
    let value = value.to_str().unwrap_or_default();
    let kind = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    kind.strip_prefix("application/")
        .is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

/// What is quoted back to the client, unless it is long.
fn short(value: Node<'_>) -> Value {
    match value.raw().len() {
        0..=MAX_QUOTED_BYTES => value.to_value(),
        _ => json!("(too long to repeat)"),
    }
}

/// Takes members out of an object and collects what is wrong with them.
pub struct Fields<'a> {
    object: Node<'a>,
    problems: Vec<Problem>,
}

impl<'a> Fields<'a> {
    /// A string that must be there.
    pub fn text(&mut self, name: &str) -> Cow<'a, str> {
        if self.object.get(name).is_none() {
            self.missing(name);
        }
        self.optional_text(name).unwrap_or_default()
    }

    /// A string that may be absent, but not `null`.
    pub fn optional_text(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let value = self.object.get(name)?;
        let text = value.as_str();
        if text.is_none() {
            self.wrong(name, "string_type", "Input should be a valid string", value);
        }
        text
    }

    /// A string that may be absent or `null`.
    pub fn nullable_text(&mut self, name: &str) -> Option<Cow<'a, str>> {
        if self.object.get(name).is_some_and(|value| value.is_null()) {
            return None;
        }
        self.optional_text(name)
    }

    /// What Python's validation takes for a boolean; may be absent or `null`.
    pub fn nullable_flag(&mut self, name: &str) -> Option<bool> {
        let value = self.object.get(name).filter(|value| !value.is_null())?;
        let flag = value.to_flag();
        if flag.is_none() {
            self.wrong(
                name,
                "bool_parsing",
                "Input should be a valid boolean, unable to interpret input",
                value,
            );
        }
        flag
    }

    /// One of these words; may be absent or `null`.
    pub fn nullable_choice<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        if self.object.get(name).is_some_and(|value| value.is_null()) {
            return None;
        }
        self.optional_choice(name, words)
    }

    /// One of these words; may be absent, but not `null`.
    pub fn optional_choice<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let value = self.object.get(name)?;
        let word = value.as_str();
        let found = words
            .iter()
            .find(|(known, _)| Some(*known) == word.as_deref());
        if let Some((_, choice)) = found {
            return Some(*choice);
        }
        let words: Vec<_> = words.iter().map(|(word, _)| format!("'{word}'")).collect();
        let expected = words.join(" or ");
        let loc = vec!["body".into(), name.into()];
        let message = format!("Input should be {expected}");
        self.problems.push(Problem {
            ctx: Some(json!({ "expected": expected })),
            ..Problem::new("enum", loc, &message, short(value))
        });
        None
    }

    /// What `parse` makes of a text, if there is one; else what is wrong with it is noted.
    pub fn parsed<T>(
        &mut self,
        name: &str,
        text: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        match parse(text?) {
            Ok(parsed) => Some(parsed),
            Err(why) => {
                let loc = vec!["body".into(), name.into()];
                let message = format!("Value error, {why}");
                let problem = Problem {
                    ctx: Some(json!({ "error": {} })),
                    ..Problem::new("value_error", loc, &message, Value::Null)
                };
                self.problems.push(problem);
                None
            }
        }
    }

    /// An object that must be there.
    pub fn object(&mut self, name: &str) -> Option<Node<'a>> {
        let Some(value) = self.object.get(name) else {
            self.missing(name);
            return None;
        };
        if value.kind() != NodeKind::Object {
            self.wrong(
                name,
                "dict_type",
                "Input should be a valid dictionary",
                value,
            );
        }
        Some(value)
    }

    /// Fails with all the problems found so far, if any.
    pub fn check(&mut self) -> Result<()> {
        match std::mem::take(&mut self.problems) {
            none if none.is_empty() => Ok(()),
            problems => Err(Error::Validation(problems)),
        }
    }

    fn missing(&mut self, name: &str) {
        let loc = vec!["body".into(), name.into()];
        self.problems
            .push(Problem::missing(loc, short(self.object)));
    }

    fn wrong(&mut self, name: &str, kind: &'static str, msg: &str, value: Node<'_>) {
        let loc = vec!["body".into(), name.into()];
        self.problems
            .push(Problem::new(kind, loc, msg, short(value)));
    }
}
