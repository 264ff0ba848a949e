//! The papers against the repository: what they point to is there, and the table of features leaves no statement out.

mod common;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use common::vectors::file;

/// What git may not know, or what others wrote.
const NOT_OURS: [&str; 4] = ["target", ".git", ".venv", ".interop"];

/// The statements that the project came from: a letter, and how many there are.
const STATEMENTS: [(char, u32); 5] = [('A', 26), ('B', 28), ('C', 13), ('D', 18), ('E', 7)];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn papers(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !NOT_OURS.contains(&name) {
            papers(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

fn all_papers() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    papers(root(), &mut found);
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// What stands between two marks.
fn between<'a>(text: &'a str, before: &'a str, after: char) -> impl Iterator<Item = &'a str> {
    text.match_indices(before).filter_map(move |(start, mark)| text[start + mark.len()..].split(after).next())
}

#[test]
fn every_relative_link_leads_to_a_file() {
    let mut checked = 0;
    for (path, text) in all_papers() {
        for target in between(&text, "](", ')').filter(|target| !target.starts_with("https://")) {
            let target = target.split('#').next().unwrap();
            assert!(path.parent().unwrap().join(target).exists(), "{}: {target}", path.display());
            checked += 1;
        }
    }
    assert!(checked > 5, "{checked}");
}

#[test]
fn every_developer_command_that_is_named_exists() {
    let program = String::from_utf8(file("xtask/src/main.rs")).unwrap();
    let help = between(&program, "Commands:", '"').next().unwrap();
    let commands: BTreeSet<&str> =
        help.lines().filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next()).collect();
    let gates =
        [".ci/run", ".ci/run-long"].map(|gate| (root().join(gate), String::from_utf8(file(gate)).unwrap()));
    let mut named = BTreeSet::new();
    for (path, text) in all_papers().into_iter().chain(gates) {
        for command in between(&text, "cargo xtask ", '\n') {
            let is_name = |letter: &char| letter.is_ascii_lowercase() || *letter == '-';
            let command: String = command.chars().take_while(is_name).collect();
            // `cargo xtask ...` names none.
            if !command.is_empty() {
                assert!(commands.contains(command.as_str()), "{}: {command}", path.display());
                named.insert(command);
            }
        }
    }
    assert!(named.len() >= 3, "{named:?}");
}

#[test]
fn every_file_of_vectors_has_its_row() {
    let index = String::from_utf8(file("vectors/README.md")).unwrap();
    for entry in fs::read_dir(root().join("vectors")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if path.extension().is_some_and(|extension| extension == "json") {
            assert!(index.lines().any(|line| line.starts_with(&format!("| {name} |"))), "{name}");
        }
    }
}

#[test]
fn the_table_of_features_names_every_statement_once() {
    let readme = String::from_utf8(file("README.md")).unwrap();
    let ids = readme.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let mut named: Vec<(char, u32)> = ids.flat_map(|ids| ids.split(", ")).flat_map(statements).collect();
    named.sort_unstable();
    let expected: Vec<(char, u32)> =
        STATEMENTS.iter().flat_map(|(letter, last)| (1..=*last).map(|number| (*letter, number))).collect();
    assert_eq!(named, expected);
}

/// `A4` is one statement, `C2–C13` are twelve; what does not look like that is none.
fn statements(ids: &str) -> Vec<(char, u32)> {
    let one = |id: &str| {
        let letter = id.chars().next()?;
        let number = id.get(1..)?.parse().ok()?;
        STATEMENTS.iter().any(|(known, _)| *known == letter).then_some((letter, number))
    };
    let (first, last) = ids.split_once('–').unwrap_or((ids, ids));
    let (Some((letter, first)), Some((_, last))) = (one(first), one(last)) else { return Vec::new() };
    (first..=last).map(|number| (letter, number)).collect()
}
