//! The memory through which parameters come in and keys go out, one per thread.
//!
//! There is one, of one size, for the life of the thread: a second caller on the same thread gets the same memory, so
//! nobody is left writing into memory that is no longer read. It is never freed, because JavaScript may hold it until the
//! very end of the thread.

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::cell::OnceCell;

/// Untouched pages take no memory.
pub const BYTES: usize = (4 << 20) + 4096;
/// Where input starts; the key is written in front of it.
pub const INPUT: usize = 32;

thread_local! {
    static MEMORY: OnceCell<*mut u8> = const { OnceCell::new() };
}

/// The start of this thread's memory.
pub fn memory() -> *mut u8 {
    MEMORY.with(|memory| {
        *memory.get_or_init(|| {
            // SAFETY: the layout is not empty and its alignment is one.
            let (start, layout) = unsafe {
                let layout = Layout::from_size_align_unchecked(BYTES, 1);
                (alloc_zeroed(layout), layout)
            };
            if start.is_null() {
                handle_alloc_error(layout);
            }
            start
        })
    })
}

/// Lends the input of this length (counted from the start of the memory); `None` when there is no such input.
pub fn with_input<T>(length: u32, look: impl FnOnce(&[u8]) -> T) -> Option<T> {
    let length = length as usize;
    if !(INPUT..=BYTES).contains(&length) {
        return None;
    }
    // SAFETY: BYTES bytes are allocated and initialised for the life of the thread, INPUT <= length <= BYTES, and
    // JavaScript, the only other user, runs on this thread and is waiting for this call.
    let input = unsafe { std::slice::from_raw_parts(memory().add(INPUT), length - INPUT) };
    Some(look(input))
}

/// Writes a key in front of the input.
pub fn write_key(key: &[u8]) {
    let length = key.len().min(INPUT);
    // SAFETY: length <= INPUT <= BYTES, no slice of this memory is alive, and JavaScript is waiting for this call.
    unsafe { std::ptr::copy_nonoverlapping(key.as_ptr(), memory(), length) };
}
