//! What people type to open a vault, and the bytes behind it: a text that reads is written back as it was typed, but for
//! case, separators and look-alikes; every code and every share of the format reads; shares join if and only if they are
//! as many as one set needs.

use std::collections::BTreeSet;

use countersign::{
    crypto::sha256,
    vault::{JoinedShares, RecoveryCode, Share, VaultId},
};

use super::{
    seeds::{self, Seed},
    vault_open::members,
};

const VAULT: VaultId = VaultId(*b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f");
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CODE: usize = 20;
const SHARE: usize = 43;

/// The body of the fuzz target.
pub fn vault_text(data: &[u8]) {
    if let Ok(text) = core::str::from_utf8(data) {
        let code = RecoveryCode::parse(text, &VAULT).ok().map(|code| code.to_text(&VAULT));
        let share = Share::parse(text).ok().map(|share| share.to_text());
        assert!(code.is_none() || share.is_none(), "two readings of one text");
        if let Some(written) = code.or(share) {
            assert_eq!(plain(&written), plain(text), "another text than the one that was read");
        }
    }
    if let Some(code) = data.first_chunk::<CODE>() {
        read_code(code);
    }
    let (shares, _) = data.as_chunks::<SHARE>();
    join(shares);
}

/// Without separators, in upper case, with digits for the letters that look like them.
fn plain(text: &str) -> String {
    let typed = text.chars().filter(|letter| *letter != '-' && !letter.is_ascii_whitespace());
    let read = |letter: char| match letter.to_ascii_uppercase() {
        'I' | 'L' => '1',
        'O' => '0',
        other => other,
    };
    typed.map(read).collect()
}

/// Five bits per symbol, most significant first.
fn spell(prefix: &str, bits: impl Iterator<Item = u8>) -> String {
    let bits: Vec<u8> = bits.collect();
    let value = |five: &[u8]| five.iter().fold(0, |value, bit| value * 2 + usize::from(*bit));
    prefix.chars().chain(bits.chunks_exact(5).map(|five| char::from(ALPHABET[value(five)]))).collect()
}

fn bits(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| (byte >> bit) & 1))
}

fn read_code(code: &[u8; CODE]) {
    let check = sha256(&[b"countersign/v1/code\0", &VAULT.0[..4], code].concat());
    let text = spell("CS1", bits(code).chain(bits(&check).take(10)));
    let read = RecoveryCode::parse(&text, &VAULT).expect("every 20 bytes are a code");
    assert_eq!(plain(&read.to_text(&VAULT)), text);
}

fn join(shares: &[[u8; SHARE]]) {
    let mut read = Vec::new();
    for bytes in shares {
        let check = sha256(&[b"countersign/v1/share\0", bytes.as_slice()].concat());
        let text = spell("CSS1", bits(bytes).chain([0]).chain(bits(&check).take(15)));
        let [needed, made, number] = [bytes[8], bytes[9], bytes[10]];
        let known = 2 <= needed && needed <= made && made <= 16 && 1 <= number && number <= made;
        let share = Share::parse(&text);
        assert_eq!(share.is_ok(), known, "the numbers of a share");
        if let Ok(share) = share {
            assert_eq!(plain(&share.to_text()), text);
            read.push((bytes, share));
        }
    }
    let heads: BTreeSet<&[u8]> = read.iter().map(|(bytes, _)| &bytes[..10]).collect();
    let numbers: BTreeSet<u8> = read.iter().map(|(bytes, _)| bytes[10]).collect();
    let exactly = read.first().is_some_and(|(bytes, _)| usize::from(bytes[8]) == read.len());
    let joins = exactly && heads.len() == 1 && numbers.len() == read.len();
    let shares: Vec<Share> = read.into_iter().map(|(_, share)| share).collect();
    assert_eq!(JoinedShares::join(&shares).is_ok(), joins, "exactly k of one set");
}

/// The codes and shares of the vectors, as text and as bytes, and what is nearly one.
pub(crate) fn seeds() -> Vec<Seed> {
    let file = seeds::vectors("vault-v1-envelope");
    let mut texts = vec![file["recovery_code"]["text"].as_str().expect("a code").to_owned()];
    let mut shares = Vec::new();
    for vault in members(&file, "vaults") {
        texts.extend(members(vault, "share_texts").filter_map(|text| Some(text.as_str()?.to_owned())));
        shares.extend(members(vault, "share_bytes").filter_map(|bytes| hex::decode(bytes.as_str()?).ok()));
    }
    let typed: Vec<String> = texts
        .iter()
        .flat_map(|text| {
            [text.to_lowercase(), text.replace('-', " "), text.replace('1', "l"), format!("{text}0")]
        })
        .collect();
    let mut seeds: Vec<Vec<u8>> = texts.into_iter().chain(typed).map(String::into_bytes).collect();
    seeds.extend([
        vec![0; CODE],
        shares.concat(),
        shares[..2].concat(),
        shares[1..].concat(),
        shares[0].repeat(2),
    ]);
    seeds.extend(shares);
    (0..).zip(seeds).map(|(number, bytes): (usize, _)| (format!("text-{number}"), bytes)).collect()
}
