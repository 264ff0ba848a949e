//! What the core costs in a microcontroller's flash: the image of the package `size/`, by section and by crate.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SectionIndex, SectionKind, SymbolKind};

use crate::run as command;

const TARGET: &str = "thumbv7em-none-eabihf";
/// A board with a Cortex-M4 whose memory `size/memory.x` describes.
const MACHINE: &str = "mps2-an386";

/// Builds the image and prints what it takes.
pub(crate) fn measure(root: &Path) -> Result<(), String> {
    let image = build(root, "image", &[])?;
    let bytes = fs::read(&image).map_err(|error| format!("{}: {error}", image.display()))?;
    let sizes = Sizes::of(&bytes)?;
    print!("{}", sizes.table());
    Ok(())
}

/// Runs the image, built to speak through the emulator, and has its two responses printed.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let image = build(root, "semihosting", &["--features", "semihosting"])?;
    println!("size: one registration and one assertion on qemu-system-arm's {MACHINE}");
    let semihosting = ["-semihosting-config", "enable=on,target=native"];
    command(
        Command::new("qemu-system-arm")
            .args(["-machine", MACHINE, "-nographic"])
            .args(semihosting)
            .arg("-kernel")
            .arg(image),
    )
}

fn build(root: &Path, folder: &str, features: &[&str]) -> Result<PathBuf, String> {
    let folder = root.join("target/size").join(folder);
    command(
        Command::new("cargo")
            .args(["build", "--quiet", "--release", "--locked", "--target", TARGET, "--target-dir"])
            .arg(&folder)
            .args(features)
            // The package's own folder: what applies to the workspace stays there.
            .current_dir(root.join("size")),
    )?;
    Ok(folder.join(TARGET).join("release/countersign-size"))
}

/// Bytes of flash.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sizes {
    /// By section: code, constants, and the first values of variables.
    sections: Vec<(String, u64)>,
    /// Code and constants by the crate in whose name they stand.
    crates: BTreeMap<String, u64>,
}

impl Sizes {
    fn of(image: &[u8]) -> Result<Self, String> {
        let file =
            object::File::parse(image).map_err(|error| format!("the image is no ELF file: {error}"))?;
        let mut sizes = Self::default();
        let mut flash = HashSet::new();
        for section in file.sections() {
            let (name, size) = (section.name().unwrap_or("?").to_owned(), section.size());
            if is_loaded(&section) && size > 0 {
                flash.insert(section.index());
                sizes.sections.push((name, size));
            }
        }
        let mut attributed = 0;
        for (size, name) in spans(&file, &flash) {
            attributed += size;
            *sizes.crates.entry(crate_of(&name)).or_default() += size;
        }
        let rest = sizes.total().saturating_sub(attributed);
        sizes.crates.insert("(without a name: constants, vectors, padding)".to_owned(), rest);
        Ok(sizes)
    }

    fn total(&self) -> u64 {
        self.sections.iter().map(|(_, size)| size).sum()
    }

    /// Both tables, the largest crates first.
    fn table(&self) -> String {
        let mut table = format!("flash: {} bytes ({:.1} KiB)\n", self.total(), self.total() as f64 / 1024.0);
        for (name, size) in &self.sections {
            table.push_str(&format!("  {size:>8}  {name}\n"));
        }
        table.push_str("by crate (of the function that is left after inlining):\n");
        let mut crates: Vec<_> = self.crates.iter().collect();
        crates.sort_by_key(|(name, size)| (std::cmp::Reverse(**size), name.as_str()));
        for (name, size) in crates {
            table.push_str(&format!("  {size:>8}  {name}\n"));
        }
        table
    }
}

/// Whether a section's bytes stand in flash: code, constants, and the first values of variables.
fn is_loaded(section: &object::Section<'_, '_>) -> bool {
    let SectionFlags::Elf { sh_flags, .. } = section.flags() else { return false };
    sh_flags.0 & object::elf::SHF_ALLOC.0 != 0 && section.kind() != SectionKind::UninitializedData
}

/// Every named stretch of flash, counted once though it may have several names.
fn spans(file: &object::File<'_>, flash: &HashSet<SectionIndex>) -> Vec<(u64, String)> {
    let mut spans = BTreeMap::new();
    for symbol in file.symbols() {
        let in_flash = symbol.section_index().is_some_and(|section| flash.contains(&section));
        let named = matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Data);
        if in_flash && named && symbol.size() > 0 {
            // Bit 0 of a Thumb function's address says that it is one.
            let start = symbol.address() & !1;
            spans.entry(start).or_insert((symbol.size(), symbol.name().unwrap_or("?").to_owned()));
        }
    }
    spans.into_values().collect()
}

/// `<sha2::Sha256 as digest::Digest>::update` is sha2's, `core::slice::sort` core's; what has no path is the compiler's or
/// the linker's.
fn crate_of(symbol: &str) -> String {
    let name = format!("{:#}", rustc_demangle::demangle(symbol));
    let path = name.trim_start_matches(|c: char| "<&*([".contains(c));
    let path =
        ["dyn ", "mut ", "const "].iter().fold(path, |path, word| path.strip_prefix(word).unwrap_or(path));
    match path.split_once("::") {
        Some((head, _)) if head.chars().all(|c| c.is_alphanumeric() || c == '_') => head.to_owned(),
        _ => "(the compiler's own)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_belongs_to_the_crate_that_its_path_begins_with() {
        let cases = [
            ("_ZN4core5slice4sort6stable9quicksort9quicksort17h0123456789abcdefE", "core"),
            (
                "_ZN78_$LT$$RF$curve25519_dalek..field..Element$u20$as$u20$core..ops..arith..Mul$GT$3mul17h0123456789abcdefE",
                "curve25519_dalek",
            ),
            ("_ZN4sha26sha25611compress25617h0123456789abcdefE", "sha2"),
            ("__aeabi_memcpy", "(the compiler's own)"),
        ];
        for (symbol, expected) in cases {
            assert_eq!(crate_of(symbol), expected, "{symbol}");
        }
    }

    #[test]
    fn the_largest_crate_comes_first() {
        let sizes = Sizes {
            sections: vec![(".text".to_owned(), 2_000), (".rodata".to_owned(), 48)],
            crates: BTreeMap::from([("a".to_owned(), 48), ("b".to_owned(), 2_000)]),
        };
        let table = sizes.table();
        assert!(table.starts_with("flash: 2048 bytes (2.0 KiB)\n"));
        assert!(table.find("  b\n") < table.find("  a\n"));
    }
}
