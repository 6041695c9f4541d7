//! What the server knows of a scene.

use crate::error::Problem;
use crate::json::{JsonText, Node, NodeKind, ObjectEdit, Splices, quote};
use crate::store::{AssetPath, FolderPath};
use serde_json::{Value, json};
use std::borrow::Cow;

/// More problems than this are not listed.
const MAX_PROBLEMS: usize = 100;
/// Larger bodies are not quoted back in the `input` of an error.
const MAX_QUOTED_BYTES: usize = 64 << 10;

/// What stands in `images`: a picture that belongs to the scene.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// UUID.
    pub id: String,
    /// File name as uploaded.
    pub name: String,
    /// Path below the library, such as `Act1/images/<uuid>_token.png`.
    pub path: String,
}

impl Image {
    fn to_json(&self) -> String {
        let (id, name, path) = (quote(&self.id), quote(&self.name), quote(&self.path));
        format!("{{\"id\":{id},\"name\":{name},\"path\":{path}}}")
    }
}

/// What is wrong with a scene that somebody wants to save, in FastAPI's words.
pub fn problems(scene: Node<'_>) -> Vec<Problem> {
    if scene.kind() != NodeKind::Object {
        return vec![Problem::new(
            "model_attributes_type",
            vec!["body".into()],
            "Input should be a valid dictionary or object to extract fields from",
            quoted(scene),
        )];
    }
    let mut found = Vec::new();
    let mut complain = |name: &str, what: Complaint, input: Node<'_>| {
        found.push(what.problem(vec!["body".into(), name.into()], quoted(input)));
    };
    for name in ["id", "name"] {
        match scene.get(name) {
            None => complain(name, Complaint::Missing, scene),
            Some(value) if value.kind() != NodeKind::String => {
                complain(name, Complaint::Text, value)
            }
            Some(_) => {}
        }
    }
    for (name, value) in scene.members() {
        let name = name.as_ref();
        let complaint = match (name, value.kind()) {
            ("folder" | "activeMapId", NodeKind::String | NodeKind::Null) => continue,
            ("folder" | "activeMapId", _) => Complaint::Text,
            ("maps" | "initiativeOrder" | "images", NodeKind::Array) => continue,
            ("maps" | "initiativeOrder" | "images", _) => Complaint::List,
            ("gridSettings", NodeKind::Object) => continue,
            ("gridSettings", _) => Complaint::Object,
            ("showCurrentPlayer", _) if value.to_flag().is_some() => continue,
            ("showCurrentPlayer", _) => Complaint::Boolean,
            _ => continue,
        };
        complain(name, complaint, value);
    }
    for name in ["maps", "initiativeOrder", "images"] {
        let list = scene.get(name).into_iter().flat_map(|list| list.elements());
        for (position, element) in list.enumerate() {
            if found.len() >= MAX_PROBLEMS {
                return found;
            }
            let loc = || vec!["body".into(), name.into(), Value::from(position)];
            if element.kind() != NodeKind::Object {
                found.push(Complaint::Object.problem(loc(), quoted(element)));
            } else if name == "images" {
                for member in ["id", "name", "path"] {
                    let loc = || [loc(), vec![member.into()]].concat();
                    match element.get(member) {
                        None => found.push(Problem::missing(loc(), quoted(element))),
                        Some(value) if value.kind() != NodeKind::String => {
                            found.push(Complaint::Text.problem(loc(), quoted(value)));
                        }
                        Some(_) => {}
                    }
                }
            }
        }
    }
    found
}

enum Complaint {
    Missing,
    Text,
    List,
    Object,
    Boolean,
}

impl Complaint {
    fn problem(&self, loc: Vec<Value>, input: Value) -> Problem {
        let (kind, msg) = match self {
            Self::Missing => ("missing", "Field required"),
            Self::Text => ("string_type", "Input should be a valid string"),
            Self::List => ("list_type", "Input should be a valid list"),
            Self::Object => ("dict_type", "Input should be a valid dictionary"),
            Self::Boolean => (
                "bool_parsing",
                "Input should be a valid boolean, unable to interpret input",
            ),
        };
        Problem::new(kind, loc, msg, input)
    }
}

fn quoted(node: Node<'_>) -> Value {
    if node.raw().len() > MAX_QUOTED_BYTES {
        return json!("(too long to repeat)");
    }
    node.to_value()
}

/// A scene as it is stored: with this id and folder, and with the defaults that the frontends
/// count on (they read `scene.maps` without looking whether it is there).
///
/// `images` is used when the scene brings none of its own.
pub fn complete(scene: &JsonText, id: &str, folder: &FolderPath, images: Option<&str>) -> JsonText {
    let mut edit = ObjectEdit::new(scene.root());
    edit.set("id", &quote(id));
    edit.set("folder", &folder_json(folder));
    edit.set_default("maps", "[]");
    edit.set_default("activeMapId", "null");
    edit.set_default("gridSettings", "{\"showGrid\":true,\"gridSize\":50}");
    edit.set_default("initiativeOrder", "[]");
    edit.set_default("showCurrentPlayer", "true");
    edit.set_default("images", images.unwrap_or("[]"));
    finish(edit, scene)
}

/// A scene as it is read: its id is its file's name, its folder is where the file is.
pub fn relocate(scene: &JsonText, path: &AssetPath) -> JsonText {
    let folder = path.folder();
    let root = scene.root();
    let mut edit = ObjectEdit::new(root);
    edit.set("id", &quote(path.stem()));
    let told = root.get("folder").and_then(|f| f.as_str());
    if told.as_deref().unwrap_or_default() != folder.as_str() {
        edit.set("folder", &folder_json(&folder));
    }
    finish(edit, scene)
}

fn finish(edit: ObjectEdit<'_>, scene: &JsonText) -> JsonText {
    let mut splices = Splices::default();
    edit.into_splices(&mut splices);
    if splices.is_empty() {
        return scene.clone();
    }
    splices.apply(scene)
}

/// A folder as a member's value: `null` for the root.
pub(super) fn folder_json(folder: &FolderPath) -> String {
    folder.to_option().map_or_else(|| "null".into(), quote)
}

/// The images of a scene, well-formed ones only.
pub fn image_refs(scene: &JsonText) -> Vec<Image> {
    let list = scene.root().get("images").into_iter();
    list.flat_map(|list| list.elements())
        .filter_map(|image| {
            let text = |name: &str| image.get(name)?.as_str().map(Cow::into_owned);
            Some(Image {
                id: text("id")?,
                name: text("name")?,
                path: text("path")?,
            })
        })
        .collect()
}

/// The scene after its images changed: `path` gives an image's new path (`None`: as it is), `keep`
/// says whether it stays, `added` comes behind the last.
pub fn with_images(
    scene: &JsonText,
    keep: impl Fn(&str) -> bool,
    path: impl Fn(&str) -> Option<String>,
    added: Option<&Image>,
) -> JsonText {
    let mut splices = Splices::default();
    match scene
        .root()
        .get("images")
        .filter(|i| i.kind() == NodeKind::Array)
    {
        Some(list) => {
            let mut images: Vec<String> = list
                .elements()
                .filter(|image| {
                    let id = image.get("id").and_then(|id| id.as_str());
                    id.is_none_or(|id| keep(&id))
                })
                .map(|image| moved_image(image, &path))
                .collect();
            images.extend(added.map(Image::to_json));
            splices.replace(list.range(), format!("[{}]", images.join(",")));
        }
        None => {
            let mut edit = ObjectEdit::new(scene.root());
            let added = added.map(Image::to_json).unwrap_or_default();
            edit.set("images", &format!("[{added}]"));
            edit.into_splices(&mut splices);
        }
    }
    splices.apply(scene)
}

/// One element of `images`, with its other members as they were.
fn moved_image(image: Node<'_>, path: &impl Fn(&str) -> Option<String>) -> String {
    let old = image.get("path");
    let new = old.and_then(|old| path(&old.as_str()?));
    match (old, new) {
        (Some(old), Some(new)) => {
            let start = image.range().start;
            let raw = image.raw();
            let before = &raw[..old.range().start - start];
            let behind = &raw[old.range().end - start..];
            format!("{before}{}{behind}", quote(&new))
        }
        _ => image.raw().to_owned(),
    }
}

/// One reference from a scene to a map.
#[derive(Debug)]
pub struct MapRef<'a> {
    /// The element of `maps`.
    pub node: Node<'a>,
    /// The map's file name.
    pub name: Cow<'a, str>,
    /// The folder as the scene has it; it may be out of date.
    pub folder: Option<Cow<'a, str>>,
}

/// The maps on a scene, in stacking order.
pub fn map_refs(scene: &JsonText) -> impl Iterator<Item = MapRef<'_>> {
    let list = scene.root().get("maps").into_iter();
    list.flat_map(|list| list.elements()).filter_map(|node| {
        Some(MapRef {
            node,
            name: node.get("name")?.as_str()?,
            folder: node.get("folder").and_then(|folder| folder.as_str()),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn text(json: &str) -> JsonText {
        JsonText::parse(Bytes::copy_from_slice(json.as_bytes())).unwrap()
    }

    #[test]
    fn a_saved_scene_keeps_every_member_and_number() {
        let scene = text(
            r#"{"name":"A","id":"17","fogOfWar":[{"x":1.50}],"aoeMarkers":[1e2],"zz":12345678901234567890123}"#,
        );
        let saved = complete(&scene, "u-1", &FolderPath::parse("Act1").unwrap(), None);
        assert_eq!(
            saved.as_str(),
            r#"{"name":"A","id":"u-1","fogOfWar":[{"x":1.50}],"aoeMarkers":[1e2],"zz":12345678901234567890123,"folder":"Act1","maps":[],"activeMapId":null,"gridSettings":{"showGrid":true,"gridSize":50},"initiativeOrder":[],"showCurrentPlayer":true,"images":[]}"#
        );
    }

    #[test]
    fn problems_are_told_where_they_are() {
        let found = problems(text(r#"{"id":5,"maps":[1],"gridSettings":null,"showCurrentPlayer":"perhaps","images":[{"id":"a","name":null}]}"#).root());
        let told: Vec<_> = found
            .iter()
            .map(|p| format!("{} {}", p.kind, Value::from(p.loc.clone())))
            .collect();
        assert_eq!(
            told,
            [
                r#"string_type ["body","id"]"#,
                r#"missing ["body","name"]"#,
                r#"dict_type ["body","gridSettings"]"#,
                r#"bool_parsing ["body","showCurrentPlayer"]"#,
                r#"dict_type ["body","maps",0]"#,
                r#"string_type ["body","images",0,"name"]"#,
                r#"missing ["body","images",0,"path"]"#,
            ]
        );
        assert!(
            problems(text(r#"{"id":"","name":"","folder":null,"showCurrentPlayer":1}"#).root())
                .is_empty()
        );
    }

    #[test]
    fn images_move_and_go_without_touching_the_others() {
        let scene = text(
            r#"{"images":[{"id":"a","name":"n","path":"images/a","x":1.0},{"id":"b","name":"n","path":"p"}]}"#,
        );
        let moved = with_images(
            &scene,
            |_| true,
            |p| {
                p.strip_prefix("images/")
                    .map(|f| format!("Act1/images/{f}"))
            },
            None,
        );
        assert_eq!(
            moved.as_str(),
            r#"{"images":[{"id":"a","name":"n","path":"Act1/images/a","x":1.0},{"id":"b","name":"n","path":"p"}]}"#
        );
        let gone = with_images(&scene, |id| id != "a", |_| None, None);
        assert_eq!(
            gone.as_str(),
            r#"{"images":[{"id":"b","name":"n","path":"p"}]}"#
        );
        let image = Image {
            id: "c".into(),
            name: "n".into(),
            path: "q".into(),
        };
        assert_eq!(
            with_images(&text("{}"), |_| true, |_| None, Some(&image)).as_str(),
            r#"{"images":[{"id":"c","name":"n","path":"q"}]}"#
        );
    }
}
