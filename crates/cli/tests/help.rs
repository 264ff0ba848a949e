//! Help, usage errors, exit codes.

mod common;

use common::{Home, finish, program};

const COMMANDS: [&[&str]; 40] = [
    &[],
    &["quickstart"],
    &["key"],
    &["key", "init"],
    &["key", "set-pin"],
    &["key", "info"],
    &["key", "list"],
    &["key", "show"],
    &["key", "delete"],
    &["webauthn"],
    &["webauthn", "create"],
    &["webauthn", "get"],
    &["vault"],
    &["vault", "init"],
    &["vault", "status"],
    &["vault", "slots"],
    &["vault", "label"],
    &["vault", "enroll"],
    &["vault", "remove"],
    &["vault", "refresh"],
    &["vault", "recover"],
    &["vault", "test"],
    &["vault", "unlock"],
    &["vault", "put"],
    &["vault", "get"],
    &["vault", "list"],
    &["vault", "rotate"],
    &["vault", "export"],
    &["vault", "import"],
    &["backup"],
    &["backup", "create"],
    &["backup", "verify"],
    &["backup", "restore"],
    &["backup", "status"],
    &["kit"],
    &["kit", "print"],
    &["check"],
    &["device"],
    &["vectors"],
    &["vectors", "run"],
];

fn help(command: &[&str], flag: &str) -> String {
    let mut program = program();
    program.args(command).arg(flag);
    let run = finish(program, b"");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    run.text()
}

#[test]
fn every_help_has_examples_that_begin_with_the_command() {
    for command in COMMANDS {
        for flag in ["--help", "-h"] {
            let help = help(command, flag);
            let example = format!("  countersign {}", command.join(" "));
            let (_, examples) = help.split_once("Examples:").unwrap_or_else(|| panic!("{command:?}"));
            assert!(examples.contains(example.trim_end()), "{command:?}: {examples}");
            assert!(help.contains("--json") && help.contains("--dir"), "{command:?}");
            assert!(!help.contains('\u{1b}'), "no colours where there is no terminal");
        }
    }
}

#[test]
fn the_help_documents_every_exit_code() {
    let help = help(&[], "--help");
    for code in 0..=10 {
        assert!(help.contains(&format!("\n  {code}  ")), "{code}");
    }
}

#[test]
fn no_option_takes_a_secret() {
    for command in COMMANDS {
        let help = help(command, "--help");
        for option in ["-pin", "-code", "-passphrase", "-share", "-secret", "-password"] {
            for value in ["<", "=", "[<"] {
                let taken = format!("{option} {value}");
                assert!(!help.contains(&taken), "{command:?} has {taken}");
            }
        }
    }
}

#[test]
fn usage_errors_are_json_where_json_is_asked_for() {
    let home = Home::new();
    home.json(&["vault", "open"]).fails(2, "usage");
    home.json(&["vault", "get"]).fails(2, "usage");
    home.json(&["webauthn", "create", "--origin"]).fails(2, "usage");
    home.json(&["key", "init", "--pin-file", "a", "--pin-fd", "0"]).fails(2, "usage");
    home.json(&["key", "init", "--role", "toaster"]).fails(2, "usage");
}

#[test]
fn usage_errors_are_for_people_otherwise() {
    let home = Home::new();
    let run = home.run(&["vault", "open"]);
    assert_eq!((run.code, run.stdout.len()), (2, 0));
    assert!(run.stderr.contains("Usage"), "{}", run.stderr);
    let run = home.run(&["key", "list"]);
    assert_eq!((run.code, run.stdout.len()), (5, 0));
    assert!(run.stderr.starts_with("countersign: "), "{}", run.stderr);
}

#[test]
fn the_directory_comes_from_option_variable_or_data_directory() {
    let home = Home::new();
    let cases = [
        ("COUNTERSIGN_DIR", home.path("own"), home.path("own/vault")),
        ("XDG_DATA_HOME", home.path("data"), home.path("data/countersign/vault")),
        ("HOME", home.path("home"), home.path("home/.local/share/countersign/vault")),
    ];
    for (variable, value, expected) in cases {
        let mut command = program();
        command.env("XDG_STATE_HOME", home.path("state"));
        command.env(variable, value).args(["vault", "init", "--json"]);
        finish(command, b"").json();
        assert!(expected.join("vault.redb").is_file(), "{variable}");
    }
    let mut command = program();
    command.env_remove("HOME").args(["vault", "init", "--json"]);
    finish(command, b"").fails(2, "no-dir");
    let mut command = program();
    command.env("HOME", "relative").args(["vault", "init", "--json"]);
    finish(command, b"").fails(2, "no-dir");
}

#[test]
fn the_memory_is_in_the_state_directory_unless_a_directory_is_named() {
    let home = Home::new();
    let seen = |variables: &[(&str, &str)], expected: &str| {
        let mut command = program();
        command.env("HOME", home.path("home")).args(["vault", "init", "--json"]);
        variables.iter().for_each(|(name, value)| _ = command.env(name, home.path(value)));
        finish(command, b"").json();
        assert!(home.path(expected).is_file(), "{variables:?}");
    };
    seen(&[], "home/.local/state/countersign/seen");
    assert!(!home.path("home/.local/share/countersign/memory").exists());
    seen(&[("XDG_DATA_HOME", "data"), ("XDG_STATE_HOME", "state")], "state/countersign/seen");
    seen(&[("COUNTERSIGN_DIR", "own"), ("XDG_STATE_HOME", "other")], "own/memory/seen");
    assert!(!home.path("other").exists());
    let mut command = program();
    command.env_remove("HOME").env("XDG_DATA_HOME", home.path("stateless")).args(["vault", "init", "--json"]);
    finish(command, b"").fails(2, "no-dir");
}
