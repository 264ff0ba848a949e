//! The program with a person at a terminal: the real binary on a pseudo-terminal.

#[path = "../../../host/tests/common/pseudo_terminal.rs"]
mod pseudo_terminal;

use std::process::Command;

use rustix::termios::{LocalModes, tcgetattr};

use super::{Home, program};

/// The program on its terminal.
pub(crate) struct Terminal {
    pub(crate) program: pseudo_terminal::Terminal,
}

impl Terminal {
    pub(crate) fn start(home: &Home, arguments: &[&str]) -> Self {
        let mut command = program();
        command.arg("--dir").arg(home.base()).args(arguments);
        Self { program: pseudo_terminal::Terminal::start(command) }
    }

    /// As [`Terminal::start`], with the screen for standard output, too.
    pub(crate) fn start_with_output(home: &Home, arguments: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$@\" >&2", "sh"]).arg(program().get_program());
        command.arg("--dir").arg(home.base()).args(arguments);
        Self { program: pseudo_terminal::Terminal::start(command) }
    }

    /// Waits until the screen shows a text after what was waited for before, and types.
    pub(crate) fn at(&mut self, text: &str, keys: &str) -> &mut Self {
        self.program.until(text).type_in(keys);
        self
    }

    pub(crate) fn enter_pin(&mut self, pin: &str) -> &mut Self {
        self.at("refuse): ", &format!("{pin}\n"))
    }

    pub(crate) fn echoes(&self) -> bool {
        tcgetattr(&self.program.keyboard).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    /// Exit code, standard output, and all that the screen showed.
    pub(crate) fn end(mut self) -> (i32, String, String) {
        let output = self.program.output();
        let code = self.program.child.wait().unwrap().code().unwrap();
        assert!(self.echoes(), "the terminal is as it was");
        (code, output, self.program.seen())
    }
}
