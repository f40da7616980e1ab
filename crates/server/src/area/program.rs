//! What an idle server keeps of its own program in memory. Its start reads some eight megabytes of it, in the pieces
//! that the kernel takes; what it does while it waits is a small part of that.

#![expect(unsafe_code, reason = "the kernel is told of addresses; that nothing is lost is shown below")]

use std::ffi::c_void;

use rustix::mm::{Advice, madvise};

/// Lets go of the program's pages that this process has read so far. Those that it needs again come back by
/// themselves, from the system's cache, which all servers of a machine share.
pub fn let_go() {
    // Its processes are one.
    if cfg!(feature = "simulation") {
        return;
    }
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    for (address, bytes) in maps.lines().filter_map(program) {
        let address: *mut c_void = std::ptr::with_exposed_provenance_mut(address);
        // SAFETY: the pages of a file that cannot be written to are read from that file again, unchanged, as soon as
        // anybody looks at them.
        let done = unsafe { madvise(address, bytes, Advice::LinuxDontNeed) };
        if let Err(error) = done {
            tracing::debug!(%error, "the program's pages stay");
        }
    }
}

/// Address and length of what a line of proc_pid_maps(5) tells of, if it is a file's instructions.
fn program(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (from, to) = words.next()?.split_once('-')?;
    let instructions = words.next()? == "r-xp" && words.nth(3)?.starts_with('/');
    let (from, to) = (usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?);
    instructions.then_some((from, to.checked_sub(from)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_instructions_of_files_are_let_go() {
        let line = "55d984ff2000-55d984ff4000 r-xp 0053c000 fe:00 10011278    /usr/bin/pangea";
        assert_eq!(program(line), Some((0x55d9_84ff_2000, 0x2000)));
        for kept in [
            "55d98685e000-55d98694d000 r--p 01da7000 fe:00 10011278    /usr/bin/pangea",
            "55d98694d000-55d986958000 rw-p 01e95000 fe:00 10011278    /usr/bin/pangea",
            "7ffd92100000-7ffd92102000 r-xp 00000000 00:00 0           [vdso]",
            "7f0000000000-7f0000001000 r-xp 00000000 00:00 0",
            "",
        ] {
            assert_eq!(program(kept), None, "{kept}");
        }
    }

    /// This very program goes on from the file, and where its instructions were is less in memory.
    #[test]
    fn what_was_let_go_comes_back() {
        let resident = || {
            let maps = std::fs::read_to_string("/proc/self/smaps").expect("of this process");
            let mut instructions = false;
            let mut kib = 0;
            for line in maps.lines() {
                if let Some(rss) = line.strip_prefix("Rss:") {
                    let rss: usize = rss.trim().trim_end_matches(" kB").parse().expect("a number");
                    kib += if instructions { rss } else { 0 };
                } else if line.split_ascii_whitespace().next().is_some_and(|word| word.contains('-')) {
                    instructions = program(line).is_some();
                }
            }
            kib
        };
        let before = resident();
        assert!(before > 0);
        let_go();
        assert!(resident() < before, "{before} KiB");
    }
}
