//! Answers of commands, on standard output.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

/// Prints an answer and a line break.
///
/// A reader that has seen enough, such as `head`, is no failure; an output that takes no more, such
/// as a full disk, is one.
pub fn answer(text: impl Display) -> ExitCode {
    outcome(write(&mut io::stdout().lock(), text))
}

fn write(out: &mut impl Write, text: impl Display) -> io::Result<()> {
    writeln!(out, "{text}")?;
    out.flush()
}

fn outcome(written: io::Result<()>) -> ExitCode {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("nilegate: the answer could not be written: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reader_that_has_left_is_no_failure() {
        assert_eq!(outcome(Err(ErrorKind::BrokenPipe.into())), ExitCode::SUCCESS);
        assert_eq!(outcome(Err(ErrorKind::StorageFull.into())), ExitCode::FAILURE);
        let mut out = Vec::new();
        assert_eq!(outcome(write(&mut out, "fine")), ExitCode::SUCCESS);
        assert_eq!(out, b"fine\n");
    }
}
