//! The command line of nilegate.

fn main() {}
