//! What commands print. A reader that has gone, as in `nilegate schema | head -1`, has what it
//! wanted: that is no failure, and the command ends as it would have.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
    process,
};

/// Prints a line to standard output.
pub fn line(line: impl Display) {
    text(format_args!("{line}\n"));
}

/// Prints text to standard output as it is. Ends the process when it cannot be written there.
pub fn text(text: impl Display) {
    if let Err(error) = write(io::stdout().lock(), &text) {
        complain(format_args!("nilegate: standard output: {error}"));
        process::exit(1);
    }
}

/// Prints a line to standard error. Nobody could be told that this does not work.
pub fn complain(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

fn write(mut to: impl Write, text: &impl Display) -> io::Result<()> {
    match write!(to, "{text}").and_then(|()| to.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Refusing(ErrorKind);

    impl Write for Refusing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure() {
        assert!(write(Refusing(ErrorKind::BrokenPipe), &"a").is_ok());
        let error = write(Refusing(ErrorKind::StorageFull), &"a").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull, "anything else is");
    }
}
