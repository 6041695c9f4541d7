//! `/scenes/*`: contract of SpellTable, sections S1 to S11.

use super::aliases::Aliases;
use super::catalogue;
use super::kind::SCENES;
use crate::access::Gm;
use crate::error::{Error, ErrorBody, Result};
use crate::http::{
    Disposition, FileErrors, GmErrors, JsonBody, Message, Precondition, Registrar, UploadErrors,
    UploadLimits, WriteErrors, docs, etag_of, receive,
};
use crate::json::JsonText;
use crate::library::{FolderItem, Library, folders};
use crate::maps::MAPS;
use crate::model::problems;
use crate::store::{FolderPath, Stamp, Store};
use actix_web::http::header;
use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, delete, get, post, put};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// All routes of this library; those with a word of their own before those with an id.
pub fn routes(config: &mut impl Registrar) {
    config
        .service(save)
        .service(list)
        .service(load)
        .service(make_folder)
        .service(delete_folder)
        .service(rename_folder)
        .service(read_image)
        .service(add_image)
        .service(delete_image)
        .service(update)
        .service(delete_scene);
}

/// A scene: an open JSON object. Every member that comes in goes out again, in order, with its
/// numbers unchanged; absent members of SpellTable's model are filled in.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that stays text")]
#[schema(as = Scene, example = json!({
    "id": "1763630870000", "name": "My scene", "folder": null,
    "maps": [{"name": "crypt.png", "folder": "dungeons/level1", "data": {"position": {"x": 9, "y": 16}, "useGridCoordinates": true, "useGridScaling": true, "scale": 1, "rotation": 0, "isHidden": false}}],
    "activeMapId": "crypt.png", "gridSettings": {"showGrid": true, "gridSize": 50},
    "initiativeOrder": [], "showCurrentPlayer": true, "aoeMarkers": [], "fogOfWar": []
}))]
pub(crate) struct SceneBody {
    /// Replaced by the server's own when a scene is saved; the path's counts when it is updated.
    id: String,
    name: String,
    /// Folder of the scene; `null`, empty or absent for the root.
    #[schema(schema_with = docs::folder_schema, required = false)]
    folder: Option<String>,
    /// Maps in stacking order; `name` and `folder` say which file.
    #[schema(required = false)]
    maps: Vec<serde_json::Map<String, Value>>,
    /// Name of the map that is shown.
    #[schema(rename = "activeMapId")]
    active_map_id: Option<String>,
    #[schema(rename = "gridSettings", value_type = Object, required = false)]
    grid_settings: Value,
    #[schema(rename = "initiativeOrder", required = false)]
    initiative_order: Vec<serde_json::Map<String, Value>>,
    #[schema(rename = "showCurrentPlayer", schema_with = docs::boolean_schema, required = false)]
    show_current_player: bool,
    #[schema(required = false)]
    images: Vec<SceneImage>,
}

/// A picture that belongs to a scene.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a member of a body that stays text")]
pub(crate) struct SceneImage {
    id: String,
    name: String,
    path: String,
}

/// The root's folders have the parent `""`.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes an answer that is put together from texts"
)]
struct SceneList {
    folders: Vec<FolderItem<String>>,
    scenes: Vec<SceneBody>,
}

fn scene(body: &JsonBody) -> Result<JsonText> {
    const MESSAGE: &str = "Input should be a valid dictionary or object to extract fields from";
    let scene = body.json("model_attributes_type", MESSAGE)?;
    match problems(scene.root()) {
        none if none.is_empty() => Ok(scene.clone()),
        problems => Err(Error::Validation(problems)),
    }
}

/// The answer to a write, with the entity tag of what was written.
fn written(stamp: Option<&Stamp>, answer: impl Serialize) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if let Some(stamp) = stamp {
        response.insert_header((header::ETAG, etag_of(stamp)));
    }
    response.json(answer)
}

/// Does file work with the aliases at hand.
async fn run<T: Send + 'static>(
    library: &Library,
    aliases: &Data<Aliases>,
    work: impl FnOnce(&Store, &Aliases) -> Result<T> + Send + 'static,
) -> Result<T> {
    library.shelf(&SCENES).await?;
    let aliases = aliases.clone();
    library.run(move |store| work(store, &aliases)).await
}

#[derive(Serialize, ToSchema)]
struct Saved {
    #[schema(example = "Scene saved successfully")]
    message: String,
    /// The scene's own id; the id in the body goes on working as another name for it.
    #[schema(example = "6f1c6f2e-8a3e-4b58-9c43-0d4a1b1f7f10")]
    id: String,
}

/// Saves a new scene under a new id.
#[utoipa::path(tag = "scenes", request_body = SceneBody, responses((status = 200, body = Saved), WriteErrors))]
#[post("/scenes/save")]
async fn save(
    library: Data<Library>,
    aliases: Data<Aliases>,
    body: JsonBody,
    _gm: Gm,
) -> Result<HttpResponse> {
    let scene = scene(&body)?;
    let (id, stamp) = run(&library, &aliases, move |store, aliases| {
        catalogue::save(store, aliases, &scene)
    })
    .await?;
    let message = "Scene saved successfully".to_owned();
    Ok(written(stamp.as_ref(), Saved { message, id }))
}

/// Lists all folders and all scenes, whole.
#[utoipa::path(tag = "scenes", responses((status = 200, body = SceneList), GmErrors))]
#[get("/scenes/list")]
async fn list(library: Data<Library>, _gm: Gm) -> Result<HttpResponse> {
    let shelf = library.shelf(&SCENES).await?;
    let folders = folders(shelf, &FolderPath::root(), str::to_owned);
    let folders = serde_json::to_string(&folders).map_err(std::io::Error::other)?;
    let body = library
        .run(move |store| {
            let scenes = catalogue::list(store)?;
            let size: usize = scenes.iter().map(|s| s.as_str().len() + 1).sum();
            let mut body = String::with_capacity(size + folders.len() + 32);
            body.push_str("{\"folders\":");
            body.push_str(&folders);
            body.push_str(",\"scenes\":[");
            for (nth, scene) in scenes.iter().enumerate() {
                if nth > 0 {
                    body.push(',');
                }
                body.push_str(scene.as_str());
            }
            body.push_str("]}");
            Ok(body)
        })
        .await?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(body))
}

/// Reads a saved scene. The table is not touched.
#[utoipa::path(tag = "scenes", params(("scene_id", description = "Id, or the id that a page saved it with", example = "6f1c6f2e-8a3e-4b58-9c43-0d4a1b1f7f10")),
    responses((status = 200, body = SceneBody), (status = 404, body = ErrorBody), GmErrors))]
#[get("/scenes/load/{scene_id}")]
async fn load(
    library: Data<Library>,
    aliases: Data<Aliases>,
    scene_id: Path<String>,
    _gm: Gm,
) -> Result<HttpResponse> {
    let (scene, stamp) = run(&library, &aliases, move |store, aliases| {
        catalogue::load(store, aliases, &scene_id)
    })
    .await?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::ETAG, etag_of(&stamp)))
        .body(scene.bytes()))
}

/// Replaces a saved scene; its id stays, its folder follows the body.
#[utoipa::path(tag = "scenes", request_body = SceneBody,
    params(("scene_id", description = "Id, or the id that a page saved it with", example = "6f1c6f2e-8a3e-4b58-9c43-0d4a1b1f7f10")),
    responses((status = 200, body = Message), (status = 404, body = ErrorBody), (status = 412, body = ErrorBody), WriteErrors))]
#[put("/scenes/{scene_id}")]
async fn update(
    library: Data<Library>,
    aliases: Data<Aliases>,
    scene_id: Path<String>,
    body: JsonBody,
    condition: Precondition,
    _gm: Gm,
) -> Result<HttpResponse> {
    let scene = scene(&body)?;
    let stamp = run(&library, &aliases, move |store, aliases| {
        catalogue::update(store, aliases, &scene_id, &scene, &condition)
    })
    .await?;
    Ok(written(
        stamp.as_ref(),
        Message::new("Scene updated successfully"),
    ))
}

/// Deletes a saved scene and the images that only it has.
#[utoipa::path(tag = "scenes", params(("scene_id", description = "Id, or the id that a page saved it with", example = "6f1c6f2e-8a3e-4b58-9c43-0d4a1b1f7f10")),
    responses((status = 200, body = Message), (status = 412, body = crate::error::ErrorBody), (status = 404, body = ErrorBody), WriteErrors))]
#[delete("/scenes/{scene_id}")]
async fn delete_scene(
    library: Data<Library>,
    aliases: Data<Aliases>,
    scene_id: Path<String>,
    condition: Precondition,
    _gm: Gm,
) -> Result<Json<Message>> {
    if scene_id.as_str() == "folder" {
        // `/scenes/folder/` without a folder: the original deleted everything then.
        return Err(Error::NotFound("Folder not found".into()));
    }
    run(&library, &aliases, move |store, aliases| {
        catalogue::delete(store, aliases, &scene_id, &condition)
    })
    .await?;
    Ok(Json(Message::new("Scene deleted successfully")))
}

/// Makes a folder and its parents; 400 when it exists.
#[utoipa::path(tag = "scenes", request_body = crate::maps::NewFolder,
    responses((status = 200, body = Message), WriteErrors))]
#[post("/scenes/folder")]
async fn make_folder(library: Data<Library>, body: JsonBody, _gm: Gm) -> Result<Json<Message>> {
    let mut fields = body.fields()?;
    let name = fields.text("folder_name");
    let parent = fields.nullable_text("parent_folder").unwrap_or_default();
    fields.check()?;
    if name.is_empty() {
        return Err(Error::Invalid("Folder name is required".into()));
    }
    let path = if parent.is_empty() {
        name.into_owned()
    } else {
        format!("{parent}/{name}")
    };
    library.shelf(&SCENES).await?;
    library
        .run(move |store| catalogue::make_folder(store, &path))
        .await?;
    Ok(Json(Message::new("Folder created successfully")))
}

/// Moves a folder and everything in it to the trash.
#[utoipa::path(tag = "scenes", params(("path", description = "Path of the folder", example = "Act1")),
    responses((status = 200, body = Message), (status = 404, body = ErrorBody), WriteErrors))]
#[delete("/scenes/folder/{path:.*}")]
async fn delete_folder(
    library: Data<Library>,
    path: Path<String>,
    _gm: Gm,
) -> Result<Json<Message>> {
    library.shelf(&SCENES).await?;
    library
        .run(move |store| catalogue::delete_folder(store, &path))
        .await?;
    Ok(Json(Message::new("Folder deleted successfully")))
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
struct NewFolderName {
    #[schema(schema_with = docs::name_schema)]
    new_name: String,
}

/// Renames a folder; the scenes and images below follow.
#[utoipa::path(tag = "scenes", request_body = NewFolderName, params(("path", description = "Path of the folder", example = "Act1")),
    responses((status = 200, body = Message), (status = 404, body = ErrorBody), WriteErrors))]
#[put("/scenes/folder/{path:.*}")]
async fn rename_folder(
    library: Data<Library>,
    path: Path<String>,
    body: JsonBody,
    _gm: Gm,
) -> Result<Json<Message>> {
    let mut fields = body.fields()?;
    let new_name = fields.text("new_name").into_owned();
    fields.check()?;
    if new_name.is_empty() {
        return Err(Error::Invalid("New name is required".into()));
    }
    library.shelf(&SCENES).await?;
    library
        .run(move |store| catalogue::rename_folder(store, &path, &new_name))
        .await?;
    Ok(Json(Message::new("Folder renamed successfully")))
}

/// A form with a picture.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a form that is read as it streams in")]
struct ImageForm {
    /// png, jpeg, webp, gif, bmp, svg, avif, mp4 or webm.
    #[schema(format = Binary)]
    file: String,
}

#[derive(Serialize, ToSchema)]
struct ImageAdded {
    #[schema(example = "Image uploaded successfully")]
    message: String,
    #[schema(example = "18cba863-54f7-4a7e-9c02-0e6f3a1d2b4c")]
    image_id: String,
}

/// Adds a picture to a saved scene.
#[utoipa::path(tag = "scenes", request_body(content = ImageForm, content_type = "multipart/form-data"),
    params(("scene_id", description = "Id of the scene", example = "6f1c6f2e-8a3e-4b58-9c43-0d4a1b1f7f10")),
    responses((status = 200, body = ImageAdded), (status = 404, body = ErrorBody), UploadErrors))]
#[post("/scenes/{scene_id}/image")]
async fn add_image(
    library: Data<Library>,
    aliases: Data<Aliases>,
    scene_id: Path<String>,
    req: HttpRequest,
    payload: Payload,
    _gm: Gm,
) -> Result<Json<ImageAdded>> {
    let id = scene_id.into_inner();
    let asked = id.clone();
    run(&library, &aliases, move |store, aliases| {
        catalogue::check_exists(store, aliases, &asked)
    })
    .await?;
    let limits = UploadLimits {
        what: "the image",
        max_bytes: library.config.limits.max_image,
        formats: MAPS.formats,
        takes: MAPS.extensions.join(", "),
    };
    let shelf = library.shelf(&SCENES).await?;
    let image = receive(&req, payload, library.slots(), shelf, &limits).await?;
    let image_id = run(&library, &aliases, move |store, aliases| {
        catalogue::add_image(store, aliases, &id, &image.name, image.file)
    })
    .await?;
    let message = "Image uploaded successfully".to_owned();
    Ok(Json(ImageAdded { message, image_id }))
}

/// Sends a scene's picture. Honours `Range` and conditions (RFC 9110).
#[utoipa::path(tag = "scenes", params(("path", description = "`path` of an image in a scene", example = "Act1/images/18cba863_token.png")),
    responses((status = 200, description = "The file", content_type = "image/*"),
        (status = 206, description = "The ranges asked for", content_type = "image/*"),
        (status = 304, description = "The client has it already"),
        (status = 403, body = ErrorBody), FileErrors))]
#[get("/scenes/image/{path:.*}")]
async fn read_image(
    library: Data<Library>,
    path: Path<String>,
    req: HttpRequest,
    _gm: Gm,
) -> Result<HttpResponse> {
    let path = catalogue::find_image(library.shelf(&SCENES).await?, &path)?;
    library
        .send(&req, &SCENES, &path, Disposition::Pictures)
        .await
}

/// Removes a picture from a scene, and its file unless another scene shows it.
#[utoipa::path(tag = "scenes",
    params(("scene_id", description = "Id of the scene", example = "6f1c6f2e-8a3e-4b58-9c43-0d4a1b1f7f10"),
        ("image_id", description = "Id of the image", example = "18cba863-54f7-4a7e-9c02-0e6f3a1d2b4c")),
    responses((status = 200, body = Message), (status = 404, body = ErrorBody), WriteErrors))]
#[delete("/scenes/{scene_id}/image/{image_id}")]
async fn delete_image(
    library: Data<Library>,
    aliases: Data<Aliases>,
    ids: Path<(String, String)>,
    _gm: Gm,
) -> Result<Json<Message>> {
    let (scene_id, image_id) = ids.into_inner();
    run(&library, &aliases, move |store, aliases| {
        catalogue::delete_image(store, aliases, &scene_id, &image_id)
    })
    .await?;
    Ok(Json(Message::new("Image deleted successfully")))
}
