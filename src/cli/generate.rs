//! `generate`: what packages bring along, made of the command line itself.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use clap::{CommandFactory, builder::Resettable};

use super::{
    args::{Args, GenerateCommand},
    output,
};

/// What a running gateway does when it is sent a signal.
const SIGNALS: &[(&str, &str)] = &[
    ("HUP", "reads the configuration again"),
    ("TERM", "finishes what has begun, then ends"),
    ("INT", "ends at once"),
    ("USR2", "starts its successor and hands the listeners over to it"),
    ("QUIT", "hands the listeners over to a successor that was started with --upgrade"),
    ("USR1", "opens the file of the access log again"),
];

/// How commands end.
const EXIT_CODES: &[(&str, &str)] = &[
    ("0", "all went well"),
    ("1", "something did not"),
    ("2", "the command line is wrong"),
    ("64", "the configuration is wrong"),
];

/// Where a package puts things.
const FILES: &[(&str, &str)] = &[
    ("/etc/nilegate", "the configuration: all its *.yaml files are one"),
    ("/etc/default/nilegate", "the environment of the service"),
    ("/usr/share/doc/nilegate/configuration.md", "every key"),
];

/// What `--help` says at its end.
pub fn after_help() -> String {
    let mut text = String::new();
    for (title, list) in [("Signals of a running gateway", SIGNALS), ("Exit codes", EXIT_CODES)] {
        let _ = writeln!(text, "{title}:");
        for (name, meaning) in list {
            let _ = writeln!(text, "  {name:<6} {meaning}");
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}

/// Makes what is asked for.
pub fn generate(what: &GenerateCommand) -> ExitCode {
    match what {
        GenerateCommand::Man { directory } => match manual(directory) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                output::complain(format_args!("nilegate: {}: {error}", directory.display()));
                ExitCode::FAILURE
            }
        },
        GenerateCommand::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(
                *shell,
                &mut <Args as CommandFactory>::command(),
                "nilegate",
                &mut script,
            );
            output::text(String::from_utf8_lossy(&script));
            ExitCode::SUCCESS
        }
    }
}

/// Writes the manual pages: one for the program, and one for each command.
fn manual(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    // Its end is told in sections of their own.
    let command = <Args as CommandFactory>::command().after_long_help(Resettable::Reset);
    clap_mangen::generate_to(command, directory)?;
    let mut page = File::options().append(true).open(directory.join("nilegate.1"))?;
    for (title, list) in [("SIGNALS", SIGNALS), ("EXIT STATUS", EXIT_CODES), ("FILES", FILES)] {
        writeln!(page, ".SH \"{title}\"")?;
        for (name, meaning) in list {
            writeln!(page, ".TP\n\\fB{name}\\fR\n{}", meaning.replace('-', "\\-"))?;
        }
    }
    Ok(())
}
