//! Raw operations of the libraries, with loaded keys: what no authenticator can do without.

use aws_lc_rs::{
    agreement,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use countersign::crypto::{Aes256CbcNoPadding, Hkdf, hmac_sha256, hmac_sha256_verify};
use ed25519_dalek::Signer as _;
use graviola::{hashing::Sha256, key_agreement, signing};
use p256::{
    ecdsa::Signature,
    elliptic_curve::{Generate, sec1::ToSec1Point},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

type Sign = Box<dyn FnMut(&[u8])>;
type Agree = Box<dyn FnMut(&[u8; 65])>;

/// One library's operations.
pub struct Library {
    /// Its name in the results.
    pub name: &'static str,
    /// ECDSA on P-256 over SHA-256, as DER.
    pub sign: Sign,
    /// The x coordinate of the point shared with an uncompressed one, which is checked.
    pub agree: Agree,
    /// A P-256 key pair, of which the public key is written out.
    pub make: Box<dyn FnMut()>,
    /// Ed25519.
    pub sign_ed25519: Sign,
}

/// All that run on this machine: those of the portable provider first.
pub fn libraries() -> Vec<Library> {
    let graviola = graviola::util::is_cpu_supported().then(graviola);
    [rust_crypto(), aws_lc_rs()].into_iter().chain(graviola).collect()
}

fn rust_crypto() -> Library {
    let mut rng = StdRng::seed_from_u64(2);
    let key = p256::ecdsa::SigningKey::generate_from_rng(&mut rng);
    let agreement = p256::SecretKey::generate_from_rng(&mut rng);
    let ed25519 = ed25519_dalek::SigningKey::generate(&mut rng);
    Library {
        name: "p256, ed25519-dalek",
        sign: Box::new(move |message| {
            let signature: Signature = key.sign(message);
            keep(signature.to_der());
        }),
        agree: Box::new(move |peer| {
            let peer = p256::PublicKey::from_sec1_bytes(peer).expect("a point");
            keep(p256::ecdh::diffie_hellman(agreement.to_nonzero_scalar(), peer.as_affine()));
        }),
        make: Box::new(move || {
            let key = p256::ecdsa::SigningKey::generate_from_rng(&mut rng);
            keep(key.verifying_key().to_sec1_point(false));
        }),
        sign_ed25519: Box::new(move |message| keep(ed25519.sign(message))),
    }
}

fn aws_lc_rs() -> Library {
    let rng = SystemRandom::new();
    let make = || EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key pair");
    let key = make();
    let agreement = agreement::PrivateKey::generate(&agreement::ECDH_P256).expect("a key pair");
    let ed25519 = Ed25519KeyPair::generate().expect("a key pair");
    Library {
        name: "aws-lc-rs",
        sign: Box::new(move |message| keep(key.sign(&rng, message).expect("a signature"))),
        agree: Box::new(move |peer| {
            let peer = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, peer);
            keep(agreement::agree(&agreement, peer, (), |z| {
                z.try_into().map_err(|_| ()).map(|z: [u8; 32]| z)
            }));
        }),
        make: Box::new(move || keep(make().public_key().as_ref()[0])),
        sign_ed25519: Box::new(move |message| keep(ed25519.sign(message))),
    }
}

fn graviola() -> Library {
    let key = signing::ecdsa::SigningKey::<signing::ecdsa::P256>::generate().expect("a key");
    let agreement = key_agreement::p256::StaticPrivateKey::new_random().expect("a key");
    let ed25519 = signing::eddsa::Ed25519SigningKey::generate().expect("a key");
    Library {
        name: "graviola",
        sign: Box::new(move |message| {
            let mut signature = [0; 72];
            key.sign_asn1::<Sha256>(&[message], &mut signature).expect("a signature");
            keep(signature);
        }),
        agree: Box::new(move |peer| {
            let peer = key_agreement::p256::PublicKey::from_x962_uncompressed(peer).expect("a point");
            keep(agreement.diffie_hellman(&peer).expect("a point").0);
        }),
        make: Box::new(|| {
            let key = key_agreement::p256::StaticPrivateKey::new_random().expect("a key");
            keep(key.public_key_uncompressed());
        }),
        sign_ed25519: Box::new(move |message| keep(ed25519.sign(message))),
    }
}

/// What hmac-secret with one salt needs beside a signature and a key agreement, protocol 2: two keys, a code verified, a salt
/// decrypted, a code made, and it encrypted. RustCrypto, which everything here but the peers uses for this.
pub struct HmacSecret {
    salt_enc: [u8; 48],
    salt_auth: [u8; 32],
    rng: StdRng,
}

impl HmacSecret {
    /// A request under the shared secret of [`HmacSecret::answer`].
    pub fn new() -> Self {
        let salt_enc = [4; 48];
        let hmac = Hkdf::extract(&[0; 32], &[6; 32]).expand::<32>(&[b"CTAP2 HMAC key"]);
        let salt_auth = hmac_sha256(hmac.expose(), &[&salt_enc]);
        Self { salt_enc, salt_auth, rng: StdRng::seed_from_u64(3) }
    }

    /// Answers it.
    pub fn answer(&mut self) {
        let hkdf = Hkdf::extract(&[0; 32], &[6; 32]);
        let hmac = hkdf.expand::<32>(&[b"CTAP2 HMAC key"]);
        let aes = hkdf.expand::<32>(&[b"CTAP2 AES key"]);
        assert!(hmac_sha256_verify(hmac.expose(), &[&self.salt_enc], &self.salt_auth), "made by this key");
        let mut salt = [0; 32];
        salt.copy_from_slice(&self.salt_enc[16..]);
        Aes256CbcNoPadding::decrypt(aes.expose(), &[4; 16], &mut salt).expect("whole blocks");
        let mut output = hmac_sha256(&[9; 32], &[&salt]);
        let mut iv = [0; 16];
        self.rng.fill_bytes(&mut iv);
        Aes256CbcNoPadding::encrypt(aes.expose(), &iv, &mut output).expect("whole blocks");
        keep(output);
    }
}

/// The two keys of protocol 2 from a shared point: key derivation alone.
pub fn derive_keys() {
    let hkdf = Hkdf::extract(&[0; 32], &[6; 32]);
    keep((hkdf.expand::<32>(&[b"CTAP2 HMAC key"]), hkdf.expand::<32>(&[b"CTAP2 AES key"])));
}

/// A point on the curve, to agree with.
pub fn peer() -> [u8; 65] {
    let key =
        p256::SecretKey::generate_from_rng(&mut StdRng::seed_from_u64(4)).public_key().to_sec1_point(false);
    key.as_bytes().try_into().expect("65 bytes")
}

/// A result that the compiler must not do without.
fn keep<T>(value: T) {
    drop(std::hint::black_box(value));
}
