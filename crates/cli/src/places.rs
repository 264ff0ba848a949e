//! Where things are on this machine.

use std::path::PathBuf;

use countersign::{crypto::OsRng, rand_core::Rng, time::UnixTime, vault::PasskeyStore};
use countersign_host::{Clock, HostError, SeenFile, VaultFile};

use crate::{command_line::Common, failure::Failure, outcome::Printer};

/// The store of a vault.
pub(crate) type VaultStore = PasskeyStore<VaultFile, OsRng>;

/// One directory with `key`, `vault` and `memory`, and how to report.
pub(crate) struct Places {
    given: Option<PathBuf>,
    base: PathBuf,
    pub(crate) printer: Printer,
}

impl Places {
    /// DIR: `--dir`, else `COUNTERSIGN_DIR`, else the data directory of the XDG base directory specification.
    pub(crate) fn new(common: Common, printer: Printer) -> Result<Self, Failure> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let data = || {
            let data = variable("XDG_DATA_HOME").filter(|path| path.is_absolute());
            data.or_else(|| Some(variable("HOME")?.join(".local/share"))).map(|data| data.join("countersign"))
        };
        let given = common.dir;
        let base = given.clone().or_else(|| variable("COUNTERSIGN_DIR")).or_else(data);
        let homeless = || Failure::usage("no-dir", "neither --dir nor HOME says where to look; pass --dir");
        Ok(Self { given, base: base.ok_or_else(homeless)?, printer })
    }

    /// The same, in another directory.
    pub(crate) fn within(&self, base: PathBuf) -> Self {
        Self { given: Some(base.clone()), base, printer: self.printer }
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

    /// What was last seen of vaults: beside the vault, not in it, so that a storage that has the vault's directory
    /// cannot write it.
    pub(crate) fn memory(&self) -> SeenFile {
        SeenFile::at(self.base.join("memory").join("seen"))
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
