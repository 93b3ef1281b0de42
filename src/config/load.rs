//! From a path to a configuration, or to everything that is wrong with it.
//!
//! The steps: read the files → parse → refuse repeated keys → merge →
//! substitute → read the types → check bounds and references. The last two work
//! on a repaired tree when something was wrong before, so that one run finds all.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

use super::{
    Config, bounds,
    expand::{self, Sources},
    finding::{ConfigError, Finding, Problem, Severity},
    merge, otel, path,
    repair::{self, Located},
    source::Source,
    tree::{self, Node, Place, Value},
    validate,
};

/// A configuration that was read without errors.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the operator said.
    pub config: Config,
    /// Where it was said.
    pub source: Source,
    /// The files, in the order they were merged.
    pub files: Vec<PathBuf>,
    /// Changes with the files and with what was substituted in them.
    pub fingerprint: u64,
    /// What is probably not meant.
    pub warnings: Vec<Finding>,
}

/// The largest file that is read, for the configuration and for secrets.
const FILE_MAX: u64 = 16 << 20;

/// Reads a file, or all `*.yaml` and `*.yml` files of a directory in the order of their names.
///
/// # Errors
///
/// All findings at once.
pub fn load(path: &Path) -> Result<Loaded, ConfigError> {
    load_with(path, |_| Ok(())).map(|(loaded, ())| loaded)
}

/// The same, with what later floors compile from the configuration: the problems
/// that they find are reported together with all others.
///
/// The configuration handed over may have been repaired, so that one run finds
/// all; what was compiled from such a one is thrown away.
///
/// # Errors
///
/// All findings at once.
pub fn load_with<T>(
    path: &Path,
    compile: impl FnOnce(&Config) -> Result<T, Vec<Problem>>,
) -> Result<(Loaded, T), ConfigError> {
    check(read_files(path)?, &environment, compile)
}

/// Reads a configuration from text. `name` stands for the file in findings.
///
/// # Errors
///
/// All findings at once.
pub fn load_text(
    name: &str,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, ConfigError> {
    let files = vec![(PathBuf::from(name), text.to_owned())];
    check(files, env, |_| Ok(())).map(|(loaded, ())| loaded)
}

/// The same number as [`Loaded::fingerprint`], also for a configuration that is
/// broken: something changed when it differs from the last one.
pub fn fingerprint(path: &Path) -> u64 {
    match read_files(path) {
        Ok(files) => assemble(&files, &environment).0.fingerprint(),
        Err(error) => {
            let mut hasher = DefaultHasher::new();
            error.to_string().hash(&mut hasher);
            hasher.finish()
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

type Files = Vec<(PathBuf, String)>;

fn read_files(path: &Path) -> Result<Files, ConfigError> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    let mut paths = vec![path.to_owned()];
    if metadata.is_dir() {
        let entries = fs::read_dir(path).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
        let entries = entries.map_err(|error| unreadable(path, &error))?;
        let yaml = |path: &PathBuf| path.extension().is_some_and(|ext| ext == "yaml" || ext == "yml");
        paths = entries.into_iter().map(|entry| entry.path()).filter(yaml).collect();
        paths.sort();
        if paths.is_empty() {
            let message = "the directory holds no `*.yaml` file";
            let finding = Finding::about_file(path.display().to_string(), message);
            return Err(ConfigError::new(vec![finding]));
        }
    }
    let read = |path: PathBuf| match read_text(&path) {
        Ok(text) => Ok((path, text)),
        Err(error) => Err(unreadable(&path, &error)),
    };
    paths.into_iter().map(read).collect()
}

fn unreadable(path: &Path, error: &io::Error) -> ConfigError {
    let message = format!("cannot read the configuration: {error}");
    let finding = Finding::about_file(path.display().to_string(), message);
    ConfigError::new(vec![match error.kind() {
        io::ErrorKind::NotFound => finding.hint("name a file, or a directory that holds `*.yaml` files"),
        _ => finding,
    }])
}

fn read_text(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > FILE_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 16 MiB"));
    }
    fs::read_to_string(path)
}

/// What stands between the files and their meaning.
struct Assembly {
    findings: Vec<Finding>,
    /// What was ignored of the environment.
    ignored: Vec<Problem>,
    /// Whether every file could be parsed: if not, what is missing is anyone's guess.
    complete: bool,
}

fn assemble(files: &Files, env: &dyn Fn(&str) -> Option<String>) -> (Source, Assembly) {
    let names: Vec<String> = files.iter().map(|(path, _)| path.display().to_string()).collect();
    let start = Place { file: 0, line: 1, column: 1, width: 1 };
    let mut tree = Node::new(Value::Map(Vec::new()), start);
    let (mut syntax, mut located) = (Vec::new(), Vec::new());
    for (index, (_, text)) in files.iter().enumerate() {
        match tree::parse(text, index) {
            Ok(mut parsed) => {
                merge::unique_keys(&mut parsed, &names, &mut located);
                if index == 0 {
                    tree = parsed;
                } else {
                    merge::merge(&mut tree, parsed, &names, &mut located);
                }
            }
            Err(error) => syntax.push(error),
        }
    }
    let mut outcome = expand::Outcome::default();
    expand::expand(&mut tree, &Sources { env, file: &read_text }, &mut outcome);
    located.append(&mut outcome.findings);
    let ignored = otel::complete(&mut tree, env);
    let texts = files.iter().map(|(_, text)| text.clone()).collect();
    let mut source = Source { names, texts, tree, substituted: outcome.substituted, attached: Vec::new() };
    located.extend(attach_schema(files, &mut source));
    let complete = syntax.is_empty();
    let mut findings: Vec<_> = located.into_iter().map(|located| source.finding(located)).collect();
    findings.extend(syntax.into_iter().map(|error| source.syntax_error(error)));
    (source, Assembly { findings, ignored, complete })
}

/// The key that names the schema of GraphQL.
const SCHEMA: &str = "traffic.graphql.schema";

/// Reads the schema of GraphQL beside the configuration: what it says is configuration too.
fn attach_schema(files: &Files, source: &mut Source) -> Option<Located> {
    let found = path::find(&source.tree, SCHEMA);
    let Value::Text(named) = &found.node.value else { return None };
    let (named, place) = (PathBuf::from(named), found.place);
    let directory = files.get(place.file).and_then(|(file, _)| file.parent()).unwrap_or(Path::new(""));
    let file = directory.join(&named);
    match read_text(&file) {
        Ok(text) => {
            source.attached.push((SCHEMA, source.names.len()));
            source.names.push(file.display().to_string());
            source.texts.push(text);
            None
        }
        Err(error) => {
            let message = format!("cannot read the schema `{}`: {error}", file.display());
            let hint = "a relative path starts at the directory of the file that names it";
            Some(Located { place, problem: Problem::new(SCHEMA, message).hint(hint) })
        }
    }
}

fn check<T>(
    files: Files,
    env: &dyn Fn(&str) -> Option<String>,
    compile: impl FnOnce(&Config) -> Result<T, Vec<Problem>>,
) -> Result<(Loaded, T), ConfigError> {
    let (mut source, Assembly { mut findings, ignored, complete }) = assemble(&files, env);
    if !complete {
        return Err(ConfigError::new(findings));
    }
    let fingerprint = source.fingerprint();
    let (config, located) = repair::read(&mut source.tree);
    findings.extend(located.into_iter().map(|located| source.finding(located)));
    let as_written = findings.is_empty();
    let Some(mut config) = config else { return Err(ConfigError::new(findings)) };
    if let Some(graphql) = &mut config.traffic.graphql {
        let attached = source.attached.iter().find(|(path, _)| *path == SCHEMA);
        graphql.sdl = attached.map(|(_, file)| source.texts[*file].as_str().into()).unwrap_or_default();
    }

    let mut problems = bounds::check(&source.tree);
    problems.extend(validate::check(&config));
    problems.extend(missing_files(&config));
    problems.extend(ignored);
    // What looks unused may have been meant by something unreadable.
    problems.retain(|problem| as_written || problem.severity == Severity::Error);
    findings.extend(source.findings(problems));
    let compiled = compile(&config).map_err(|problems| {
        // Whoever compiles a value meets what was found wrong with it before, and has fewer words for it.
        let known = |new: &Finding| findings.iter().any(|old| old.is_error() && old.is_at_place_of(new));
        let new: Vec<_> = source.findings(problems).into_iter().filter(|new| !known(new)).collect();
        findings.extend(new);
    });

    match compiled {
        Ok(compiled) if !findings.iter().any(Finding::is_error) => {
            let files = files.into_iter().map(|(path, _)| path).collect();
            Ok((Loaded { config, source, files, fingerprint, warnings: findings }, compiled))
        }
        _ => Err(ConfigError::new(findings)),
    }
}

fn missing_files(config: &Config) -> impl Iterator<Item = Problem> {
    validate::referenced_files(config).into_iter().filter(|(_, file)| !file.is_file()).map(|(path, file)| {
        Problem::new(path, format!("the file `{}` does not exist", file.display()))
            .hint("relative paths start at the working directory of the process")
    })
}
