//! Secrets, the memory of states seen, and where secret texts come from.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;

use std::{
    fs::{self, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    process::Stdio,
};

use common::{mode, myself, names, part};
use countersign::{
    secret::Secret,
    vault::{RollbackStore, Seen, VaultError, VaultId},
};
use countersign_host::{Clock, HostError, SecretSource, SeenFile, secret_file};
use tempfile::tempdir;

fn seen(epoch: u64) -> Seen {
    Seen { epoch, hash: [2; 32], key_gen: 3, lineage_key: [4; 32], floor: 1 }
}

#[test]
fn a_secret_is_written_once_for_its_owner_and_read_back() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("below").join("secret");
    let secret = Secret::init_with(|bytes: &mut [u8; 32]| bytes.fill(9));
    secret_file::create(&path, &secret).unwrap();
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert!(secret_file::read::<32>(&path).unwrap().ct_eq(&[9; 32]));
    let other = Secret::init_with(|bytes: &mut [u8; 32]| bytes.fill(1));
    assert!(matches!(secret_file::create(&path, &other), Err(HostError::AlreadyExists(_))));
    assert!(secret_file::read::<32>(&path).unwrap().ct_eq(&[9; 32]), "the first one stays");
    assert_eq!(names(path.parent().unwrap()), ["secret"]);
}

#[test]
fn a_secret_that_others_may_read_or_write_is_refused() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("secret");
    fs::write(&path, [1; 32]).unwrap();
    for exposed in [0o640, 0o604, 0o620, 0o602, 0o644, 0o601] {
        fs::set_permissions(&path, Permissions::from_mode(exposed)).unwrap();
        let refused = secret_file::read::<32>(&path).err().unwrap();
        assert!(matches!(refused, HostError::Exposed(_, mode) if mode == exposed));
        assert!(refused.to_string().contains("chmod 600"), "{refused}");
    }
    for own in [0o600, 0o400] {
        fs::set_permissions(&path, Permissions::from_mode(own)).unwrap();
        assert!(secret_file::read::<32>(&path).is_ok());
    }
}

#[test]
fn a_secret_of_another_length_is_refused() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("secret");
    for length in [0, 31, 33] {
        fs::write(&path, vec![1; length]).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(secret_file::read::<32>(&path), Err(HostError::UnusableSecret(_))), "{length}");
    }
    let missing = secret_file::read::<32>(&directory.path().join("missing"));
    assert!(matches!(missing, Err(HostError::NotFound(_))));
}

#[test]
fn what_was_seen_is_remembered_for_each_vault_by_itself() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("state").join("seen");
    let (one, two) = (VaultId([1; 16]), VaultId([2; 16]));
    let mut memory = SeenFile::at(&path);
    assert_eq!(memory.get(&one), Ok(None), "no file is an empty memory");
    memory.put(&one, &seen(1)).unwrap();
    memory.put(&two, &seen(7)).unwrap();
    memory.put(&one, &seen(2)).unwrap();
    let again = SeenFile::at(&path);
    assert_eq!((again.get(&one), again.get(&two)), (Ok(Some(seen(2))), Ok(Some(seen(7)))));
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(names(path.parent().unwrap()), ["seen", "seen.lock"], "nothing is left behind");
    memory.forget(&one).unwrap();
    assert_eq!((again.get(&one), again.get(&two)), (Ok(None), Ok(Some(seen(7)))));
}

#[test]
fn what_another_process_has_seen_meanwhile_is_not_forgotten() {
    let directory = tempdir().unwrap();
    let vault = VaultId([1; 16]);
    let mut memory = SeenFile::at(directory.path().join("seen"));
    memory.put(&vault, &seen(6)).unwrap();
    // It asked when the memory said 4, and opened the state 5.
    memory.put(&vault, &seen(5)).unwrap();
    assert_eq!(memory.get(&vault), Ok(Some(seen(6))), "the newer one stays");
    memory.put(&vault, &seen(6)).unwrap();
    // What the storage shows to one process and hides from the other.
    let other_head = Seen { hash: [9; 32], ..seen(6) };
    let older_key = Seen { key_gen: 2, ..seen(7) };
    let newer_key = Seen { key_gen: 4, ..seen(5) };
    let lower_floor = Seen { floor: 0, ..seen(7) };
    for fork in [other_head, older_key, newer_key, lower_floor] {
        assert_eq!(memory.put(&vault, &fork), Err(VaultError::Fork), "{fork:?}");
        assert_eq!(memory.get(&vault), Ok(Some(seen(6))));
    }
    memory.put(&vault, &Seen { key_gen: 4, ..seen(7) }).unwrap();
    memory.forget(&vault).unwrap();
    memory.put(&vault, &seen(2)).unwrap();
    assert_eq!(memory.get(&vault), Ok(Some(seen(2))), "its owner's word");
}

#[test]
fn a_memory_that_cannot_be_read_is_an_error_and_not_a_first_use() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("seen");
    let mut memory = SeenFile::at(&path);
    memory.put(&VaultId([1; 16]), &seen(1)).unwrap();
    let good = fs::read(&path).unwrap();
    let mut altered = good.clone();
    altered[3] ^= 1;
    for bad in [&b""[..], b"nonsense", &good[..good.len() - 1], &altered] {
        fs::write(&path, bad).unwrap();
        assert_eq!(memory.get(&VaultId([1; 16])), Err(VaultError::Memory));
        assert_eq!(memory.put(&VaultId([1; 16]), &seen(2)), Err(VaultError::Memory));
        assert_eq!(fs::read(&path).unwrap(), bad, "it is left for its owner to look at");
    }
}

#[test]
fn two_processes_do_not_forget_what_the_other_remembers() {
    let vaults =
        |who: u8| (0..20).map(move |number| VaultId([who, number, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]));
    if let Some(path) = part() {
        return vaults(2).for_each(|vault| SeenFile::at(&path).put(&vault, &seen(1)).unwrap());
    }
    let directory = tempdir().unwrap();
    let path = directory.path().join("seen");
    let mut other = myself("two_processes_do_not_forget_what_the_other_remembers", &path);
    let mut child = other.stdout(Stdio::null()).spawn().unwrap();
    vaults(1).for_each(|vault| SeenFile::at(&path).put(&vault, &seen(1)).unwrap());
    assert!(child.wait().unwrap().success());
    let memory = SeenFile::at(&path);
    for vault in vaults(1).chain(vaults(2)) {
        assert_eq!(memory.get(&vault), Ok(Some(seen(1))), "{vault}");
    }
}

#[test]
fn the_usual_place_of_the_memory_follows_the_environment() {
    let name = "the_usual_place_of_the_memory_follows_the_environment";
    if part().is_some() {
        let path = SeenFile::in_state_directory().map(|memory| memory.path().display().to_string());
        return common::say(&format!("PLACE {}", path.unwrap_or_else(|error| error.to_string())));
    }
    let place = |state: Option<&str>, home: Option<&str>| {
        let mut me = myself(name, "x".as_ref());
        me.env_remove("XDG_STATE_HOME").env_remove("HOME");
        me.envs(state.map(|state| ("XDG_STATE_HOME", state))).envs(home.map(|home| ("HOME", home)));
        String::from_utf8(me.output().unwrap().stdout).unwrap()
    };
    assert!(place(Some("/state"), Some("/home/me")).contains("PLACE /state/countersign/seen"));
    assert!(place(None, Some("/home/me")).contains("PLACE /home/me/.local/state/countersign/seen"));
    assert!(place(Some("relative"), Some("/home/me")).contains("PLACE /home/me/.local/state/"));
    assert!(place(None, None).contains("neither XDG_STATE_HOME nor HOME"));
}

#[test]
fn a_secret_text_in_a_file_is_one_line_as_it_stands() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("pin");
    let read = |contents: &[u8]| {
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let text = SecretSource::File(path.clone()).read("PIN");
        text.map(|text| text.expose().to_owned()).map_err(|error| error.to_string())
    };
    assert_eq!(read(b"1234").as_deref(), Ok("1234"));
    assert_eq!(read(b"1234\n").as_deref(), Ok("1234"));
    assert_eq!(read(b"1234\r\n").as_deref(), Ok("1234"));
    assert_eq!(read(b" 12 34 \n").as_deref(), Ok(" 12 34 "), "spaces count");
    assert_eq!(read("u\u{308}\u{fc}\n".as_bytes()).as_deref(), Ok("u\u{308}\u{fc}"), "not normalised here");
    assert_eq!(read(&[b'a'; 1024]).unwrap().len(), 1024);
    for (bad, why) in [
        (&b""[..], "empty"),
        (b"\n", "empty"),
        (b"1234\n5678\n", "more than one line"),
        (b"1234\n\n", "more than one line"),
        (b"\xff\xfe12", "UTF-8"),
        (&[b'a'; 1025], "1024"),
        (&[b'a'; 5000], "1024"),
    ] {
        assert!(read(bad).unwrap_err().contains(why), "{bad:?}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(SecretSource::File(path.clone()).read("PIN"), Err(HostError::Exposed(..))));
}

#[test]
fn a_descriptor_gives_a_line_at_a_time_and_leaves_the_rest() {
    let name = "a_descriptor_gives_a_line_at_a_time_and_leaves_the_rest";
    if let Some(part) = part() {
        let source: SecretSource = part.to_str().unwrap().parse().unwrap();
        for _ in 0..3 {
            let text = source.read("PIN");
            common::say(&format!(
                "GOT {}",
                text.map_or_else(|error| error.to_string(), |text| text.expose().to_owned())
            ));
        }
        return;
    }
    for (source, redirect) in [("fd:0", "exec \"$0\" \"$@\""), ("fd:7", "exec \"$0\" \"$@\" 7<&0 </dev/null")]
    {
        let me = myself(name, source.as_ref());
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", redirect]).arg(me.get_program()).args(me.get_args()).env(common::PART, source);
        let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"first\nsecond").unwrap();
        let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        let got: Vec<_> =
            output.lines().filter_map(|line| line.split_once("GOT ")).map(|(_, got)| got).collect();
        assert_eq!(got, ["first", "second", "the secret cannot be used: it is empty"], "{source}: {output}");
    }
}

#[test]
fn without_a_terminal_nothing_is_asked() {
    if part().is_some() {
        assert!(matches!(SecretSource::Prompt.read("PIN"), Err(HostError::NoTerminal)));
        assert!(matches!(countersign_host::TerminalPerson::new(Clock::start()), Err(HostError::NoTerminal)));
        return common::say("REFUSED");
    }
    let mut me = myself("without_a_terminal_nothing_is_asked", "x".as_ref());
    let output = me.stdin(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("REFUSED"));
}

#[test]
fn sources_are_named_by_a_text() {
    let source = |text: &str| text.parse::<SecretSource>();
    assert_eq!(source("prompt"), Ok(SecretSource::Prompt));
    assert_eq!(source("fd:3"), Ok(SecretSource::Descriptor(3)));
    assert_eq!(source("pin.txt"), Ok(SecretSource::File("pin.txt".into())));
    assert_eq!(source("file:prompt"), Ok(SecretSource::File("prompt".into())));
    assert_eq!(source("a:b"), Ok(SecretSource::File("a:b".into())));
    assert!(source("fd:x").is_err() && source("fd:-1").is_err() && source("").is_err());
}

#[test]
fn the_clock_starts_at_power_up_and_never_goes_back() {
    let clock = Clock::start();
    let first = clock.now();
    assert!(first.ticks < 60_000, "since power-up of this clock, not of the machine");
    assert!(first.date.unwrap().0 > 1_700_000_000);
    let copy = clock;
    assert!(copy.now().ticks >= first.ticks);
}
