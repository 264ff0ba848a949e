//! The sheet as text.

use alloc::{format, string::String};

use zeroize::Zeroizing;

use super::{page::Block, sheet::Sheet};

const COLUMNS: usize = 88;

pub(super) fn render(blocks: &[Block<'_>]) -> Zeroizing<String> {
    let mut sheet = Sheet::new();
    for block in blocks {
        match block {
            Block::Title(title) => {
                sheet.push_plain(title).push("\n").push(&"=".repeat(title.chars().count())).push("\n");
            }
            Block::Heading(heading) => {
                sheet.push("\n").push(heading).push("\n").push(&"-".repeat(heading.len())).push("\n");
            }
            Block::Paragraph(text) => wrap(&mut sheet, "", text),
            Block::Code(code) => _ = sheet.push("\n    ").push_plain(code).push("\n\n"),
            Block::List(lines) => lines.iter().for_each(|line| wrap(&mut sheet, "- ", line)),
            Block::Steps(steps) => {
                for (number, step) in (1u32..).zip(*steps) {
                    wrap(&mut sheet, &format!("{number}. "), step);
                }
            }
        }
    }
    sheet.finish()
}

/// Breaks lines between words. No code comes this way.
fn wrap(sheet: &mut Sheet, mark: &str, text: &str) {
    sheet.push(mark);
    let indent = mark.len();
    let mut column = indent;
    for (index, word) in text.split(' ').enumerate() {
        let width = word.chars().count();
        if index > 0 && column.saturating_add(width) >= COLUMNS {
            sheet.push("\n").push(&" ".repeat(indent));
            column = indent;
        } else if index > 0 {
            sheet.push(" ");
            column = column.saturating_add(1);
        }
        sheet.push_plain(word);
        column = column.saturating_add(width);
    }
    sheet.push("\n");
}
