//! `docs/recovery.md`, followed to the letter: the commands are read out of it and given to the real program, at a terminal,
//! by a person who writes down what is shown once.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking; clippy knows test functions only")]

mod common;

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    os::fd::OwnedFd,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        LazyLock,
        mpsc::{RecvTimeoutError, channel},
    },
    time::Duration,
};

use common::{Home, PIN, files_below, program, repository};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

const BEFORE: &str = "Before anything happens";
const WORDS: &str = "seven green umbrellas";
const NOTE: &[u8] = b"worth keeping";

/// The document's sections: heading, and the commands in it, each as its words.
fn sections() -> Vec<(String, Vec<Vec<String>>)> {
    let document = fs::read_to_string(repository("docs/recovery.md")).unwrap();
    let mut sections: Vec<(String, Vec<Vec<String>>)> = Vec::new();
    let mut is_code = false;
    for line in document.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            sections.push((heading.to_owned(), Vec::new()));
        } else if line.starts_with("```") {
            is_code = line == "```sh";
        } else if is_code && !line.is_empty() {
            sections.last_mut().unwrap().1.push(words(line));
        }
    }
    sections.retain(|(_, commands)| !commands.is_empty());
    sections
}

/// A line as a shell splits it, without its comment.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for character in line.chars() {
        match character {
            '"' => is_quoted = !is_quoted,
            '#' if !is_quoted => break,
            ' ' if !is_quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(character),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn commands_of(heading: &str) -> Vec<Vec<String>> {
    sections().into_iter().find(|(other, _)| other == heading).unwrap_or_else(|| panic!("no {heading:?}")).1
}

/// A person with a machine, and with a paper for what is shown once.
struct Owner {
    home: Home,
    /// The recovery code that was last written down.
    code: String,
    /// Shares, each on a paper of its own.
    shares: Vec<String>,
}

/// What a command came to.
struct Answer {
    exit: i32,
    output: String,
    screen: String,
}

impl Owner {
    fn new() -> Self {
        let home = Home::new();
        fs::write(home.path("note.txt"), NOTE).unwrap();
        Self { home, code: String::new(), shares: Vec::new() }
    }

    /// What stands under a heading, to the end.
    fn follow(&mut self, heading: &str) {
        for words in commands_of(heading) {
            let Answer { exit, output, screen } = self.run(&words);
            // Exit code 9 of `check` is a warning; that one mishap loses all, 10, is what these paths prevent.
            let is_warning = words.get(1).is_some_and(|word| word == "check") && exit == 9;
            assert!(exit == 0 || is_warning, "{heading}: {words:?}: {exit}\n{output}\n{screen}");
            if words[1..].starts_with(&["vault".into(), "get".into()]) {
                assert_eq!(output.as_bytes(), NOTE, "{words:?}");
            }
            self.write_down(&output);
        }
    }

    /// A command at a terminal.
    fn run(&self, words: &[String]) -> Answer {
        assert_eq!(words[0], "countersign", "{words:?}");
        let mut command = program();
        command
            .args(&words[1..])
            .env("COUNTERSIGN_DIR", self.home.base())
            .current_dir(self.home.directory.path());
        self.at_a_terminal(command)
    }

    fn at_a_terminal(&self, mut command: Command) -> Answer {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = || OwnedFd::from(OpenOptions::new().read(true).write(true).open(&name).unwrap());
        let mut child = command.stdin(slave()).stderr(slave()).stdout(Stdio::piped()).spawn().unwrap();
        drop(command);
        let mut stdout = child.stdout.take().unwrap();
        let output = std::thread::spawn(move || {
            let mut output = String::new();
            stdout.read_to_string(&mut output).map(|_| output)
        });
        let mut keyboard = File::from(master);
        let mut screen = keyboard.try_clone().unwrap();
        let (sender, shown) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 1024];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                if sender.send(String::from_utf8_lossy(&bytes[..count]).into_owned()).is_err() {
                    return;
                }
            }
        });
        let (mut seen, mut asked) = (String::new(), 0);
        loop {
            match shown.recv_timeout(Duration::from_secs(60)) {
                Ok(text) => seen += &text,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("nobody knows what to say to {seen:?}"),
            }
            if let Some(keys) = self.reply(&seen[asked..]) {
                asked = seen.len();
                keyboard.write_all(format!("{keys}\n").as_bytes()).unwrap();
            }
        }
        let exit = child.wait().unwrap().code().unwrap();
        Answer { exit, output: output.join().unwrap().unwrap(), screen: seen }
    }

    /// What the person types where the screen ends with a question.
    fn reply(&self, screen: &str) -> Option<String> {
        let question = screen.lines().next_back()?;
        let share = |number: usize| self.shares.get(number - 1).cloned();
        let ends = |end: &str| question.ends_with(end);
        if ends("New PIN: ") || ends("New PIN again: ") || ends("refuse): ") {
            Some(PIN.into())
        } else if ends("passphrase of the backup: ") || ends("again: ") || ends("Backup's passphrase: ") {
            Some(WORDS.into())
        } else if ends("Recovery code: ") {
            Some(self.code.clone())
        } else if ends("[y/N] ") {
            Some("y".into())
        } else if question.contains("Share 1") && ends(": ") {
            share(1)
        } else if question.contains("Share 2") && ends(": ") {
            share(2)
        } else {
            None
        }
    }

    /// Codes that were shown, on the screen or on a page that was printed; pages are destroyed.
    fn write_down(&mut self, output: &str) {
        let mut texts = vec![output.to_owned()];
        for entry in fs::read_dir(self.home.directory.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "html") {
                texts.push(fs::read_to_string(&path).unwrap());
                fs::remove_file(path).unwrap();
            }
        }
        for text in texts {
            if let Some(at) = text.find("CS1-").filter(|at| !text[*at..].starts_with("CS1-_")) {
                self.code = text[at..at + 46].to_owned();
            }
            let shares =
                text.match_indices("CSS1-").map(|(at, _)| text[at..].split_whitespace().next().unwrap());
            let shares: Vec<String> = shares.map(str::to_owned).collect();
            if !shares.is_empty() {
                self.shares = shares;
            }
        }
    }

    /// Everything on the machine goes, but what is named.
    fn lose_all_but(&self, kept: &str) {
        for entry in fs::read_dir(self.home.directory.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                fs::remove_dir_all(path).unwrap();
            } else if path.file_name().unwrap() != kept {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

/// What the day on which the vault was made has left: files, the paper, the shares. It is lived through once for all.
struct Prepared {
    files: Vec<(PathBuf, Vec<u8>)>,
    code: String,
    shares: Vec<String>,
}

static PREPARED: LazyLock<Prepared> = LazyLock::new(|| {
    let mut owner = Owner::new();
    owner.follow(BEFORE);
    let root = owner.home.directory.path();
    let files = files_below(root).into_iter();
    let files = files.map(|file| (file.strip_prefix(root).unwrap().to_owned(), fs::read(&file).unwrap()));
    Prepared { files: files.collect(), code: owner.code.clone(), shares: owner.shares.clone() }
});

fn prepared() -> Owner {
    let Prepared { files, code, shares } = &*PREPARED;
    let home = Home::new();
    for (file, contents) in files {
        fs::create_dir_all(home.path(file.parent().unwrap().to_str().unwrap())).unwrap();
        home.write(file.to_str().unwrap(), contents);
    }
    Owner { home, code: code.clone(), shares: shares.clone() }
}

/// The paths that have a test below.
const PATHS: [&str; 6] = [
    "Everything is lost, but the backup",
    "Everything is lost, but the vault's file and the recovery code",
    "A phone is lost or stolen",
    "An account is locked",
    "An ecosystem is changed",
    "The phone and the paper are lost, but friends have shares",
];

#[test]
fn everything_is_lost_but_the_backup() {
    let mut owner = prepared();
    owner.lose_all_but("vault.backup");
    owner.code = "the paper has burnt".into();
    owner.follow(PATHS[0]);
}

#[test]
fn everything_is_lost_but_the_vaults_file_and_the_recovery_code() {
    let mut owner = prepared();
    let export = owner.run(&words("countersign vault export vault.envelope"));
    assert_eq!(export.exit, 0, "{}", export.screen);
    owner.lose_all_but("vault.envelope");
    let first = owner.code.clone();
    owner.follow(PATHS[1]);
    assert_ne!(owner.code, first, "the new kit has a new code");
    let unlocked = owner.run(&words("countersign vault unlock --code"));
    assert_eq!(unlocked.exit, 0, "{}", unlocked.screen);
}

/// The authenticator of this machine is the phone: it goes.
fn without_the_phone() -> Owner {
    let owner = prepared();
    fs::remove_dir_all(owner.home.base().join("key")).unwrap();
    owner
}

#[test]
fn a_phone_is_lost_or_stolen() {
    let mut owner = without_the_phone();
    let old = owner.code.clone();
    owner.follow(PATHS[2]);
    owner.code = old;
    let unlock = owner.run(&words("countersign vault unlock --code"));
    assert_eq!(unlock.exit, 4, "the old paper opens nothing: {}", unlock.screen);
}

#[test]
fn an_account_is_locked() {
    without_the_phone().follow(PATHS[3]);
}

#[test]
fn an_ecosystem_is_changed() {
    prepared().follow(PATHS[4]);
}

#[test]
fn the_phone_and_the_paper_are_lost_but_friends_have_shares() {
    let mut owner = without_the_phone();
    owner.code = "nobody knows".into();
    owner.follow(PATHS[5]);
}

#[test]
fn every_section_with_commands_is_a_path_that_is_tested() {
    let headings: BTreeSet<String> = sections().into_iter().map(|(heading, _)| heading).collect();
    let tested: BTreeSet<String> =
        PATHS.iter().chain(&[BEFORE]).map(|heading| (*heading).to_owned()).collect();
    assert_eq!(headings, tested);
    for (_, commands) in sections() {
        assert!(commands.iter().all(|words| words[0] == "countersign" && words.len() > 1), "{commands:?}");
    }
}
