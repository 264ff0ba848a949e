//! What every provider must do, generic over the provider: the root crate runs it for the portable one, the host for the
//! accelerated ones (`crates/host/tests/providers.rs`).
//!
//! What is deterministic is compared byte for byte. Signatures with randomness of the provider's own, as its constants say,
//! are verified instead, by the portable provider and by itself. Who includes it has `common/scripted_rng.rs` at its root.
#![allow(dead_code, unused_imports, unused_macros, reason = "every test program takes its part of it")]

mod across;
mod hostile;
#[cfg(feature = "ml-dsa")]
mod ml_dsa;
mod rfc;
mod wycheproof;

pub(crate) use across::*;
pub(crate) use hostile::*;
#[cfg(feature = "ml-dsa")]
pub(crate) use ml_dsa::*;
pub(crate) use rfc::*;
pub(crate) use wycheproof::*;

use countersign::{
    cose::CoseAlgorithm,
    crypto::{CryptoProvider, KeyPair, ProviderConstants, RustCrypto},
    secret::SecretBytes,
};

/// One test for each rule, by the rule's name, of a provider that this machine may not support.
macro_rules! provider_suite {
    ($provider:expr) => {
        crate::provider_suite::provider_suite!($provider;
            rfc_6979_signatures_on_p256, rfc_8032_signatures,
            ecdsa_p256_sha256_verification, ecdsa_p384_sha384_verification, ed25519_verification,
            ecdh_p256_of_uncompressed_points,
            keys_are_made_from_as_many_drawn_bytes_as_their_algorithm_has,
            a_scalar_that_does_not_exist_is_refused_and_drawn_again,
            private_keys_of_another_length_than_their_algorithms_are_refused,
            points_off_the_curve_are_refused,
            keys_of_another_algorithm_are_refused,
            an_ed25519_key_of_small_order_verifies_nothing,
            a_signature_verifies_under_its_own_key_message_and_algorithm_only,
            what_one_signs_the_portable_one_verifies_and_the_other_way_round,
            agreement_agrees_with_the_portable_one,
        );
        #[cfg(feature = "ml-dsa")]
        crate::provider_suite::provider_suite!($provider;
            ml_dsa_signatures_with_an_empty_context, ml_dsa_verification_with_an_empty_context,
        );
    };
    ($provider:expr; $($rule:ident),+ $(,)?) => {
        $(#[test]
        fn $rule() {
            match $provider {
                Some(provider) => crate::provider_suite::$rule(&provider),
                None => eprintln!("skipped: this machine does not support the provider"),
            }
        })+
    };
}
pub(crate) use provider_suite;

/// Whether the provider makes the same signature again.
fn is_deterministic<P: ProviderConstants>(algorithm: CoseAlgorithm) -> bool {
    match algorithm {
        CoseAlgorithm::EdDsa | CoseAlgorithm::Ed25519 => true,
        CoseAlgorithm::Es256 | CoseAlgorithm::Esp256 | CoseAlgorithm::Es384 | CoseAlgorithm::Esp384 => {
            !P::ECDSA_DRAWS_OWN_NONCES
        }
        _ => !P::ML_DSA_IS_HEDGED,
    }
}

/// Signs in one part and in two, through a handle and without one. All are `expected` where the provider is deterministic
/// for the algorithm; otherwise they differ, and the portable provider and this one verify them.
fn assert_signs<P: ProviderConstants>(provider: &P, pair: &KeyPair, message: &[u8], expected: &[u8]) {
    let signer = provider.signer(pair).unwrap();
    let (head, tail) = message.split_at(message.len() / 2);
    let signatures = [
        signer.sign(&[message]).unwrap(),
        signer.sign(&[head, tail]).unwrap(),
        provider.sign(pair, &[head, tail]).unwrap(),
    ];
    let algorithm = pair.algorithm();
    for signature in &signatures {
        assert!(RustCrypto.verify(algorithm, pair.public(), &[message], signature).is_ok(), "{algorithm:?}");
        assert!(provider.verify(algorithm, pair.public(), &[message], signature).is_ok(), "{algorithm:?}");
        if is_deterministic::<P>(algorithm) {
            assert_eq!(signature, expected, "{algorithm:?}");
        }
    }
    if !is_deterministic::<P>(algorithm) {
        assert!(
            signatures[0] != signatures[1] && signatures[1] != signatures[2],
            "{algorithm:?}: own nonces"
        );
    }
}

fn secret(bytes: &[u8]) -> SecretBytes {
    SecretBytes::new(bytes.to_vec())
}

/// A pair whose private half has this byte everywhere.
fn pair_of(algorithm: CoseAlgorithm, byte: u8) -> KeyPair {
    RustCrypto.import(algorithm, secret(&vec![byte; algorithm.private_length()])).unwrap()
}
