//! What is on the sheet.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use zeroize::Zeroizing;

use super::{html, qr, text};
use crate::{
    time::UnixTime,
    upkeep::{KitNote, KitState, UpkeepRecord},
    vault::{RecoveryCode, ShareSet, SlotId, SlotKind, SlotStatus, Vault, VaultError, VaultId},
};

/// A recovery kit.
pub struct Kit {
    pub(super) revision: u64,
    pub(super) date: UnixTime,
    pub(super) vault_id: VaultId,
    pub(super) ways: Vec<Way>,
    pub(super) code: Option<Zeroizing<String>>,
    pub(super) place: Option<String>,
    pub(super) backup: Option<(UnixTime, Option<String>)>,
    pub(super) steps: Vec<String>,
}

/// A way to open the vault.
pub(super) struct Way {
    slot_id: SlotId,
    slot_gen: u64,
    pub(super) kind: SlotKind,
    label: String,
    note: Option<String>,
    shares: Option<ShareSet>,
}

impl Kit {
    /// The kit of an open vault as it is, without a code; its revision is one above that of the last kit.
    ///
    /// Errors: those of [`Vault::slot_private`].
    pub fn of(vault: &Vault, upkeep: &UpkeepRecord, today: UnixTime) -> Result<Self, VaultError> {
        let enabled = vault.slots().filter(|slot| slot.status() == SlotStatus::Enabled);
        let ways = enabled.map(|slot| {
            let private = vault.slot_private(&slot.slot_id())?.unwrap_or_default();
            let (slot_id, slot_gen) = (slot.slot_id(), slot.slot_gen());
            let (label, note) = (private.label, private.note);
            Ok(Way { slot_id, slot_gen, kind: slot.kind(), label, note, shares: slot.share_set() })
        });
        let newest = upkeep.backups.iter().max_by_key(|backup| backup.created);
        let last = upkeep.kit.as_ref().map_or(0, |kit| kit.revision);
        Ok(Self {
            revision: last.saturating_add(1),
            date: today,
            vault_id: vault.vault_id(),
            ways: ways.collect::<Result<_, VaultError>>()?,
            code: None,
            place: None,
            backup: newest.map(|backup| (backup.created, backup.place.clone())),
            steps: GENERAL_STEPS.map(ToOwned::to_owned).into(),
        })
    }

    /// Puts a recovery code on the sheet. That it opens the vault is the caller's to know.
    pub fn with_code(mut self, code: &RecoveryCode) -> Self {
        self.code = Some(code.to_text(&self.vault_id));
        self
    }

    /// Says where the sheet will be kept and by whom. It goes into [`Kit::note`], not onto the sheet.
    pub fn with_place(mut self, place: &str) -> Self {
        self.place = Some(place.into());
        self
    }

    /// What to do in an emergency with this host's program, in place of the general words.
    pub fn with_steps(mut self, steps: Vec<String>) -> Self {
        self.steps = steps;
        self
    }

    /// Its number.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether there is a code on it.
    pub fn has_code(&self) -> bool {
        self.code.is_some()
    }

    /// What to note in [`UpkeepRecord::kit`] once it is printed.
    pub fn note(&self) -> KitNote {
        KitNote {
            revision: self.revision,
            printed: self.date,
            slots: self.ways.iter().map(|way| (way.slot_id, way.slot_gen)).collect(),
            place: self.place.clone(),
        }
    }

    /// As text, in lines of at most 88 columns where the owner's own words are no longer.
    pub fn to_text(&self) -> Zeroizing<String> {
        text::render(&self.blocks())
    }

    /// As one page of HTML for A4 or Letter. It runs no scripts and loads nothing.
    pub fn to_html(&self) -> Zeroizing<String> {
        html::render(&self.title(), &self.blocks(), &qr::draw(&self.to_qr_text()))
    }

    /// As a QR code in SVG, with what is written in it as lines below.
    pub fn to_svg(&self) -> Zeroizing<String> {
        qr::document(&self.title(), &self.to_qr_text())
    }

    /// What is written in the QR code: lines of text, less than 400 bytes in all.
    pub fn to_qr_text(&self) -> Zeroizing<String> {
        qr::text(self)
    }
}

/// Whether the last kit that was printed does not tell of the slots as they are, or none was printed.
pub fn is_stale(vault: &Vault, upkeep: &UpkeepRecord) -> bool {
    let enabled = vault.slots().filter(|slot| slot.status() == SlotStatus::Enabled);
    let enabled: Vec<_> = enabled.map(|slot| (slot.slot_id(), slot.slot_gen())).collect();
    upkeep.kit.as_ref().is_none_or(|kit| kit.state(&enabled) != KitState::Current)
}

const GENERAL_STEPS: [&str; 3] = [
    "Install the program that made this sheet, on any computer.",
    "Give it the vault, or the backup if the vault is lost.",
    "Open it by one of the ways above.",
];

impl Way {
    /// One line: what it is, and where.
    pub(super) fn line(&self) -> String {
        let mut line = String::from(self.kind.name());
        if !self.label.is_empty() {
            line = format!("{line} \"{}\"", self.label);
        }
        if let Some(set) = self.shares {
            line = format!("{line}, any {} of {}", set.needed, set.made);
        }
        match &self.note {
            Some(note) => format!("{line}: {note}"),
            None => line,
        }
    }
}
