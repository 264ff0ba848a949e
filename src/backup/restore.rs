//! Restoring a backup, into a new vault or into one that is there.

use alloc::{collections::BTreeMap, vec::Vec};
use core::fmt;

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;

use super::{
    contents::{Contents, ItemName},
    export::open,
    file::OpenBackup,
    verify::{Checked, Checker, Fault, Progress},
};
use crate::{
    credential::CredentialRecord,
    crypto::{CryptoProvider, KeyPair},
    vault::{Draft, ItemId, ItemSource, MAX_ITEMS, Vault, VaultError, item_type},
    webauthn::{CredentialId, RpId},
};

/// No number of changes leads to a version above: it would be there to leave no room for the next ones.
const HIGHEST_VERSION: u64 = 1 << 62;

/// Why an item was not restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// It is broken, or has no place in a backup.
    Faulty(Fault),
    /// The passkey opens the very vault that it would be kept in.
    Circular,
    /// The passkey signs in to the account that the vault itself is reached by.
    OwnAccount,
    /// The vault has this item with other contents, and keeps them.
    DiffersHere,
    /// The vault has another key under the same credential ID, and keeps it.
    CredentialTaken,
    /// The vault has as many items as the format allows.
    NoRoom,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Faulty(fault) => fault.fmt(f),
            Self::Circular => f.write_str("the passkey opens this very vault and cannot be kept in it"),
            Self::OwnAccount => f.write_str("the passkey is needed to reach this very vault"),
            Self::DiffersHere => f.write_str("the vault has the item with other contents, which stay"),
            Self::CredentialTaken => f.write_str("the vault has another key under the same credential ID"),
            Self::NoRoom => f.write_str("the vault is full"),
        }
    }
}

/// What became of each item of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RestoreReport {
    /// Items that will be in the vault once the draft is stored.
    pub restored: Vec<ItemName>,
    /// Items that the vault has already: the same passkey, or the same contents. They stay as they are.
    pub already_there: Vec<ItemName>,
    /// Items that were not restored, and why.
    pub refused: Vec<(ItemName, Refused)>,
}

/// What is restored into, beside the draft.
#[derive(Clone, Copy)]
pub struct Destination<'a> {
    /// Has the items of the open vault; not asked for a new one.
    pub items: &'a dyn ItemSource,
    /// Tries the passkeys out.
    pub provider: &'a dyn CryptoProvider,
    /// The relying parties whose passkeys are not kept in the vault ([`PasskeyStore::set_own_accounts`]).
    ///
    /// [`PasskeyStore::set_own_accounts`]: crate::vault::PasskeyStore::set_own_accounts
    pub own_accounts: &'a [RpId],
}

/// Puts what a backup holds into a draft: of a vault that is new ([`Administration::new_vault`], with slots of its own),
/// or of one that is open. Each item is tried out first, as [`verify_backup`](super::verify_backup) does, and goes in
/// whole or not at all; nothing that is there is replaced. All of it is one write, of whoever finishes the draft.
///
/// Enrol passkeys before: one that opens the vault is refused. An item that goes into an open vault has the version
/// after the one in the backup, so that no version of the past stands for two contents; in a new one it starts at 1.
/// For each item that goes in draws as [`Draft::change_item`]. `progress` is told after each item.
///
/// Errors are those of the vault that is restored into: [`VaultError::Tampered`], [`VaultError::Storage`].
///
/// [`Administration::new_vault`]: crate::vault::Administration::new_vault
pub fn restore(
    backup: &OpenBackup<'_>,
    draft: &mut Draft<'_>,
    to: &Destination<'_>,
    rng: &mut dyn CryptoRng,
    mut progress: impl FnMut(Progress),
) -> Result<RestoreReport, VaultError> {
    let mut restoration = Restoration {
        passkeys: draft.vault().map_or_else(|| Ok(BTreeMap::new()), |vault| passkeys_of(vault, to.items))?,
        to,
        report: RestoreReport::default(),
    };
    let mut checker = Checker::new(backup, to.provider);
    let of = backup.vault().item_count();
    for ((row, bytes), done) in backup.items().zip(1..) {
        let (name, checked) = checker.check(row.item_id, bytes);
        match checked {
            Ok(checked) => restoration.place(name, checked, draft, rng)?,
            Err(fault) => restoration.report.refused.push((name, Refused::Faulty(fault))),
        }
        progress(Progress { done, of });
    }
    Ok(restoration.report)
}

struct Restoration<'a> {
    to: &'a Destination<'a>,
    /// The passkeys of the vault that is there, with their items.
    passkeys: BTreeMap<CredentialId, ItemId>,
    report: RestoreReport,
}

enum Verdict {
    GoesIn,
    AlreadyThere,
    Refused(Refused),
}

impl Restoration<'_> {
    fn place(
        &mut self,
        name: ItemName,
        checked: Checked,
        draft: &mut Draft<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), VaultError> {
        match self.judge(&name.item_id, &checked, draft)? {
            Verdict::AlreadyThere => self.report.already_there.push(name),
            Verdict::Refused(why) => self.report.refused.push((name, why)),
            Verdict::GoesIn => {
                let version = match draft.vault() {
                    Some(_) => checked.version.saturating_add(1),
                    None => 1,
                };
                if version > HIGHEST_VERSION {
                    let fault = Fault::Unreadable(VaultError::TooLarge);
                    self.report.refused.push((name, Refused::Faulty(fault)));
                    return Ok(());
                }
                let place = (name.item_id, version, checked.item_type);
                draft.place_item(place, checked.plaintext.expose(), rng)?;
                self.report.restored.push(name);
            }
        }
        Ok(())
    }

    fn judge(&self, id: &ItemId, checked: &Checked, draft: &Draft<'_>) -> Result<Verdict, VaultError> {
        if let Contents::Passkey(record) = &checked.contents {
            let credential = &record.credential;
            if draft.opens_by(credential.id.as_bytes()) {
                return Ok(Verdict::Refused(Refused::Circular));
            }
            if self.to.own_accounts.contains(&credential.rp.id) && !self.passkeys.contains_key(&credential.id)
            {
                return Ok(Verdict::Refused(Refused::OwnAccount));
            }
            if let (Some(vault), Some(place)) = (draft.vault(), self.passkeys.get(&credential.id)) {
                let here = CredentialRecord::decode(open(vault, self.to.items, place)?.plaintext.expose());
                let same = here.is_ok_and(|here| same_key(&here.secret.key, &record.secret.key));
                return Ok(if same {
                    Verdict::AlreadyThere
                } else {
                    Verdict::Refused(Refused::CredentialTaken)
                });
            }
        }
        if let Some(vault) = draft.vault().filter(|vault| vault.row(id).is_some()) {
            let here = open(vault, self.to.items, id)?;
            let same = here.item_type == checked.item_type
                && bool::from(here.plaintext.expose().ct_eq(checked.plaintext.expose()));
            return Ok(if same { Verdict::AlreadyThere } else { Verdict::Refused(Refused::DiffersHere) });
        }
        Ok(if draft.item_bound() < MAX_ITEMS { Verdict::GoesIn } else { Verdict::Refused(Refused::NoRoom) })
    }
}

/// Whether two pairs are one, in constant time. What else a passkey has may have changed since.
fn same_key(one: &KeyPair, other: &KeyPair) -> bool {
    one.algorithm() == other.algorithm() && bool::from(one.private().expose().ct_eq(other.private().expose()))
}

fn passkeys_of(vault: &Vault, items: &dyn ItemSource) -> Result<BTreeMap<CredentialId, ItemId>, VaultError> {
    let mut passkeys = BTreeMap::new();
    for row in vault.rows() {
        let item = open(vault, items, &row.item_id)?;
        let record = CredentialRecord::decode(item.plaintext.expose());
        if let (item_type::PASSKEY, Ok(record)) = (item.item_type, record) {
            passkeys.insert(record.credential.id, row.item_id);
        }
    }
    Ok(passkeys)
}
