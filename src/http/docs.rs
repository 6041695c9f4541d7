//! Groups of error answers for the API's description, so that each is described once.

use crate::error::{ErrorBody, ValidationBody};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

type Responses = BTreeMap<String, RefOr<Response>>;

/// A sentence about what was done.
#[derive(Serialize, ToSchema)]
pub struct Message {
    /// One sentence.
    #[schema(example = "Folder 'dungeons' created successfully")]
    pub message: String,
}

impl Message {
    /// From anything that makes a sentence.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

fn error(text: &str) -> RefOr<Response> {
    answer::<ErrorBody>(text)
}

fn answer<T: PartialSchema + ToSchema>(text: &str) -> RefOr<Response> {
    let schema = Ref::from_schema_name(T::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new()
        .description(text)
        .content("application/json", content)
        .build()
        .into()
}

fn invalid_fields() -> RefOr<Response> {
    answer::<ValidationBody>("Fields are missing or of the wrong type")
}

fn group(rows: &[(&str, &str)]) -> Responses {
    rows.iter()
        .map(|(status, text)| ((*status).to_owned(), error(text)))
        .collect()
}

const MISDIRECTED: (&str, &str) = ("421", "`Host` is none of this server's names");
const INTERNAL: (&str, &str) = (
    "500",
    "Something broke that should not; the log has the cause",
);
const BUSY: (&str, &str) = (
    "503",
    "Not ready yet, shutting down, or a file cannot be read: try again",
);
const FORBIDDEN: (&str, &str) = ("403", "Only the GM may do this, or the page is not allowed");

const JOIN_FIRST: (&str, &str) = ("403", "Join the table first (`--players code`)");

/// What any route may answer.
pub struct PublicErrors;

impl IntoResponses for PublicErrors {
    fn responses() -> Responses {
        group(&[MISDIRECTED, INTERNAL, BUSY])
    }
}

/// What a route for everybody at a table may answer.
pub struct SeatErrors;

impl IntoResponses for SeatErrors {
    fn responses() -> Responses {
        group(&[JOIN_FIRST, MISDIRECTED, INTERNAL, BUSY])
    }
}

/// What a route may answer that takes a few words from anybody.
pub struct GuestErrors;

impl IntoResponses for GuestErrors {
    fn responses() -> Responses {
        let mut all = GmErrors::responses();
        all.extend(group(&[
            ("400", "The request makes no sense; the text says why"),
            ("413", "The request is over the limit"),
            (
                "429",
                "Too many attempts from this address; `Retry-After` says when to go on",
            ),
        ]));
        all.insert("422".into(), invalid_fields());
        all
    }
}

/// What a route for who has signed in with an account may answer.
pub struct AccountErrors;

impl IntoResponses for AccountErrors {
    fn responses() -> Responses {
        group(&[
            (
                "400",
                "The account may not be used, or the request makes no sense",
            ),
            ("401", "The token does not count (any more)"),
            (
                "403",
                "Not signed in with an account, or with one that may not do this",
            ),
            MISDIRECTED,
            INTERNAL,
            BUSY,
        ])
    }
}

/// What a route for admins may answer that takes a few words and writes.
pub struct AdminErrors;

impl IntoResponses for AdminErrors {
    fn responses() -> Responses {
        let mut all = AccountErrors::responses();
        all.extend(group(&[
            ("413", "The request is over the limit"),
            ("507", "The disk is full; nothing was changed"),
        ]));
        all.insert("422".into(), invalid_fields());
        all
    }
}

/// What a file's route may answer.
pub struct FileErrors;

impl IntoResponses for FileErrors {
    fn responses() -> Responses {
        let mut all = SeatErrors::responses();
        all.extend(group(&[
            ("404", "There is no such file"),
            ("412", "If-Match or If-Unmodified-Since does not hold"),
            ("416", "The range lies outside the file"),
        ]));
        all
    }
}

/// What a route for the GM may answer.
pub struct GmErrors;

impl IntoResponses for GmErrors {
    fn responses() -> Responses {
        group(&[FORBIDDEN, MISDIRECTED, INTERNAL, BUSY])
    }
}

/// What a route that takes JSON and writes may answer.
pub struct WriteErrors;

impl IntoResponses for WriteErrors {
    fn responses() -> Responses {
        let mut all = GmErrors::responses();
        all.extend(group(&[
            ("400", "The request makes no sense; the text says why"),
            ("409", "Something else is in the way"),
            ("413", "The request is over the limit"),
            (
                "507",
                "The disk is full, or a folder cannot be written; nothing was changed",
            ),
        ]));
        all.insert("422".into(), invalid_fields());
        all
    }
}

/// What a route that takes a file may answer.
pub struct UploadErrors;

impl IntoResponses for UploadErrors {
    fn responses() -> Responses {
        let mut all = WriteErrors::responses();
        all.extend(group(&[
            ("412", "If-Match or If-None-Match does not hold"),
            (
                "415",
                "The file is of a type that the library does not take",
            ),
        ]));
        all
    }
}

/// No separators, no control characters; see `NewName`.
const PLAIN: &str = r"[^/\\:\x00-\x1f\x7f-\x9f]";
/// The same for a last character.
const LAST: &str = r"[^/\\:. \x00-\x1f\x7f-\x9f]";

fn text(pattern: &str, example: &str, nullable: bool) -> Schema {
    let types = if nullable {
        SchemaType::from_iter([Type::String, Type::Null])
    } else {
        SchemaType::new(Type::String)
    };
    ObjectBuilder::new()
        .schema_type(types)
        .pattern(Some(pattern))
        .examples([json!(example)])
        .build()
        .into()
}

fn folder_pattern() -> String {
    format!(r"(?!\.){PLAIN}*{LAST}(/(?!\.){PLAIN}*{LAST})*")
}

/// A name for something new.
pub fn name_schema() -> Schema {
    text(&format!(r"^(?!\.){PLAIN}*{LAST}$"), "Act2", false)
}

/// A name or path for a new folder.
pub fn new_folder_schema() -> Schema {
    text(&format!("^{}$", folder_pattern()), "dungeons", false)
}

/// A folder; absent, `null` or empty for the root.
pub fn folder_schema() -> Schema {
    text(&format!("^({})?$", folder_pattern()), "dungeons", true)
}

/// A new file name that ends like a map's.
pub fn map_name_schema() -> Schema {
    let endings = "png|PNG|jpg|JPG|jpeg|JPEG|webp|gif|bmp|svg|avif|mp4|webm";
    text(
        &format!(r"^(?!\.){PLAIN}*\.({endings})$"),
        "woods.png",
        false,
    )
}

/// A new file name that ends like a sound's.
pub fn sound_name_schema() -> Schema {
    let endings = "mp3|MP3|ogg|oga|opus|wav|WAV|flac|m4a|webm";
    text(
        &format!(r"^(?!\.){PLAIN}*\.({endings})$"),
        "drips.ogg",
        false,
    )
}

/// What Python's validation takes for a boolean.
pub fn boolean_schema() -> Schema {
    let words = [
        "true", "false", "True", "False", "yes", "no", "on", "off", "1", "0",
    ];
    OneOfBuilder::new()
        .item(ObjectBuilder::new().schema_type(Type::Boolean))
        .item(
            ObjectBuilder::new()
                .schema_type(Type::Integer)
                .enum_values(Some([0, 1])),
        )
        .item(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .enum_values(Some(words)),
        )
        .build()
        .into()
}
