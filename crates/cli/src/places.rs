//! Where things are on this machine.

use std::path::{Path, PathBuf};

use countersign::{
    crypto::OsRng,
    rand_core::Rng,
    time::{Moment, UnixTime},
    vault::{PasskeyStore, VaultId},
};
use countersign_host::{Clock, HostError, SeenFile, VaultFile};

use crate::{command_line::Common, failure::Failure, outcome::Printer};

/// The store of a vault.
pub(crate) type VaultStore = PasskeyStore<VaultFile, OsRng>;

/// One directory with `key` and `vault`, the memory of vaults, and how to report.
pub(crate) struct Places {
    given: Option<PathBuf>,
    base: PathBuf,
    memory: SeenFile,
    clock: Clock,
    pub(crate) printer: Printer,
}

impl Places {
    /// DIR: `--dir`, else `COUNTERSIGN_DIR`, else the data directory of the XDG base directory specification, whose state
    /// directory then has the memory: who synchronises or backs up data does not put the memory back with it.
    pub(crate) fn new(common: Common, printer: Printer) -> Result<Self, Failure> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let absolute = |name| variable(name).filter(|path| path.is_absolute());
        let (given, clock) = (common.dir, Clock::start());
        if let Some(base) = given.clone().or_else(|| variable("COUNTERSIGN_DIR")) {
            return Ok(Self { given, memory: memory_in(&base), base, clock, printer });
        }
        let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
        let homeless = || Failure::usage("no-dir", "neither --dir nor HOME says where to look; pass --dir");
        let base = data.ok_or_else(homeless)?.join("countersign");
        let memory = SeenFile::in_state_directory().map_err(|_| homeless())?;
        Ok(Self { given, base, memory, clock, printer })
    }

    /// The same, in another directory.
    pub(crate) fn within(&self, base: PathBuf) -> Self {
        Self {
            given: Some(base.clone()),
            memory: memory_in(&base),
            base,
            clock: self.clock,
            printer: self.printer,
        }
    }

    /// Now, since this program started.
    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// What `--dir` says, if it was given.
    pub(crate) fn given(&self) -> Option<&PathBuf> {
        self.given.as_ref()
    }

    /// DIR.
    pub(crate) fn base(&self) -> &PathBuf {
        &self.base
    }

    /// The authenticator's directory.
    pub(crate) fn key_directory(&self) -> PathBuf {
        self.base.join("key")
    }

    /// The file of the vault.
    pub(crate) fn vault_file(&self) -> PathBuf {
        self.base.join("vault").join("vault.redb")
    }

    /// What was last seen of vaults: not in the vault's directory, so that a storage that has it cannot write the memory.
    pub(crate) fn memory(&self) -> SeenFile {
        self.memory.clone()
    }

    /// Makes sure that the memory can be written. A vault is stored before it is remembered: without this, a memory that
    /// fails would leave a vault behind whose recovery code nobody was shown.
    pub(crate) fn check_memory(&self) -> Result<(), Failure> {
        Ok(self.memory().forget(&VaultId(random()))?)
    }

    /// A failure of the memory, or by what it remembers, with where that is.
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        let memory = self.memory.path().display();
        match failure.code {
            "memory" => failure.hint(&format!("it is {memory}")),
            "rollback" | "fork" => failure.hint(&format!(
                "put the newest copy of the vault back (vault unlock --help; what was seen is in {memory})"
            )),
            _ => failure,
        }
    }

    /// Opens the vault's file.
    pub(crate) fn open_vault_file(&self) -> Result<VaultFile, Failure> {
        VaultFile::open(&self.vault_file()).map_err(|error| match error {
            HostError::NotFound(path) => {
                Failure::not_found("no-vault", format!("{}: no vault", path.display()))
                    .hint("make one with countersign vault init, or pass --dir")
            }
            other => other.into(),
        })
    }

    /// Whether there is an authenticator.
    pub(crate) fn has_key(&self) -> bool {
        self.key_directory().join("vault.redb").is_file()
    }
}

/// The memory of a directory that was named: DIR/memory/seen.
fn memory_in(base: &Path) -> SeenFile {
    SeenFile::at(base.join("memory").join("seen"))
}

/// The date.
pub(crate) fn today() -> UnixTime {
    Clock::date().unwrap_or(UnixTime(0))
}

/// Random bytes: challenges, salts, handles.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    OsRng::default().fill_bytes(&mut bytes);
    bytes
}
