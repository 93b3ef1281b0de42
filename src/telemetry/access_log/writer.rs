//! Where lines end up.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::config::telemetry::{AccessLogConfig, AccessLogOutput};

/// Standard output, or a file that can be opened again after rotation.
///
/// Unbuffered: the queue hands over many lines at a time.
#[derive(Debug)]
pub struct AccessLogWriter(Output);

#[derive(Debug)]
enum Output {
    Stdout,
    File { path: PathBuf, file: File },
}

impl AccessLogWriter {
    /// Opens the output that the configuration names.
    ///
    /// # Errors
    /// When the file cannot be opened for appending, or no file is named.
    pub fn open(config: &AccessLogConfig) -> io::Result<Self> {
        Ok(Self(match (config.output, &config.file) {
            (AccessLogOutput::Stdout, _) => Output::Stdout,
            (AccessLogOutput::File, Some(path)) => {
                Output::File { path: path.clone(), file: append_to(path)? }
            }
            (AccessLogOutput::File, None) => {
                let message = "the access log has `output: file` but no `file`";
                return Err(io::Error::new(ErrorKind::InvalidInput, message));
            }
        }))
    }

    /// Opens the file again by its name: what SIGUSR1 asks for after a rotation.
    ///
    /// # Errors
    /// When the file cannot be opened. Lines then still go to the old one.
    pub fn reopen(&mut self) -> io::Result<()> {
        if let Output::File { path, file } = &mut self.0 {
            *file = append_to(path)?;
        }
        Ok(())
    }
}

/// Opens a file for appending; a new one is readable by owner and group only,
/// because client addresses are personal data.
fn append_to(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path);
    file.map_err(|error| io::Error::new(error.kind(), format!("access log {}: {error}", path.display())))
}

impl Write for AccessLogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Output::Stdout => io::stdout().write(bytes),
            Output::File { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Output::Stdout => io::stdout().flush(),
            Output::File { file, .. } => file.flush(),
        }
    }
}
