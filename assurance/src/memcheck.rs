//! Requests to valgrind's memcheck, from within the program that it runs.
//!
//! A request is five instructions that change nothing, at the sight of which valgrind looks into two registers
//! (`valgrind.h` and `memcheck.h`, whose numbers these are). Outside of valgrind they do nothing. Written down here since the crates that
//! wrap the headers need them to be there when they are built, and this needs four requests.
#![allow(unsafe_code, reason = "a request is made by instructions; nothing else here needs it")]

/// A tool's own requests begin with its two letters.
const MEMCHECK: usize = (b'M' as usize) << 24 | (b'C' as usize) << 16;
const MAKE_MEM_UNDEFINED: usize = MEMCHECK + 1;
const MAKE_MEM_DEFINED: usize = MEMCHECK + 2;
const RUNNING_ON_VALGRIND: usize = 0x1001;
const COUNT_ERRORS: usize = 0x1201;

/// Whether valgrind runs this program.
pub fn is_running() -> bool {
    request([RUNNING_ON_VALGRIND, 0, 0]) != 0
}

/// How often something undefined has decided a branch or an address so far, but for what is suppressed.
pub fn errors() -> usize {
    request([COUNT_ERRORS, 0, 0])
}

/// From here on these values are secret, and so is whatever is computed from them.
pub fn conceal<T: Copy>(values: &mut [T]) {
    request([MAKE_MEM_UNDEFINED, values.as_ptr() as usize, size_of_val(values)]);
}

/// From here on these values are public.
pub fn disclose<T: Copy>(values: &[T]) {
    request([MAKE_MEM_DEFINED, values.as_ptr() as usize, size_of_val(values)]);
}

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
fn request([code, first, second]: [usize; 3]) -> usize {
    let words: [usize; 6] = [code, first, second, 0, 0, 0];
    let mut answer = 0_usize;
    // SAFETY: the register is rotated by 128 bits in all and exchanged with itself, so that it is as it was; valgrind
    // reads the words, and keeps its notes about memory outside of it.
    unsafe {
        std::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") words.as_ptr(),
            inout("rdx") answer,
            options(nostack),
        );
    }
    answer
}

/// Elsewhere there is nobody to ask.
#[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(miri))))]
fn request(_: [usize; 3]) -> usize {
    0
}
