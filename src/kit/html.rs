//! The sheet as a page that can be printed.

use alloc::string::String;

use zeroize::Zeroizing;

use super::{page::Block, sheet::Sheet};

/// Nothing is loaded, whatever a browser or a reader makes of the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// A page of A4 or Letter has at least 190 by 253 mm within these margins.
const STYLE: &str = "@page{size:auto;margin:13mm}\
html{font:11pt/1.4 Georgia,'Times New Roman',serif;color:#000;background:#fff}\
body{max-width:180mm;margin:0 auto}\
h1{font-size:18pt;margin:0 0 3mm}\
h2{font-size:12pt;margin:4mm 0 1mm;break-after:avoid}\
p,ul,ol{margin:0 0 1mm;overflow-wrap:anywhere}\
.code{font:bold 12pt/1.6 'Courier New',monospace;white-space:nowrap;border:.4mm solid #000;padding:2mm;\
display:flow-root;\
text-align:center;margin:2mm 0;break-inside:avoid}\
span{white-space:nowrap}\
svg{float:right;width:48mm;height:48mm;margin:0 0 3mm 5mm}";

/// `drawing` is an `svg` element.
pub(super) fn render(title: &str, blocks: &[Block<'_>], drawing: &str) -> Zeroizing<String> {
    let mut sheet = Sheet::new();
    sheet.push("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    sheet.push("<meta http-equiv=\"Content-Security-Policy\" content=\"").push(POLICY).push("\">\n");
    sheet.push("<meta name=\"viewport\" content=\"width=device-width\">\n");
    sheet.push("<meta name=\"referrer\" content=\"no-referrer\">\n");
    sheet.push("<title>").push_escaped(title).push("</title>\n");
    sheet.push("<style>").push(STYLE).push("</style>\n</head>\n<body>\n").push(drawing).push("\n");
    blocks.iter().for_each(|block| push(&mut sheet, block));
    sheet.push("</body>\n</html>\n");
    sheet.finish()
}

fn push(sheet: &mut Sheet, block: &Block<'_>) {
    match block {
        Block::Title(title) => element(sheet, "h1", title),
        Block::Heading(heading) => element(sheet, "h2", heading),
        Block::Paragraph(text) => element(sheet, "p", text),
        Block::Code(code) => _ = sheet.push("<div class=\"code\">").push_escaped(code).push("</div>\n"),
        Block::List(lines) => list(sheet, "ul", lines),
        Block::Steps(steps) => list(sheet, "ol", steps),
    }
}

fn element(sheet: &mut Sheet, name: &str, text: &str) {
    sheet.push("<").push(name).push(">");
    for (index, word) in text.split(' ').enumerate() {
        sheet.push(if index > 0 { " " } else { "" });
        // Lines break after hyphens, but not within the option of a command.
        if word.starts_with("--") {
            sheet.push("<span>").push_escaped(word).push("</span>");
        } else {
            sheet.push_escaped(word);
        }
    }
    sheet.push("</").push(name).push(">\n");
}

fn list(sheet: &mut Sheet, name: &str, lines: &[String]) {
    sheet.push("<").push(name).push(">\n");
    lines.iter().for_each(|line| element(sheet, "li", line));
    sheet.push("</").push(name).push(">\n");
}
