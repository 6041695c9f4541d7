//! `/audio/*`: contract of SpellTable, sections A1 and A2, and a library's other verbs.

use super::catalogue::{self, Sound};
use super::kind::{Category, SOUNDS};
use super::tags::{self, TagReader};
use crate::access::{Gm, Seat};
use crate::error::{Error, ErrorBody, Result};
use crate::http::{
    Asked, Disposition, FileErrors, FilesBelow, GmErrors, JsonBody, Message, Precondition,
    Registrar, SeatErrors, Tail, UploadErrors, UploadLimits, WriteErrors, docs, receive,
};
use crate::library::{FolderItem, Library, folders};
use crate::store::{AssetPath, Entry, Shelf};
use actix_web::web::{self, Data, Json, Path, Payload, Query};
use actix_web::{HttpRequest, HttpResponse, delete, get, post, put};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use std::time::Duration;
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

/// How long the list waits for tags; what is not read by then comes with the next list.
const TAGS: Duration = Duration::from_millis(300);

/// All routes of this library.
pub fn routes(config: &mut impl Registrar) {
    config
        .service(FilesBelow::new(
            "/audio/file",
            __path_read,
            web::get().to(read),
        ))
        .service(list)
        .service(list_folders)
        .service(make_folder)
        .service(delete_folder)
        .service(upload)
        .service(rename)
        .service(move_to)
        .service(delete_sound);
}

/// Both categories; in each the sounds by folder, `""` for its top.
#[derive(Serialize, ToSchema)]
struct SoundList {
    #[serde(rename = "loop")]
    loops: ByFolder,
    oneshot: ByFolder,
}

/// Folder path below the category to its sounds.
#[derive(ToSchema)]
#[schema(value_type = BTreeMap<String, Vec<Sound>>)]
struct ByFolder(Vec<(String, Vec<Sound>)>);

impl Serialize for ByFolder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (folder, sounds) in &self.0 {
            map.serialize_entry(folder, sounds)?;
        }
        map.end()
    }
}

/// Lists all sounds by category and folder.
#[utoipa::path(tag = "audio", responses((status = 200, body = SoundList), SeatErrors))]
#[get("/audio/list")]
async fn list(
    library: Data<Library>,
    tags: Data<TagReader>,
    _seat: Seat,
) -> Result<Json<SoundList>> {
    let shelf = library.shelf(&SOUNDS).await?;
    let reader = tags.clone().into_inner();
    // Goes on by itself when it takes longer; `/health` tells how many are not read yet.
    let _ = timeout(TAGS, reader.read_all(library.store().clone())).await;
    Ok(Json(SoundList {
        loops: ByFolder(catalogue::list(shelf, &tags, Category::Loop)),
        oneshot: ByFolder(catalogue::list(shelf, &tags, Category::Oneshot)),
    }))
}

#[derive(Serialize, ToSchema)]
struct SoundFolders {
    folders: Vec<SoundFolder>,
}

/// A folder of one category.
#[derive(Serialize, ToSchema)]
struct SoundFolder {
    #[serde(flatten)]
    folder: FolderItem<Option<String>>,
    #[schema(example = "loop")]
    category: &'static str,
}

/// Lists the folders of both categories.
#[utoipa::path(tag = "audio", responses((status = 200, body = SoundFolders), GmErrors))]
#[get("/audio/folders")]
async fn list_folders(library: Data<Library>, _gm: Gm) -> Result<Json<SoundFolders>> {
    let shelf = library.shelf(&SOUNDS).await?;
    let of = |category: Category| {
        let parent = |parent: &str| (!parent.is_empty()).then(|| parent.to_owned());
        let found = folders(shelf, &category.folder(), parent);
        found.into_iter().map(move |folder| SoundFolder {
            folder,
            category: category.name(),
        })
    };
    let folders = Category::ALL.into_iter().flat_map(of).collect();
    Ok(Json(SoundFolders { folders }))
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
struct NewSoundFolder {
    category: Category,
    #[schema(schema_with = docs::new_folder_schema)]
    folder_name: String,
    /// Path below the category; absent, `null` or empty for its top.
    #[schema(schema_with = docs::folder_schema, required = false)]
    parent_folder: Option<String>,
}

/// Makes a folder and its parents; one that exists is fine.
#[utoipa::path(tag = "audio", request_body = NewSoundFolder, responses((status = 200, body = Message), WriteErrors))]
#[post("/audio/folder")]
async fn make_folder(library: Data<Library>, body: JsonBody, _gm: Gm) -> Result<Json<Message>> {
    let mut fields = body.fields()?;
    let category = fields.text("category");
    let name = fields.text("folder_name").into_owned();
    let parent = fields.nullable_text("parent_folder").unwrap_or_default();
    fields.check()?;
    let category = Category::parse(&category)?;
    if name.is_empty() {
        return Err(Error::Invalid("Folder name is required".into()));
    }
    let path = if parent.is_empty() {
        name.clone()
    } else {
        format!("{parent}/{name}")
    };
    library.shelf(&SOUNDS).await?;
    library
        .run(move |store| catalogue::make_folder(store, category, &path))
        .await?;
    Ok(Json(Message::new(format!(
        "Folder '{name}' created successfully"
    ))))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Recursive {
    /// Whether a folder that is not empty goes with everything in it.
    #[serde(default)]
    #[param(required = false)]
    recursive: bool,
}

/// Moves a folder to the trash.
#[utoipa::path(tag = "audio",
    params(("category" = Category, Path, description = "`loop` or `oneshot`", example = "loop"), ("path", description = "Path below the category", example = "Ambience"), Recursive),
    responses((status = 200, body = Message), (status = 404, body = ErrorBody), WriteErrors))]
#[delete("/audio/folder/{category}/{path:.*}")]
async fn delete_folder(
    library: Data<Library>,
    path: Path<(String, String)>,
    options: Query<Recursive>,
    _gm: Gm,
) -> Result<Json<Message>> {
    let (category, path) = path.into_inner();
    let category = Category::parse(&category)?;
    library.shelf(&SOUNDS).await?;
    let message = format!("Folder '{path}' deleted successfully");
    library
        .run(move |store| catalogue::delete_folder(store, category, &path, options.recursive))
        .await?;
    Ok(Json(Message::new(message)))
}

/// A form with a sound.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a form that is read as it streams in")]
struct SoundForm {
    /// mp3, ogg, opus, wav, flac, m4a or webm.
    #[schema(format = Binary)]
    file: String,
    category: Category,
    /// Path below the category, made when missing; empty or absent for its top.
    #[schema(schema_with = docs::folder_schema, required = false)]
    folder: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct SoundUploaded {
    #[schema(example = "crypt-drips.ogg")]
    filename: String,
    #[schema(example = "loop")]
    category: &'static str,
    /// Path below the category, empty for its top.
    folder: String,
    /// Address of the file on this server.
    #[schema(example = "/audio/file/loop/crypt-drips.ogg")]
    url: String,
    /// Seconds; `null` when the file does not say.
    duration: Option<f64>,
}

/// Takes a sound; an existing one of that name is replaced at once and whole.
#[utoipa::path(tag = "audio", request_body(content = SoundForm, content_type = "multipart/form-data"),
    responses((status = 200, body = SoundUploaded), UploadErrors))]
#[post("/audio/upload")]
async fn upload(
    library: Data<Library>,
    req: HttpRequest,
    payload: Payload,
    condition: Precondition,
    tags: Data<TagReader>,
    _gm: Gm,
) -> Result<Json<SoundUploaded>> {
    let shelf = library.shelf(&SOUNDS).await?;
    let limits = UploadLimits {
        what: "the sound",
        max_bytes: library.config.limits.max_sound,
        formats: SOUNDS.formats,
        takes: SOUNDS.extensions.join(", "),
    };
    let mut uploaded = receive(&req, payload, library.slots(), shelf, &limits).await?;
    let category = Category::parse(&uploaded.texts.remove("category").unwrap_or_default())?;
    let folder = uploaded.texts.remove("folder");
    let (path, duration) = library
        .run(move |store| {
            uploaded.file.as_file().sync_all()?;
            let found = tags::read(uploaded.file.path());
            let duration = found.duration;
            let state = Entry::of(&uploaded.file.as_file().metadata()?);
            let mut change = store.change();
            let shelf = change.shelf(&SOUNDS);
            let path = catalogue::upload_path(shelf, category, folder.as_deref(), &uploaded.name)?;
            condition.check(shelf.stamp(&path).ok().as_ref())?;
            change.put(&SOUNDS, uploaded.file, path.clone())?;
            change.apply()?;
            tags.learn(path.clone(), state, found);
            Ok((path, duration))
        })
        .await?;
    let folder = path.folder();
    let folder = folder
        .as_str()
        .split_once('/')
        .map_or("", |(_, below)| below);
    Ok(Json(SoundUploaded {
        filename: path.name().to_owned(),
        category: category.name(),
        folder: folder.to_owned(),
        url: catalogue::url(&path),
        duration,
    }))
}

/// Sends a sound. Honours `Range` and conditions (RFC 9110), so that players can seek.
#[utoipa::path(get, path = "/audio/file/{category}/{path}", tag = "audio",
    params(("category" = Category, Path, description = "`loop` or `oneshot`", example = "loop"), ("path" = String, Path, description = "Path below the category", example = "Ambience/crypt-drips.ogg")),
    responses((status = 200, description = "The file", content_type = "audio/*"),
        (status = 206, description = "The ranges asked for", content_type = "audio/*"),
        (status = 304, description = "The client has it already"),
        (status = 400, body = ErrorBody), FileErrors))]
async fn read(
    library: Data<Library>,
    Tail(path): Tail,
    req: HttpRequest,
    _seat: Seat,
) -> Result<HttpResponse> {
    let found = locate(library.shelf(&SOUNDS).await?, &path)?;
    match library
        .send(&req, &SOUNDS, &found, Disposition::Sounds)
        .await
    {
        Err(Error::NotFound(_)) => {
            let (_, path) = path.split_once('/').unwrap_or_default();
            Err(Error::NotFound(format!("Audio file not found: {path}")))
        }
        sent => sent,
    }
}

/// Where the sound is that `path` means: a category and what is below it.
fn locate(shelf: &Shelf, path: &str) -> Result<AssetPath> {
    let (category, path) = path.split_once('/').unwrap_or((path, ""));
    catalogue::find(shelf, Category::parse(category)?, path)
}

/// [`read`] for a sound in memory; `path` is what stands behind `/audio/file/`.
pub fn read_at_once(
    library: &Data<Library>,
    asked: &Asked<'_>,
    path: &str,
    _seat: Seat,
) -> Option<HttpResponse> {
    let locate = |shelf: &Shelf| locate(shelf, path);
    library.send_at_once(asked, &SOUNDS, locate, Disposition::Sounds)
}

#[derive(Serialize, ToSchema)]
struct SoundChanged {
    #[schema(example = "Audio file renamed successfully")]
    message: String,
    /// Where the sound is now.
    #[schema(example = "/audio/file/loop/drips.ogg")]
    url: String,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
struct NewSoundName {
    /// The new file name, with its extension.
    #[schema(schema_with = docs::sound_name_schema)]
    new_name: String,
}

/// Renames a sound.
#[utoipa::path(tag = "audio", request_body = NewSoundName,
    params(("category" = Category, Path, description = "`loop` or `oneshot`", example = "loop"), ("path", description = "Path below the category", example = "crypt-drips.ogg")),
    responses((status = 200, body = SoundChanged), (status = 404, body = ErrorBody), WriteErrors))]
#[put("/audio/rename/{category}/{path:.*}")]
async fn rename(
    library: Data<Library>,
    path: Path<(String, String)>,
    body: JsonBody,
    _gm: Gm,
) -> Result<Json<SoundChanged>> {
    let (category, path) = path.into_inner();
    let category = Category::parse(&category)?;
    let mut fields = body.fields()?;
    let new_name = fields.text("new_name").into_owned();
    fields.check()?;
    if new_name.is_empty() {
        return Err(Error::Invalid("New name is required".into()));
    }
    library.shelf(&SOUNDS).await?;
    let path = library
        .run(move |store| catalogue::rename(store, category, &path, &new_name))
        .await?;
    let message = "Audio file renamed successfully".to_owned();
    Ok(Json(SoundChanged {
        message,
        url: catalogue::url(&path),
    }))
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
struct MoveSound {
    /// Path below the category, made when missing; `null`, empty or absent for its top.
    #[schema(schema_with = docs::folder_schema, required = false)]
    folder: Option<String>,
    /// Absent or `null`: as it is.
    category: Option<Category>,
}

/// Moves a sound to another folder or category.
#[utoipa::path(tag = "audio", request_body = MoveSound,
    params(("category" = Category, Path, description = "`loop` or `oneshot`", example = "loop"), ("path", description = "Path below the category", example = "crypt-drips.ogg")),
    responses((status = 200, body = SoundChanged), (status = 404, body = ErrorBody), WriteErrors))]
#[put("/audio/move/{category}/{path:.*}")]
async fn move_to(
    library: Data<Library>,
    path: Path<(String, String)>,
    body: JsonBody,
    _gm: Gm,
) -> Result<Json<SoundChanged>> {
    let (category, path) = path.into_inner();
    let category = Category::parse(&category)?;
    let mut fields = body.fields()?;
    let folder = fields
        .nullable_text("folder")
        .map(|folder| folder.into_owned());
    let new_category = fields.nullable_text("category");
    fields.check()?;
    let to = new_category
        .as_deref()
        .map_or(Ok(category), Category::parse)?;
    library.shelf(&SOUNDS).await?;
    let path = library
        .run(move |store| catalogue::move_to(store, category, &path, folder.as_deref(), to))
        .await?;
    let message = "Audio file moved successfully".to_owned();
    Ok(Json(SoundChanged {
        message,
        url: catalogue::url(&path),
    }))
}

/// Deletes a sound.
#[utoipa::path(tag = "audio",
    params(("category" = Category, Path, description = "`loop` or `oneshot`", example = "loop"), ("path", description = "Path below the category", example = "crypt-drips.ogg")),
    responses((status = 200, body = Message), (status = 400, body = ErrorBody), (status = 412, body = crate::error::ErrorBody), (status = 404, body = ErrorBody), WriteErrors))]
#[delete("/audio/file/{category}/{path:.*}")]
async fn delete_sound(
    library: Data<Library>,
    path: Path<(String, String)>,
    condition: Precondition,
    _gm: Gm,
) -> Result<Json<Message>> {
    let (category, path) = path.into_inner();
    let category = Category::parse(&category)?;
    library.shelf(&SOUNDS).await?;
    library
        .run(move |store| catalogue::delete(store, category, &path, &condition))
        .await?;
    Ok(Json(Message::new("Audio file deleted successfully")))
}
