//! `rules.md` against the tests: every rule has one at least, and every test that it names is there.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const RULES: u32 = 60;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names of the test functions: the first `fn` after each `#[test]`.
fn tests_of(source: &str) -> impl Iterator<Item = &str> {
    source.split("#[test]\n").skip(1).filter_map(|after| {
        let name = after.split_once("fn ")?.1;
        Some(name.split(|char: char| !(char.is_alphanumeric() || char == '_')).next().unwrap())
    })
}

fn all_tests() -> BTreeSet<String> {
    let mut files = Vec::new();
    sources(&root().join("tests"), &mut files);
    let sources = files.into_iter().map(|path| fs::read_to_string(path).unwrap());
    sources.flat_map(|source| tests_of(&source).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The rows of the table: the number, and the tests in the last cell.
fn rows(table: &str) -> Vec<(u32, Vec<&str>)> {
    table
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
            let number = cells[0].trim().parse().ok()?;
            Some((number, cells.last()?.split('`').skip(1).step_by(2).collect()))
        })
        .collect()
}

#[test]
fn every_rule_has_a_test_and_every_test_is_there() {
    let table = fs::read_to_string(root().join("tests/rules.md")).unwrap();
    let (rows, tests) = (rows(&table), all_tests());
    let numbers: Vec<u32> = rows.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=RULES).collect::<Vec<_>>());
    for (number, named) in rows {
        assert!(!named.is_empty(), "rule {number} has no test");
        for test in named {
            assert!(tests.contains(test), "rule {number}: there is no test {test}");
        }
    }
}
