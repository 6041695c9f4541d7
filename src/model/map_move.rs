//! A map got another name or folder: what that means for the scenes that show it.

use super::scene::{folder_json, map_refs};
use crate::json::{JsonText, ObjectEdit, Splices, quote};
use crate::store::{AssetPath, FolderPath};
use serde::{Deserialize, Serialize};

/// A renamed or moved map, with what is needed to find the references to it.
///
/// Serialisable, because it is kept with the operation's intent until every scene has followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapMove {
    /// Where the map was.
    pub from: AssetPath,
    /// Where it is now.
    pub to: AssetPath,
    /// All maps that had the old name, before: root first, then path order.
    pub namesakes: Vec<AssetPath>,
}

impl MapMove {
    /// Whether a reference by this name and folder meant the moved map: the path as written, or
    /// else the first map anywhere with that name, as the file route finds it.
    fn is_meant(&self, name: &str, folder: Option<&str>) -> bool {
        if name != self.from.name() {
            return false;
        }
        let written = FolderPath::parse(folder.unwrap_or_default())
            .ok()
            .and_then(|folder| folder.join(name).ok());
        match written.filter(|path| self.namesakes.contains(path)) {
            Some(path) => path == self.from,
            None => self.namesakes.first() == Some(&self.from),
        }
    }

    /// Whether `scene` could refer to the map at all; a cheap look before the real one.
    pub fn may_concern(&self, scene: &[u8]) -> bool {
        let name = quote(self.from.name());
        // Somebody may have written the name with escapes, which only the real look sees through.
        memchr::memmem::find(scene, name.as_bytes()).is_some()
            || memchr::memchr(b'\\', scene).is_some()
    }

    /// Whether `scene` shows the map, as it was before it moved.
    pub fn is_shown_by(&self, scene: &JsonText) -> bool {
        map_refs(scene).any(|map| self.is_meant(&map.name, map.folder.as_deref()))
    }

    /// The scene with its references following the map; `None` when it has none.
    pub fn rewrite(&self, scene: &JsonText) -> Option<JsonText> {
        let mut splices = Splices::default();
        let mut first = None;
        for map in map_refs(scene) {
            if map.name != self.from.name() {
                continue;
            }
            let is_meant = self.is_meant(&map.name, map.folder.as_deref());
            first.get_or_insert(is_meant);
            if !is_meant {
                continue;
            }
            let mut edit = ObjectEdit::new(map.node);
            edit.set("name", &quote(self.to.name()));
            let folder = self.to.folder();
            if map.folder.as_deref().unwrap_or_default() != folder.as_str() {
                edit.set("folder", &folder_json(&folder));
            }
            edit.into_splices(&mut splices);
        }
        let follows = first.unwrap_or_else(|| self.is_meant(self.from.name(), None));
        if follows {
            self.rewrite_active_map(scene, &mut splices);
        }
        (!splices.is_empty()).then(|| splices.apply(scene))
    }

    /// `activeMapId` is a bare name: it means the scene's first map of that name.
    fn rewrite_active_map(&self, scene: &JsonText, splices: &mut Splices) {
        let Some(active) = scene.root().get("activeMapId") else {
            return;
        };
        if self.from.name() != self.to.name()
            && active.as_str().as_deref() == Some(self.from.name())
        {
            splices.replace(active.range(), quote(self.to.name()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn path(text: &str) -> AssetPath {
        AssetPath::parse(text).unwrap()
    }

    fn rewritten(from: &str, to: &str, namesakes: &[&str], scene: &str) -> Option<String> {
        let map_move = MapMove {
            from: path(from),
            to: path(to),
            namesakes: namesakes.iter().map(|p| path(p)).collect(),
        };
        let scene = JsonText::parse(Bytes::copy_from_slice(scene.as_bytes())).unwrap();
        map_move
            .rewrite(&scene)
            .map(|scene| scene.as_str().to_owned())
    }

    #[test]
    fn a_rename_touches_name_and_active_map_only() {
        let scene = r#"{"maps":[{"name":"a.png","data":{"x":1.0}},{"name":"b.png"}],"activeMapId":"a.png","n":1e1}"#;
        assert_eq!(
            rewritten("a.png", "c.png", &["a.png"], scene).unwrap(),
            r#"{"maps":[{"name":"c.png","data":{"x":1.0}},{"name":"b.png"}],"activeMapId":"c.png","n":1e1}"#
        );
        assert_eq!(rewritten("x.png", "c.png", &["x.png"], scene), None);
    }

    #[test]
    fn a_move_writes_the_folder_also_where_it_was_out_of_date() {
        let scene =
            r#"{"maps":[{"name":"a.png","folder":"gone"},{"name":"a.png"}],"activeMapId":"a.png"}"#;
        assert_eq!(
            rewritten("w/a.png", "v/a.png", &["w/a.png"], scene).unwrap(),
            r#"{"maps":[{"name":"a.png","folder":"v"},{"name":"a.png","folder":"v"}],"activeMapId":"a.png"}"#
        );
        let to_root = r#"{"maps":[{"name":"a.png","folder":"w"}]}"#;
        assert_eq!(
            rewritten("w/a.png", "a.png", &["w/a.png"], to_root).unwrap(),
            r#"{"maps":[{"name":"a.png","folder":null}]}"#
        );
    }

    #[test]
    fn a_namesake_keeps_its_references() {
        let scene = r#"{"maps":[{"name":"a.png","folder":null},{"name":"a.png","folder":"w"}],"activeMapId":"a.png"}"#;
        assert_eq!(
            rewritten("w/a.png", "w/c.png", &["a.png", "w/a.png"], scene).unwrap(),
            r#"{"maps":[{"name":"a.png","folder":null},{"name":"c.png","folder":"w"}],"activeMapId":"a.png"}"#
        );
    }

    #[test]
    fn the_active_map_is_the_first_of_its_name() {
        let scene = r#"{"maps":[{"name":"a.png","folder":"w"},{"name":"a.png","folder":null}],"activeMapId":"a.png"}"#;
        assert_eq!(
            rewritten("w/a.png", "w/c.png", &["a.png", "w/a.png"], scene).unwrap(),
            r#"{"maps":[{"name":"c.png","folder":"w"},{"name":"a.png","folder":null}],"activeMapId":"c.png"}"#
        );
    }

    #[test]
    fn a_name_written_with_escapes_is_found() {
        let scene = r#"{"maps":[{"name":"\u0061.png"}]}"#;
        assert_eq!(
            rewritten("a.png", "c.png", &["a.png"], scene).unwrap(),
            r#"{"maps":[{"name":"c.png"}]}"#
        );
    }
}
