//! Two of the C library's functions, for this process: randomness is a row of numbers, the same in each run of a seed
//! (hash maps take their keys from it, and so do tokio and what masks frames), and the date stands still (HTTP says it
//! with each answer; the roles have their own clock).

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};

static SEED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static AT: Cell<u64> = const { Cell::new(0) };
}

/// From now on the rows of this seed.
pub fn begin(seed: u64) {
    SEED.store(seed, Ordering::Relaxed);
}

/// In the place of the C library's (getrandom(2)): every thread has the same row.
///
/// # Safety
/// As the C library's: `length` bytes at `bytes` can be written.
#[allow(unsafe_code, reason = "a symbol of the C library is replaced")]
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(bytes: *mut c_void, length: usize, _: u32) -> isize {
    // SAFETY: the caller says so.
    let out = unsafe { std::slice::from_raw_parts_mut(bytes.cast::<u8>(), length) };
    for byte in out {
        let at = AT.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        AT.set(at);
        let mut z = at ^ SEED.load(Ordering::Relaxed).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        *byte = (z >> 56) as u8;
    }
    length as isize
}

/// In the place of the C library's (clock_gettime(2)): the date is always the same one.
///
/// # Safety
/// As the C library's: `now` can be written.
#[allow(unsafe_code, reason = "a symbol of the C library is replaced")]
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, now: *mut libc::timespec) -> libc::c_int {
    if clock == libc::CLOCK_REALTIME {
        // SAFETY: the caller says so.
        unsafe { *now = libc::timespec { tv_sec: 1_800_000_000, tv_nsec: 0 } };
        return 0;
    }
    // SAFETY: the kernel writes what the caller says can be written.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock, now) as libc::c_int }
}
