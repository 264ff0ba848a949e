//! countersign, through its typed door and its door for CTAP bytes, with any provider of cryptography.

use std::sync::Arc;

use countersign::{
    attestation::AttestationFormat,
    authenticator::{
        Answer, Authenticator, Channel, CounterPolicy, Settings, Step, Turn, UserVerification, run,
    },
    credential::{ChangeSet, CredentialRecord, CredentialSecret, CredentialStore, MemoryStore},
    crypto::{CryptoProvider, RustCrypto},
    ctap2::{Request, Response},
    time::Moment,
    webauthn::{CredentialId, RpId},
};
use countersign_host::{AwsLc, Graviola, KeyCache};
use rand::{SeedableRng, rngs::StdRng};

use crate::messages::Ctap;

/// A provider under the name that it has in the results, with the name of the floor that it stands on.
pub struct Provider {
    /// What the candidate is called.
    pub name: &'static str,
    /// The library whose raw operations it is held against.
    pub floor: &'static str,
    /// Makes one, so that no two worlds share what a provider may keep.
    make: fn() -> Arc<dyn CryptoProvider>,
}

/// The library's own provider, and those of the host on machines that support them, all behind the key cache that the host
/// puts before them.
pub fn providers() -> Vec<Provider> {
    let portable =
        Provider { name: "countersign, portable", floor: "p256, ed25519-dalek", make: || cached(RustCrypto) };
    let aws_lc = Provider { name: "countersign, aws-lc-rs", floor: "aws-lc-rs", make: || cached(AwsLc) };
    let graviola = Graviola::detect().map(|_| Provider {
        name: "countersign, graviola",
        floor: "graviola",
        make: || cached(Graviola::detect().expect("the machine supported it before")),
    });
    [portable, aws_lc].into_iter().chain(graviola).collect()
}

fn cached(provider: impl CryptoProvider + 'static) -> Arc<dyn CryptoProvider> {
    Arc::new(KeyCache::new(Arc::new(provider)))
}

/// An authenticator with its store.
pub struct World {
    authenticator: Authenticator,
    store: MemoryStore,
    rng: StdRng,
}

impl World {
    /// A security key with this attestation of its own: none or self.
    pub fn new(provider: &Provider, attestation: AttestationFormat) -> Self {
        let settings = Settings {
            attestation,
            sign_count: CounterPolicy::Zero,
            user_verification: UserVerification::None,
            ..Settings::security_key()
        };
        Self {
            authenticator: Authenticator::new(settings, None, (provider.make)()).expect("valid settings"),
            store: MemoryStore::default(),
            rng: StdRng::seed_from_u64(0),
        }
    }

    /// The typed door.
    pub fn typed(&mut self, request: Request) -> Response {
        let step = self.authenticator.begin(Channel(1), request, NOW, &mut self.rng);
        self.finish(step)
    }

    /// Stores as many copies of the one passkey that is there, each of an identifier of its own and of the relying party
    /// that `rp` says.
    pub fn multiply(&mut self, count: u64, rp: impl Fn(u64) -> String) {
        let one = self.store.records().next().expect("a passkey");
        let (credential, key) = (one.credential.clone(), one.secret.key.clone_secret());
        let cred_random = || countersign::secret::Secret::init_with(|_| ());
        for number in 0..count {
            let mut credential = credential.clone();
            credential.id =
                CredentialId::new(&[&number.to_be_bytes()[..], &[0; 24]].concat()).expect("32 bytes");
            credential.rp.id = RpId::new(&rp(number)).expect("an RP ID");
            let secret = CredentialSecret {
                key: key.clone_secret(),
                cred_random_with_uv: cred_random(),
                cred_random_without_uv: cred_random(),
            };
            let put = vec![CredentialRecord::new(credential, secret)];
            self.store.commit(ChangeSet { put, ..ChangeSet::default() }).expect("a store without a limit");
        }
    }

    fn finish(&mut self, mut step: Step) -> Response {
        loop {
            match run(&mut self.authenticator, &mut self.store, step, NOW, &mut self.rng) {
                Turn::Done(outcome) => return outcome.response,
                Turn::Ask(_, pending) => {
                    let answer = Answer::Approved { choice: None };
                    step = self.authenticator.answer(pending, answer, NOW, &mut self.rng);
                }
            }
        }
    }
}

impl Ctap for World {
    fn call(&mut self, message: &[u8]) -> Vec<u8> {
        let step = self.authenticator.begin_ctap(Channel(1), message, NOW, &mut self.rng);
        self.finish(step).encode()
    }
}

const NOW: Moment = Moment { ticks: 0, date: None };
