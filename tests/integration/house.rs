//! What the documents say of the code and of each other is so.

use std::collections::BTreeMap;
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
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Names after each `crate::`.
fn imports(code: &str) -> impl Iterator<Item = &str> {
    let is_of_a_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    code.split("crate::").skip(1).map(move |rest| {
        let end = rest.find(|letter| !is_of_a_name(letter)).unwrap_or(rest.len());
        &rest[..end]
    })
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
