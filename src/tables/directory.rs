//! Which tables there are: one small file below `.tablekeep/`.

use super::Code;
use crate::access::{Generations, random};
use crate::error::{Error, Result};
use crate::model::TableId;
use crate::store::write_durably;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};
use subtle::ConstantTimeEq;

/// Longest name of a table, in characters.
pub const MAX_NAME_CHARS: usize = 100;
const MAIN_NAME: &str = "Main table";

/// One table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// What it is called in addresses.
    pub id: TableId,
    /// What lets people in.
    pub code: Code,
    /// What people call it.
    pub name: String,
    /// In whole seconds since 1970 (UTC).
    pub created_at: u64,
    /// Counts renewals of the code. Whoever joined in an earlier generation has to join again.
    pub generation: u64,
}

#[derive(Serialize, Deserialize)]
struct File {
    tables: Vec<Table>,
}

/// All tables, oldest first; `main` is always among them.
pub struct Directory {
    file: PathBuf,
    max_tables: usize,
    /// Held while the file is written, so that changes follow each other.
    change: Mutex<()>,
    /// Never held while writing: every request with a table's cookie reads it.
    tables: RwLock<Vec<Table>>,
}

impl Directory {
    /// Reads the file, or makes it with the table `main`. Blocks.
    ///
    /// Errors are sentences for the person who started the server: a file that cannot be understood
    /// stays as it is.
    pub fn open(file: PathBuf, max_tables: usize) -> Result<Self> {
        let broken = |why: &dyn std::fmt::Display| {
            Error::Invalid(format!(
                "the list of tables {} cannot be used ({why}); mend it, or move it away to start with a new one",
                file.display()
            ))
        };
        let found = match fs::read(&file) {
            Ok(bytes) => {
                let found: File = serde_json::from_slice(&bytes).map_err(|e| broken(&e))?;
                check(&found.tables).map_err(|why| broken(&why))?;
                found.tables
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(broken(&error)),
        };
        let directory = Self {
            file,
            max_tables,
            change: Mutex::new(()),
            tables: RwLock::new(found),
        };
        if directory.get(TableId::MAIN).is_err() {
            directory.change(|tables| {
                tables.insert(0, new_table(TableId::MAIN, MAIN_NAME, tables)?);
                Ok(())
            })?;
        }
        Ok(directory)
    }

    /// All tables, oldest first.
    pub fn list(&self) -> Vec<Table> {
        self.read(|tables| tables.to_vec())
    }

    /// One table. Errors: `NotFound`.
    pub fn get(&self, id: TableId) -> Result<Table> {
        self.read(|tables| tables.iter().find(|table| table.id == id).cloned())
            .ok_or_else(|| missing(id))
    }

    /// The table with this code. Takes as long for a wrong code as for a right one.
    pub fn by_code(&self, code: &str) -> Option<Table> {
        let code = Code::parse(code)?;
        self.read(|tables| {
            let mut found = None;
            for table in tables {
                if bool::from(table.code.ct_eq(&code)) {
                    found = Some(table.clone());
                }
            }
            found
        })
    }

    /// Makes a table. Blocks.
    ///
    /// Errors: `Invalid` for a name that is empty, too long or has control characters; `Conflict`
    /// when there are as many as there may be.
    pub fn create(&self, name: &str) -> Result<Table> {
        let name = name.trim();
        if name.is_empty() {
            return Err(Error::Invalid("A table needs a name".into()));
        }
        if name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
            return Err(Error::Invalid(format!(
                "A table's name has at most {MAX_NAME_CHARS} characters, none of them a control character"
            )));
        }
        self.change(|tables| {
            if tables.len() >= self.max_tables {
                return Err(Error::Conflict(format!(
                    "there are {} tables, which is the limit (--max-tables): delete one first",
                    tables.len()
                )));
            }
            let table = new_table(new_id(tables)?, name, tables)?;
            tables.push(table.clone());
            Ok(table)
        })
    }

    /// Deletes a table and returns what it was. Blocks.
    ///
    /// Errors: `Conflict` for `main`, `NotFound`.
    pub fn delete(&self, id: TableId) -> Result<Table> {
        if id == TableId::MAIN {
            return Err(Error::Conflict("the table 'main' stays".into()));
        }
        self.change(|tables| {
            let at = tables.iter().position(|table| table.id == id);
            Ok(tables.remove(at.ok_or_else(|| missing(id))?))
        })
    }

    /// Gives a table another code; whoever has joined it has to join again. Blocks.
    pub fn renew_code(&self, id: TableId) -> Result<Table> {
        self.change(|tables| {
            let code = new_code(tables)?;
            let table = tables.iter_mut().find(|table| table.id == id);
            let table = table.ok_or_else(|| missing(id))?;
            table.code = code;
            table.generation = table.generation.wrapping_add(1);
            Ok(table.clone())
        })
    }

    fn read<T>(&self, read: impl FnOnce(&[Table]) -> T) -> T {
        read(&self.tables.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Nothing counts before it is on disk.
    fn change<T>(&self, change: impl FnOnce(&mut Vec<Table>) -> Result<T>) -> Result<T> {
        let _guard = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tables = self.list();
        let outcome = change(&mut tables)?;
        let file = File { tables };
        let text = serde_json::to_vec_pretty(&file).map_err(std::io::Error::other)?;
        write_durably(&self.file, &text)?;
        *self.tables.write().unwrap_or_else(PoisonError::into_inner) = file.tables;
        Ok(outcome)
    }
}

impl Generations for Directory {
    fn generation(&self, id: TableId) -> Option<u64> {
        self.read(|tables| {
            let table = tables.iter().find(|table| table.id == id);
            table.map(|table| table.generation)
        })
    }
}

fn missing(id: TableId) -> Error {
    Error::NotFound(format!("there is no table '{id}'"))
}

fn check(tables: &[Table]) -> Result<(), String> {
    let (mut ids, mut codes) = (HashSet::new(), HashSet::new());
    for table in tables {
        if !ids.insert(table.id) {
            return Err(format!("two tables have the id '{}'", table.id));
        }
        if !codes.insert(table.code.to_string()) {
            return Err(format!("the code of '{}' is another's, too", table.id));
        }
    }
    Ok(())
}

fn new_table(id: TableId, name: &str, others: &[Table]) -> Result<Table> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(Table {
        id,
        code: new_code(others)?,
        name: name.to_owned(),
        created_at: now.map_or(0, |age| age.as_secs()),
        // By chance, so that cookies of a list that was moved away do not count for the new one.
        generation: u32::from_be_bytes(random()?).into(),
    })
}

fn new_code(others: &[Table]) -> Result<Code> {
    loop {
        let code = Code::random()?;
        if others.iter().all(|table| table.code != code) {
            return Ok(code);
        }
    }
}

fn new_id(others: &[Table]) -> Result<TableId> {
    loop {
        let id = TableId::from_random(random()?);
        if others.iter().all(|table| table.id != id) {
            return Ok(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn open(folder: &TempDir, max_tables: usize) -> Result<Directory> {
        Directory::open(folder.path().join("tables.json"), max_tables)
    }

    #[test]
    fn main_is_always_there_with_the_same_code() {
        let folder = tempfile::tempdir().unwrap();
        let main = open(&folder, 5).unwrap().get(TableId::MAIN).unwrap();
        assert_eq!(main.name, "Main table");
        let directory = open(&folder, 5).unwrap();
        assert_eq!(directory.list(), std::slice::from_ref(&main));
        assert!(matches!(
            directory.delete(TableId::MAIN),
            Err(Error::Conflict(_))
        ));
        let code = main.code.to_string().to_lowercase();
        assert_eq!(directory.by_code(&code), Some(main));
    }

    #[test]
    fn tables_come_and_go_and_outlive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let directory = open(&folder, 3).unwrap();
        let one = directory.create("  One ").unwrap();
        let two = directory.create("One").unwrap();
        assert_eq!(one.name, "One");
        assert!(one.id != two.id && one.code != two.code);
        assert!(matches!(directory.create("Three"), Err(Error::Conflict(_))));
        let directory = open(&folder, 3).unwrap();
        assert_eq!(directory.list()[1..], [one.clone(), two.clone()]);
        assert_eq!(directory.delete(one.id).unwrap(), one);
        assert!(matches!(directory.delete(one.id), Err(Error::NotFound(_))));
        assert_eq!(directory.by_code(&one.code.to_string()), None);
        assert_eq!(directory.generation(one.id), None);
        assert_eq!(open(&folder, 3).unwrap().list().len(), 2);
    }

    #[test]
    fn a_renewed_code_is_another_generation() {
        let folder = tempfile::tempdir().unwrap();
        let directory = open(&folder, 3).unwrap();
        let before = directory.get(TableId::MAIN).unwrap();
        let after = directory.renew_code(TableId::MAIN).unwrap();
        assert_ne!(before.code, after.code);
        assert_eq!(
            directory.generation(TableId::MAIN),
            Some(before.generation + 1)
        );
        assert_eq!(directory.by_code(&before.code.to_string()), None);
        assert_eq!(open(&folder, 3).unwrap().get(TableId::MAIN).unwrap(), after);
        let nowhere = TableId::parse("k3v9x2qa").unwrap();
        assert!(matches!(
            directory.renew_code(nowhere),
            Err(Error::NotFound(_))
        ));
    }

    #[test]
    fn names_are_for_people() {
        let folder = tempfile::tempdir().unwrap();
        let directory = open(&folder, 9).unwrap();
        let long = "ü".repeat(MAX_NAME_CHARS);
        for good in ["x", "Dienstagsrunde 🎲", &long] {
            assert_eq!(directory.create(good).unwrap().name, good);
        }
        for bad in ["", "  ", "a\nb", "a\u{7f}", &format!("{long}x")] {
            assert!(
                matches!(directory.create(bad), Err(Error::Invalid(_))),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_broken_list_is_one_sentence_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tables.json");
        let main = r#"{"id":"main","code":"K7WP","name":"m","created_at":1,"generation":1}"#;
        let other = r#"{"id":"k3v9x2qa","code":"K7WP","name":"o","created_at":1,"generation":1}"#;
        for (text, why) in [
            ("{".to_owned(), "line 1"),
            (r#"{"tables":[{"id":"../x"}]}"#.to_owned(), "../x"),
            (main.replace("K7WP", "0000"), "missing field"),
            (format!(r#"{{"tables":[{main},{main}]}}"#), "two tables"),
            (format!(r#"{{"tables":[{main},{other}]}}"#), "another's"),
        ] {
            fs::write(&file, &text).unwrap();
            let said = open(&folder, 3).err().unwrap().to_string();
            assert!(said.contains(why) && said.contains("tables.json"), "{said}");
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        // Without main it is added.
        fs::write(&file, format!(r#"{{"tables":[{other}]}}"#)).unwrap();
        assert_eq!(open(&folder, 3).unwrap().list().len(), 2);
    }
}
