//! Where the table is.

use crate::audio::SOUNDS;
use crate::config::Config;
use crate::demo;
use crate::error::{Error, Result};
use crate::maps::MAPS;
use crate::scenes::SCENES;
use etcetera::AppStrategy;
use std::path::{Path, PathBuf};

/// The data folder that was asked for, or the one that suits; with the demo table, where it is new.
pub(super) fn data_folder(config: &Config) -> Result<PathBuf> {
    let folder = chosen_folder(config.data_dir.as_deref())?;
    if config.data_dir.is_none() && !is_table(&folder) {
        demo::unpack(&folder).map_err(|error| {
            let text = format!(
                "the demo table cannot be written to {} ({error}); choose a folder with --data-dir",
                folder.display()
            );
            Error::Invalid(text)
        })?;
    }
    Ok(folder)
}

fn is_table(folder: &Path) -> bool {
    [&MAPS, &SCENES, &SOUNDS]
        .iter()
        .all(|kind| folder.join(kind.dir).is_dir())
}

/// The data folder that was asked for, or the one that suits; it need not be there.
///
/// Errors: `Invalid`, when there is no home folder to have one in.
pub fn chosen_folder(asked: Option<&Path>) -> Result<PathBuf> {
    if let Some(folder) = asked {
        return Ok(folder.to_owned());
    }
    let here = PathBuf::from(".");
    if is_table(&here) {
        return Ok(here);
    }
    let args = etcetera::AppStrategyArgs {
        top_level_domain: String::new(),
        author: "tablekeep".into(),
        app_name: "tablekeep".into(),
    };
    let own = etcetera::choose_app_strategy(args)
        .map_err(|_| {
            Error::Invalid(
                "no home folder was found; say where the table is with --data-dir".into(),
            )
        })?
        .data_dir();
    Ok(own)
}

/// Makes a folder that nobody else on this machine may look into, and closes one that is there, as far
/// as the disk knows owners. Where it cannot be made, whoever needs it says so.
pub(super) fn keep_private(folder: &Path) {
    #[cfg(unix)]
    {
        use std::fs::{DirBuilder, Permissions, set_permissions};
        use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
        let _ = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        let _ = set_permissions(folder, Permissions::from_mode(0o700));
    }
    #[cfg(not(unix))]
    let _ = folder;
}
