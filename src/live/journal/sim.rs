//! A disk for tests, in memory: it fails when told to and forgets what was not synced.

use super::{Disk, Medium};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// The disk. All clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Sim(Arc<Mutex<World>>);

#[derive(Default)]
struct World {
    files: Vec<Image>,
    names: BTreeMap<PathBuf, usize>,
    /// The names as of their last sync, and what has happened to them since.
    durable_names: BTreeMap<PathBuf, usize>,
    renames: Vec<BTreeMap<PathBuf, usize>>,
    /// How many operations go well, how many fail after that, and how.
    faults: Option<(u32, u32, ErrorKind)>,
}

#[derive(Clone, Default)]
struct Image {
    now: Vec<u8>,
    durable: Vec<u8>,
}

/// One of its files, open.
pub(crate) struct SimFile {
    sim: Sim,
    id: usize,
    at: usize,
}

impl Sim {
    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// After `good` more operations, the next `bad` ones fail.
    pub(crate) fn fail(&self, good: u32, bad: u32, kind: ErrorKind) {
        self.world().faults = Some((good, bad, kind));
    }

    /// Ends all faults.
    pub(crate) fn heal(&self) {
        self.world().faults = None;
    }

    /// Starts again with what was synced, and with any part of the rest: `choose(n)` is below n.
    pub(crate) fn cut_power(&self, choose: &mut impl FnMut(usize) -> usize) {
        const SECTOR: usize = 4;
        let mut world = self.world();
        let world = &mut *world;
        world.faults = None;
        for Image { now, durable } in &mut world.files {
            let (short, long) = (now.len().min(durable.len()), now.len().max(durable.len()));
            let mut left = vec![0; short + choose(long - short + 1)];
            let mut written = choose(2) == 1;
            for (nth, sector) in left.chunks_mut(SECTOR).enumerate() {
                // Neighbours often share their fate.
                written ^= choose(6) == 0;
                let from = if written { &*now } else { &*durable };
                for (byte, was) in sector.iter_mut().zip(from.iter().skip(nth * SECTOR)) {
                    *byte = *was;
                }
            }
            *now = left;
            *durable = now.clone();
        }
        let happened = choose(world.renames.len() + 1);
        if let Some(last) = happened.checked_sub(1) {
            world.durable_names = world.renames.swap_remove(last);
        }
        world.renames.clear();
        world.names = world.durable_names.clone();
    }
}

impl World {
    fn operate(&mut self) -> io::Result<()> {
        match &mut self.faults {
            Some((0, 0, _)) | None => Ok(()),
            Some((0, bad, kind)) => {
                *bad -= 1;
                Err((*kind).into())
            }
            Some((good, _, _)) => {
                *good -= 1;
                Ok(())
            }
        }
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        let found = self.names.get(path).copied();
        found.ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn renamed(&mut self) {
        self.renames.push(self.names.clone());
    }
}

impl Disk for Sim {
    type File = SimFile;

    fn open(&mut self, path: &Path) -> io::Result<SimFile> {
        let mut world = self.world();
        world.operate()?;
        let id = world.find(path)?;
        let sim = self.clone();
        Ok(SimFile { sim, id, at: 0 })
    }

    fn create(&mut self, path: &Path) -> io::Result<SimFile> {
        let mut world = self.world();
        world.operate()?;
        // An old file of that name is emptied; it may have other names.
        let id = match world.find(path) {
            Ok(id) => id,
            Err(_) => {
                world.files.push(Image::default());
                world.files.len() - 1
            }
        };
        world.files[id].now.clear();
        world.names.insert(path.to_owned(), id);
        world.renamed();
        let sim = self.clone();
        Ok(SimFile { sim, id, at: 0 })
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.operate()?;
        let id = world.find(from)?;
        world.names.remove(from);
        world.names.insert(to.to_owned(), id);
        world.renamed();
        Ok(())
    }

    fn keep(&mut self, path: &Path, also: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.operate()?;
        let id = world.find(path)?;
        world.names.insert(also.to_owned(), id);
        world.renamed();
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.operate()?;
        world.find(path)?;
        world.names.remove(path);
        world.renamed();
        Ok(())
    }

    fn sync_names(&mut self, _: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.operate()?;
        world.durable_names = world.names.clone();
        world.renames.clear();
        Ok(())
    }
}

impl Read for SimFile {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut world = self.sim.world();
        let mut rest = world.files[self.id].now.get(self.at..).unwrap_or_default();
        let count = rest.read(into)?;
        self.at += count;
        world.operate()?;
        Ok(count)
    }
}

impl Write for SimFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut world = self.sim.world();
        let outcome = world.operate();
        // A write that fails has got somewhere.
        let count = match outcome {
            Ok(()) => bytes.len(),
            Err(_) => bytes.len() * 2 / 3,
        };
        let file = &mut world.files[self.id].now;
        let end = self.at + count;
        if file.len() < end {
            file.resize(end, 0);
        }
        file[self.at..end].copy_from_slice(&bytes[..count]);
        self.at = end;
        outcome.map(|()| count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for SimFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let size = self.sim.world().files[self.id].now.len();
        self.at = match to {
            SeekFrom::Start(at) => at as usize,
            SeekFrom::End(by) => size.saturating_add_signed(by as isize),
            SeekFrom::Current(by) => self.at.saturating_add_signed(by as isize),
        };
        Ok(self.at as u64)
    }
}

impl Medium for SimFile {
    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        let mut world = self.sim.world();
        world.operate()?;
        world.files[self.id].now.resize(bytes as usize, 0);
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let mut world = self.sim.world();
        world.operate()?;
        let file = &mut world.files[self.id];
        file.durable = file.now.clone();
        Ok(())
    }

    fn sync_all(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}
