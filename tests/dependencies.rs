//! The dependencies that the vault calls directly, as they are configured here, against the vectors of their RFCs: HPKE's
//! mode_psk (RFC 9180) and Argon2id (RFC 9106).

mod common;

use argon2::{Algorithm, Argon2, AssociatedData, ParamsBuilder, Version};
use common::{
    scripted_rng::ScriptedRng,
    vectors::{hex, list, vectors},
};
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, PskBundle, Serializable, aead::AesGcm256, kdf::HkdfSha256,
    kem::X25519HkdfSha256, single_shot_open, single_shot_seal_with_rng,
};

type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;
type PrivateKey = <X25519HkdfSha256 as Kem>::PrivateKey;
type EncappedKey = <X25519HkdfSha256 as Kem>::EncappedKey;

#[test]
fn rfc_9180_mode_psk_seals_and_opens_byte_for_byte() {
    let file = vectors("rfc9180_hpke_x25519_sha256_aes256gcm");
    let vector = list(&file, "vectors").iter().find(|vector| vector["id"] == "psk").unwrap();
    let member = |name: &str| hex(&vector[name]);
    let first = &vector["encryptions"][0];
    assert_eq!(first["seq"], 0, "one message, the first");
    let (psk, psk_id) = (member("psk"), member("psk_id"));
    let bundle = || PskBundle::new(&psk, &psk_id).unwrap();
    let recipient = PublicKey::from_bytes(&member("pkRm")).unwrap();

    let mut rng = ScriptedRng::new([&member("ikmE")]);
    let (enc, ciphertext) = single_shot_seal_with_rng::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Psk(bundle()),
        &recipient,
        &member("info"),
        &hex(&first["pt"]),
        &hex(&first["aad"]),
        &mut rng,
    )
    .unwrap();
    assert_eq!(enc.to_bytes().as_slice(), member("enc"));
    assert_eq!(ciphertext, hex(&first["ct"]));
    assert!(
        rng.is_exhausted(),
        "the ephemeral key is DeriveKeyPair of 32 drawn bytes, and nothing else is drawn"
    );

    let private = PrivateKey::from_bytes(&member("skRm")).unwrap();
    let open = |mode: OpModeR<'_, X25519HkdfSha256>| {
        single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &mode,
            &private,
            &EncappedKey::from_bytes(&member("enc")).unwrap(),
            &member("info"),
            &hex(&first["ct"]),
            &hex(&first["aad"]),
        )
    };
    assert_eq!(open(OpModeR::Psk(bundle())).unwrap(), hex(&first["pt"]));
    assert!(open(OpModeR::Base).is_err(), "a seal with a PSK does not open without it");
}

#[test]
fn rfc_9106_argon2id_gives_the_published_tags() {
    let file = vectors("rfc9106_argon2id");
    for vector in list(&file, "vectors") {
        let number = |name: &str| u32::try_from(vector[name].as_u64().unwrap()).unwrap();
        let mut parameters = ParamsBuilder::new();
        parameters.m_cost(number("memory_kib")).t_cost(number("iterations")).p_cost(number("lanes"));
        parameters.output_len(number("length") as usize);
        parameters.data(AssociatedData::new(&hex(&vector["ad"])).unwrap());
        let (secret, parameters) = (hex(&vector["secret"]), parameters.build().unwrap());
        let argon2 =
            Argon2::new_with_secret(&secret, Algorithm::Argon2id, Version::V0x13, parameters).unwrap();
        let mut tag = [0; 32];
        argon2.hash_password_into(&hex(&vector["password"]), &hex(&vector["salt"]), &mut tag).unwrap();
        assert_eq!(tag.as_slice(), hex(&vector["tag"]), "{}", vector["id"]);
    }
}
