//! Credential records, and the store that keeps them in memory.

mod common;

use std::collections::BTreeMap;

use ciborium::{Value, cbor};
use common::scripted_rng::ScriptedRng;
use countersign::{
    cbor::{Writer, write_value},
    cose::{CoseAlgorithm, PublicKey},
    credential::{
        Backup, ChangeSet, CredProtect, Credential, CredentialRecord, CredentialSecret, CredentialStore,
        ExtensionData, InvalidRecord, LargeBlob, MemoryStore, Overview, Query, StateRecord, StateStore,
        StoreError,
    },
    crypto::{CryptoProvider, RustCrypto},
    secret::{Secret, SecretBytes},
    time::UnixTime,
    webauthn::{Aaguid, CredentialId, RpEntity, RpId, UserEntity, UserHandle},
};
use proptest::prelude::*;

fn secret(byte: u8) -> Secret<32> {
    Secret::init_with(|bytes| *bytes = [byte; 32])
}

fn id(id: &[u8]) -> CredentialId {
    CredentialId::new(id).unwrap()
}

fn record(algorithm: CoseAlgorithm) -> CredentialRecord {
    let credential = Credential {
        id: id(b"credential id"),
        rp: RpEntity { id: RpId::new("example.org").unwrap(), name: Some("Example".into()) },
        user: UserEntity {
            id: UserHandle::new(b"user").unwrap(),
            name: Some("alice".into()),
            display_name: Some("".into()),
        },
        discoverable: true,
        cred_protect: CredProtect::UserVerificationRequired,
        backup: Backup::Eligible { backed_up: true },
        sign_count: u32::MAX,
        aaguid: Aaguid([5; 16]),
        order: 42,
        created: Some(UnixTime(1_700_000_000)),
        last_used: Some(UnixTime(1_800_000_000)),
    };
    let secret = CredentialSecret {
        key: RustCrypto
            .make_key_pair(algorithm, &mut ScriptedRng::new([vec![1; algorithm.private_length()]])),
        cred_random_with_uv: secret(2),
        cred_random_without_uv: secret(3),
    };
    CredentialRecord::new(credential, secret)
}

// --- the encoded form ------------------------------------------------------------------------------------------------

fn value(record: &CredentialRecord) -> BTreeMap<u64, Value> {
    let value: Value = ciborium::from_reader(record.encode().expose()).unwrap();
    let entries = value.into_map().unwrap().into_iter();
    entries.map(|(key, value)| (key.as_integer().unwrap().try_into().unwrap(), value)).collect()
}

fn encode(members: &BTreeMap<u64, Value>) -> Vec<u8> {
    let entries = members.iter().map(|(key, value)| ((*key).into(), value.clone())).collect();
    let mut writer = Writer::new();
    write_value(&mut writer, &Value::Map(entries)).unwrap();
    writer.finish()
}

/// The outcome of reading a record in which one member was replaced, or taken out.
fn altered(key: u64, member: Option<Value>) -> Result<CredentialRecord, InvalidRecord> {
    let mut members = value(&record(CoseAlgorithm::Es256));
    match member {
        Some(member) => members.insert(key, member),
        None => members.remove(&key),
    };
    CredentialRecord::decode(&encode(&members))
}

fn refusal(key: u64, member: impl Into<Value>) -> Option<InvalidRecord> {
    altered(key, Some(member.into())).err()
}

#[test]
fn the_encoded_form_is_the_documented_one() {
    let record = record(CoseAlgorithm::EdDsa);
    let PublicKey::Ed25519(public) = record.secret.key.public().clone() else { panic!() };
    let documented = cbor!({
        1 => 1,
        2 => Value::Bytes(b"credential id".into()),
        3 => "example.org",
        4 => "Example",
        5 => Value::Bytes(b"user".into()),
        6 => "alice",
        7 => "",
        8 => -8,
        9 => Value::Bytes(public.into()),
        10 => Value::Bytes(vec![1; 32]),
        11 => Value::Bytes(vec![2; 32]),
        12 => Value::Bytes(vec![3; 32]),
        13 => u32::MAX,
        14 => 3,
        15 => true,
        16 => true,
        17 => true,
        18 => Value::Bytes(vec![5; 16]),
        19 => 42,
        20 => 1_700_000_000,
        21 => 1_800_000_000,
    });
    assert_eq!(Value::from(value(&record).into_iter().map(pair).collect::<Vec<_>>()), documented.unwrap());
}

/// A record with which every extension keeps something.
fn extended() -> CredentialRecord {
    let mut record = record(CoseAlgorithm::Es256);
    record.extensions = ExtensionData {
        cred_blob: Some(SecretBytes::new(b"blob".into())),
        large_blob_key: Some(secret(7)),
        third_party_payment: true,
        large_blob: Some(LargeBlob { data: SecretBytes::new(b"large".into()), uncompressed_size: 777 }),
    }
    .into();
    record
}

#[test]
fn what_extensions_keep_follows_what_every_record_has() {
    let plain = value(&record(CoseAlgorithm::Es256));
    let mut expected = plain.clone();
    expected.insert(22, Value::Bytes(b"blob".into()));
    expected.insert(23, Value::Bytes(vec![7; 32]));
    expected.insert(24, true.into());
    expected.insert(25, Value::Bytes(b"large".into()));
    expected.insert(26, 777.into());
    assert_eq!(value(&extended()), expected);

    // Empty is not absent.
    let mut empty = extended();
    empty.extensions.cred_blob = Some(SecretBytes::new(Vec::new()));
    empty.extensions.large_blob =
        Some(LargeBlob { data: SecretBytes::new(Vec::new()), uncompressed_size: 0 });
    let read = CredentialRecord::decode(empty.encode().expose()).unwrap();
    assert_eq!(value(&read), value(&empty));
    assert_eq!(value(&read).len(), expected.len());
}

#[test]
fn what_extensions_keep_is_read_back_whole() {
    let record = extended();
    for read in [CredentialRecord::decode(record.encode().expose()).unwrap(), record.clone_secret()] {
        let ExtensionData { cred_blob, large_blob_key, third_party_payment, large_blob } = &*read.extensions;
        assert_eq!(cred_blob.as_ref().unwrap().expose(), b"blob");
        assert_eq!(large_blob_key.as_ref().unwrap().expose(), &[7; 32]);
        assert!(third_party_payment);
        let large_blob = large_blob.as_ref().unwrap();
        assert_eq!((large_blob.data.expose(), large_blob.uncompressed_size), (&b"large"[..], 777));
        assert_eq!(read.encode().expose(), record.encode().expose());
    }
}

/// The bytes of a version before there was anything for extensions to keep: its own map of 21 members.
#[test]
fn a_record_of_before_the_extensions_is_read_and_written_byte_for_byte() {
    let encoded = record(CoseAlgorithm::Es256).encode();
    assert_eq!(encoded.expose()[0], 0xa0 | 21);
    let read = CredentialRecord::decode(encoded.expose()).unwrap();
    assert!(read.extensions.cred_blob.is_none() && read.extensions.large_blob_key.is_none());
    assert!(!read.extensions.third_party_payment && read.extensions.large_blob.is_none());
    assert_eq!(read.encode().expose(), encoded.expose());
}

#[test]
fn what_extensions_keep_is_refused_in_any_other_form() {
    let array = || Value::Array(vec![]);
    for (key, member) in [
        (22, array()),
        (22, "blob".into()),
        (23, array()),
        (23, Value::Bytes(vec![7; 31])),
        (24, array()),
        // False goes without saying.
        (24, false.into()),
        // One without the other.
        (25, Value::Bytes(vec![1])),
        (26, 1.into()),
    ] {
        assert_eq!(refusal(key, member.clone()), Some(InvalidRecord::Malformed), "{key}: {member:?}");
    }
    for (data, size) in [(array(), 1.into()), (Value::Bytes(vec![1]), array()), (array(), array())] {
        let mut members = value(&record(CoseAlgorithm::Es256));
        members.extend([(25, data), (26, size)]);
        assert_eq!(CredentialRecord::decode(&encode(&members)).err(), Some(InvalidRecord::Malformed));
    }
}

fn pair((key, value): (u64, Value)) -> (Value, Value) {
    (key.into(), value)
}

#[test]
fn a_record_is_read_back_whole() {
    for algorithm in CoseAlgorithm::ALL.iter().copied() {
        let record = record(algorithm);
        for read in [CredentialRecord::decode(record.encode().expose()).unwrap(), record.clone_secret()] {
            assert_eq!(read.credential, record.credential);
            assert_eq!(read.secret.key.algorithm(), algorithm);
            assert_eq!(read.secret.key.public(), record.secret.key.public());
            assert_eq!(read.secret.key.private().expose(), record.secret.key.private().expose());
            assert_eq!(read.secret.cred_random_with_uv.expose(), &[2; 32]);
            assert_eq!(read.secret.cred_random_without_uv.expose(), &[3; 32]);
            assert_eq!(read.encode().expose(), record.encode().expose());
        }
    }
}

#[test]
fn optional_members_may_be_absent() {
    let mut least = record(CoseAlgorithm::Es256);
    least.credential.rp.name = None;
    (least.credential.user.name, least.credential.user.display_name) = (None, None);
    (least.credential.created, least.credential.last_used) = (None, None);
    least.credential.backup = Backup::DeviceBound;
    let read = CredentialRecord::decode(least.encode().expose()).unwrap();
    assert_eq!(read.credential, least.credential);
    assert_eq!(value(&least).len(), 16);
}

#[test]
fn members_of_later_versions_are_kept_as_they_came() {
    let mut members = value(&record(CoseAlgorithm::Es256));
    members.insert(27, "later".into());
    members.insert(1000, cbor!({ 1 => [true, -5], "text" => { "deep" => 0 } }).unwrap());
    let encoded = encode(&members);
    let read = CredentialRecord::decode(&encoded).unwrap();
    assert_eq!(read.encode().expose(), encoded);
    assert_eq!(read.clone_secret().encode().expose(), encoded, "a copy keeps them too");
}

#[test]
fn members_of_no_version_are_refused_and_not_dropped() {
    let encoded = record(CoseAlgorithm::Es256).encode().expose().to_vec();
    // A negative and a text key sort behind all others; the map has fewer than 23 members, so its head counts on.
    for member in [&[0x20, 0x00][..], &[0x61, b'a', 0x00]] {
        let mut altered = [encoded.as_slice(), member].concat();
        altered[0] += 1;
        assert_eq!(CredentialRecord::decode(&altered).err(), Some(InvalidRecord::Malformed));
    }
}

#[test]
fn every_required_member_has_to_be_there_and_of_its_type() {
    for key in [1, 2, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19] {
        assert_eq!(altered(key, None).err(), Some(InvalidRecord::Malformed), "{key} absent");
        assert_eq!(refusal(key, Value::Array(vec![])), Some(InvalidRecord::Malformed), "{key} an array");
    }
    for key in [4, 6, 7, 20, 21] {
        assert!(altered(key, None).is_ok(), "{key} absent");
        assert_eq!(refusal(key, Value::Array(vec![])), Some(InvalidRecord::Malformed), "{key} an array");
    }
}

#[test]
fn members_out_of_their_range_are_refused() {
    let bytes = |length: usize| Value::Bytes(vec![1; length]);
    for (key, member) in [
        (2, bytes(0)),
        (2, bytes(1024)),
        (3, "".into()),
        (3, "r".repeat(254).into()),
        (5, bytes(65)),
        (9, bytes(63)),
        (9, bytes(32)),
        (10, bytes(31)),
        (11, bytes(33)),
        (12, bytes(31)),
        (13, (u64::from(u32::MAX) + 1).into()),
        (13, (-1).into()),
        (14, 0.into()),
        (14, 4.into()),
        (18, bytes(15)),
    ] {
        assert_eq!(refusal(key, member.clone()), Some(InvalidRecord::Malformed), "{key}: {member:?}");
    }
}

#[test]
fn keys_are_as_long_as_their_algorithm_demands() {
    for algorithm in CoseAlgorithm::ALL.iter().copied() {
        for (key, change) in [(9, 1), (9, -1), (10, 1), (10, -1)] {
            let mut members = value(&record(algorithm));
            let length = members[&key].as_bytes().unwrap().len().checked_add_signed(change).unwrap();
            members.insert(key, Value::Bytes(vec![1; length]));
            let read = CredentialRecord::decode(&encode(&members));
            assert_eq!(read.err(), Some(InvalidRecord::Malformed), "{algorithm:?}: {length} bytes at {key}");
        }
    }
    // The key of one algorithm under the name of another.
    for (algorithm, other) in
        [(CoseAlgorithm::Es256, -8), (CoseAlgorithm::Es256, -35), (CoseAlgorithm::EdDsa, -9)]
    {
        let mut members = value(&record(algorithm));
        members.insert(8, other.into());
        assert_eq!(CredentialRecord::decode(&encode(&members)).err(), Some(InvalidRecord::Malformed));
    }
}

#[test]
fn backed_up_without_backup_eligibility_is_refused() {
    assert_eq!(refusal(16, false), Some(InvalidRecord::Malformed));
    assert!(altered(17, Some(false.into())).is_ok());
}

#[test]
fn other_versions_and_algorithms_are_told_from_damage() {
    assert_eq!(refusal(1, 2), Some(InvalidRecord::Unsupported));
    assert_eq!(refusal(8, -257), Some(InvalidRecord::Unsupported));
}

#[test]
fn what_is_not_one_canonical_map_is_no_record() {
    let encoded = record(CoseAlgorithm::Es256).encode();
    let encoded = encoded.expose();
    for end in 0..encoded.len() {
        assert_eq!(CredentialRecord::decode(&encoded[..end]).err(), Some(InvalidRecord::Malformed));
    }
    let trailing = [encoded, &[0]].concat();
    assert_eq!(CredentialRecord::decode(&trailing).err(), Some(InvalidRecord::Malformed));
    assert_eq!(CredentialRecord::decode(&[0x80]).err(), Some(InvalidRecord::Malformed));
}

#[test]
fn only_an_eligible_credential_changes_its_backup_state() {
    let mut credential = record(CoseAlgorithm::Es256).credential;
    credential.set_backed_up(false).unwrap();
    assert_eq!(credential.backup, Backup::Eligible { backed_up: false });
    credential.backup = Backup::DeviceBound;
    assert!(credential.set_backed_up(true).is_err() && credential.set_backed_up(false).is_err());
    assert_eq!(credential.backup, Backup::DeviceBound);
}

// --- the memory store ------------------------------------------------------------------------------------------------

/// What tells the records of these tests apart.
type Key = (u8, u8, u8, bool);

fn small((id_byte, rp, user, discoverable): Key) -> CredentialRecord {
    let mut record = record(CoseAlgorithm::EdDsa);
    record.credential.id = id(&[id_byte]);
    record.credential.rp.id = rp_id(rp);
    record.credential.user.id = UserHandle::new(&[user]).unwrap();
    record.credential.discoverable = discoverable;
    record
}

fn rp_id(rp: u8) -> RpId {
    RpId::new(&format!("{rp}.example")).unwrap()
}

fn put(records: &[Key]) -> ChangeSet {
    ChangeSet { put: records.iter().copied().map(small).collect(), ..ChangeSet::default() }
}

fn delete(ids: &[u8]) -> ChangeSet {
    ChangeSet { delete: ids.iter().map(|byte| id(&[*byte])).collect(), ..ChangeSet::default() }
}

fn found(store: &MemoryStore, query: &Query) -> Vec<u8> {
    store.load(query).unwrap().iter().map(|record| record.credential.id.as_bytes()[0]).collect()
}

fn stored(store: &MemoryStore) -> Vec<u8> {
    store.records().map(|record| record.credential.id.as_bytes()[0]).collect()
}

fn filled() -> MemoryStore {
    let mut store = MemoryStore::default();
    store.commit(put(&[(1, 1, 1, true), (2, 1, 2, true), (3, 1, 1, false), (4, 2, 1, true)])).unwrap();
    store
}

#[test]
fn an_empty_store_finds_nothing_and_says_so_without_an_error() {
    let store = MemoryStore::default();
    assert!(found(&store, &Query::Discoverable(rp_id(1))).is_empty());
    assert!(found(&store, &Query::Named(rp_id(1), id(b"x").into())).is_empty());
    assert!(store.load_state().unwrap().is_none());
}

#[test]
fn queries_find_what_belongs_to_the_relying_party_and_nothing_else() {
    let store = filled();
    assert_eq!(found(&store, &Query::Discoverable(rp_id(1))), [1, 2]);
    assert!(found(&store, &Query::Discoverable(rp_id(3))).is_empty());
    let named = |rp, ids: &[u8]| {
        found(&store, &Query::Named(rp_id(rp), ids.iter().map(|byte| id(&[*byte])).collect()))
    };
    assert_eq!(named(1, &[4, 3, 9, 1]), [3, 1], "named ones need not be discoverable, but of this RP");
    assert_eq!(named(2, &[1, 4]), [4]);
    let account = |rp, user| found(&store, &Query::Account(rp_id(rp), UserHandle::new(&[user]).unwrap()));
    assert_eq!(account(1, 1), [1], "the discoverable one");
    assert!(account(2, 2).is_empty());
    let of_hash = |rp| found(&store, &Query::OfHash(rp_id(rp).hash()));
    assert_eq!((of_hash(1), of_hash(2), of_hash(3)), (vec![1, 2], vec![4], vec![]), "the discoverable ones");
    let identified = |byte| found(&store, &Query::Identified(id(&[byte])));
    assert_eq!(
        (identified(3), identified(4), identified(9)),
        (vec![3], vec![4], vec![]),
        "whosever they are"
    );
}

#[test]
fn an_overview_counts_what_can_be_discovered_and_tells_each_relying_party_once() {
    let mut store = MemoryStore::with_capacity(6);
    assert_eq!(store.survey().unwrap(), Overview { remaining: 6, ..Overview::default() });
    store.commit(put(&[(1, 2, 1, true), (2, 2, 2, true), (3, 3, 1, false), (4, 1, 1, true)])).unwrap();
    let overview = store.survey().unwrap();
    assert_eq!(
        (overview.discoverable, overview.remaining),
        (3, 2),
        "those that are not take room all the same"
    );
    let parties: Vec<_> = overview.relying_parties.into_iter().map(|rp| rp.id).collect();
    assert_eq!(parties, [rp_id(1), rp_id(2)]);
}

#[test]
fn a_commit_deletes_then_puts_and_replaces_by_identifier() {
    let mut store = filled();
    let mut changes = put(&[(2, 2, 2, true), (5, 1, 5, true)]);
    changes.delete = vec![id(&[1]), id(&[9])];
    store.commit(changes).unwrap();
    assert_eq!(stored(&store), [2, 3, 4, 5]);
    assert_eq!(found(&store, &Query::Discoverable(rp_id(1))), [5], "2 moved to another relying party");
    assert_eq!(found(&store, &Query::Discoverable(rp_id(2))), [2, 4]);
}

#[test]
fn clear_removes_everything_before_anything_else() {
    let mut store = filled();
    store.commit(ChangeSet { state: Some(state(b"old")), ..ChangeSet::default() }).unwrap();
    store.commit(ChangeSet { clear: true, ..put(&[(7, 1, 1, true)]) }).unwrap();
    assert_eq!(stored(&store), [7]);
    assert!(store.load_state().unwrap().is_none());
}

fn state(bytes: &[u8]) -> StateRecord {
    StateRecord::new(SecretBytes::new(bytes.into()))
}

#[test]
fn the_state_stays_until_another_is_committed() {
    let mut store = filled();
    let read =
        |store: &MemoryStore| store.load_state().unwrap().map(|state| state.encoded().expose().to_vec());
    store.commit(ChangeSet { state: Some(state(b"one")), ..ChangeSet::default() }).unwrap();
    store.commit(delete(&[1])).unwrap();
    assert_eq!(read(&store), Some(b"one".to_vec()));
    store.commit(ChangeSet { state: Some(state(b"two")), ..ChangeSet::default() }).unwrap();
    assert_eq!(read(&store), Some(b"two".to_vec()));
}

#[test]
fn a_full_store_refuses_the_whole_commit() {
    let mut store = MemoryStore::with_capacity(2);
    store.commit(put(&[(1, 1, 1, true), (2, 1, 2, true)])).unwrap();
    let mut changes = put(&[(1, 2, 1, true), (3, 1, 3, true)]);
    changes.state = Some(state(b"state"));
    assert_eq!(store.commit(changes), Err(StoreError::Full));
    assert_eq!(stored(&store), [1, 2]);
    assert_eq!(found(&store, &Query::Discoverable(rp_id(1))), [1, 2], "1 did not move");
    assert!(store.load_state().unwrap().is_none());

    store.commit(put(&[(2, 1, 9, true)])).expect("a replacement needs no room");
    store.commit(ChangeSet { delete: vec![id(&[1])], ..put(&[(3, 1, 3, true)]) }).expect("room was made");
    assert_eq!(stored(&store), [2, 3]);
    let same_twice = put(&[(4, 1, 1, true), (4, 1, 2, true)]);
    store.commit(ChangeSet { delete: vec![id(&[2])], ..same_twice }).expect("one credential, put twice");
    assert_eq!(stored(&store), [3, 4]);
}

#[test]
fn an_update_replaces_and_never_adds() {
    let mut store = MemoryStore::with_capacity(2);
    store.commit(put(&[(1, 1, 1, true), (2, 1, 2, true)])).unwrap();
    let update = |keys: &[Key]| ChangeSet { update: put(keys).put, ..ChangeSet::default() };
    store.commit(update(&[(2, 2, 1, true)])).unwrap();
    assert_eq!(found(&store, &Query::Discoverable(rp_id(2))), [2], "2 moved");
    let mut with_state = update(&[(1, 2, 1, true), (3, 2, 1, true)]);
    with_state.state = Some(state(b"state"));
    for refused in [
        with_state,
        ChangeSet { delete: vec![id(&[2])], ..update(&[(2, 1, 1, true)]) },
        ChangeSet { clear: true, ..update(&[(2, 1, 1, true)]) },
        ChangeSet { put: put(&[(3, 1, 1, true)]).put, ..update(&[(3, 1, 1, true)]) },
    ] {
        assert_eq!(store.commit(refused), Err(StoreError::NotFound));
        assert_eq!(found(&store, &Query::Discoverable(rp_id(1))), [1]);
        assert_eq!(stored(&store), [1, 2], "nothing of it was done");
        assert!(store.load_state().unwrap().is_none());
    }
}

fn any_changes() -> impl Strategy<Value = (bool, Vec<u8>, Vec<Key>)> {
    let key = (0u8..8, 0u8..3, 0u8..3, any::<bool>());
    (prop::bool::weighted(0.05), prop::collection::vec(0u8..8, 0..3), prop::collection::vec(key, 0..4))
}

proptest! {
    #[test]
    fn the_store_behaves_as_a_plain_list_of_records(
        capacity in 0usize..7,
        commits in prop::collection::vec(any_changes(), 1..20),
    ) {
        let mut store = MemoryStore::with_capacity(capacity);
        let mut model: BTreeMap<u8, Key> = BTreeMap::new();
        for (clear, deleted, added) in commits {
            let mut next = if clear { BTreeMap::new() } else { model.clone() };
            deleted.iter().for_each(|id| { next.remove(id); });
            next.extend(added.iter().map(|key| (key.0, *key)));
            let changes = ChangeSet { clear, delete: delete(&deleted).delete, ..put(&added) };
            match store.commit(changes) {
                Ok(()) => {
                    prop_assert!(next.len() <= capacity);
                    model = next;
                }
                Err(error) => {
                    prop_assert_eq!(error, StoreError::Full);
                    prop_assert!(next.len() > capacity);
                }
            }
            prop_assert_eq!(stored(&store), model.keys().copied().collect::<Vec<_>>());
            let overview = store.survey().unwrap();
            let discoverable = model.values().filter(|key| key.3);
            let mut parties: Vec<_> = discoverable.clone().map(|key| rp_id(key.1)).collect();
            parties.sort();
            parties.dedup();
            prop_assert_eq!(overview.discoverable, discoverable.count() as u64);
            prop_assert_eq!(overview.remaining, (capacity - model.len()) as u64);
            prop_assert_eq!(overview.relying_parties.into_iter().map(|rp| rp.id).collect::<Vec<_>>(), parties);
            for byte in 0..8 {
                let expected: Vec<u8> = model.get(&byte).map(|key| key.0).into_iter().collect();
                prop_assert_eq!(found(&store, &Query::Identified(id(&[byte]))), expected);
            }
            for rp in 0..3 {
                let of_rp = |key: &&Key| key.1 == rp && key.3;
                let expected: Vec<u8> = model.values().filter(of_rp).map(|key| key.0).collect();
                prop_assert_eq!(found(&store, &Query::Discoverable(rp_id(rp))), expected.clone());
                prop_assert_eq!(found(&store, &Query::OfHash(rp_id(rp).hash())), expected);
                for user in 0..3 {
                    let of_user = |key: &&Key| of_rp(key) && key.2 == user;
                    let expected: Vec<u8> = model.values().filter(of_user).map(|key| key.0).collect();
                    let query = Query::Account(rp_id(rp), UserHandle::new(&[user]).unwrap());
                    prop_assert_eq!(found(&store, &query), expected);
                }
            }
        }
    }
}
