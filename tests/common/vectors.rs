//! The conformance vectors.

use std::path::Path;

use serde_json::Value;

/// A file of the repository.
pub(crate) fn file(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One of the files in `vectors/`.
pub(crate) fn vectors(set: &str) -> Value {
    serde_json::from_slice(&file(&format!("vectors/{set}.json"))).unwrap()
}

/// The entries of a list. An empty list would make a test that cannot fail.
pub(crate) fn list<'a>(vector: &'a Value, name: &str) -> &'a [Value] {
    let list = vector[name].as_array().unwrap_or_else(|| panic!("no list {name}"));
    assert!(!list.is_empty(), "nothing in {name}");
    list
}

/// A text member.
pub(crate) fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap_or_else(|| panic!("no text {name} in {vector}"))
}

/// A member of hexadecimal digits.
pub(crate) fn bytes(vector: &Value, name: &str) -> Vec<u8> {
    hex(&vector[name])
}

/// As [`bytes`], of a fixed length.
pub(crate) fn array<const N: usize>(vector: &Value, name: &str) -> [u8; N] {
    bytes(vector, name).try_into().unwrap_or_else(|_| panic!("{name} is not {N} bytes"))
}

/// The bytes of a hexadecimal text.
pub(crate) fn hex(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap_or_else(|| panic!("no text: {value}"));
    hex::decode(digits).unwrap_or_else(|error| panic!("{digits}: {error}"))
}
