//! Whole inputs. Secrets come through [`secrets`](crate::secrets).

use std::{
    fs::File,
    io::{self, IsTerminal, Read, Write},
    path::Path,
};

use zeroize::Zeroizing;

use crate::failure::Failure;

/// Reads a whole input: a file, or standard input for `-` and for nothing.
pub(crate) fn read_input(path: Option<&Path>, limit: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let (name, bytes) = match path {
        Some(path) if path != Path::new("-") => {
            (path, File::open(path).and_then(|file| read_limited(file, limit)))
        }
        _ => {
            if io::stdin().is_terminal() && io::stderr().is_terminal() {
                // Whoever is there may not know that they are waited for; whoever is not does not mind.
                let _ =
                    writeln!(io::stderr(), "Reading from the terminal; Ctrl-D on a line of its own ends it.");
            }
            (Path::new("standard input"), read_limited(io::stdin().lock(), limit))
        }
    };
    let bytes = bytes.map_err(|error| Failure::file(name, &error))?;
    if bytes.len() as u64 > limit {
        let message = format!("{}: longer than {limit} bytes", name.display());
        return Err(Failure::usage("too-large", message));
    }
    Ok(bytes)
}

/// At most one byte more than the limit. Buffers that grow are wiped before they go.
fn read_limited(source: impl Read, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut source = source.take(limit.saturating_add(1));
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
    let mut chunk = Zeroizing::new([0; 16 * 1024]);
    loop {
        let read = match source.read(chunk.as_mut_slice()) {
            Ok(0) => return Ok(bytes),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if bytes.len() + read > bytes.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(bytes.capacity() * 2));
            larger.extend_from_slice(&bytes);
            bytes = larger;
        }
        bytes.extend_from_slice(chunk.get(..read).unwrap_or_default());
    }
}
