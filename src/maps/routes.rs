//! `/maps/*`: contracts of SpellTable, sections M1 to M11, and what maps need beyond.

use super::catalogue::{self, Moved};
use super::kind::MAPS;
use super::thumbs::Thumbs;
use crate::access::{Gm, Role, Seat};
use crate::error::{Error, ErrorBody, Problem, Result, ValidationBody};
use crate::http::{
    Asked, Disposition, FileErrors, FilesBelow, GmErrors, JsonBody, Message, Precondition,
    Registrar, Tail, UploadErrors, UploadLimits, WriteErrors, docs, receive, send_bytes,
};
use crate::json::NodeKind;
use crate::library::{FolderItem, Library, Wanted, folders, new_file, new_folder};
use crate::store::{AssetPath, FolderPath, Shelf, Store};
use actix_web::web::{self, Data, Json, Path, Payload, Query};
use actix_web::{HttpRequest, HttpResponse, delete, get, post, put};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// All routes of this library.
pub fn routes(config: &mut impl Registrar) {
    config
        .service(FilesBelow::new(
            "/maps/file",
            __path_read,
            web::get().to(read),
        ))
        .service(FilesBelow::new(
            "/maps/thumb",
            __path_thumb,
            web::get().to(thumb),
        ))
        .service(list)
        .service(list_folders)
        .service(make_folder)
        .service(delete_folder)
        .service(upload)
        .service(rename)
        .service(move_to)
        .service(delete_map)
        .service(store_data)
        .service(read_data)
        .service(uses);
}

/// One map in the list.
#[derive(Serialize, ToSchema)]
struct MapItem {
    /// File name, which is the map's identity in scenes.
    #[schema(example = "crypt.png")]
    name: String,
    /// Folder, `null` for the root.
    #[schema(example = "dungeons/level1")]
    folder: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct MapList {
    maps: Vec<MapItem>,
}

/// The root's folders have the parent `null`.
#[derive(Serialize, ToSchema)]
struct MapFolders {
    folders: Vec<FolderItem<Option<String>>>,
}

/// Which map, when several have the same name.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Exactly {
    /// Folder of the map, empty for the root; absent: the first of that name.
    #[param(example = "dungeons/level1")]
    folder: Option<String>,
}

/// Lists all maps: those of the root first, then folder by folder.
#[utoipa::path(tag = "maps", responses((status = 200, body = MapList), GmErrors))]
#[get("/maps/list")]
async fn list(library: Data<Library>, _gm: Gm) -> Result<Json<MapList>> {
    let shelf = library.complete_shelf(&MAPS).await?;
    let index = shelf.index();
    let maps = index.assets().map(|(path, _)| MapItem {
        name: path.name().to_owned(),
        folder: path.folder().to_option().map(str::to_owned),
    });
    Ok(Json(MapList {
        maps: maps.collect(),
    }))
}

/// Lists all folders, parents before their children.
#[utoipa::path(tag = "maps", responses((status = 200, body = MapFolders), GmErrors))]
#[get("/maps/folders")]
async fn list_folders(library: Data<Library>, _gm: Gm) -> Result<Json<MapFolders>> {
    let shelf = library.complete_shelf(&MAPS).await?;
    let parent = |parent: &str| (!parent.is_empty()).then(|| parent.to_owned());
    let folders = folders(shelf, &FolderPath::root(), parent);
    Ok(Json(MapFolders { folders }))
}

/// A folder to be made.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
pub(crate) struct NewFolder {
    /// Name of the new folder.
    #[schema(schema_with = docs::new_folder_schema)]
    folder_name: String,
    /// Path of the folder around it; absent, `null` or empty for the root.
    #[schema(schema_with = docs::folder_schema, required = false)]
    parent_folder: Option<String>,
}

/// Makes a folder and its parents; one that exists is fine.
#[utoipa::path(tag = "maps", request_body = NewFolder,
    responses((status = 200, body = Message), WriteErrors))]
#[post("/maps/folder")]
async fn make_folder(library: Data<Library>, body: JsonBody, _gm: Gm) -> Result<Json<Message>> {
    let mut fields = body.fields()?;
    let name = fields
        .optional_text("folder_name")
        .unwrap_or_default()
        .into_owned();
    let parent = fields.nullable_text("parent_folder").unwrap_or_default();
    fields.check()?;
    if name.is_empty() {
        return Err(Error::Invalid("Folder name is required".into()));
    }
    let path = if parent.is_empty() {
        name.clone()
    } else {
        format!("{parent}/{name}")
    };
    library.shelf(&MAPS).await?;
    library
        .run(move |store| catalogue::make_folder(store, &path))
        .await?;
    Ok(Json(Message::new(format!(
        "Folder '{name}' created successfully"
    ))))
}

/// Moves a folder and everything in it to the trash.
///
/// By its path, or by a bare name that only one folder has.
#[utoipa::path(tag = "maps", params(("path", description = "Path, or a name that is unique", example = "dungeons")),
    responses((status = 200, body = Message), (status = 404, body = crate::error::ErrorBody), WriteErrors))]
#[delete("/maps/folder/{path:.*}")]
async fn delete_folder(
    library: Data<Library>,
    path: Path<String>,
    _gm: Gm,
) -> Result<Json<Message>> {
    library.shelf(&MAPS).await?;
    let name = path.into_inner();
    let message = format!("Folder '{name}' deleted successfully");
    library
        .run(move |store| catalogue::delete_folder(store, &name))
        .await?;
    Ok(Json(Message::new(message)))
}

/// A form with a map.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a form that is read as it streams in")]
struct MapForm {
    /// The picture or film: png, jpeg, webp, gif, bmp, svg, avif, mp4 or webm.
    #[schema(format = Binary)]
    file: String,
    /// Folder to put it in, made when missing; empty or absent for the root.
    #[schema(schema_with = docs::folder_schema, required = false)]
    folder: Option<String>,
}

/// What became of an upload.
#[derive(Serialize, ToSchema)]
struct MapUploaded {
    /// The stored name: the map's name from now on.
    #[schema(example = "cave.png")]
    filename: String,
    /// The folder as stored, empty for the root.
    #[schema(example = "")]
    folder: String,
}

/// Takes a map; an existing one of that name is replaced at once and whole.
#[utoipa::path(tag = "maps", request_body(content = MapForm, content_type = "multipart/form-data"),
    responses((status = 200, body = MapUploaded), UploadErrors))]
#[post("/maps/upload")]
async fn upload(
    library: Data<Library>,
    req: HttpRequest,
    payload: Payload,
    condition: Precondition,
    _gm: Gm,
) -> Result<Json<MapUploaded>> {
    let shelf = library.shelf(&MAPS).await?;
    let limits = UploadLimits {
        what: "the map",
        max_bytes: library.config.limits.max_image,
        formats: MAPS.formats,
        takes: MAPS.extensions.join(", "),
    };
    let mut uploaded = receive(&req, payload, library.slots(), shelf, &limits).await?;
    let folder = uploaded.texts.remove("folder").unwrap_or_default();
    let stored = library
        .run(move |store| {
            // The slow part, before anybody has to wait for this change.
            uploaded.file.as_file().sync_all()?;
            let mut change = store.change();
            let shelf = change.shelf(&MAPS);
            let folder = new_folder(shelf, &folder)?;
            let path = new_file(shelf, &folder, &uploaded.name)?;
            condition.check(shelf.stamp(&path).ok().as_ref())?;
            change.put(&MAPS, uploaded.file, path.clone())?;
            change.apply()?;
            Ok(path)
        })
        .await?;
    Ok(Json(MapUploaded {
        filename: stored.name().to_owned(),
        folder: stored.folder().as_str().to_owned(),
    }))
}

/// Sends a map's file.
///
/// The path as it is, or else the first map anywhere with the same name: scenes keep an old folder
/// after a move. Honours `Range` and conditions (RFC 9110). Who is not the GM gets the maps that
/// the table's scene shows.
#[utoipa::path(get, path = "/maps/file/{path}", tag = "maps", params(("path" = String, Path, description = "Folder and name", example = "dungeons/level1/crypt.png")),
    responses((status = 200, description = "The file", content_type = "image/*"),
        (status = 206, description = "The ranges asked for", content_type = "image/*"),
        (status = 304, description = "The client has it already"), FileErrors))]
async fn read(
    library: Data<Library>,
    Tail(path): Tail,
    req: HttpRequest,
    seat: Seat,
) -> Result<HttpResponse> {
    let shelf = library.shelf(&MAPS).await?;
    if seat.role < Role::Gm {
        library.stage().open(seat.table).await?;
    }
    let found = locate(&library, shelf, &path, seat)?;
    let sent = library
        .send(&req, &MAPS, &found, Disposition::Pictures)
        .await;
    let Err(Error::NotFound(_)) = sent else {
        return sent;
    };
    // On its way to another name or folder, or deleted by hand a moment ago.
    library
        .run(|store| {
            drop(store.change());
            Ok(())
        })
        .await?;
    let found = locate(&library, shelf, &path, seat)?;
    library
        .send(&req, &MAPS, &found, Disposition::Pictures)
        .await
        .map_err(|error| match error {
            Error::NotFound(_) => missing(&path),
            other => other,
        })
}

/// How wide a small picture is to be.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Width {
    /// Pixels; the picture may be wider, up to the next power of two.
    #[param(example = 256, minimum = 64, maximum = 1024)]
    w: u32,
}

/// Sends a small picture of a map.
///
/// Made when it is first asked for. Found as the map's file is, and for the same people; 415 for
/// films, vector drawings and pictures with too many pixels: show the file itself, or none.
#[utoipa::path(get, path = "/maps/thumb/{path}", tag = "maps",
    params(("path" = String, Path, description = "Folder and name", example = "dungeons/level1/crypt.png"), Width),
    responses((status = 200, description = "The picture", content_type = "image/*"),
        (status = 304, description = "The client has it already"),
        (status = 415, body = ErrorBody), (status = 422, description = "No width, or one that does not fit", body = ValidationBody), FileErrors))]
async fn thumb(
    seat: Seat,
    library: Data<Library>,
    thumbs: Data<Thumbs>,
    Tail(path): Tail,
    width: Query<Width>,
    req: HttpRequest,
) -> Result<HttpResponse> {
    if !(64..=1024).contains(&width.w) {
        let problem = Problem::new(
            "int_range",
            vec!["query".into(), "w".into()],
            "Input should be from 64 to 1024",
            width.w.into(),
        );
        return Err(Error::Validation(vec![problem]));
    }
    let shelf = library.shelf(&MAPS).await?;
    if seat.role < Role::Gm {
        library.stage().open(seat.table).await?;
    }
    let found = locate(&library, shelf, &path, seat)?;
    let thumb = thumbs.get(library.store(), found, width.w).await?;
    send_bytes(&req, thumb.media_type, &thumb.tag, thumb.bytes)
}

/// Where the map is that `path` means, if this visitor may have it.
fn locate(library: &Library, shelf: &Shelf, path: &str, seat: Seat) -> Result<AssetPath> {
    let asked = AssetPath::parse(path).map_err(|_| missing(path))?;
    let found = Wanted::Searched(&asked).find(shelf);
    let found = found.ok_or_else(|| missing(path))?;
    if seat.role < Role::Gm && !library.is_shown(seat.table, shelf, asked.as_str(), &found) {
        return Err(missing(path));
    }
    Ok(found)
}

fn missing(path: &str) -> Error {
    Error::NotFound(format!("Map not found: {path}"))
}

/// [`read`] for a map in memory; `path` is what stands behind `/maps/file/`.
pub fn read_at_once(
    library: &Data<Library>,
    asked: &Asked<'_>,
    path: &str,
    seat: Seat,
) -> Option<HttpResponse> {
    let locate = |shelf: &Shelf| locate(library, shelf, path, seat);
    library.send_at_once(asked, &MAPS, locate, Disposition::Pictures)
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
pub(crate) struct NewFileName {
    /// The new file name, with its extension.
    #[schema(schema_with = docs::map_name_schema)]
    new_name: String,
}

#[derive(Serialize, ToSchema)]
struct Renamed {
    #[schema(example = "Map renamed from 'forest.png' to 'woods.png'")]
    message: String,
    /// How many scenes were changed with it, the table's own among them.
    #[schema(example = 2)]
    scenes_updated: usize,
}

/// Renames a map, its side file and the references to it in all scenes and on the table.
#[utoipa::path(tag = "maps", request_body = NewFileName,
    params(("file_name", description = "Name, or the path percent-encoded", example = "forest.png"), Exactly),
    responses((status = 200, body = Renamed), (status = 404, body = crate::error::ErrorBody), WriteErrors))]
#[put("/maps/rename/{file_name}")]
async fn rename(
    library: Data<Library>,
    file_name: Path<String>,
    exactly: Query<Exactly>,
    body: JsonBody,
    _gm: Gm,
) -> Result<Json<Renamed>> {
    let mut fields = body.fields()?;
    let new_name = fields
        .optional_text("new_name")
        .unwrap_or_default()
        .into_owned();
    fields.check()?;
    if new_name.is_empty() {
        return Err(Error::Invalid("New name is required".into()));
    }
    library.shelf(&MAPS).await?;
    let old_name = file_name.into_inner();
    let (old, new) = (old_name.clone(), new_name.clone());
    let folder = exactly.into_inner().folder;
    let work = move |store: &Store| {
        let moved = catalogue::rename(store, &old, folder.as_deref(), &new)?;
        Ok(Some(moved))
    };
    let scenes_updated = relocate(library, work).await?;
    let message = format!("Map renamed from '{old_name}' to '{new_name}'");
    Ok(Json(Renamed {
        message,
        scenes_updated,
    }))
}

/// Moves files, then lets the table follow, whether or not the client is still there to hear of it.
async fn relocate(
    library: Data<Library>,
    work: impl FnOnce(&Store) -> Result<Option<Moved>> + Send + 'static,
) -> Result<usize> {
    let whole = actix_web::rt::spawn(async move {
        match library.run(work).await? {
            Some(moved) => {
                library
                    .announce(moved.map_move, moved.intent, moved.scenes)
                    .await
            }
            None => Ok(0),
        }
    });
    let stopping = |_| Error::Unavailable("the server is shutting down".into());
    whole.await.map_err(stopping)?
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
struct MoveTo {
    /// The folder, made when missing; absent, `null` or empty for the root.
    #[schema(schema_with = docs::folder_schema, required = false)]
    folder: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct MapMoved {
    #[schema(example = "Map 'cave.png' moved successfully")]
    message: String,
    /// How many scenes were changed with it, the table's own among them.
    #[schema(example = 1)]
    scenes_updated: usize,
}

/// Moves a map to another folder, its side file with it; scenes follow.
#[utoipa::path(tag = "maps", request_body = MoveTo,
    params(("file_name", description = "Name, or the path percent-encoded", example = "cave.png"), Exactly),
    responses((status = 200, body = MapMoved), (status = 404, body = crate::error::ErrorBody), WriteErrors))]
#[put("/maps/move/{file_name}")]
async fn move_to(
    library: Data<Library>,
    file_name: Path<String>,
    exactly: Query<Exactly>,
    body: JsonBody,
    _gm: Gm,
) -> Result<Json<MapMoved>> {
    let mut fields = body.fields()?;
    let folder = fields
        .nullable_text("folder")
        .map(|folder| folder.into_owned());
    fields.check()?;
    library.shelf(&MAPS).await?;
    let name = file_name.into_inner();
    let message = format!("Map '{name}' moved successfully");
    let from = exactly.into_inner().folder;
    let work =
        move |store: &Store| catalogue::move_to(store, &name, from.as_deref(), folder.as_deref());
    let scenes_updated = relocate(library, work).await?;
    Ok(Json(MapMoved {
        message,
        scenes_updated,
    }))
}

/// Deletes a map and its side file.
#[utoipa::path(tag = "maps",
    params(("path", description = "Name, or the path percent-encoded; a bare name must be unique", example = "cave.png"), Exactly),
    responses((status = 200, body = Message), (status = 412, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody), WriteErrors))]
#[delete("/maps/file/{path}")]
async fn delete_map(
    library: Data<Library>,
    path: Path<String>,
    exactly: Query<Exactly>,
    condition: Precondition,
    _gm: Gm,
) -> Result<Json<Message>> {
    library.shelf(&MAPS).await?;
    let name = path.into_inner();
    let message = format!("Map '{name}' deleted successfully");
    let folder = exactly.into_inner().folder;
    library
        .run(move |store| catalogue::delete(store, &name, folder.as_deref(), &condition))
        .await?;
    Ok(Json(Message::new(message)))
}

/// Where a map stands.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
struct MapData {
    /// File name of the map; it need not exist.
    #[schema(schema_with = docs::name_schema)]
    name: String,
    /// Its folder; absent, `null` or empty for the root.
    #[schema(schema_with = docs::folder_schema, required = false)]
    folder: Option<String>,
    /// Any object.
    #[schema(value_type = Object, example = json!({"position": {"x": 0, "y": 0}, "scale": 1}))]
    data: Value,
}

/// Stores a map's side file.
#[utoipa::path(tag = "maps", request_body = MapData, responses((status = 200, body = Message), WriteErrors))]
#[post("/maps/data")]
async fn store_data(library: Data<Library>, body: JsonBody, _gm: Gm) -> Result<Json<Message>> {
    let mut fields = body.fields()?;
    let name = fields.text("name").into_owned();
    let folder = fields
        .nullable_text("folder")
        .map(|folder| folder.into_owned());
    let data = fields
        .object("data")
        .filter(|data| data.kind() == NodeKind::Object);
    let data = data.map(|data| data.raw().to_owned()).unwrap_or_default();
    fields.check()?;
    library.shelf(&MAPS).await?;
    let message = format!("Map '{name}' stored successfully");
    library
        .run(move |store| catalogue::store_data(store, &name, folder.as_deref(), &data))
        .await?;
    Ok(Json(Message::new(message)))
}

/// Reads a map's side file; a map without one has default data.
#[utoipa::path(tag = "maps", params(("map_name", description = "Name, or the path percent-encoded", example = "cave.png"), Exactly),
    responses((status = 200, body = Value), (status = 404, body = crate::error::ErrorBody), GmErrors))]
#[get("/maps/data/{map_name}")]
async fn read_data(
    library: Data<Library>,
    map_name: Path<String>,
    exactly: Query<Exactly>,
    _gm: Gm,
) -> Result<HttpResponse> {
    library.shelf(&MAPS).await?;
    let name = map_name.into_inner();
    let folder = exactly.into_inner().folder;
    let text = library
        .run(move |store| catalogue::read_data(store, &name, folder.as_deref()))
        .await?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(text))
}

#[derive(Serialize, ToSchema)]
struct Uses {
    scenes: Vec<SceneUse>,
}

#[derive(Serialize, ToSchema)]
struct SceneUse {
    #[schema(example = "6f1c6f2e-8a3e-4b58-9c43-0d4a1b1f7f10")]
    id: String,
    #[schema(example = "The Sunken Crypt")]
    name: String,
    folder: Option<String>,
}

/// Lists the saved scenes that show a map.
#[utoipa::path(tag = "maps", params(("path", description = "Folder and name, or a bare name", example = "cave.png")),
    responses((status = 200, body = Uses), (status = 404, body = crate::error::ErrorBody), GmErrors))]
#[get("/maps/uses/{path:.*}")]
async fn uses(library: Data<Library>, path: Path<String>, _gm: Gm) -> Result<Json<Uses>> {
    library.shelf(&MAPS).await?;
    let name = path.into_inner();
    let scenes = library
        .run(move |store| catalogue::uses(store, &name))
        .await?;
    let scenes = scenes.into_iter().map(|(path, scene)| SceneUse {
        id: path.stem().to_owned(),
        name: scene
            .root()
            .get("name")
            .and_then(|n| n.as_str())
            .unwrap_or_default()
            .into_owned(),
        folder: path.folder().to_option().map(str::to_owned),
    });
    Ok(Json(Uses {
        scenes: scenes.collect(),
    }))
}
