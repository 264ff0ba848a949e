//! Trying a backup out, without changing anything.

use alloc::{boxed::Box, collections::BTreeSet, vec::Vec};
use core::fmt;

use super::{
    contents::{Contents, ItemName, LeftOut},
    file::OpenBackup,
};
use crate::{
    credential::CredentialRecord,
    crypto::{CryptoProvider, hmac_sha256},
    secret::{Secret, SecretBytes},
    vault::{BackupInfo, ItemId, Row, VaultError},
    webauthn::{CredentialId, PrfSalt},
};

/// What is signed, and what the PRF is evaluated on. It is no client data and no site's PRF input.
const PROBE: &[u8] = b"countersign/v1/verify-backup";

/// What is wrong with an item of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It cannot be decrypted or is malformed inside.
    Unreadable(VaultError),
    /// It has no place in a backup.
    Unfit(LeftOut),
    /// The public key is not the private key's.
    PublicKey,
    /// Its key makes no signature that verifies.
    Signature,
    /// A PRF secret is all zero, or both are the same.
    PrfSeed,
    /// Another item of the backup is the same passkey.
    Duplicate,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "it cannot be read: {error}"),
            Self::Unfit(why) => why.fmt(f),
            Self::PublicKey => f.write_str("the public key is not the private key's"),
            Self::Signature => f.write_str("the key does not sign"),
            Self::PrfSeed => f.write_str("the PRF secrets cannot be used"),
            Self::Duplicate => f.write_str("the passkey is there twice"),
        }
    }
}

/// How far a long piece of work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Items that are done.
    pub done: usize,
    /// All of them.
    pub of: usize,
}

/// An item that was tried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemCheck {
    /// Which one.
    pub item: ItemName,
    /// Whether it would be restored; if not, why.
    pub outcome: Result<(), Fault>,
}

/// What a verification came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// When and of what the backup was made.
    pub info: BackupInfo,
    /// Passkeys that sign, whose PRF secrets can be used, and that would be restored.
    pub passkeys: u64,
    /// Items of the host's that would be restored.
    pub host_items: u64,
    /// What would not be restored, and why.
    pub faults: Vec<(ItemName, Fault)>,
}

impl VerifyReport {
    /// Whether everything would be restored, and that is as many items as the backup says it has.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty() && self.passkeys.saturating_add(self.host_items) == self.info.item_count
    }
}

/// A verification in steps: each item of the iterator is one item of the backup, tried out. Long for large backups: a
/// signature made and verified for each passkey.
pub struct Verification<'a> {
    rows: Box<dyn Iterator<Item = (Row, &'a [u8])> + 'a>,
    checker: Checker<'a>,
    report: VerifyReport,
    progress: Progress,
}

impl<'a> Verification<'a> {
    /// Starts to try an open backup out. Whoever opened it has shown already that the whole of it is authentic.
    pub fn new(backup: &'a OpenBackup<'_>, provider: &'a dyn CryptoProvider) -> Self {
        let report = VerifyReport { info: *backup.info(), passkeys: 0, host_items: 0, faults: Vec::new() };
        Self {
            rows: Box::new(backup.items()),
            checker: Checker::new(backup, provider),
            report,
            progress: Progress { done: 0, of: backup.vault().item_count() },
        }
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Tries out what is left, and reports.
    pub fn finish(mut self) -> VerifyReport {
        self.by_ref().for_each(drop);
        self.report
    }
}

impl Iterator for Verification<'_> {
    type Item = ItemCheck;

    fn next(&mut self) -> Option<ItemCheck> {
        let (row, bytes) = self.rows.next()?;
        let (item, checked) = self.checker.check(row.item_id, bytes);
        let outcome = checked.map(|checked| {
            let count = match checked.contents {
                Contents::Passkey(_) => &mut self.report.passkeys,
                Contents::OfHost => &mut self.report.host_items,
            };
            *count = count.saturating_add(1);
        });
        if let Err(fault) = outcome {
            self.report.faults.push((item.clone(), fault));
        }
        self.progress.done = self.progress.done.saturating_add(1);
        Some(ItemCheck { item, outcome })
    }
}

/// Tries a backup out: decrypts everything, derives every public key, signs and verifies once for each passkey, evaluates
/// each PRF secret, and compares the counts. Changes nothing. `progress` is told after each item.
pub fn verify_backup(
    backup: &OpenBackup<'_>,
    provider: &dyn CryptoProvider,
    mut progress: impl FnMut(Progress),
) -> VerifyReport {
    let mut verification = Verification::new(backup, provider);
    while verification.next().is_some() {
        progress(verification.progress());
    }
    verification.finish()
}

/// Tries out one item after the other.
pub(super) struct Checker<'a> {
    backup: &'a OpenBackup<'a>,
    provider: &'a dyn CryptoProvider,
    passkeys: BTreeSet<CredentialId>,
}

/// An item that could be restored.
pub(super) struct Checked {
    pub(super) version: u64,
    pub(super) item_type: u64,
    pub(super) plaintext: SecretBytes,
    pub(super) contents: Contents,
}

impl<'a> Checker<'a> {
    pub(super) fn new(backup: &'a OpenBackup<'_>, provider: &'a dyn CryptoProvider) -> Self {
        Self { backup, provider, passkeys: BTreeSet::new() }
    }

    pub(super) fn check(&mut self, id: ItemId, bytes: &[u8]) -> (ItemName, Result<Checked, Fault>) {
        let item = match self.backup.vault().open_item(&id, bytes) {
            Ok(item) => item,
            Err(error) => return (ItemName::unread(id), Err(Fault::Unreadable(error))),
        };
        let contents = match Contents::of(&item) {
            Ok(contents) => contents,
            Err(why) => return (ItemName::of(id, &item), Err(Fault::Unfit(why))),
        };
        let name = ItemName::with(id, item.item_type, &contents);
        if let Contents::Passkey(record) = &contents
            && let Err(fault) = self.try_out(record)
        {
            return (name, Err(fault));
        }
        let (version, item_type, plaintext) = (item.version, item.item_type, item.plaintext);
        (name, Ok(Checked { version, item_type, plaintext, contents }))
    }

    fn try_out(&mut self, record: &CredentialRecord) -> Result<(), Fault> {
        let key = &record.secret.key;
        let derived = self.provider.import(key.algorithm(), key.private().clone_secret());
        let derived = derived.map_err(|_| Fault::PublicKey)?;
        if derived.public() != key.public() {
            return Err(Fault::PublicKey);
        }
        let signature = self.provider.sign(key, &[PROBE]).map_err(|_| Fault::Signature)?;
        self.provider
            .verify(key.algorithm(), key.public(), &[PROBE], &signature)
            .map_err(|_| Fault::Signature)?;
        try_prf(&record.secret.cred_random_with_uv, &record.secret.cred_random_without_uv)?;
        if self.passkeys.insert(record.credential.id.clone()) { Ok(()) } else { Err(Fault::Duplicate) }
    }
}

/// CTAP 2.3 section 12.7: HMAC-SHA-256(CredRandom, salt), for each of the two.
fn try_prf(with_uv: &Secret<32>, without_uv: &Secret<32>) -> Result<(), Fault> {
    let salt = PrfSalt::from_input(PROBE);
    let evaluate = |seed: &Secret<32>| Secret::from_slice(&hmac_sha256(seed.expose(), &[salt.as_bytes()]));
    let (Some(first), Some(second)): (Option<Secret<32>>, Option<Secret<32>>) =
        (evaluate(with_uv), evaluate(without_uv))
    else {
        return Err(Fault::PrfSeed);
    };
    let empty = with_uv.ct_eq(&[0; 32]) | without_uv.ct_eq(&[0; 32]);
    if empty | first.ct_eq(second.expose()) { Err(Fault::PrfSeed) } else { Ok(()) }
}
