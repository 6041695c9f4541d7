//! CPU time and memory of a process, from Linux's /proc.

use super::Result;
use std::collections::HashMap;
use std::fs;

/// CPU time of every thread of some processes up to now, in nanoseconds.
///
/// Per thread, because a process's own sum is shown in ticks of 10 ms, too coarse for short runs.
/// Read it while the server rests: a running thread's figure is a scheduler tick behind.
pub struct CpuTime(HashMap<String, u64>);

impl CpuTime {
    /// Reads it for the processes `pids`.
    pub fn of(pids: &[u32]) -> Result<Self> {
        let mut threads = HashMap::new();
        for pid in pids {
            for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
                let path = thread?.path().join("schedstat");
                // A thread may end between being listed and being read.
                let Ok(text) = fs::read_to_string(&path) else {
                    continue;
                };
                let spent = text.split(' ').next().unwrap_or_default().parse()?;
                threads.insert(path.display().to_string(), spent);
            }
        }
        if threads.is_empty() {
            return Err("this kernel tells no CPU time of threads (/proc/*/schedstat)".into());
        }
        Ok(Self(threads))
    }

    /// Seconds spent since `before`.
    ///
    /// Threads that have ended are left out: the pools let go of a thread after ten idle seconds,
    /// longer than any measurement takes, so it had no part in this one.
    pub fn seconds_since(&self, before: &Self) -> f64 {
        let spent = self.0.iter().map(|(thread, now)| {
            let then = before.0.get(thread).copied().unwrap_or_default();
            now.saturating_sub(then)
        });
        spent.sum::<u64>() as f64 / 1e9
    }
}

/// Resident memory in MiB; exact, where `VmRSS` may be some hundred KiB behind.
pub fn resident_mib(pid: u32) -> Result<f64> {
    field_mib(&format!("/proc/{pid}/smaps_rollup"), "Rss:")
}

/// The most that was resident since the start, or since [`forget_peak`], in MiB.
pub fn peak_mib(pid: u32) -> Result<f64> {
    field_mib(&format!("/proc/{pid}/status"), "VmHWM:")
}

/// Lets the peak begin anew at what is resident now.
pub fn forget_peak(pid: u32) -> Result<()> {
    Ok(fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

fn field_mib(file: &str, name: &str) -> Result<f64> {
    let text = fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|rest| rest.split_whitespace().next());
    let kib: f64 = kib
        .ok_or_else(|| format!("{file} has no {name}"))?
        .parse()?;
    Ok(kib / 1024.0)
}

/// The processes that `parent` has started and that still run.
pub fn children(parent: u32) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if parent_of(pid) == Some(parent) {
            found.push(pid);
        }
    }
    Ok(found)
}

fn parent_of(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name stands in brackets and may hold anything: count from its end.
    let (_, rest) = text.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}
