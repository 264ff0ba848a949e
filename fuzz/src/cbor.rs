//! Canonical CBOR, out of any bytes: what is accepted can be walked to its end, and others write it back the same.

use ciborium::Value;
use countersign::cbor::{Item, Kind, Profile, Writer, write_value};

/// The body of the fuzz target.
pub fn cbor(data: &[u8]) {
    for profile in [Profile::CTAP2, Profile::VAULT] {
        match Item::parse(data, profile) {
            Ok(item) => accepted(item, data, profile),
            Err(_) => {
                if let Ok((_, rest)) = Item::parse_prefix(data, profile) {
                    assert!(!rest.is_empty(), "refused, and accepted as a prefix that is the whole");
                }
            }
        }
    }
}

fn accepted(item: Item<'_>, data: &[u8], profile: Profile) {
    assert_eq!(item.raw(), data);
    let longer = [data, &[0x00]].concat();
    assert!(Item::parse(&longer, profile).is_err(), "a byte behind the item");
    let (prefix, rest) = Item::parse_prefix(&longer, profile).expect("the item is its own prefix");
    assert_eq!((prefix.raw(), rest), (data, [0x00].as_slice()));

    let holds_other = walk(item);
    if profile == Profile::VAULT {
        assert!(!holds_other, "the vault's profile has no such types");
    }
    if !holds_other {
        let value: Value = ciborium::from_reader(data).expect("well-formed");
        let mut others = Vec::new();
        ciborium::into_writer(&value, &mut others).expect("writing to memory");
        assert_eq!(others, data, "not the shortest form");
        let mut writer = Writer::new();
        // Integers below -2^63 can be read, and are never written.
        if write_value(&mut writer, &value).is_ok() {
            assert_eq!(writer.finish(), data, "not the canonical order");
        }
    }
}

/// Looks at every item. Whether one of them is of a kind that CTAP2 does not use.
fn walk(item: Item<'_>) -> bool {
    match item.kind() {
        Kind::Unsigned => item.unsigned().is_none(),
        Kind::Negative => {
            assert!(item.integer().is_none_or(|integer| integer < 0));
            false
        }
        Kind::Bytes => item.bytes().is_none(),
        Kind::Text => item.text().is_none(),
        Kind::Bool => item.boolean().is_none(),
        Kind::Array => {
            let elements = item.array().expect("an array");
            let announced = elements.announced();
            let walked: Vec<bool> = elements.map(walk).collect();
            assert_eq!(u64::try_from(walked.len()), Ok(announced));
            walked.contains(&true)
        }
        Kind::Map => {
            let entries = item.map().expect("a map");
            let announced = entries.announced();
            let walked: Vec<bool> = entries.map(|(key, value)| walk(key) | walk(value)).collect();
            assert_eq!(u64::try_from(walked.len()), Ok(announced));
            walked.contains(&true)
        }
        Kind::Other => true,
    }
}
