//! The results as a bar chart: SVG without a library, readable on light and on dark.

use std::fmt::Write as _;

use crate::results::{BYTES, ED25519, HMAC_SECRET, Kind, MADE_BYTES, MADE_TYPED, Results, Row, TYPED};

/// What is drawn, in this order.
const PANELS: [&str; 6] = [TYPED, BYTES, HMAC_SECRET, MADE_TYPED, MADE_BYTES, ED25519];

const WIDTH: u32 = 880;
/// Where bars begin, and how long the longest is.
const LEFT: u32 = 270;
const LONGEST: u32 = 520;
const ROW: u32 = 22;
const BAR: u32 = 15;
const LEGEND_COLUMN: u32 = 280;

/// By kind, in the order of appearance: told apart by hue, and each of a lightness that stands out on white and on black.
const OWN: [&str; 3] = ["#1f7ae0", "#17a2b8", "#6a5acd"];
const PEER: [&str; 4] = ["#d9822b", "#c2527a", "#8a9a2b", "#a0623c"];
const FLOOR: [&str; 3] = ["#7d8590", "#8f979f", "#a1a8af"];

const STYLE: &str = "\
text { font: 13px system-ui, sans-serif; fill: #1f2328 } .title { font-size: 17px; font-weight: 600 } \
.panel { font-weight: 600 } .note { fill: #59636e } \
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .note { fill: #9198a1 } }";

/// The whole picture.
pub(crate) fn svg(results: &Results) -> String {
    let palette = Palette::of(results);
    let mut picture = String::new();
    let mut y = 28;
    text(&mut picture, 16, y, "title", "What an operation costs, in µs of CPU time (shorter is better)");
    y += 22;
    let note = format!("{}; {}; {}. Each panel has its own scale.", results.date, results.cpu, results.rustc);
    text(&mut picture, 16, y, "note", &note);
    y = legend(&mut picture, &palette, y + 14);
    for title in PANELS {
        let rows = results.rows(title);
        if !rows.is_empty() {
            y = panel(&mut picture, &palette, title, rows, y + 32);
        }
    }
    let height = y + 16;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\">\n<title>What an operation costs, by candidate</title>\n\
         <style>{STYLE}</style>\n{picture}</svg>\n"
    )
}

/// Whose bars have which colour.
struct Palette<'a>(Vec<(&'a str, &'static str)>);

impl<'a> Palette<'a> {
    fn of(results: &'a Results) -> Self {
        let mut colours: Vec<(&str, &'static str)> = Vec::new();
        for (kind, choice) in [(Kind::Own, &OWN[..]), (Kind::Peer, &PEER), (Kind::Floor, &FLOOR)] {
            let mut left = choice.iter().cycle();
            for row in PANELS.iter().flat_map(|title| results.rows(title)).filter(|row| row.kind == kind) {
                if colours.iter().all(|(name, _)| *name != row.candidate) {
                    colours.extend(left.next().map(|colour| (&*row.candidate, *colour)));
                }
            }
        }
        Self(colours)
    }

    fn colour(&self, name: &str) -> &'static str {
        self.0.iter().find(|(candidate, _)| *candidate == name).map_or(FLOOR[0], |(_, colour)| colour)
    }
}

/// Names and colours, three in a row; returns where it ends.
fn legend(picture: &mut String, palette: &Palette<'_>, top: u32) -> u32 {
    let mut y = top;
    for three in palette.0.chunks(3) {
        for (column, (name, colour)) in (0..).zip(three) {
            let x = 16 + column * LEGEND_COLUMN;
            let _ =
                writeln!(picture, "<rect x=\"{x}\" y=\"{y}\" width=\"13\" height=\"13\" fill=\"{colour}\"/>");
            text(picture, x + 20, y + 11, "", name);
        }
        y += ROW;
    }
    y
}

/// One operation's bars, the longest of which fills the width; returns where they end.
fn panel(picture: &mut String, palette: &Palette<'_>, title: &str, rows: &[Row], top: u32) -> u32 {
    text(picture, 16, top, "panel", title);
    let longest = rows.iter().map(|row| row.microseconds).fold(f64::MIN_POSITIVE, f64::max);
    let mut y = top + 10;
    for row in rows {
        let length = row.microseconds / longest * f64::from(LONGEST);
        let colour = palette.colour(&row.candidate);
        let name =
            if row.kind == Kind::Floor { format!("floor: {}", row.candidate) } else { row.candidate.clone() };
        text(picture, 16, y + 12, if row.kind == Kind::Floor { "note" } else { "" }, &name);
        let _ = writeln!(
            picture,
            "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>"
        );
        let value = format!("{:.1}", row.microseconds);
        let _ = writeln!(
            picture,
            "<text x=\"{:.1}\" y=\"{}\">{value}</text>",
            f64::from(LEFT) + length + 6.0,
            y + 12
        );
        y += ROW;
    }
    y
}

fn text(picture: &mut String, x: u32, y: u32, class: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    let _ = writeln!(picture, "<text x=\"{x}\" y=\"{y}\"{class}>{words}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::sample;

    #[test]
    fn each_candidate_has_a_bar_as_long_as_its_time_and_the_slowest_the_longest() {
        let picture = svg(&sample());
        for (microseconds, length) in [("50.0", "260.0"), ("60.0", "312.0"), ("100.0", "520.0")] {
            assert!(picture.contains(&format!("width=\"{length}\"")), "{picture}");
            assert!(picture.contains(&format!(">{microseconds}</text>")), "{picture}");
        }
    }

    #[test]
    fn names_cannot_end_their_element() {
        let mut results = sample();
        results.cpu = "<b> & co".to_owned();
        assert!(svg(&results).contains("&lt;b&gt; &amp; co"));
    }

    #[test]
    fn candidates_of_one_panel_have_different_colours() {
        let results = sample();
        let palette = Palette::of(&results);
        let mut colours: Vec<&str> =
            results.rows(TYPED).iter().map(|row| palette.colour(&row.candidate)).collect();
        colours.sort_unstable();
        colours.dedup();
        assert_eq!(colours.len(), results.rows(TYPED).len());
    }
}
