//! Every fuzz target, each for a while. Its seeds are our vectors.

use std::{fs, path::Path, process::Command};

use crate::run as command;

pub(crate) fn run(root: &Path, seconds: u32) -> Result<(), String> {
    command(
        Command::new("cargo")
            .args(["run", "--quiet", "--locked", "--manifest-path", "fuzz/Cargo.toml", "--bin", "seed"])
            .current_dir(root),
    )?;
    for target in targets(root)? {
        println!("fuzz: {target}, {seconds} s");
        command(
            Command::new("cargo")
                // Without a sanitizer: there is no unsafe code here, and coverage alone is several times as fast.
                .args(["+nightly", "fuzz", "run", "--sanitizer", "none", &target, "--"])
                .arg(format!("-max_total_time={seconds}"))
                .args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0"])
                .current_dir(root),
        )?;
    }
    Ok(())
}

/// The names of the programs in `fuzz/fuzz_targets`.
fn targets(root: &Path) -> Result<Vec<String>, String> {
    let folder = root.join("fuzz/fuzz_targets");
    let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(str::to_owned)).collect();
    names.sort();
    if names.is_empty() { Err("there are no fuzz targets".to_owned()) } else { Ok(names) }
}
