//! The QR code of a kit (ISO/IEC 18004), drawn as SVG.

use alloc::{format, string::String, vec, vec::Vec};
use core::fmt::Write;

use qrcodegen_no_heap::{QrCode, QrCodeEcc, Version};
use zeroize::Zeroizing;

use super::{kit::Kit, page::DOCUMENTED, sheet::Sheet};
use crate::vault::SlotKind;

/// 412 bytes at level M: more than [`text`] ever has.
const LARGEST: Version = Version::new(15);
/// Modules of white around the code (section 6.3.8).
const QUIET: i32 = 4;
/// Of a drawing with lines of text: the width of a module, and the height of a line.
const LINE: i32 = 3;

/// Revision, date, vault, kinds of slots, the code, where the format is documented: a line each.
pub(super) fn text(kit: &Kit) -> Zeroizing<String> {
    let mut kinds: Vec<_> = kit.ways.iter().map(|way| way.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let kinds: Vec<&str> = kinds.into_iter().map(SlotKind::name).collect();
    let mut sheet = Sheet::new();
    sheet.push(&format!("countersign recovery kit {}, {}\n", kit.revision, kit.date.day()));
    sheet.push(&format!("vault {}\nopened by {}\n", kit.vault_id, kinds.join(", ")));
    if let Some(code) = &kit.code {
        sheet.push("code ").push(code).push("\n");
    }
    sheet.push(DOCUMENTED);
    sheet.finish()
}

/// An `svg` element that stands in a page: black on white, one unit a module.
pub(super) fn draw(text: &str) -> Zeroizing<String> {
    let mut sheet = Sheet::new();
    if let Some((size, path)) = path(text) {
        let whole = size.saturating_add(QUIET.saturating_mul(2));
        // A sheet takes all that is written to it.
        let _ = write!(sheet, "<svg viewBox=\"0 0 {whole} {whole}\" role=\"img\" aria-label=\"QR code\">");
        sheet.push("<path fill=\"#fff\" d=\"M0 0H").push(&format!("{whole}V{whole}H0z\"/>"));
        sheet.push("<path fill=\"#000\" d=\"").push(&path).push("\"/></svg>");
    }
    sheet.finish()
}

/// A whole SVG document: the code, and below it what is written in it.
pub(super) fn document(title: &str, text: &str) -> Zeroizing<String> {
    let mut sheet = Sheet::new();
    let Some((size, path)) = path(text) else { return sheet.finish() };
    let width = size.saturating_add(QUIET.saturating_mul(2));
    let lines = i32::try_from(text.lines().count()).unwrap_or(0);
    let height = width.saturating_add(lines.saturating_add(1).saturating_mul(LINE));
    let _ = write!(
        sheet,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100mm\" viewBox=\"0 0 {width} {height}\" role=\"img\">"
    );
    sheet.push("\n<title>").push_escaped(title).push("</title>\n<path fill=\"#fff\" d=\"M0 0H");
    sheet.push(&format!("{width}V{height}H0z\"/>\n<path fill=\"#000\" d=\"")).push(&path).push("\"/>\n");
    let across = width.saturating_sub(QUIET.saturating_mul(2));
    for (number, line) in (0i32..).zip(text.lines()) {
        let y = width.saturating_add(number.saturating_mul(LINE));
        let _ = write!(sheet, "<text x=\"{QUIET}\" y=\"{y}\" font-family=\"monospace\" font-size=\"2\"");
        // Long lines are squeezed, not cut.
        if i32::try_from(line.len()).unwrap_or(i32::MAX) > across {
            let _ = write!(sheet, " textLength=\"{across}\" lengthAdjust=\"spacingAndGlyphs\"");
        }
        sheet.push(">").push_escaped(line).push("</text>\n");
    }
    sheet.push("</svg>\n");
    sheet.finish()
}

/// The side in modules, and the dark ones as one path: a run of them is one rectangle.
fn path(text: &str) -> Option<(i32, Zeroizing<String>)> {
    let mut scratch = Zeroizing::new(vec![0; LARGEST.buffer_len()]);
    let mut modules = Zeroizing::new(vec![0; LARGEST.buffer_len()]);
    let level = QrCodeEcc::Medium;
    let code =
        QrCode::encode_text(text, &mut scratch, &mut modules, level, Version::MIN, LARGEST, None, true)
            .ok()?;
    let mut sheet = Sheet::new();
    for y in 0..code.size() {
        let mut x = 0i32;
        while x < code.size() {
            let run = (x..code.size()).take_while(|x| code.get_module(*x, y)).count();
            let run = i32::try_from(run).unwrap_or(0);
            if run > 0 {
                let (left, top) = (x.saturating_add(QUIET), y.saturating_add(QUIET));
                let _ = write!(sheet, "M{left} {top}h{run}v1h-{run}z");
            }
            x = x.saturating_add(run).saturating_add(1);
        }
    }
    Some((code.size(), sheet.finish()))
}
