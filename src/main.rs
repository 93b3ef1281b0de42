//! The `nilegate` program.

use std::process::ExitCode;

/// Measured on the pass-through path: see `benches/README.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    nilegate::cli::main()
}
