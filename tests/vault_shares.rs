//! Shares: against the vectors, and against an independent field (logarithms to the base 3) and alphabet (bit by bit).

mod common;

use common::{
    scripted_rng::ScriptedRng,
    seeded_rng::SeededRng,
    vault::{Admin, private},
    vectors::{array, bytes, hex, list, vectors},
    world::TODAY,
};
use countersign::{
    crypto::sha256,
    time::Moment,
    vault::{
        Administration, Envelope, JoinedShares, MemoryStorage, Opening, Share, ShareError, ShareSet, SlotId,
        SlotKind, SlotSecret, VaultError, VaultId, VaultStorage, Write,
    },
};

const ALPHABET: &[u8] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The text of 45 bytes: what a share spells with whatever check.
fn spell(bytes: &[u8]) -> String {
    let bits: Vec<u8> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| (byte >> bit) & 1)).collect();
    let value = |five: &[u8]| five.iter().fold(0, |value, bit| value * 2 + usize::from(*bit));
    let symbols: String = bits.chunks(5).map(|five| char::from(ALPHABET[value(five)])).collect();
    format!("CSS1-{symbols}")
}

/// As [`spell`], with the check that the format asks for.
fn spell_share(share: &[u8]) -> String {
    let hash = sha256(&[b"countersign/v1/share\0", share].concat());
    let check = u16::from_be_bytes([hash[0], hash[1]]) >> 1;
    spell(&[share, &check.to_be_bytes()].concat())
}

fn plain(text: &str) -> String {
    text.replace('-', "")
}

/// Products by logarithms to the base 3, a generator of the field.
fn product(a: u8, b: u8) -> u8 {
    let mut powers = vec![1u8];
    for _ in 1..255 {
        let last = *powers.last().unwrap();
        let doubled = (last << 1) ^ if last & 0x80 == 0 { 0 } else { 0x1b };
        powers.push(doubled ^ last);
    }
    let logarithm = |value| powers.iter().position(|power| *power == value);
    match (logarithm(a), logarithm(b)) {
        (Some(a), Some(b)) => powers[(a + b) % 255],
        _ => 0,
    }
}

/// y = s + a1 x + a2 x^2 + …
fn point(polynomial: &[Vec<u8>], x: u8) -> Vec<u8> {
    let mut y = vec![0; 32];
    let mut power = 1;
    for coefficients in polynomial {
        for (target, coefficient) in y.iter_mut().zip(coefficients) {
            *target ^= product(power, *coefficient);
        }
        power = product(power, x);
    }
    y
}

fn read(texts: &[impl AsRef<str>]) -> Vec<Share> {
    texts.iter().map(|text| Share::parse(text.as_ref()).unwrap()).collect()
}

fn refused(texts: &[impl AsRef<str>]) -> Option<ShareError> {
    JoinedShares::join(&read(texts)).err()
}

/// A vault with a set of shares, as it is written, and the texts of the shares.
fn vault_of_shares(needed: u8, made: u8) -> (Write, SlotId, Vec<String>) {
    let mut rng = SeededRng(u64::from(needed) * 100 + u64::from(made));
    let mut draft = Administration::new_vault(VaultId([7; 16]), None, &mut rng).unwrap();
    let (slot_id, shares) = draft.enrol_shares(needed, made, private("Friends"), &mut rng).unwrap();
    let texts = shares.iter().map(|share| share.to_text().as_str().to_owned()).collect();
    (draft.finish(TODAY, &mut rng).unwrap().write().clone(), slot_id, texts)
}

fn open(write: &Write, slot_id: &SlotId, texts: &[impl AsRef<str>]) -> Result<(), VaultError> {
    let mut storage = MemoryStorage::default();
    storage.write(write).unwrap();
    let envelope = Envelope::from_stored(storage.parts().unwrap().unwrap()).unwrap();
    let joined = JoinedShares::join(&read(texts)).unwrap();
    envelope.open(slot_id, &SlotSecret::Shares(&joined), Opening::default()).map(drop)
}

#[test]
fn the_shares_of_the_vectors_read_and_write_and_any_two_open_the_vault() {
    let vectors = vectors("vault-v1-envelope");
    let vault = &vectors["vaults"][1];
    let state = &list(vault, "states")[0];
    let envelope = Envelope::decode(&hex(&state["envelope"])).unwrap();
    let slot = envelope.slots().find(|slot| slot.kind() == SlotKind::Shares).unwrap();
    let set = ShareSet { set_id: array(&vault["randomness"], "set_id"), needed: 2, made: 3 };
    assert_eq!(slot.share_set(), Some(set));
    let texts: Vec<&str> = list(vault, "share_texts").iter().map(|text| text.as_str().unwrap()).collect();
    for (number, (text, bytes)) in (1..).zip(texts.iter().zip(list(vault, "share_bytes"))) {
        let share = Share::parse(text).unwrap();
        assert_eq!((share.set(), share.number()), (set, number));
        assert_eq!(share.to_text().as_str(), *text);
        assert_eq!(plain(&spell_share(&hex(bytes))), plain(text));
    }
    for pair in [[0, 1], [0, 2], [1, 2], [2, 0]] {
        let joined = JoinedShares::join(&read(&pair.map(|index| texts[index]))).unwrap();
        envelope.open(&slot.slot_id(), &SlotSecret::Shares(&joined), Opening::default()).unwrap();
    }
    assert!(
        envelope
            .slots()
            .filter(|slot| slot.kind() != SlotKind::Shares)
            .all(|slot| slot.share_set().is_none())
    );
}

#[test]
fn shares_are_points_of_the_polynomial_that_was_drawn() {
    let vectors = vectors("vault-v1-envelope");
    let (vault, vault_id) = (&vectors["vaults"][1], VaultId([7; 16]));
    let named = ["set_id", "share.secret", "share.coeff"].map(|name| bytes(&vault["randomness"], name));
    // The leading coefficient may be zero: the degree is as random as the rest.
    let higher =
        [vec![5; 8], (0..32).collect(), vec![0xff; 32], (100..132).collect(), vec![0x80; 32], vec![0; 32]];
    for (draws, made) in [(&named[..], 3), (&higher[..], 16)] {
        let rest = [16, 32, 32, 32, 12].map(|length| vec![0x42; length]);
        let mut rng = ScriptedRng::new(draws.iter().chain(&rest));
        let mut draft = Administration::new_vault(vault_id, None, &mut SeededRng(1)).unwrap();
        let needed = u8::try_from(draws.len() - 1).unwrap();
        let (_, shares) = draft.enrol_shares(needed, made, private("Friends"), &mut rng).unwrap();
        assert_eq!(shares.len(), usize::from(made));
        for (x, share) in (1..).zip(&shares) {
            let expected = [&draws[0], [needed, made, x].as_slice(), &point(&draws[1..], x)].concat();
            assert_eq!(plain(&share.to_text()), plain(&spell_share(&expected)), "{x}");
        }
    }
}

#[test]
fn any_k_of_n_open_the_vault() {
    for (needed, made) in [(2, 2), (2, 16), (3, 5), (15, 16), (16, 16)] {
        let (write, slot_id, texts) = vault_of_shares(needed, made);
        let needed = usize::from(needed);
        open(&write, &slot_id, &texts[..needed]).unwrap();
        open(&write, &slot_id, &texts[texts.len() - needed..]).unwrap();
        let backwards: Vec<&String> = texts.iter().rev().step_by(texts.len() / needed).take(needed).collect();
        open(&write, &slot_id, &backwards).unwrap();
    }
}

#[test]
fn what_is_wrong_with_the_shares_is_said() {
    let (write, slot_id, ours) = vault_of_shares(3, 5);
    let (_, _, theirs) = vault_of_shares(3, 6);
    assert_eq!(refused(&Vec::<String>::new()), Some(ShareError::TooFew { needed: 2, brought: 0 }));
    assert_eq!(refused(&ours[..2]), Some(ShareError::TooFew { needed: 3, brought: 2 }));
    assert_eq!(refused(&ours[..4]), Some(ShareError::TooMany { needed: 3, brought: 4 }));
    assert_eq!(refused(&[&ours[0], &ours[1], &ours[0]]), Some(ShareError::Repeated));
    assert_eq!(refused(&[&ours[0], &ours[1], &theirs[2]]), Some(ShareError::OtherSet));
    // Enough of another set: the slot's commitment judges.
    assert_eq!(open(&write, &slot_id, &theirs[..3]), Err(VaultError::WrongSecret));
}

/// The header is no secret and its check is no key: whoever rewrites it joins fewer shares to something else.
#[test]
fn a_rewritten_share_joins_to_a_wrong_secret() {
    let (write, slot_id, texts) = vault_of_shares(3, 5);
    let unspell = |text: &str| -> Vec<u8> {
        let value = |symbol| ALPHABET.iter().position(|letter| *letter == symbol).unwrap();
        let symbols = plain(text).into_bytes().split_off(4);
        let bits: Vec<usize> =
            symbols.iter().flat_map(|symbol| (0..5).rev().map(|bit| (value(*symbol) >> bit) & 1)).collect();
        bits.chunks(8).take(43).map(|byte| byte.iter().fold(0, |value, bit| value * 2 + *bit as u8)).collect()
    };
    let rewritten = |index: usize, edit: fn(&mut Vec<u8>)| {
        let mut share = unspell(&texts[index]);
        edit(&mut share);
        spell_share(&share)
    };
    let two = [0, 1].map(|index| rewritten(index, |share| share[8] = 2));
    assert_eq!(open(&write, &slot_id, &two), Err(VaultError::WrongSecret));
    let flipped = [texts[0].clone(), texts[1].clone(), rewritten(2, |share| share[20] ^= 1)];
    assert_eq!(open(&write, &slot_id, &flipped), Err(VaultError::WrongSecret));
    let same = [0, 1, 2].map(|index| rewritten(index, |_| ()));
    open(&write, &slot_id, &same).unwrap();
}

#[test]
fn a_share_is_read_as_a_person_types_it() {
    let (_, _, texts) = vault_of_shares(2, 3);
    for text in &texts {
        let typed = [
            text.to_lowercase(),
            plain(text),
            text.replace('-', " "),
            text.replace('1', "i").replace('0', "o"),
            text.replace('1', "L").replace('0', "O"),
            format!("  {text}\n"),
        ];
        for typed in typed {
            assert_eq!(Share::parse(&typed).unwrap().to_text().as_str(), text, "{typed}");
        }
    }
}

#[test]
fn a_mistyped_share_is_told_from_what_is_no_share() {
    let (_, _, texts) = vault_of_shares(2, 3);
    let text = plain(&texts[0]);
    let refused = |text: &str| Share::parse(text).err();
    for index in 4..text.len() {
        let mut typed = text.clone().into_bytes();
        typed[index] = if typed[index] == b'7' { b'8' } else { b'7' };
        assert_eq!(refused(std::str::from_utf8(&typed).unwrap()), Some(ShareError::Mistyped), "{index}");
    }
    let others = ["", "CSS1", "CS1-CHJP-CSV8-D5N6-PV3D-DSQQ-0WBJ-EDT7-AXKQ-FY"];
    let edited = [
        &text[..text.len() - 1],
        &format!("{text}0"),
        &text.replacen("CSS1", "CSS2", 1),
        &text.replacen("CSS", "CS", 1),
    ];
    for text in others.iter().chain(&edited) {
        assert_eq!(refused(text), Some(ShareError::NotAShare), "{text}");
    }
    for letter in ["U", "ü", "!", "\u{0}"] {
        assert_eq!(
            refused(&format!("{}{letter}", &text[..text.len() - 1])),
            Some(ShareError::NotAShare),
            "{letter}"
        );
    }
}

/// One bit of the symbols is spare, and is zero.
#[test]
fn the_spare_bit_of_a_share_is_checked() {
    let share = [vec![1; 8], vec![2, 3, 1], vec![9; 32]].concat();
    let hash = sha256(&[b"countersign/v1/share\0".as_slice(), &share].concat());
    let check = u16::from_be_bytes([hash[0], hash[1]]) >> 1;
    let text = |check: u16| spell(&[share.as_slice(), &check.to_be_bytes()].concat());
    assert!(Share::parse(&text(check)).is_ok());
    assert_eq!(Share::parse(&text(check | 0x8000)).err(), Some(ShareError::Mistyped));
}

#[test]
fn a_share_of_a_set_that_the_format_has_not_is_none() {
    let share = |needed, made, number| {
        Share::parse(&spell_share(&[vec![1; 8], vec![needed, made, number], vec![9; 32]].concat())).err()
    };
    assert_eq!([share(2, 2, 1), share(16, 16, 16), share(2, 16, 1)], [None; 3]);
    for (needed, made, number) in [
        (1, 2, 1),
        (0, 2, 1),
        (3, 2, 1),
        (2, 17, 1),
        (17, 17, 1),
        (2, 3, 0),
        (2, 3, 4),
        (2, 3, 255),
        (255, 255, 1),
    ] {
        assert_eq!(share(needed, made, number), Some(ShareError::NotAShare), "{needed} {made} {number}");
    }
}

#[test]
fn sets_out_of_bounds_are_refused_and_each_set_is_new() {
    let mut rng = SeededRng(1);
    let mut draft = Administration::new_vault(VaultId([7; 16]), None, &mut rng).unwrap();
    for (needed, made) in [(0, 0), (0, 2), (1, 1), (1, 5), (3, 2), (2, 17), (17, 17), (255, 255)] {
        let refused = draft.enrol_shares(needed, made, private("Friends"), &mut ScriptedRng::silent()).err();
        assert!(matches!(refused, Some(VaultError::InvalidInput(_))), "{needed} of {made}");
    }
    let (_, first) = draft.enrol_shares(2, 2, private("Friends"), &mut rng).unwrap();
    let (_, second) = draft.enrol_shares(2, 2, private("Family"), &mut rng).unwrap();
    assert_ne!(first[0].set().set_id, second[0].set().set_id);
    assert_ne!(first[0].to_text(), second[0].to_text());
}

#[test]
fn shares_outlive_refresh_and_rotation() {
    let mut rng = SeededRng(3);
    let mut draft = Administration::new_vault(VaultId([7; 16]), None, &mut rng).unwrap();
    let (slot_id, shares) = draft.enrol_shares(2, 3, private("Friends"), &mut rng).unwrap();
    let prepared = draft.finish(TODAY, &mut rng).unwrap();
    let mut storage = MemoryStorage::default();
    storage.write(prepared.write()).unwrap();
    let mut vault = prepared.into_vault(None, Moment::default()).unwrap();
    let texts: Vec<String> = shares.iter().map(|share| share.to_text().as_str().to_owned()).collect();
    for rotates in [false, true] {
        let joined = JoinedShares::join(&read(&texts[1..])).unwrap();
        let mut draft = vault.admin();
        if rotates {
            draft.rotate(&storage, &mut rng).unwrap();
        }
        draft.refresh(&slot_id, &SlotSecret::Shares(&joined), &mut rng).unwrap();
        let prepared = draft.finish(TODAY, &mut rng).unwrap();
        storage.write(prepared.write()).unwrap();
        vault.written(prepared, None).unwrap();
        let envelope = Envelope::from_stored(storage.parts().unwrap().unwrap()).unwrap();
        let joined = JoinedShares::join(&read(&texts[..2])).unwrap();
        envelope.open(&slot_id, &SlotSecret::Shares(&joined), Opening::default()).unwrap();
    }
}

/// Nothing in the slot says what a right secret is but K_com, and that comes first.
#[test]
fn a_set_that_was_altered_in_the_slot_is_tampering() {
    let (write, slot_id, texts) = vault_of_shares(2, 3);
    let set = Share::parse(&texts[0]).unwrap().set();
    let start = write.manifest.windows(8).position(|window| window == set.set_id).unwrap();
    // Before the set's identifier: {1: needed, 2: made, 3: bstr of 8.
    assert_eq!(write.manifest[start - 6..start], [1, 2, 2, 3, 3, 0x48]);
    for (index, value) in [(start, !set.set_id[0]), (start - 5, 3), (start - 3, 4)] {
        let mut altered = write.clone();
        altered.manifest[index] = value;
        assert!(matches!(open(&altered, &slot_id, &texts[..2]), Err(VaultError::Tampered(_))), "{index}");
    }
}
