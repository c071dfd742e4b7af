//! What the documents say of the code and of each other is so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::tidegate::entries;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below that end so.
fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in entries(directory) {
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_str().unwrap().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

/// Rooms by the row of the table in the crate's documentation, from the top.
fn rooms() -> BTreeMap<String, usize> {
    let documentation = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let rows = documentation.lines().filter(|line| line.starts_with("//! | [`"));
    let names = rows.enumerate().flat_map(|(row, line)| {
        let cell = line.split('|').nth(1).unwrap().to_owned();
        let names: Vec<String> = cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        names.into_iter().map(move |name| (name, row))
    });
    names.collect()
}

/// The room that a source file is in.
fn room_of(file: &Path) -> String {
    let first = file.strip_prefix(root().join("src")).unwrap().iter().next().unwrap();
    first.to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// The code of a file without its tests and its comments.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("mod tests {").next().unwrap();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_of_a_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// Names after each `crate::`.
fn imports(code: &str) -> impl Iterator<Item = &str> {
    code.split("crate::").skip(1).map(move |rest| {
        let end = rest.find(|letter| !is_of_a_name(letter)).unwrap_or(rest.len());
        &rest[..end]
    })
}

/// The module of a source file: `storj`, `bucket` for `src/storj/bucket.rs`.
fn module_of(file: &Path) -> Vec<String> {
    let path = file.strip_prefix(root().join("src")).unwrap().with_extension("");
    let names = path.iter().map(|name| name.to_str().unwrap().to_owned());
    names.filter(|name| name != "mod").collect()
}

/// Code with each path in full: `a::{b, c::d}` is `a::b a::c::d`.
fn with_paths_in_full(mut code: String) -> String {
    while let Some(brace) = code.rfind("::{") {
        let is_of_the_path = |letter| is_of_a_name(letter) || letter == ':';
        let start = code[..brace].rfind(|letter| !is_of_the_path(letter)).map_or(0, |at| at + 1);
        let end = brace + code[brace..].find('}').expect("what is opened is closed");
        let (path, names) = (&code[start..brace], &code[brace + "::{".len()..end]);
        let names = names.split(|letter: char| letter == ',' || letter.is_whitespace());
        let full = names.filter(|name| !name.is_empty()).map(|name| format!("{path}::{name}"));
        let full = full.collect::<Vec<_>>().join(" ");
        code.replace_range(start..=end, &full);
    }
    code
}

/// The modules in whose files the paths of some code lead.
fn named<'a>(
    code: &'a str,
    module: &'a [String],
    modules: &'a BTreeSet<Vec<String>>,
) -> impl Iterator<Item = Vec<String>> + 'a {
    let words = code.split(|letter| !is_of_a_name(letter) && letter != ':');
    words.filter_map(move |word| {
        let (mut path, mut names) = (module.to_vec(), word.split("::").peekable());
        match *names.peek()? {
            "crate" => path.clear(),
            "self" | "super" => {}
            _ => return None,
        }
        for name in names {
            match name {
                "crate" | "self" => {}
                "super" => drop(path.pop()),
                _ => path.push(name.to_owned()),
            }
        }
        while !path.is_empty() && !modules.contains(&path) {
            path.pop();
        }
        (!path.is_empty()).then_some(path)
    })
}

/// What is left of a graph without all that no circle passes.
fn circles<T: Ord + Clone>(mut graph: BTreeMap<T, BTreeSet<T>>) -> BTreeMap<T, BTreeSet<T>> {
    loop {
        let before = graph.len();
        let there: BTreeSet<T> = graph.keys().cloned().collect();
        graph.values_mut().for_each(|to| to.retain(|one| there.contains(one)));
        let reached: BTreeSet<T> = graph.values().flatten().cloned().collect();
        graph.retain(|one, to| !to.is_empty() && reached.contains(one));
        if graph.len() == before {
            return graph;
        }
    }
}

#[test]
fn rooms_import_only_from_rooms_below_them() {
    let rooms = rooms();
    let not_rooms = ["lib", "main", "cli"];
    let mut upwards = Vec::new();
    for file in files(&root().join("src"), ".rs") {
        let room = room_of(&file);
        if not_rooms.contains(&room.as_str()) || file.ends_with("tests.rs") {
            continue;
        }
        let row = rooms.get(&room).unwrap_or_else(|| panic!("{room} is not in the table"));
        let code = code(&file);
        let from_above = imports(&code).filter(|name| rooms.get(*name).is_some_and(|of| of < row));
        upwards.extend(from_above.map(|name| format!("{} from {name}", file.display())));
    }
    assert!(upwards.is_empty(), "{upwards:#?}");
}

/// A module and those within it are one thing in several files.
#[test]
fn no_two_files_import_from_each_other() {
    let files = files(&root().join("src"), ".rs");
    let files = files.iter().filter(|file| !file.ends_with("tests.rs"));
    let codes: BTreeMap<_, _> = files.map(|file| (module_of(file), code(file))).collect();
    let modules: BTreeSet<_> = codes.keys().cloned().collect();
    let imports = codes.into_iter().map(|(module, code)| {
        let code = with_paths_in_full(code);
        let is_another =
            |other: &Vec<String>| !(other.starts_with(&module) || module.starts_with(other));
        let others = named(&code, &module, &modules).filter(is_another).collect();
        (module, others)
    });
    let circles = circles(imports.collect());
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn paths_are_read_in_full() {
    let code = "use super::{a::{B, c}, d};\nuse crate::e::F; super::super::g()";
    let full = with_paths_in_full(code.to_owned());
    assert_eq!(full, "use super::a::B super::a::c super::d;\nuse crate::e::F; super::super::g()");
    let path = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let modules = ["x", "x y", "x a", "x d", "e", "g"].map(path).into();
    let named: Vec<_> = named(&full, &path("x y"), &modules).collect();
    assert_eq!(named, ["x a", "x a", "x d", "e", "g"].map(path));
    let graph = [("a", ["b"]), ("b", ["c"]), ("c", ["b"]), ("d", ["a"])];
    let left = circles(graph.map(|(one, to)| (one, to.into())).into());
    assert_eq!(left.keys().collect::<Vec<_>>(), [&"b", &"c"]);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut documents: Vec<PathBuf> = files(&root().join("docs"), ".md");
    documents.extend(files(&root().join("results"), "README.md"));
    documents.extend(
        ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "packaging/README.md"]
            .map(|name| root().join(name)),
    );
    let mut followed = 0;
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for rest in text.split("](").skip(1) {
            let target = rest.split(')').next().unwrap();
            if target.contains("://") {
                continue;
            }
            let target = document.parent().unwrap().join(target.split('#').next().unwrap());
            assert!(target.exists(), "{} leads to {}", document.display(), target.display());
            followed += 1;
        }
    }
    assert!(followed > 20, "only {followed} links were found");
}

#[test]
fn the_readme_asks_for_the_rust_that_the_manifest_promises() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let line = manifest.lines().find(|line| line.starts_with("rust-version")).unwrap();
    let promised = line.split('"').nth(1).unwrap();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(&format!("You need Rust {promised} ")));
}

#[test]
fn the_readme_can_be_read_in_five_minutes() {
    let words = fs::read_to_string(root().join("README.md")).unwrap().split_whitespace().count();
    assert!(words <= 1000, "{words} words");
}
