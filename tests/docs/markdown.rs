//! The documents, taken apart: fenced blocks, headings, links.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use regex::Regex;

/// A text in fences.
#[derive(Clone, Debug)]
pub struct Block {
    /// Where its first line is, for messages.
    pub place: String,
    /// What stands behind the opening fence.
    pub info: String,
    /// What stands between the fences.
    pub text: String,
}

/// A link, as it is written.
#[derive(Debug)]
pub struct Link {
    /// Where it is, for messages.
    pub place: String,
    /// Where it leads.
    pub target: String,
}

/// One Markdown file.
#[derive(Debug)]
pub struct Document {
    /// Relative to the repository.
    pub path: PathBuf,
    /// Its fenced blocks, in order.
    pub blocks: Vec<Block>,
    /// Its links outside of code.
    pub links: Vec<Link>,
    /// What its headings can be linked to by.
    pub anchors: Vec<String>,
    /// What stands in single backticks, and where.
    pub code: Vec<(String, String)>,
}

static LINK: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\]\(([^()\s]+)\)|<(https?://[^>\s]+)>").unwrap());
static CODE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"`([^`]+)`").unwrap());

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Markdown files of the repository.
pub fn documents() -> Vec<Document> {
    let mut paths = Vec::new();
    collect(Path::new(""), &mut paths);
    paths.sort();
    paths.into_iter().map(|path| Document::read(&path)).collect()
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root().join(directory)).unwrap() {
        let entry = entry.unwrap();
        let path = directory.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            let name = entry.file_name();
            if !["target", "node_modules", ".git"].iter().any(|skipped| name == *skipped) {
                collect(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

impl Document {
    /// Reads a file of the repository.
    pub fn read(path: &Path) -> Self {
        let text = fs::read_to_string(root().join(path)).unwrap();
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Self {
        let mut document = Self {
            path: path.to_owned(),
            blocks: Vec::new(),
            links: Vec::new(),
            anchors: Vec::new(),
            code: Vec::new(),
        };
        let mut seen = BTreeMap::new();
        // A block in a list stands as far in as its fence.
        let mut open: Option<(Block, usize)> = None;
        for (index, line) in text.lines().enumerate() {
            let place = format!("{}:{}", path.display(), index + 1);
            let fence = line.trim_start().strip_prefix("```");
            match (fence, &mut open) {
                (Some(info), None) => {
                    let block = Block { place, info: info.trim().to_owned(), text: String::new() };
                    open = Some((block, line.len() - line.trim_start().len()));
                }
                (Some(_), Some(_)) => document.blocks.extend(open.take().map(|(block, _)| block)),
                (None, Some((block, indent))) => {
                    block.text.push_str(line.get(*indent..).unwrap_or_default());
                    block.text.push('\n');
                }
                (None, None) => document.prose(line, place, &mut seen),
            }
        }
        assert!(open.is_none(), "{}: a block has no end", path.display());
        document
    }

    fn prose(&mut self, line: &str, place: String, seen: &mut BTreeMap<String, usize>) {
        if let Some(heading) = line.strip_prefix('#') {
            let slug = slug(heading.trim_start_matches('#').trim());
            let times = seen.entry(slug.clone()).or_default();
            self.anchors.push(if *times == 0 { slug } else { format!("{slug}-{times}") });
            *times += 1;
        }
        self.code.extend(CODE.captures_iter(line).map(|found| (place.clone(), found[1].to_owned())));
        let text = CODE.replace_all(line, "``");
        self.links.extend(LINK.captures_iter(&text).map(|found| Link {
            place: place.clone(),
            target: found.get(1).or_else(|| found.get(2)).unwrap().as_str().to_owned(),
        }));
    }
}

/// The anchor that GitHub gives to a heading.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn a_document_is_taken_apart() {
    let text = "# A `b`, c\n[x](y.md#z) `[no](link)`\n\n  ```sh\n  $ # no heading\n\n  ```\n## A b c\n";
    let document = Document::parse(Path::new("t.md"), text);
    assert_eq!(document.anchors, ["a-b-c", "a-b-c-1"]);
    assert_eq!(document.links.iter().map(|link| &link.target).collect::<Vec<_>>(), ["y.md#z"]);
    assert_eq!(
        (document.blocks[0].info.as_str(), document.blocks[0].text.as_str()),
        ("sh", "$ # no heading\n\n")
    );
    assert_eq!(document.blocks[0].place, "t.md:4");
}
