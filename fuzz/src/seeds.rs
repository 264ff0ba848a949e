//! Seeds, out of the conformance vectors.

use std::{fs, path::Path};

use serde_json::Value;

/// A name, which becomes a file's, and the bytes.
pub type Seed = (String, Vec<u8>);

pub(crate) fn cbor() -> Vec<Seed> {
    let mut seeds = members("cbor_ctap2_canonical", "positive_vectors", "id", &["hex"]);
    seeds.extend(members("cbor_ctap2_canonical", "negative_vectors", "id", &["hex"]));
    seeds.extend(members("cbor_rfc8949_appendix_a", "vectors", "id", &["hex"]));
    // A response without its status byte, and a request without its command byte.
    let messages = members("ctap2_transcripts", "vectors", "id", &["mc_response", "ga_response"]);
    seeds.extend(messages.into_iter().chain(request()).map(|(name, mut message)| {
        message.drain(..message.len().min(1));
        (name, message)
    }));
    seeds
}

pub(crate) fn request() -> Vec<Seed> {
    let mut seeds = members("ctap2_wire_negative", "vectors", "name", &["command"]);
    seeds.extend(members("ctap2_transcripts", "vectors", "id", &["mc_request", "ga_request"]));
    seeds.extend(members("ctap2_hmac_secret", "vectors", "id", &["request"]));
    seeds
}

/// The given hexadecimal members of all entries of a list in a vector file.
fn members(set: &str, list: &str, name: &str, members: &[&str]) -> Vec<Seed> {
    let file = vectors(set);
    let entries = file[list].as_array().unwrap_or_else(|| panic!("{set}: no list {list}"));
    let mut seeds = Vec::new();
    for entry in entries {
        let name = entry[name].as_str().unwrap_or_else(|| panic!("{set}: an entry without {name}"));
        for member in members {
            let digits = entry[member].as_str().unwrap_or_else(|| panic!("{set}: {name} without {member}"));
            let bytes = hex::decode(digits).unwrap_or_else(|error| panic!("{set}: {name}: {error}"));
            seeds.push((format!("{set}-{name}-{member}"), bytes));
        }
    }
    seeds
}

/// A file in `vectors/`, which stands in this package's folder or in the one above.
fn vectors(set: &str) -> Value {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("vectors"));
    let folder = folders.find(|folder| folder.is_dir()).expect("a folder `vectors`");
    let path = folder.join(format!("{set}.json"));
    let json = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&json).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
