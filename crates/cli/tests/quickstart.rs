//! The quickstart, end to end.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking; clippy knows test functions only")]

mod common;

use common::{Home, contains, files_below, finish, mode, program, repository};
use serde_json::Value;

fn step<'a>(story: &'a Value, name: &str) -> &'a Value {
    let steps = story["steps"].as_array().unwrap();
    steps.iter().find(|step| step["step"] == name).unwrap_or_else(|| panic!("no step {name}"))
}

fn check_story(story: &Value) {
    assert_eq!(step(story, "sign-in")["verified"], true);
    assert_eq!(step(story, "unlock")["freshness"], "checked");
    assert_eq!(step(story, "rotate")["keyGenerationBefore"], 1);
    assert_eq!(step(story, "rotate")["keyGeneration"], 2);
    assert_eq!(step(story, "unlock-again")["keyGeneration"], 2);
    assert_eq!(step(story, "unlock-again")["freshness"], "checked");
    assert_eq!(step(story, "unlock-again")["slotRefreshed"], true);
    assert_eq!(step(story, "unlock-again")["itemUnchanged"], true);
    assert!(step(story, "register")["flags"].as_str().unwrap().starts_with("UP UV"));
}

#[test]
fn the_bundled_options_lead_to_an_unlocked_vault() {
    let home = Home::new();
    let story = home.json(&["quickstart"]).json();
    check_story(&story);
    let register = step(&story, "register");
    assert_eq!(register["rpId"], "vault.example");
    assert_eq!(register["prfAdded"], false);
    assert_eq!(register["aaguid"], "636f756e-7465-7273-6967-6e2061757468");
    assert!(home.base().join("key").is_dir(), "the authenticator came back");
    assert_eq!(mode(&home.base().join("key/device.secret")), 0o600);
}

#[test]
fn what_the_quickstart_shows_opens_what_it_made() {
    let home = Home::new();
    let story = home.json(&["quickstart"]).json();
    let pin = step(&story, "key")["pin"].as_str().unwrap();
    let pin = home.write("made-up-pin", pin.as_bytes());
    home.write("code.txt", step(&story, "vault")["recoveryCode"].as_str().unwrap().as_bytes());

    let opened = home.json(&["vault", "unlock", "--yes", "--pin-file", &pin]).json();
    assert_eq!((&opened["openedBy"], &opened["keyGeneration"]), (&"passkey".into(), &2.into()));
    let note = home.run(&["vault", "get", "note.txt", "--code-file", &home.code_file()]);
    assert_eq!(note.text(), "Meet me where the two keys turn together.\n");
}

#[test]
fn no_secret_stays_on_the_disk_but_the_device_secret() {
    let home = Home::new();
    let story = home.json(&["quickstart"]).json();
    let pin = step(&story, "key")["pin"].as_str().unwrap();
    let code = step(&story, "vault")["recoveryCode"].as_str().unwrap();
    let secret = std::fs::read(home.base().join("key/device.secret")).unwrap();
    let secrets: [&[u8]; 4] = [pin.as_bytes(), code.as_bytes(), b"two keys turn", &secret];
    for file in files_below(&home.base()).iter().filter(|file| !file.ends_with("device.secret")) {
        let bytes = std::fs::read(file).unwrap();
        assert!(!secrets.iter().any(|secret| contains(&bytes, secret)), "a secret in {}", file.display());
    }
}

#[test]
fn options_of_py_webauthn_do_as_well() {
    for (name, attachment_role) in
        [("create-defaults", "credential-manager"), ("create-everything", "security-key")]
    {
        let home = Home::new();
        let options = repository(&format!("vectors/options/{name}.json"));
        let story = home.json(&["quickstart", "--options", &options]).json();
        check_story(&story);
        assert_eq!(step(&story, "register")["rpId"], "example.org");
        assert_eq!(step(&story, "register")["prfAdded"], true);
        assert_eq!(step(&story, "key")["role"], attachment_role);
    }
}

#[test]
fn options_with_a_prf_input_of_their_own_are_registered_as_they_are() {
    let home = Home::new();
    let options = std::fs::read(repository("vectors/options/create-defaults.json")).unwrap();
    let mut options: Value = serde_json::from_slice(&options).unwrap();
    options["extensions"] = serde_json::json!({ "prf": { "eval": { "first": "AAEC" } }, "credProps": true });
    let file = home.write("options.json", options.to_string().as_bytes());
    let story = home.json(&["quickstart", "--options", &file]).json();
    check_story(&story);
    assert_eq!(step(&story, "register")["prfAdded"], false);
}

#[test]
fn the_story_is_numbered_and_names_its_place() {
    let home = Home::new();
    let run = home.run(&["quickstart"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let text = run.text();
    for expected in [" 1. ", " 7. ", "generation 1 -> 2", "Try next", home.base().to_str().unwrap()] {
        assert!(text.contains(expected), "{expected:?} is missing in {text}");
    }
    assert!(!text.contains('\u{1b}'), "no colours where there is no terminal");
}

#[test]
fn without_a_directory_it_takes_a_fresh_one() {
    let parent = tempfile::tempdir().unwrap();
    let mut command = program();
    command.env("TMPDIR", parent.path()).args(["quickstart", "--json"]);
    let story = finish(command, b"").json();
    let directory = story["directory"].as_str().unwrap();
    assert!(directory.starts_with(parent.path().to_str().unwrap()));
    assert_eq!(mode(directory.as_ref()), 0o700);
}

#[test]
fn a_directory_in_use_is_left_alone() {
    let home = Home::new();
    std::fs::create_dir(home.base()).unwrap();
    std::fs::write(home.base().join("mine"), "mine").unwrap();
    home.json(&["quickstart"]).fails(1, "exists");
    assert_eq!(files_below(&home.base()), [home.base().join("mine")]);
}

#[test]
fn options_that_cannot_be_used_leave_nothing_behind() {
    let home = Home::new();
    let not_json = home.write("not-json", b"challenge=AAAA");
    home.json(&["quickstart", "--options", &not_json]).fails(2, "not-json");
    let no_rp = home.write("no-rp", b"{\"challenge\": \"AAAA\"}");
    home.json(&["quickstart", "--options", &no_rp]).fails(2, "bad-options");
    home.json(&["quickstart", "--options", "/nonexistent/options"]).fails(5, "no-file");
    // Well-formed, and refused by the ceremony: what was made until then goes, so that a second try can use the place.
    let options = std::fs::read_to_string(repository("vectors/options/create-defaults.json")).unwrap();
    let mut options: Value = serde_json::from_str(&options).unwrap();
    options["pubKeyCredParams"] = serde_json::json!([{ "type": "public-key", "alg": -257 }]);
    let foreign = home.write("foreign", options.to_string().as_bytes());
    home.json(&["quickstart", "--options", &foreign]).fails(1, "not-supported");
    assert!(!home.base().exists());
}
