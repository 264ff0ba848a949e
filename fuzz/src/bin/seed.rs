//! Writes the seeds of every target to `corpus/TARGET/`, where cargo-fuzz looks for them. What it found there is kept.

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    for target in countersign_fuzz::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
        fs::create_dir_all(&folder)?;
        for (name, bytes) in (target.seeds)() {
            fs::write(folder.join(name), bytes)?;
        }
    }
    Ok(())
}
