//! The words of the command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand, ValueEnum};

use super::generate::after_help;
use crate::{config::values::Period, demo::Place};

/// Edge proxy: one binary, one YAML file.
#[derive(Debug, Parser)]
#[command(
    name = "nilegate",
    version = env!("NILEGATE_VERSION"),
    about,
    after_long_help = after_help(),
    // What stands before a command would be lost: each command has its own.
    args_conflicts_with_subcommands = true,
    max_term_width = 100
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
    /// Checks the configuration and exits, like `check`.
    #[arg(short = 't', long = "test")]
    test: bool,
}

/// What is asked for.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Runs the gateway (the default).
    Run(RunArgs),
    /// Checks a configuration; exits with 64 if it is wrong.
    Check(CheckArgs),
    /// Prints the JSON Schema of the configuration, for editors.
    Schema,
    /// Says what would become of a request, without sending it.
    Explain(ExplainArgs),
    /// Runs the gateway before an embedded platform of services; nothing else is needed.
    Demo(DemoArgs),
    /// Asks a running gateway whether it is ready; exits with 0 or 1.
    Healthcheck(HealthcheckArgs),
    /// Takes responses out of the cache of a running gateway, on every node that shares it.
    Purge(PurgeArgs),
    /// Prints the statistics of the cache of a running gateway.
    Stats(StatsArgs),
    /// Prints the versions of the API of a running gateway, and who still calls those that end.
    Versions(VersionsArgs),
    /// Makes files that packages bring along.
    #[command(subcommand, hide = true)]
    Generate(GenerateCommand),
}

/// What to make.
#[derive(Clone, Debug, Subcommand)]
pub enum GenerateCommand {
    /// Writes the manual pages, one for each command.
    Man {
        /// The directory they are written to.
        directory: PathBuf,
    },
    /// Prints a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// How to run.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// The configuration: a YAML file, or a directory of them.
    #[arg(short, long, env = "NILEGATE_CONFIG", default_value = "conf/nilegate.yaml")]
    pub config: PathBuf,
    /// Takes over the listeners of a running process; send that one SIGQUIT.
    #[arg(short, long)]
    pub upgrade: bool,
}

/// What to check.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckArgs {
    /// The configuration: a YAML file, or a directory of them.
    #[arg(short, long, env = "NILEGATE_CONFIG", default_value = "conf/nilegate.yaml")]
    pub config: PathBuf,
    /// How findings are printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Prints the merged configuration with its defaults; secrets stay hidden.
    #[arg(long)]
    pub print: bool,
}

/// The form of what is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// What to explain.
#[derive(Clone, Debug, clap::Args)]
pub struct ExplainArgs {
    /// The method, such as GET.
    pub method: String,
    /// The URL, or only its path.
    pub url: String,
    /// A header field, as `Name: value`.
    #[arg(short = 'H', long = "header")]
    pub headers: Vec<String>,
    /// A document of GraphQL that it brings: its calls and its cost are shown.
    #[arg(long)]
    pub query: Option<String>,
    /// The variables of its operation, as a JSON object.
    #[arg(long, requires = "query")]
    pub variables: Option<String>,
    /// Which operation of the document.
    #[arg(long, requires = "query")]
    pub operation: Option<String>,
    /// The configuration: a YAML file, or a directory of them.
    #[arg(short, long, env = "NILEGATE_CONFIG", default_value = "conf/nilegate.yaml")]
    pub config: PathBuf,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Prints the field by which a running gateway explains this request in its response, signed
    /// with the secret of the configuration. Needs the URL with its host.
    #[arg(long)]
    pub sign: bool,
    /// How long the signed field is good for; no longer than the configuration allows.
    #[arg(long, default_value = "1m", requires = "sign")]
    pub lifetime: Period,
}

/// How to run the demo.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// Where the gateway listens.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub address: SocketAddr,
    /// Where its admin port listens.
    #[arg(long, default_value = "127.0.0.1:9900")]
    pub admin: SocketAddr,
    /// The time a service takes to answer.
    #[arg(long, default_value = "60ms")]
    pub latency: Period,
    /// Runs only this service of the platform, and no gateway. May be given several times: those
    /// of one process share their data.
    #[arg(long = "service", value_name = "NAME=ADDRESS", conflicts_with_all = ["address", "admin"])]
    pub services: Vec<Place>,
}

/// Which gateway to ask.
#[derive(Clone, Debug, clap::Args)]
pub struct AdminArgs {
    /// The admin port.
    #[arg(long, default_value = "127.0.0.1:9900")]
    pub admin: SocketAddr,
    /// The bearer token of the admin port, if it wants one.
    #[arg(long, env = "NILEGATE_ADMIN_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// The longest wait for an answer.
    #[arg(long, default_value = "2s")]
    pub timeout: Period,
}

/// What to ask about its health.
#[derive(Clone, Debug, clap::Args)]
pub struct HealthcheckArgs {
    #[command(flatten)]
    pub admin: AdminArgs,
    /// Asks whether it is alive rather than ready.
    #[arg(long)]
    pub live: bool,
    /// Asks for this path instead, such as that of a service of the demo.
    #[arg(long, conflicts_with = "live")]
    pub path: Option<String>,
}

/// What to purge: one kind of name.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "subject", required = true, multiple = false, args = ["url", "tag", "pattern", "route", "all"])]
pub struct PurgeArgs {
    /// A URL with its query, in all variants; may be given several times.
    #[arg(long)]
    pub url: Vec<String>,
    /// A tag; may be given several times.
    #[arg(long)]
    pub tag: Vec<String>,
    /// A pattern of host and path, such as `/patients/**`.
    #[arg(long)]
    pub pattern: Option<String>,
    /// The name of a route: everything it keeps.
    #[arg(long)]
    pub route: Option<String>,
    /// Everything.
    #[arg(long)]
    pub all: bool,
    /// What becomes of what is purged.
    #[arg(long, value_enum, default_value_t)]
    pub mode: PurgeMode,
    #[command(flatten)]
    pub admin: AdminArgs,
}

/// What becomes of what is purged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PurgeMode {
    /// It is not served again.
    #[default]
    Hard,
    /// It is served stale, while it is fetched anew.
    Soft,
    /// It is fetched anew at once.
    Refresh,
}

impl PurgeMode {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
            Self::Refresh => "refresh",
        }
    }
}

/// Whose statistics.
#[derive(Clone, Debug, clap::Args)]
pub struct StatsArgs {
    #[command(flatten)]
    pub admin: AdminArgs,
}

/// Whose versions.
#[derive(Clone, Debug, clap::Args)]
pub struct VersionsArgs {
    #[command(flatten)]
    pub admin: AdminArgs,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

impl Args {
    /// The command, given or meant.
    pub fn command(self) -> Command {
        match self.command {
            Some(command) => command,
            None if self.test => {
                Command::Check(CheckArgs { config: self.run.config, format: Format::Text, print: false })
            }
            None => Command::Run(self.run),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Args as CommandFactory>::command().debug_assert();
    }

    #[test]
    fn run_is_the_default_and_t_means_check() {
        let args = Args::parse_from(["nilegate", "-c", "a.yaml"]);
        assert!(matches!(args.command(), Command::Run(run) if run.config.ends_with("a.yaml")));
        let args = Args::parse_from(["nilegate", "-t", "-c", "b.yaml"]);
        assert!(matches!(args.command(), Command::Check(check) if check.config.ends_with("b.yaml")));
    }

    #[test]
    fn options_of_a_command_stand_behind_it() {
        for command in ["run", "check", "schema"] {
            let refused = Args::try_parse_from(["nilegate", "-c", "a.yaml", command]).unwrap_err();
            assert_eq!(refused.kind(), clap::error::ErrorKind::ArgumentConflict, "{refused}");
            let refused = refused.to_string();
            assert!(refused.contains(command) && refused.contains("--config"), "{refused}");
        }
        let args = Args::parse_from(["nilegate", "run", "-c", "a.yaml"]);
        assert!(matches!(args.command(), Command::Run(run) if run.config.ends_with("a.yaml")));
    }
}
