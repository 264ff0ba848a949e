//! Canonical CBOR: what is accepted, what is refused, and that reading and writing are inverse.

mod common;

use ciborium::Value;
use common::vectors::{bytes, list, text, vectors};
use countersign::cbor::{Item, Kind, Profile, Writer, write_value};
use proptest::prelude::*;

fn accepted(bytes: &[u8]) -> bool {
    Item::parse(bytes, Profile::CTAP2).is_ok()
}

/// Null, floating point and unassigned simple values are canonical, but CTAP2 does not use them and we do not write them.
fn holds_other(item: Item<'_>) -> bool {
    match item.kind() {
        Kind::Other => true,
        // Beyond 64 bits with sign: canonical, and not written by us.
        Kind::Negative => item.integer().is_none(),
        Kind::Array => item.array().unwrap().any(holds_other),
        Kind::Map => item.map().unwrap().any(|(key, value)| holds_other(key) || holds_other(value)),
        _ => false,
    }
}

fn written(value: &Value) -> Vec<u8> {
    let mut writer = Writer::new();
    write_value(&mut writer, value).unwrap();
    writer.finish()
}

#[test]
fn ctap2_canonical_cbor_is_accepted_and_written_back_byte_for_byte() {
    for vector in list(&vectors("cbor_ctap2_canonical"), "positive_vectors") {
        let encoded = bytes(vector, "hex");
        assert!(accepted(&encoded), "{}", vector["id"]);
        let value: Value = ciborium::from_reader(encoded.as_slice()).unwrap();
        assert_eq!(hex::encode(written(&value)), text(vector, "hex"), "{}", vector["id"]);
    }
}

#[test]
fn what_is_not_ctap2_canonical_cbor_is_refused() {
    for vector in list(&vectors("cbor_ctap2_canonical"), "negative_vectors") {
        assert!(!accepted(&bytes(vector, "hex")), "{}: {}", vector["id"], vector["why"]);
    }
}

#[test]
fn rfc_8949_examples_get_their_ctap2_verdict() {
    for vector in list(&vectors("cbor_rfc8949_appendix_a"), "vectors") {
        let encoded = bytes(vector, "hex");
        match text(vector, "ctap2") {
            "accept" => assert!(accepted(&encoded), "{vector}"),
            "reject" => assert!(!accepted(&encoded), "{vector}"),
            // Canonical, but of no use: accepted under a key that nobody knows, the wrong type under a known one.
            _ => {
                let item = Item::parse(&encoded, Profile::CTAP2).unwrap_or_else(|_| panic!("{vector}"));
                assert!(item.kind() == Kind::Other || item.integer().is_none(), "{vector}");
            }
        }
    }
}

#[test]
fn four_levels_are_read_and_five_are_not() {
    for (container, key) in [(0x81, None), (0xa1, Some(0x01))] {
        let nested = |levels| {
            let mut bytes = Vec::new();
            (0..levels).for_each(|_| bytes.extend([container].into_iter().chain(key)));
            bytes.push(0x00);
            bytes
        };
        assert!(accepted(&nested(4)));
        assert!(!accepted(&nested(5)));
        assert!(!accepted(&nested(10_000)), "and no stack is used up");
        assert!(Item::parse(&nested(8), Profile::VAULT).is_ok());
        assert!(Item::parse(&nested(9), Profile::VAULT).is_err());
    }
}

#[test]
fn the_vault_profile_has_fewer_types() {
    let vault = |hex_digits: &str| Item::parse(&hex::decode(hex_digits).unwrap(), Profile::VAULT).is_ok();
    for accepted in ["00", "1b7fffffffffffffff", "40", "60", "80", "a0", "f4", "f5", "a200001818f5"] {
        assert!(vault(accepted), "{accepted}");
    }
    for (refused, why) in [
        ("1b8000000000000000", "2^63"),
        ("20", "negative"),
        ("f6", "null"),
        ("f7", "undefined"),
        ("f90000", "floating point"),
        ("f820", "simple value"),
        ("c000", "tag"),
        ("a1613000", "text key"),
        ("a12000", "negative key"),
        ("a201000000", "unsorted"),
        ("a201000100", "repeated key"),
        ("1800", "not shortest"),
    ] {
        assert!(!vault(refused), "{why}");
    }
}

#[test]
fn a_prefix_is_read_and_the_rest_handed_back() {
    let (item, rest) = Item::parse_prefix(&[0x82, 0x01, 0x02, 0xff, 0xfe], Profile::CTAP2).unwrap();
    assert_eq!((item.raw(), rest), ([0x82, 0x01, 0x02].as_slice(), [0xff, 0xfe].as_slice()));
    assert!(Item::parse_prefix(&[0x82, 0x01], Profile::CTAP2).is_err());
}

#[test]
fn views_give_what_is_there_and_nothing_else() {
    let encoded = hex::decode("a5011864206161f5f4").unwrap();
    assert!(Item::parse(&encoded, Profile::CTAP2).is_err(), "announces more than there is");
    // {1: 100, -1: "a", "a": h'01', "bb": [true, -25]}
    let encoded = hex::decode("a40118642061616161410162626282f53818").unwrap();
    let map = Item::parse(&encoded, Profile::CTAP2).unwrap().map().unwrap();
    assert_eq!(map.announced(), 4);
    assert_eq!(map.at(1).unwrap().unsigned(), Some(100));
    assert_eq!(map.at_integer(-1).unwrap().text(), Some("a"));
    assert_eq!(map.named("a").unwrap().bytes(), Some([1].as_slice()));
    let array: Vec<_> = map.named("bb").unwrap().array().unwrap().collect();
    assert_eq!(array[0].boolean(), Some(true));
    assert_eq!(array[1].integer(), Some(-25));
    assert!(map.at(2).is_none() && map.named("c").is_none() && map.at_integer(-2).is_none());
    // No type passes for another.
    let text = map.at_integer(-1).unwrap();
    assert!(text.bytes().is_none() && text.unsigned().is_none() && text.boolean().is_none());
    assert!(text.map().is_none() && text.array().is_none() && text.integer().is_none());
}

#[test]
fn integers_beyond_64_bits_with_sign_have_no_value() {
    let integer = |hex_digits: &str| {
        let encoded = hex::decode(hex_digits).unwrap();
        Item::parse(&encoded, Profile::CTAP2).unwrap().integer()
    };
    assert_eq!(integer("1b7fffffffffffffff"), Some(i64::MAX));
    assert_eq!(integer("1b8000000000000000"), None);
    assert_eq!(integer("3b7fffffffffffffff"), Some(i64::MIN));
    assert_eq!(integer("3b8000000000000000"), None);
}

#[test]
fn what_ctap2_does_not_have_is_not_written() {
    let refused = [
        Value::Null,
        Value::Float(1.0),
        Value::Tag(1, Box::new(0.into())),
        Value::Map(vec![(1.into(), 1.into()), (1.into(), 2.into())]),
        Value::Array(vec![Value::Null]),
        Value::Map(vec![(Value::Null, 1.into())]),
    ];
    for value in refused {
        assert!(write_value(&mut Writer::new(), &value).is_err(), "{value:?}");
    }
}

#[test]
fn of_two_entries_with_one_key_the_first_is_written() {
    let mut writer = Writer::new();
    writer.sorted_map(vec![(vec![2], vec![0xf4]), (vec![1], vec![0xf5]), (vec![1], vec![0xf4])]);
    assert_eq!(writer.finish(), [0xa2, 1, 0xf5, 2, 0xf4]);
}

// --- any value at all ------------------------------------------------------------------------------------------------

fn any_leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-30i64..300).prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
        any::<String>().prop_map(Value::Text),
        any::<bool>().prop_map(Value::Bool),
    ]
}

/// Of at most 4 levels, with keys that do not repeat, in whatever order.
fn any_value() -> impl Strategy<Value = Value> {
    any_leaf().prop_recursive(4, 64, 8, |inner| {
        let entries = prop::collection::vec((any_leaf(), inner.clone()), 0..8).prop_map(|entries| {
            let mut unique: Vec<(Value, Value)> = Vec::new();
            for (key, value) in entries {
                if unique.iter().all(|(other, _)| *other != key) {
                    unique.push((key, value));
                }
            }
            Value::Map(unique)
        });
        prop_oneof![prop::collection::vec(inner, 0..8).prop_map(Value::Array), entries]
    })
}

fn read_back(item: Item<'_>) -> Value {
    match item.kind() {
        Kind::Unsigned => item.unsigned().unwrap().into(),
        Kind::Negative => item.integer().unwrap().into(),
        Kind::Bytes => Value::Bytes(item.bytes().unwrap().into()),
        Kind::Text => Value::Text(item.text().unwrap().into()),
        Kind::Bool => Value::Bool(item.boolean().unwrap()),
        Kind::Array => Value::Array(item.array().unwrap().map(read_back).collect()),
        Kind::Map => {
            Value::Map(item.map().unwrap().map(|(key, value)| (read_back(key), read_back(value))).collect())
        }
        Kind::Other => panic!("never written"),
    }
}

/// Maps compare by content; the order of the model is arbitrary, that of what was read is canonical.
fn same(model: &Value, read: &Value) -> bool {
    match (model, read) {
        (Value::Map(model), Value::Map(read)) => {
            model.len() == read.len()
                && model.iter().all(|(key, value)| read.iter().any(|(k, v)| k == key && same(value, v)))
        }
        (Value::Array(model), Value::Array(read)) => {
            model.len() == read.len() && model.iter().zip(read).all(|(model, read)| same(model, read))
        }
        _ => model == read,
    }
}

/// What ciborium makes of accepted bytes, which it has to give back as they were.
fn rewritten(encoded: &[u8]) -> Vec<u8> {
    let value: Value = ciborium::from_reader(encoded).unwrap();
    let mut again = Vec::new();
    ciborium::into_writer(&value, &mut again).unwrap();
    again
}

proptest! {
    #[test]
    fn any_value_that_is_written_is_read_back_equal(value in any_value()) {
        let encoded = written(&value);
        let item = Item::parse(&encoded, Profile::CTAP2).unwrap();
        prop_assert_eq!(item.raw(), &encoded);
        prop_assert!(same(&value, &read_back(item)));
        // A second implementation sees the same, and finds nothing to shorten or to sort.
        prop_assert!(same(&value, &ciborium::from_reader(encoded.as_slice()).unwrap()));
        prop_assert_eq!(rewritten(&encoded), encoded);
    }

    #[test]
    fn whatever_is_accepted_is_written_back_the_same_by_others(
        value in any_value(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..3),
    ) {
        let mut encoded = written(&value);
        for (index, byte) in changes {
            *index.get_mut(&mut encoded) = byte;
        }
        if let Ok(item) = Item::parse(&encoded, Profile::CTAP2) && !holds_other(item) {
            prop_assert_eq!(rewritten(&encoded), encoded.clone());
            prop_assert_eq!(written(&ciborium::from_reader(encoded.as_slice()).unwrap()), encoded);
        }
    }

    #[test]
    fn no_bytes_are_accepted_with_one_more_behind_them(value in any_value(), byte: u8) {
        let mut encoded = written(&value);
        encoded.push(byte);
        prop_assert!(!accepted(&encoded));
    }

    #[test]
    fn no_part_of_an_item_is_accepted(value in any_value(), end: prop::sample::Index) {
        let encoded = written(&value);
        prop_assert!(!accepted(&encoded[..end.index(encoded.len())]));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
        for profile in [Profile::CTAP2, Profile::VAULT] {
            if let Ok(item) = Item::parse(&bytes, profile) {
                holds_other(item);
            }
        }
    }
}
