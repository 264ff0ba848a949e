//! Credentials that are sealed into their own IDs.

mod common;

use common::{scripted_rng::ScriptedRng, seeded_rng::SeededRng};
use countersign::{
    cose::CoseAlgorithm,
    credential::{Backup, CredProtect, WrappedCredential, WrappedFacts, Wrapper},
    crypto::{CryptoProvider, Hkdf, KeyPair, RustCrypto, xaes_seal},
    secret::Secret,
    webauthn::{Aaguid, CredentialId, RpEntity, RpId, RpIdHash},
};
use proptest::prelude::*;

const ALGORITHMS: [CoseAlgorithm; 2] = [CoseAlgorithm::Es256, CoseAlgorithm::EdDsa];
const PLAIN: WrappedFacts = WrappedFacts {
    cred_protect: CredProtect::UserVerificationOptional,
    backup: Backup::DeviceBound,
    third_party_payment: false,
};

fn key_pair(algorithm: CoseAlgorithm, seed: u64) -> KeyPair {
    RustCrypto.make_key_pair(algorithm, &mut SeededRng(seed))
}

fn wrapper(seed: u64) -> Wrapper {
    Wrapper::new(&Secret::make_random(&mut SeededRng(seed)))
}

fn rp(id: &str) -> RpIdHash {
    RpId::new(id).unwrap().hash()
}

fn made(wrapper: &Wrapper, algorithm: CoseAlgorithm, facts: WrappedFacts, seed: u64) -> WrappedCredential {
    wrapper.wrap(&rp("example.org"), key_pair(algorithm, 1), facts, &mut SeededRng(seed)).unwrap()
}

fn opens(wrapper: &Wrapper, rp: &RpIdHash, id: &[u8]) -> Option<WrappedCredential> {
    wrapper.unwrap(rp, &CredentialId::new(id).unwrap(), &RustCrypto)
}

fn assert_same(left: &WrappedCredential, right: &WrappedCredential) {
    assert_eq!(left.id, right.id);
    assert_eq!(left.facts, right.facts);
    let (left, right) = (&left.secret, &right.secret);
    assert_eq!(left.key.algorithm(), right.key.algorithm());
    assert_eq!(left.key.public(), right.key.public());
    assert_eq!(left.key.private().expose(), right.key.private().expose());
    assert!(left.cred_random_with_uv.ct_eq(right.cred_random_with_uv.expose()));
    assert!(left.cred_random_without_uv.ct_eq(right.cred_random_without_uv.expose()));
}

/// Both IDs and both CredRandoms were computed by a script on Python's `cryptography` (AES-ECB and AES-GCM) and `hmac`,
/// which built XAES-256-GCM and HKDF by their specifications.
#[test]
fn the_form_of_a_wrapped_id() {
    let wrapper = Wrapper::new(&Secret::init_with(|key| *key = core::array::from_fn(|at| at as u8)));
    let nonce: [u8; 24] = core::array::from_fn(|at| 0x40 + at as u8);
    let payment = WrappedFacts {
        cred_protect: CredProtect::UserVerificationOptionalWithCredentialIdList,
        backup: Backup::Eligible { backed_up: false },
        third_party_payment: true,
    };
    let protected = WrappedFacts { cred_protect: CredProtect::UserVerificationRequired, ..PLAIN };
    let cases = [
        (
            CoseAlgorithm::Es256,
            payment,
            "404142434445464748494a4b4c4d4e4f5051525354555657264277681bd1cd74015f610a70b5d9e49202c35568c1bdda\
             3f7c85db149442657f67d9ce053ec928a0803352e3ef6409f1200a5aa895",
        ),
        (
            CoseAlgorithm::EdDsa,
            protected,
            "404142434445464748494a4b4c4d4e4f5051525354555657264377681bd1cd74015f610a70b5d9e49202c35568c1bdda\
             3f7c85db149442657f67d9ce043b8cfc65eb993716300486c5cfb822c50c",
        ),
    ];
    for (algorithm, facts, expected) in cases {
        let key = RustCrypto.make_key_pair(algorithm, &mut ScriptedRng::new([&[1; 32]]));
        let wrapped = wrapper.wrap(&rp("example.org"), key, facts, &mut ScriptedRng::new([&nonce])).unwrap();
        assert_eq!(hex::encode(wrapped.id.as_bytes()), expected);
        assert_eq!(
            hex::encode(wrapped.secret.cred_random_with_uv.expose()),
            "014b2ab2d117109c3f1aff0f4effddf3a33edfbb3896db0670cdfaf4bd8504aa"
        );
        assert_eq!(
            hex::encode(wrapped.secret.cred_random_without_uv.expose()),
            "afa77644e6068d183b8ffa93b269b47ba962a1fc14269eacd300509322cdb59d"
        );
    }
}

#[test]
fn a_wrapped_id_brings_everything_back() {
    let backups =
        [Backup::DeviceBound, Backup::Eligible { backed_up: false }, Backup::Eligible { backed_up: true }];
    for algorithm in ALGORITHMS {
        for level in 1..=3 {
            for backup in backups {
                for third_party_payment in [false, true] {
                    let cred_protect = CredProtect::from_level(level).unwrap();
                    let facts = WrappedFacts { cred_protect, backup, third_party_payment };
                    let before = made(&wrapper(1), algorithm, facts, 2);
                    let after = opens(&wrapper(1), &rp("example.org"), before.id.as_bytes()).unwrap();
                    assert_same(&before, &after);
                }
            }
        }
    }
}

#[test]
fn a_wrapped_credential_as_a_record_has_no_user() {
    let wrapped = made(&wrapper(1), CoseAlgorithm::Es256, PLAIN, 2);
    let id = wrapped.id.clone();
    let entity = RpEntity { id: RpId::new("example.org").unwrap(), name: None };
    let record = wrapped.into_record(entity, Aaguid([7; 16])).unwrap();
    let credential = &record.credential;
    assert_eq!(credential.id, id);
    assert!(!credential.discoverable);
    assert!(credential.user.id.as_bytes().is_empty());
    assert_eq!((&credential.user.name, &credential.user.display_name), (&None, &None));
    assert_eq!((credential.aaguid, credential.sign_count), (Aaguid([7; 16]), 0));
}

#[test]
fn any_flipped_bit_makes_it_a_foreign_id() {
    let wrapper = wrapper(1);
    let id = made(&wrapper, CoseAlgorithm::Es256, PLAIN, 2).id;
    for bit in 0..id.as_bytes().len() * 8 {
        let mut bytes = id.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(opens(&wrapper, &rp("example.org"), &bytes).is_none(), "bit {bit}");
    }
}

#[test]
fn any_other_length_makes_it_a_foreign_id() {
    let wrapper = wrapper(1);
    let id = made(&wrapper, CoseAlgorithm::Es256, PLAIN, 2).id;
    for length in 1..id.as_bytes().len() {
        assert!(opens(&wrapper, &rp("example.org"), &id.as_bytes()[..length]).is_none(), "{length}");
    }
    for more in [1, 16, CredentialId::MAX_LENGTH - id.as_bytes().len()] {
        let longer = [id.as_bytes(), &vec![0; more]].concat();
        assert!(opens(&wrapper, &rp("example.org"), &longer).is_none(), "{more} more");
    }
}

#[test]
fn an_id_opens_for_its_own_relying_party_and_under_its_own_wrap_key_alone() {
    let wrapped = made(&wrapper(1), CoseAlgorithm::Es256, PLAIN, 2);
    let id = wrapped.id.as_bytes();
    assert!(opens(&wrapper(1), &rp("example.org"), id).is_some());
    assert!(opens(&wrapper(1), &rp("example.com"), id).is_none());
    assert!(opens(&wrapper(1), &rp("login.example.org"), id).is_none());
    assert!(opens(&wrapper(3), &rp("example.org"), id).is_none());
}

/// Relying parties that keep 255 bytes or fewer can keep it, and U2F has one byte for its length.
#[test]
fn an_id_is_short_and_its_length_tells_nothing_but_the_private_keys() {
    let protected = WrappedFacts {
        cred_protect: CredProtect::UserVerificationRequired,
        backup: Backup::Eligible { backed_up: true },
        third_party_payment: true,
    };
    for algorithm in ALGORITHMS {
        for facts in [PLAIN, protected] {
            let length = made(&wrapper(1), algorithm, facts, 2).id.as_bytes().len();
            assert_eq!(length, 46 + key_pair(algorithm, 1).private().expose().len());
        }
    }
}

#[test]
fn two_credentials_of_one_key_pair_have_secrets_of_their_own() {
    let (first, second) = (
        made(&wrapper(1), CoseAlgorithm::Es256, PLAIN, 2).secret,
        made(&wrapper(1), CoseAlgorithm::Es256, PLAIN, 3).secret,
    );
    let secrets = [
        first.cred_random_with_uv,
        first.cred_random_without_uv,
        second.cred_random_with_uv,
        second.cred_random_without_uv,
    ];
    for (index, secret) in secrets.iter().enumerate() {
        assert!(secrets[index + 1..].iter().all(|other| !other.ct_eq(secret.expose())));
    }
}

/// A payload sealed by hand, as only the holder of the wrap key can.
fn sealed_by_hand(wrap_key: &[u8; 32], payload: &[u8]) -> Vec<u8> {
    let domain = b"countersign wrapped credential 1";
    let seal = Hkdf::extract(domain, wrap_key).expand::<32>(&[b"seal"]);
    let aad = [domain.as_slice(), &rp("example.org").0].concat();
    [&[9; 24], xaes_seal(&seal, &[9; 24], payload, &aad).unwrap().as_slice()].concat()
}

#[test]
fn a_payload_that_says_what_cannot_be_is_none_of_ours() {
    let wrap_key = [4; 32];
    let wrapper = Wrapper::new(&Secret::from_slice(&wrap_key).unwrap());
    let payload = |alg: u8, private: &[u8; 32], tail: &[u8]| {
        [&[0x84, alg, 0x58, 0x20], private.as_slice(), tail].concat()
    };
    let opened =
        |payload: &[u8]| opens(&wrapper, &rp("example.org"), &sealed_by_hand(&wrap_key, payload)).is_some();
    assert!(opened(&payload(0x26, &[1; 32], &[1, 0])), "the control");
    assert!(!opened(&payload(0x26, &[0; 32], &[1, 0])), "no scalar of P-256");
    assert!(!opened(&payload(0x26, &[0xff; 32], &[1, 0])), "no scalar of P-256");
    assert!(!opened(&payload(0x20, &[1; 32], &[1, 0])), "no algorithm of ours");
    assert!(!opened(&payload(0x26, &[1; 32], &[0, 0])), "credProtect 0");
    assert!(!opened(&payload(0x26, &[1; 32], &[4, 0])), "credProtect 4");
    assert!(!opened(&payload(0x26, &[1; 32], &[1, 2])), "backed up and not eligible");
    assert!(!opened(&payload(0x26, &[1; 32], &[1, 8])), "a flag of no meaning");
    assert!(!opened(&payload(0x26, &[1; 32], &[1, 0, 0])), "more than one item");
    assert!(!opened(&payload(0x26, &[1; 32], &[1, 0x18, 0])), "not canonical");
    assert!(!opened(&[0x80]), "nothing");
    assert!(!opened(&[]), "not even that");
}

proptest! {
    #[test]
    fn any_change_makes_it_a_foreign_id(
        seed: u64,
        eddsa: bool,
        at: prop::sample::Index,
        mask in 1u8..,
        other in prop::collection::vec(any::<u8>(), 1..=1023),
    ) {
        let wrapper = wrapper(seed);
        let algorithm = if eddsa { CoseAlgorithm::EdDsa } else { CoseAlgorithm::Es256 };
        let mut id = made(&wrapper, algorithm, PLAIN, seed.wrapping_add(1)).id.as_bytes().to_vec();
        prop_assert!(opens(&wrapper, &rp("example.org"), &id).is_some());
        let at = at.index(id.len());
        id[at] ^= mask;
        prop_assert!(opens(&wrapper, &rp("example.org"), &id).is_none());
        prop_assert!(opens(&wrapper, &rp("example.org"), &other).is_none());
    }

    /// Nothing that a relying party, or several that put their lists together, could match on.
    #[test]
    fn two_ids_of_one_credential_share_no_pattern(seed: u64) {
        let wrapper = wrapper(seed);
        let first = made(&wrapper, CoseAlgorithm::Es256, PLAIN, seed.wrapping_add(1)).id;
        let second = made(&wrapper, CoseAlgorithm::Es256, PLAIN, seed.wrapping_add(2)).id;
        let (first, second) = (first.as_bytes(), second.as_bytes());
        prop_assert_eq!(first.len(), second.len());
        // Five equal bytes in a row come about by chance once in 200 million pairs.
        for window in first.windows(5) {
            prop_assert!(!second.windows(5).any(|other| other == window));
        }
        // Not one position has the same byte in all of several IDs.
        let ids: Vec<_> = (3..11)
            .map(|more| made(&wrapper, CoseAlgorithm::Es256, PLAIN, seed.wrapping_add(more)).id)
            .collect();
        for (at, byte) in first.iter().enumerate() {
            prop_assert!(ids.iter().any(|id| id.as_bytes()[at] != *byte), "byte {}", at);
        }
    }
}
