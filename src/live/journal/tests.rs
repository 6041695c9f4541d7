//! What an append promises, on a disk that fails, and after power cuts.

use super::sim::Sim;
use super::*;
use proptest::prelude::*;
use std::fs;
use tempfile::TempDir;

fn records(texts: &[&str]) -> Vec<Bytes> {
    let own = |text: &&str| Bytes::copy_from_slice(text.as_bytes());
    texts.iter().map(own).collect()
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("main.journal");
    (folder, path)
}

/// A journal with one append per text.
fn written(path: &Path, texts: &[&str]) -> Vec<u8> {
    let (mut journal, _) = Journal::open(path).unwrap();
    for text in texts {
        journal.append(&records(&[text])).unwrap();
    }
    assert_eq!(fs::metadata(path).unwrap().len(), journal.size());
    fs::read(path).unwrap()
}

fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<_> = entries.map(|e| name(e).into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_was_appended_is_there_again_in_order() {
    let (folder, path) = folder();
    let large = "x".repeat(3 * BUFFER_BYTES);
    {
        let (mut journal, opened) = Journal::open(&path).unwrap();
        assert_eq!((opened.records.len(), opened.tail), (0, Tail::Clean));
        let commit = journal.append(&records(&["a", "", &large])).unwrap();
        assert_eq!(commit.bytes, 3 * 8 + 1 + large.len() as u64);
        journal.append(&records(&["b"])).unwrap();
        journal.append(&[]).unwrap();
    }
    let (journal, opened) = Journal::open(&path).unwrap();
    assert_eq!(opened.records, records(&["a", "", &large, "b"]));
    assert_eq!(opened.tail, Tail::Clean);
    assert_eq!(journal.path(), path);
    assert_eq!(names(&folder), ["main.journal"]);
}

#[test]
fn a_restart_takes_the_place_of_what_was() {
    let (folder, path) = folder();
    written(&path, &["a", "b", "c"]);
    {
        let (mut journal, _) = Journal::open(&path).unwrap();
        journal.restart(&records(&["abc"])).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), journal.size());
        journal.append(&records(&["d"])).unwrap();
    }
    let (_, opened) = Journal::open(&path).unwrap();
    assert_eq!(opened.records, records(&["abc", "d"]));
    assert_eq!(names(&folder), ["main.journal"]);
}

#[test]
fn a_last_record_torn_at_any_byte_is_cut_off() {
    let (folder, path) = folder();
    let whole = written(&path, &["first", "second", "the third and last"]);
    let start = written(&folder.path().join("other"), &["first", "second"]).len();
    for cut in start..whole.len() {
        for fill in [0, 0xff] {
            let mut torn = whole[..cut].to_vec();
            // What a power cut leaves may also be as long as it was to become.
            if fill == 0 && cut > start {
                torn.resize(whole.len(), fill);
                if torn == whole {
                    continue;
                }
            }
            fs::write(&path, &torn).unwrap();
            let (mut journal, opened) = Journal::open(&path).unwrap();
            assert_eq!(opened.records, records(&["first", "second"]), "{cut}");
            let lost_bytes = (torn.len() - start) as u64;
            let tail = match lost_bytes {
                0 => Tail::Clean,
                _ => Tail::Torn { lost_bytes },
            };
            assert_eq!(opened.tail, tail, "{cut}");
            journal.append(&records(&["new"])).unwrap();
            drop(journal);
            let (_, opened) = Journal::open(&path).unwrap();
            assert_eq!(opened.records, records(&["first", "second", "new"]));
        }
    }
}

#[test]
fn a_bit_flipped_before_the_last_append_is_damage_and_the_file_is_kept() {
    let (folder, path) = folder();
    let start = written(&folder.path().join("other"), &["first"]).len();
    let whole = written(&path, &["first", "second", "third"]);
    let last = written(&folder.path().join("more"), &["first", "second"]).len();
    for bit in start * 8..last * 8 {
        let mut spoiled = whole.clone();
        spoiled[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &spoiled).unwrap();
        let (_, opened) = Journal::open(&path).unwrap();
        assert_eq!(opened.tail, Tail::Damaged { at: start as u64 }, "{bit}");
        assert_eq!(opened.records, records(&["first"]));
        // Nobody has begun a new history yet: the damage is found again.
        let (mut journal, opened) = Journal::open(&path).unwrap();
        assert_eq!(opened.tail, Tail::Damaged { at: start as u64 });
        let refused = journal.append(&records(&["x"])).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidData);
        assert_eq!(fs::read(&path).unwrap(), spoiled);
    }
    let spoiled = fs::read(&path).unwrap();
    let (mut journal, _) = Journal::open(&path).unwrap();
    journal.restart(&records(&["first"])).unwrap();
    journal.append(&records(&["other"])).unwrap();
    drop(journal);
    let (_, opened) = Journal::open(&path).unwrap();
    assert_eq!(opened.records, records(&["first", "other"]));
    assert_eq!(opened.tail, Tail::Clean);
    let names = names(&folder);
    let broken: Vec<_> = names.iter().filter(|n| n.contains(".broken-")).collect();
    assert_eq!(broken.len(), 1, "{names:?}");
    assert_eq!(fs::read(folder.path().join(broken[0])).unwrap(), spoiled);
}

#[test]
fn a_restarted_file_shows_its_damage_record_by_record() {
    let (_folder, path) = folder();
    let (mut journal, _) = Journal::open(&path).unwrap();
    journal.restart(&records(&["a", "b", "c"])).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[HEADER_BYTES as usize + 8 + 1 + 8] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (_, opened) = Journal::open(&path).unwrap();
    assert_eq!(opened.records, records(&["a"]));
    assert!(matches!(opened.tail, Tail::Damaged { .. }));
}

#[test]
fn an_append_of_which_a_power_cut_left_only_the_end_is_a_torn_tail() {
    let (_folder, path) = folder();
    let (mut journal, _) = Journal::open(&path).unwrap();
    journal.append(&records(&["kept"])).unwrap();
    let start = journal.size() as usize;
    journal.append(&records(&["lost", "whole", "too"])).unwrap();
    drop(journal);
    let mut bytes = fs::read(&path).unwrap();
    bytes[start..start + 12].fill(0);
    fs::write(&path, &bytes).unwrap();
    let (_, opened) = Journal::open(&path).unwrap();
    assert_eq!(opened.records, records(&["kept"]));
    let lost_bytes = (bytes.len() - start) as u64;
    assert_eq!(opened.tail, Tail::Torn { lost_bytes });
}

#[test]
fn a_file_that_is_no_journal_is_damaged_from_its_first_byte() {
    let (_folder, path) = folder();
    let whole = written(&path, &["a"]);
    let mut flipped = whole.clone();
    flipped[3] ^= 1;
    for bytes in [&b""[..], b"{}", &whole[..15], &flipped] {
        fs::write(&path, bytes).unwrap();
        let (_, opened) = Journal::open(&path).unwrap();
        assert_eq!(opened.records.len(), 0);
        assert_eq!(opened.tail, Tail::Damaged { at: 0 });
    }
}

#[test]
fn a_later_version_is_left_alone() {
    let (_folder, path) = folder();
    let mut bytes = written(&path, &["a"]);
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..12]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let refused = Journal::open(&path).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::InvalidData);
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn lengths_that_the_file_does_not_have_are_not_believed() {
    let (_folder, path) = folder();
    let whole = written(&path, &["a"]);
    for length in [u32::MAX, 1 << 31, 0x7fff_ffff, 64 << 20, 100] {
        let mut bytes = whole.clone();
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&[7; 20]);
        fs::write(&path, &bytes).unwrap();
        let (_, opened) = Journal::open(&path).unwrap();
        assert_eq!(opened.records, records(&["a"]));
        assert_eq!(opened.tail, Tail::Torn { lost_bytes: 24 });
    }
}

#[test]
fn a_record_above_the_limit_is_refused_and_nothing_written() {
    let (_folder, path) = folder();
    let (mut journal, _) = Journal::open(&path).unwrap();
    let size = journal.size();
    let large = Bytes::from(vec![0; MAX_RECORD_BYTES + 1]);
    let refused = journal.append(&[Bytes::new(), large]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert_eq!(
        (journal.size(), fs::metadata(&path).unwrap().len()),
        (size, size)
    );
}

#[test]
fn a_full_disk_keeps_its_kind_and_loses_nothing() {
    let sim = Sim::default();
    let path = Path::new("/j");
    let (mut journal, _) = Journal::open_on(sim.clone(), path).unwrap();
    journal.append(&records(&["a"])).unwrap();
    sim.fail(0, 1, ErrorKind::StorageFull);
    let error = journal.append(&records(&["b"])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    // The write and the cut fail: nothing is taken until the cut works.
    sim.fail(0, 3, ErrorKind::StorageFull);
    assert!(journal.append(&records(&["c"])).is_err());
    assert!(journal.append(&records(&["d"])).is_err());
    sim.fail(0, 1, ErrorKind::StorageFull);
    assert!(journal.restart(&records(&["e"])).is_err());
    journal.append(&records(&["f"])).unwrap();
    drop(journal);
    sim.cut_power(&mut |_| 0);
    let (_, opened) = Journal::open_on(sim, path).unwrap();
    assert_eq!(opened.records, records(&["a", "f"]));
}

#[derive(Clone, Debug)]
enum Step {
    /// Payload sizes of one append.
    Append(Vec<usize>),
    Restart(Vec<usize>),
    /// So many operations go well, then so many fail.
    Fail(u32, u32),
    Heal,
    /// The process ends; what it wrote stays.
    Kill,
    /// The power goes; the number decides what the disk has kept.
    PowerCut(u64),
}

fn step() -> impl Strategy<Value = Step> {
    // The last size is above what is written at once.
    let size = prop_oneof![20 => 0..40usize, 1 => Just(BUFFER_BYTES + 7)];
    let sizes = || prop::collection::vec(size.clone(), 0..4);
    prop_oneof![
        6 => sizes().prop_map(Step::Append),
        2 => sizes().prop_map(Step::Restart),
        3 => (0..9u32, 1..9u32).prop_map(|(good, bad)| Step::Fail(good, bad)),
        1 => Just(Step::Heal),
        1 => Just(Step::Kill),
        3 => any::<u64>().prop_map(Step::PowerCut),
    ]
}

/// A record of `size` bytes, different from all others but the empty ones.
fn payload(counter: &mut u64, size: usize) -> Bytes {
    *counter += 1;
    let bytes = counter.to_le_bytes();
    bytes.iter().copied().cycle().take(size).collect()
}

/// What may be found: acknowledged records, and behind them any first part of those that failed.
type Allowed = Vec<(Vec<Bytes>, Vec<Bytes>)>;

fn is_allowed(found: &[Bytes], allowed: &Allowed) -> bool {
    allowed.iter().any(|(acknowledged, failed)| {
        let behind = found.strip_prefix(acknowledged.as_slice());
        behind.is_some_and(|behind| failed.starts_with(behind))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Whatever happens, what is found is what was acknowledged, in order, and nothing else but
    /// what may be left of an append that failed and could not be cut off before the end came.
    #[test]
    fn what_is_found_is_what_was_acknowledged(steps in prop::collection::vec(step(), 1..40)) {
        let path = Path::new("/table/main.journal");
        let sim = Sim::default();
        let mut journal = Some(Journal::open_on(sim.clone(), path).unwrap().0);
        let mut now: Vec<Bytes> = Vec::new();
        let mut allowed: Allowed = vec![(Vec::new(), Vec::new())];
        let mut counter = 0;
        for step in steps {
            let open = journal.as_mut().unwrap();
            match step {
                Step::Append(sizes) => {
                    let batch: Vec<_> = sizes.iter().map(|s| payload(&mut counter, *s)).collect();
                    let appended = open.append(&batch);
                    if appended.is_ok() {
                        now.extend(batch.iter().cloned());
                    }
                    match open.trouble {
                        Trouble::None => allowed = vec![(now.clone(), Vec::new())],
                        Trouble::Tail => allowed.push((now.clone(), batch)),
                        Trouble::Name => {}
                        Trouble::Damage { .. } => panic!("nothing was damaged"),
                    }
                }
                Step::Restart(sizes) => {
                    let batch: Vec<_> = sizes.iter().map(|s| payload(&mut counter, *s)).collect();
                    let before = open.trouble;
                    let restarted = open.restart(&batch);
                    if restarted.is_ok() {
                        prop_assert_eq!(open.trouble, Trouble::None);
                        now = batch;
                        allowed = vec![(now.clone(), Vec::new())];
                    } else if open.trouble == Trouble::Name && before != Trouble::Name {
                        now = batch.clone();
                        allowed.push((batch, Vec::new()));
                    } else if open.trouble == Trouble::Name {
                        // The one before, or this one: the journal knows which is in use.
                        allowed.push((batch.clone(), Vec::new()));
                        let size = |records: &[Bytes]| {
                            let bytes = |record: &Bytes| (PREFIX_BYTES + record.len()) as u64;
                            HEADER_BYTES + records.iter().map(bytes).sum::<u64>()
                        };
                        if size(&now) != open.size() {
                            now = batch;
                        } else {
                            // Of the same size: not worth telling apart.
                            prop_assume!(size(&batch) != open.size());
                        }
                    }
                }
                Step::Fail(good, bad) => sim.fail(good, bad, ErrorKind::StorageFull),
                Step::Heal => sim.heal(),
                Step::Kill | Step::PowerCut(_) => {
                    drop(journal.take());
                    sim.heal();
                    if let Step::PowerCut(mut seed) = step {
                        sim.cut_power(&mut |below| {
                            // Knuth's multiplier: any mixing does.
                            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                            (seed >> 33) as usize % below
                        });
                    }
                    let (again, opened) = Journal::open_on(sim.clone(), path).unwrap();
                    prop_assert!(!matches!(opened.tail, Tail::Damaged { .. }), "{:?}", opened.tail);
                    prop_assert!(
                        is_allowed(&opened.records, &allowed),
                        "found {:?}, allowed {:?}", opened.records, allowed
                    );
                    now = opened.records;
                    allowed = vec![(now.clone(), Vec::new())];
                    journal = Some(again);
                }
            }
        }
    }

    /// Whatever a file holds, opening it takes neither for ever nor more memory than the file has.
    #[test]
    fn any_bytes_can_be_opened(bytes in prop::collection::vec(any::<u8>(), 0..300), headed: bool) {
        let sim = Sim::default();
        let path = Path::new("/j");
        let mut file = sim.clone().create(path).unwrap();
        if headed {
            file.write_all(&format::header()).unwrap();
        }
        file.write_all(&bytes).unwrap();
        let (_, opened) = Journal::open_on(sim, path).unwrap();
        let held: usize = opened.records.iter().map(Bytes::len).sum();
        prop_assert!(held <= bytes.len());
    }
}
