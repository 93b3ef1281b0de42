//! Files in memory, with their compressed forms.

use std::{collections::BTreeMap, fs, io, path::Path};

use bytes::Bytes;
use http::HeaderValue;

use crate::{
    cache::compress::{Encoding, compress, variant_tag},
    config::finding::Problem,
};

/// Codings on offer, the preferred first.
const ENCODINGS: [Encoding; 2] = [Encoding::Br, Encoding::Gzip];
/// Files of an operator's page.
const MAX_FILES: usize = 1000;
/// Bytes of all files of an operator's page.
const MAX_BYTES: u64 = 32 << 20;
/// Directories in each other.
const MAX_DEPTH: usize = 8;

/// Content types by file extension, and whether such files are worth compressing.
const TYPES: &[(&str, &str, bool)] = &[
    ("html", "text/html; charset=utf-8", true),
    ("css", "text/css; charset=utf-8", true),
    ("js", "text/javascript; charset=utf-8", true),
    ("mjs", "text/javascript; charset=utf-8", true),
    ("json", "application/json", true),
    ("map", "application/json", true),
    ("svg", "image/svg+xml", true),
    ("txt", "text/plain; charset=utf-8", true),
    ("ttf", "font/ttf", true),
    ("wasm", "application/wasm", true),
    ("woff", "font/woff", false),
    ("woff2", "font/woff2", false),
    ("png", "image/png", false),
    ("jpg", "image/jpeg", false),
    ("gif", "image/gif", false),
    ("webp", "image/webp", false),
    ("ico", "image/x-icon", false),
];

/// A file in all forms it is sent in.
#[derive(Debug)]
pub struct File {
    /// Its media type.
    pub content_type: &'static str,
    plain: (Bytes, HeaderValue),
    encoded: Vec<(Encoding, Bytes, HeaderValue)>,
}

impl File {
    fn new(name: &str, body: Bytes) -> Self {
        let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
        let known =
            extension.and_then(|own| TYPES.iter().find(|(other, ..)| own.eq_ignore_ascii_case(other)));
        let (content_type, compresses) =
            known.map_or(("application/octet-stream", false), |(_, kind, compresses)| (*kind, *compresses));
        let tag = tag(&body);
        let offered = if compresses { &ENCODINGS[..] } else { &[] };
        let encoded = offered.iter().filter_map(|encoding| {
            let compressed = compress(*encoding, &body).ok().filter(|less| less.len() < body.len())?;
            Some((*encoding, compressed, variant_tag(&tag, *encoding)?))
        });
        Self { content_type, encoded: encoded.collect(), plain: (body.clone(), tag) }
    }

    /// The codings it is there in, the preferred first.
    pub fn encodings(&self) -> Vec<Encoding> {
        self.encoded.iter().map(|(encoding, ..)| *encoding).collect()
    }

    /// The bytes in a coding, with their entity tag.
    pub fn variant(&self, encoding: Option<Encoding>) -> (&Bytes, &HeaderValue) {
        let found = self.encoded.iter().find(|(own, ..)| Some(*own) == encoding);
        found.map_or((&self.plain.0, &self.plain.1), |(_, body, tag)| (body, tag))
    }
}

/// An entity tag by content.
fn tag(body: &[u8]) -> HeaderValue {
    let hash = blake3::hash(body).to_hex();
    // Hexadecimal digits in quotes always make a value.
    HeaderValue::try_from(format!("\"{}\"", &hash[..16])).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// Files by name: the path below their directory, with `/`.
#[derive(Debug)]
pub struct Files(BTreeMap<String, File>);

impl FromIterator<(String, Bytes)> for Files {
    fn from_iter<I: IntoIterator<Item = (String, Bytes)>>(files: I) -> Self {
        Self(files.into_iter().map(|(name, body)| (name.clone(), File::new(&name, body))).collect())
    }
}

impl Files {
    /// Reads a directory with an `index.html`. What begins with a dot is left out; symbolic
    /// links are followed as long as they stay inside.
    ///
    /// # Errors
    /// What could not be read, or is too much.
    pub fn read(dir: &Path) -> Result<Self, Problem> {
        let fail = |error: io::Error| Problem::new("dir", format!("cannot read {}: {error}", dir.display()));
        let root = dir.canonicalize().map_err(fail)?;
        let mut reader = Reader { root: &root, files: Vec::new(), bytes: 0 };
        reader.directory(&root, "", 0).map_err(fail)?;
        let files: Self = reader.files.into_iter().collect();
        if files.get("index.html").is_none() {
            let problem = Problem::new("dir", format!("there is no index.html in {}", dir.display()));
            return Err(problem.hint("leave `dir` out for the embedded page"));
        }
        Ok(files)
    }

    /// A file by its name, which is returned as well.
    pub fn get(&self, name: &str) -> Option<(&str, &File)> {
        self.0.get_key_value(name).map(|(name, file)| (name.as_str(), file))
    }
}

/// Collects files until there are too many.
struct Reader<'a> {
    root: &'a Path,
    files: Vec<(String, Bytes)>,
    bytes: u64,
}

impl Reader<'_> {
    fn directory(&mut self, directory: &Path, prefix: &str, depth: usize) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(io::Error::other(format!("more than {MAX_DEPTH} directories in each other")));
        }
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with('.') {
                continue;
            }
            let path = entry.path().canonicalize()?;
            let name = format!("{prefix}{name}");
            if !path.starts_with(self.root) {
                return Err(io::Error::other(format!("{name} leads out of the directory")));
            }
            if path.is_dir() {
                self.directory(&path, &format!("{name}/"), depth + 1)?;
            } else {
                self.file(&path, name)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, name: String) -> io::Result<()> {
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() {
            return Ok(());
        }
        self.bytes += metadata.len();
        if self.bytes > MAX_BYTES || self.files.len() == MAX_FILES {
            let limit = format!("more than {MAX_FILES} files or {} MiB", MAX_BYTES >> 20);
            return Err(io::Error::other(limit));
        }
        self.files.push((name, fs::read(path)?.into()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("index.html"), "<p>").unwrap();
        fs::create_dir_all(dir.path().join("assets/.git")).unwrap();
        fs::write(dir.path().join("assets/app.js"), "let x = 1;\n".repeat(100)).unwrap();
        fs::write(dir.path().join("assets/.git/config"), "secret").unwrap();
        fs::write(dir.path().join(".env"), "secret").unwrap();
        dir
    }

    fn problem(dir: &Path) -> String {
        let problem = Files::read(dir).unwrap_err();
        assert_eq!(problem.path, "dir");
        problem.message
    }

    #[test]
    fn a_directory_is_read_with_what_is_below_it_and_nothing_hidden() {
        let files = Files::read(page().path()).unwrap();
        assert_eq!(files.0.keys().collect::<Vec<_>>(), ["assets/app.js", "index.html"]);
        let (name, file) = files.get("assets/app.js").unwrap();
        assert_eq!((name, file.content_type), ("assets/app.js", "text/javascript; charset=utf-8"));
        assert_eq!(file.encodings(), [Encoding::Br, Encoding::Gzip]);
        assert!(file.variant(Some(Encoding::Gzip)).0.len() < file.variant(None).0.len());
        assert_eq!(files.get("index.html").unwrap().1.encodings(), [], "too small to gain");
    }

    #[test]
    fn names_that_lead_elsewhere_are_no_names() {
        let files = Files::read(page().path()).unwrap();
        for name in ["", ".env", "../index.html", "assets/../index.html", "/index.html", "assets", "assets/"]
        {
            assert!(files.get(name).is_none(), "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_inside() {
        let dir = page();
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("secret.txt"), "secret").unwrap();
        std::os::unix::fs::symlink(dir.path().join("assets/app.js"), dir.path().join("same.js")).unwrap();
        assert!(Files::read(dir.path()).unwrap().get("same.js").is_some());
        std::os::unix::fs::symlink(other.path().join("secret.txt"), dir.path().join("leak.txt")).unwrap();
        assert!(problem(dir.path()).ends_with("leak.txt leads out of the directory"));
        fs::remove_file(dir.path().join("leak.txt")).unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("again")).unwrap();
        assert!(problem(dir.path()).contains("directories in each other"));
    }

    #[test]
    fn what_is_missing_or_too_much_is_said() {
        let dir = tempfile::tempdir().unwrap();
        assert!(problem(dir.path()).starts_with("there is no index.html in "));
        assert!(problem(&dir.path().join("none")).starts_with("cannot read "));
        let large = fs::File::create(dir.path().join("large.bin")).unwrap();
        large.set_len(MAX_BYTES + 1).unwrap();
        assert!(problem(dir.path()).ends_with("more than 1000 files or 32 MiB"));
    }

    #[test]
    fn types_follow_the_extension() {
        let kind = |name: &str| File::new(name, Bytes::from_static(b"x")).content_type;
        assert_eq!(kind("a/b.CSS"), "text/css; charset=utf-8");
        assert_eq!(kind("x.woff2"), "font/woff2");
        assert_eq!(kind("x"), "application/octet-stream");
        assert_eq!(kind("x.html.exe"), "application/octet-stream");
    }
}
