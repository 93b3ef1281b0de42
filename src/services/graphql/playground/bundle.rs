//! The embedded page: the source in `js/` becomes one script, and what only readers of the
//! source need is left out.

use super::files::Files;

const PAGE: &str = include_str!("index.html");
const STYLE: &str = include_str!("playground.css");

/// The modules of the script, each after those it imports.
const MODULES: &[(&str, &str)] = &[
    ("dom", include_str!("js/dom.js")),
    ("lex", include_str!("js/lex.js")),
    ("schema", include_str!("js/schema.js")),
    ("document", include_str!("js/document.js")),
    ("complete", include_str!("js/complete.js")),
    ("pretty", include_str!("js/pretty.js")),
    ("json", include_str!("js/json.js")),
    ("suggestions", include_str!("js/suggestions.js")),
    ("variables", include_str!("js/variables.js")),
    ("editor", include_str!("js/editor.js")),
    ("request", include_str!("js/request.js")),
    ("history", include_str!("js/history.js")),
    ("answer", include_str!("js/answer.js")),
    ("calls", include_str!("js/calls.js")),
    ("explorer", include_str!("js/explorer.js")),
    ("main", include_str!("js/main.js")),
];

/// The three files.
pub fn files() -> Files {
    let files = [("index.html", page()), ("playground.css", style()), ("playground.js", script())];
    files.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect()
}

/// The lines of a source without indentation and without those that `drop` names.
fn lines(source: &str, drop: impl Fn(&str) -> bool) -> String {
    let kept = source.lines().map(str::trim).filter(|line| !line.is_empty() && !drop(line));
    kept.flat_map(|line| [line, "\n"]).collect()
}

fn page() -> String {
    lines(PAGE, |line| line.starts_with("<!--"))
}

/// The modules as one: in one block, names of other modules need no import. Names at the top
/// of modules are therefore different; of two that are not, browsers take neither.
fn script() -> String {
    let is_for_readers =
        |line: &str| ["//", "/*", "*", "import "].iter().any(|start| line.starts_with(start));
    let modules = MODULES.iter().map(|(_, source)| lines(source, is_for_readers));
    let script: String = modules.collect();
    let script: String =
        script.split_inclusive('\n').map(|line| line.strip_prefix("export ").unwrap_or(line)).collect();
    format!("'use strict';\n{{\n{script}}}\n")
}

/// The style sheet without comments, and without space that separates nothing.
fn style() -> String {
    let mut style = String::with_capacity(STYLE.len());
    let mut rest = STYLE;
    while let Some((before, comment)) = rest.split_once("/*") {
        style.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    style.push_str(rest);
    let tight = [(": ", ":"), ("; }", "}"), (" {", "{"), ("{ ", "{"), (", ", ","), ("; ", ";")];
    tight.iter().fold(lines(&style, |_| false), |style, (loose, tight)| style.replace(loose, tight))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn modules_come_after_what_they_import() {
        let mut known = BTreeSet::new();
        for (name, source) in MODULES {
            let imports = source.lines().filter(|line| line.starts_with("import "));
            for import in imports {
                let from = import.split_once(" from './").and_then(|(_, from)| from.strip_suffix(".js';"));
                assert!(from.is_some_and(|from| known.contains(&from)), "{name}: {import}");
            }
            known.insert(*name);
        }
    }

    /// Names declared at the top of a module; a `function` that is declared twice is an error
    /// only of the whole script.
    fn declared(source: &str) -> impl Iterator<Item = &str> {
        source.lines().filter_map(|line| {
            let line = line.strip_prefix("export ").unwrap_or(line);
            let line = line.strip_prefix("async ").unwrap_or(line);
            let mut words = line.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            let keyword = words.next()?;
            ["const", "let", "function", "class"].contains(&keyword).then(|| words.next()).flatten()
        })
    }

    #[test]
    fn no_name_is_declared_twice() {
        let mut names = BTreeSet::new();
        for (module, source) in MODULES {
            for name in declared(source).filter(|name| !name.is_empty()) {
                assert!(names.insert(name), "{module}: {name}");
            }
        }
        assert!(names.len() > 80);
    }

    #[test]
    fn only_what_readers_need_is_left_out() {
        let script = script();
        assert!(script.starts_with("'use strict';\n{\nconst byId ="));
        assert!(script.contains("\nfunction element(") && script.contains("\nclass Editor {"));
        for gone in ["import {", "export ", "// Tokens of", "/**"] {
            assert!(!script.contains(gone), "{gone}");
        }
        assert!(style().starts_with(":root{\ncolor-scheme:light dark;\n"));
        assert!(!style().contains("/*") && !page().contains("<!--"));
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere_and_nothing_is_evaluated() {
        let (page, script, style) = (page(), script(), style());
        assert_eq!(page.matches("://").count(), 1, "the name space of the icon");
        assert!(!script.contains("://") && !style.contains("://") && !style.contains("url("));
        for risky in
            ["eval(", "Function(", "innerHTML", "outerHTML", "document.write", "setAttribute('style'"]
        {
            assert!(!script.contains(risky), "{risky}");
        }
        assert!(!page.contains(" style=") && !page.contains(" onclick=") && !page.contains("<style"));
    }
}
