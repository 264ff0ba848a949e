//! A program on a pseudo-terminal, and the person in front of it: keyboard and screen. Shared with the tests of the
//! command line, which take it by its path.

use std::{
    fs::{File, OpenOptions},
    io::{BufReader, Read, Write},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// The program; its results go elsewhere than to the screen.
pub(crate) struct Terminal {
    pub(crate) child: Child,
    pub(crate) keyboard: File,
    screen: Receiver<u8>,
    seen: String,
}

impl Terminal {
    pub(crate) fn start(mut command: Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = || OwnedFd::from(OpenOptions::new().read(true).write(true).open(&name).unwrap());
        let child = command.stdin(slave()).stderr(slave()).stdout(Stdio::piped()).spawn().unwrap();
        let keyboard = File::from(master);
        let screen = keyboard.try_clone().unwrap();
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            BufReader::new(screen).bytes().map_while(Result::ok).try_for_each(|byte| sender.send(byte))
        });
        Self { child, keyboard, screen: receiver, seen: String::new() }
    }

    /// Waits until the screen shows a text after what was waited for before.
    pub(crate) fn until(&mut self, text: &str) -> &mut Self {
        let mut shown = String::new();
        while !shown.contains(text) {
            let byte = self.screen.recv_timeout(Duration::from_secs(60));
            shown.push(byte.unwrap_or_else(|_| panic!("no {text:?} in {shown:?}")).into());
        }
        self.seen += &shown;
        self
    }

    pub(crate) fn type_in(&mut self, keys: &str) -> &mut Self {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self
    }

    /// All that the program wrote elsewhere, up to its end.
    pub(crate) fn output(&mut self) -> String {
        let mut output = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        output
    }

    /// All that the screen showed. The program has ended.
    pub(crate) fn seen(mut self) -> String {
        while let Ok(byte) = self.screen.recv_timeout(Duration::from_millis(200)) {
            self.seen.push(byte.into());
        }
        self.seen
    }
}
