//! The sheet in blocks, which text and HTML render each in its own way.

use alloc::{format, string::String, vec, vec::Vec};

use super::kit::Kit;
use crate::vault::SlotKind;

/// Where the format and the ways of recovery are documented.
pub(super) const DOCUMENTED: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/vault-format.md");
/// A recovery code, to be filled in by hand.
const BLANK: &str = "CS1-____-____-____-____-____-____-____-____-__";

/// A part of the sheet. Its text may have been written by the owner.
pub(super) enum Block<'k> {
    Title(String),
    Heading(&'static str),
    Paragraph(String),
    /// In large, evenly spaced letters.
    Code(&'k str),
    List(Vec<String>),
    Steps(&'k [String]),
}

impl Kit {
    pub(super) fn title(&self) -> String {
        format!("Recovery kit, revision {}, {}", self.revision, self.date.day())
    }

    pub(super) fn blocks(&self) -> Vec<Block<'_>> {
        let mut blocks = vec![
            Block::Title(self.title()),
            Block::Paragraph(String::from(
                "This sheet says how the vault below is opened in an emergency. Keep it where you keep your passport. \
                 When a newer one is printed, destroy this one.",
            )),
            Block::Heading("Vault"),
            Block::Paragraph(format!("{}", self.vault_id)),
        ];
        self.push_code(&mut blocks);
        blocks.push(Block::Heading("What opens it"));
        blocks.push(Block::List(self.ways.iter().map(|way| way.line()).collect()));
        blocks.push(Block::Heading("Backup"));
        blocks.push(Block::Paragraph(self.backup_line()));
        blocks.push(Block::Heading("In an emergency"));
        blocks.push(Block::Steps(&self.steps));
        blocks.push(Block::Heading("Format"));
        blocks.push(Block::Paragraph(format!(
            "Vault format, version 1, is open and documented, so that any program can be written to read it: {DOCUMENTED}"
        )));
        blocks
    }

    /// The code, or a line to write it on by hand where the vault has one.
    fn push_code<'k>(&'k self, blocks: &mut Vec<Block<'k>>) {
        let heading = Block::Heading("Recovery code");
        if let Some(code) = &self.code {
            let words = "Whoever has this code and the vault can open the vault. It is shown nowhere else.";
            blocks.extend([heading, Block::Code(code), Block::Paragraph(words.into())]);
        } else if self.ways.iter().any(|way| way.kind == SlotKind::RecoveryCode) {
            let words = "Write your recovery code here by hand. No program can show it again.";
            blocks.extend([heading, Block::Code(BLANK), Block::Paragraph(words.into())]);
        }
    }

    fn backup_line(&self) -> String {
        match &self.backup {
            None => "None was made when this sheet was printed.".into(),
            Some((made, None)) => {
                format!("The last one was made on {}. It has a secret of its own.", made.day())
            }
            Some((made, Some(place))) => {
                format!("The last one was made on {}: {place}. It has a secret of its own.", made.day())
            }
        }
    }
}
