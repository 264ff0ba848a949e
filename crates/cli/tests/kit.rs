//! `countersign kit print`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking; clippy knows test functions only")]

mod common;

use std::fs;

use common::{Home, contains, files_below, mode, terminal::Terminal};

fn path(home: &Home, name: &str) -> String {
    home.path(name).to_str().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap()
}

/// The recovery code in a text.
fn code_in(text: &str) -> String {
    let at = text.find("CS1-").unwrap_or_else(|| panic!("no code in {text}"));
    text[at..at + 46].to_owned()
}

#[test]
fn the_kit_without_a_code_is_text_with_a_line_to_write_on() {
    let (home, code) = Home::with_vault();
    let run = home.run(&["kit", "print", "--code-file", &home.code_file()]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let kit = run.text();
    assert!(kit.starts_with("Recovery kit, revision 1, 20"), "{kit}");
    assert!(
        kit.contains("CS1-____-") && !kit.contains(&code) && kit.contains("countersign vault import FILE")
    );
    assert!(run.stderr.contains("by hand"), "{}", run.stderr);
}

#[test]
fn a_new_code_is_on_every_form_and_opens_the_vault() {
    let (home, first) = Home::with_vault();
    let [html, text, svg] = ["kit.html", "kit.txt", "kit.svg"].map(|name| path(&home, name));
    let arguments = [
        "kit",
        "print",
        "--new-code",
        "--html",
        &html,
        "--text",
        &text,
        "--svg",
        &svg,
        "--place",
        "the desk",
    ];
    let report = home.by_code(&arguments).json();
    assert_eq!((report["revision"].as_u64(), report["html"].as_str()), (Some(1), Some(html.as_str())));
    let code = code_in(&read(&text));
    assert_ne!(code, first);
    assert!(!report.to_string().contains(&code), "what went to files is not printed");
    for file in [&html, &text, &svg] {
        assert_eq!(mode(file.as_ref()), 0o600);
        assert!(read(file).contains(&code), "{file}");
    }
    let new = home.write("new.txt", code.as_bytes());
    for file in [&new, &home.code_file()] {
        home.json(&["vault", "unlock", "--code-file", file]).json();
    }
    let opened = home.json(&["vault", "unlock", "--code-file", &new]).json();
    assert_eq!(opened["slotId"], report["newSlotId"]);
    assert!(read(&text).contains("recovery code \"recovery code of kit 1\": the desk"), "a name of its own");
    for file in files_below(&home.base()) {
        assert!(!contains(&fs::read(&file).unwrap(), code.as_bytes()), "{}", file.display());
    }
}

#[test]
fn one_form_can_go_to_standard_output_and_to_a_program() {
    let (home, _) = Home::with_vault();
    let run = home.run(&["kit", "print", "--new-code", "--html", "-", "--code-file", &home.code_file()]);
    assert!(run.code == 0 && run.text().starts_with("<!DOCTYPE html>"), "{}", run.stderr);
    assert!(!run.stderr.contains(&code_in(&run.text())));
    let report = home.by_code(&["kit", "print", "--new-code", "--svg", "-"]).json();
    assert_eq!((report["revision"].as_u64(), report["output"]["form"].as_str()), (Some(2), Some("svg")));
    assert!(report["output"]["kit"].as_str().unwrap().starts_with("<svg xmlns"));
    home.by_code(&["kit", "print", "--svg", "-", "--html", "-"]).fails(2, "usage");
}

#[test]
fn what_cannot_be_written_makes_no_code() {
    let (home, _) = Home::with_vault();
    let taken = home.write("taken.html", b"mine");
    let before = home.by_code(&["vault", "status"]).json()["slots"].as_array().unwrap().len();
    home.by_code(&["kit", "print", "--new-code", "--html", &taken]).fails(1, "exists");
    assert_eq!(read(&taken), "mine");
    home.by_code(&["kit", "print", "--new-code", "--html", "/dev/null/kit.html"]);
    let after = home.by_code(&["vault", "status"]).json()["slots"].as_array().unwrap().len();
    assert_eq!(before, after);
}

#[test]
fn files_are_not_left_behind_where_the_vault_does_not_open() {
    let (home, _) = Home::with_vault();
    let (other, _) = Home::with_vault();
    let html = path(&home, "kit.html");
    home.json(&["kit", "print", "--html", &html, "--code-file", &other.code_file()]).fails(4, "wrong-code");
    let left = fs::read_dir(home.directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().contains("kit")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_kit_is_stale_after_another_slot_was_made() {
    let (home, _) = Home::with_vault();
    let is_stale = || {
        let run = home.by_code(&["check"]);
        contains(&run.stdout, b"kit-stale")
    };
    home.by_code(&["kit", "print"]).json();
    assert!(!is_stale());
    home.by_code(&["kit", "print", "--new-code", "--text", &path(&home, "new.txt")]).json();
    assert!(!is_stale(), "the new kit tells of its own code");
    let proof = home.by_code(&["vault", "rotate"]);
    assert_eq!(proof.code, 0);
    home.by_code(&["vault", "unlock"]).json();
    assert!(is_stale(), "keys were renewed");
}

#[test]
fn on_a_screen_a_code_is_shown_only_on_the_persons_word() {
    let (home, _) = Home::with_vault();
    for (answer, code, shown) in [("n\n", 3, false), ("y\n", 0, true)] {
        let arguments = ["kit", "print", "--new-code", "--code-file", &home.code_file()];
        let mut terminal = Terminal::start_with_output(&home, &arguments);
        terminal.at("Show a new recovery code on this screen?", answer);
        let (exit, output, seen) = terminal.end();
        assert_eq!((exit, output.as_str(), seen.contains("CS1-")), (code, "", shown));
    }
}
