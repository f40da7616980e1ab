//! What the kernel says of processes (proc(5)).

use std::fs;

/// Clock ticks per second in /proc: USER_HZ, 100 on every Linux that this program runs on.
const TICKS_PER_S: f64 = 100.0;

/// Columns of /proc/<pid>/stat behind the name, which may hold spaces: the third column comes first.
fn stat(pid: u32) -> Option<Vec<u64>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    // Only the state is no number.
    Some(rest.split_whitespace().map(|column| column.parse().unwrap_or(0)).collect())
}

/// Processes whose parent this is.
pub(super) fn children(parent: u32) -> Vec<u32> {
    let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat(*pid).and_then(|columns| columns.get(1).copied()) == Some(u64::from(parent)))
        .collect()
}

/// CPU time of a process, its children, and those that it has waited for, ms.
pub(super) fn cpu_ms(parent: u32) -> f64 {
    // utime, stime, then those of waited-for children: columns 14 to 17 of proc(5).
    let used = |pid: u32, most: usize| {
        stat(pid).map_or(0, |columns| columns.iter().skip(11).take(most).sum::<u64>())
    };
    let ticks = used(parent, 4) + children(parent).into_iter().map(|pid| used(pid, 2)).sum::<u64>();
    ticks as f64 * 1_000.0 / TICKS_PER_S
}

/// The median VmRSS of these processes, MB (10⁶ bytes).
pub(super) fn median_rss_mb(pids: impl Iterator<Item = u32>) -> f64 {
    let mut all: Vec<f64> = pids.filter_map(rss_mb).collect();
    super::percentile::percentile(&mut all, 0.5)
}

fn rss_mb(pid: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1_024.0 / 1e6)
}

/// CPU time of a process's threads that live, ms, to the nanosecond (proc(5): `schedstat`); a thread that runs
/// now is counted up to its last interruption.
pub(super) fn precise_cpu_ms(pid: u32) -> f64 {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return 0.0 };
    let ns = |thread: fs::DirEntry| -> Option<u64> {
        fs::read_to_string(thread.path().join("schedstat")).ok()?.split_whitespace().next()?.parse().ok()
    };
    threads.flatten().filter_map(ns).sum::<u64>() as f64 / 1e6
}

/// Lets all threads of a process run on one core only.
pub(super) fn pin(pid: u32, core: usize) -> std::io::Result<()> {
    for thread in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        let tid = thread.file_name().to_str().and_then(|tid| tid.parse().ok());
        rustix::thread::sched_setaffinity(tid.and_then(rustix::thread::Pid::from_raw), &only(core))?;
    }
    Ok(())
}

/// Lets this thread run on one core only.
pub(super) fn pin_this_thread(core: usize) -> std::io::Result<()> {
    Ok(rustix::thread::sched_setaffinity(None, &only(core))?)
}

fn only(core: usize) -> rustix::thread::CpuSet {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    set
}

/// Kills a process at once (SIGKILL).
pub(super) fn kill(pid: u32) -> std::io::Result<()> {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    Ok(kill_process(pid.ok_or(std::io::ErrorKind::InvalidInput)?, Signal::KILL)?)
}
