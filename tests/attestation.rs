//! Who vouches, and for whom: certificates, enterprise attestation, the relying party's preference.

mod common;

use std::sync::Arc;

use common::attesters::{attestation_key, attester, ceremony, certificates};
use countersign::{
    attestation::{
        AttestationFormat, Attester, Attesters, CannotAttest, EnterpriseAttestation, EnterpriseAttester,
        EnterpriseRefusal, InvalidAttester, KeyAttester, Voucher,
    },
    cose::CoseAlgorithm,
    crypto::{CryptoProvider, KeyPair, RustCrypto},
    secret::SecretBytes,
    webauthn::{Aaguid, ClientDataHash, RpId},
};

const MODEL: Aaguid = Aaguid([7; 16]);

fn rp(id: &str) -> RpId {
    RpId::new(id).unwrap()
}

fn refusal(key: KeyPair, certificates: Vec<Vec<u8>>) -> Option<InvalidAttester> {
    KeyAttester::new(&key, certificates, &RustCrypto).err()
}

#[test]
fn a_certificate_of_another_key_is_refused() {
    let (one, other) = (ceremony("packed.ES256"), ceremony("packed.ES384"));
    assert_eq!(refusal(attestation_key(&one), certificates(&one)), None);
    assert_eq!(refusal(attestation_key(&one), certificates(&other)), Some(InvalidAttester::AnotherKey));
    // The first certificate is the key's own.
    let turned = [certificates(&other), certificates(&one)].concat();
    assert_eq!(refusal(attestation_key(&one), turned), Some(InvalidAttester::AnotherKey));
    let in_order = [certificates(&one), certificates(&other)].concat();
    assert_eq!(refusal(attestation_key(&one), in_order), None);
}

#[test]
fn what_is_no_certificate_is_refused() {
    let one = ceremony("packed.ES256");
    let key = || attestation_key(&one);
    assert_eq!(refusal(key(), vec![]), Some(InvalidAttester::NoCertificate));
    let certificate = certificates(&one).remove(0);
    for length in 0..certificate.len() {
        let cut = vec![certificate[..length].to_vec()];
        assert_eq!(refusal(key(), cut), Some(InvalidAttester::NoCertificate), "{length} bytes");
    }
    let trailing = [certificate.as_slice(), &[0]].concat();
    assert_eq!(refusal(key(), vec![trailing]), Some(InvalidAttester::NoCertificate));
    // Every byte altered: no panic, whatever comes of it.
    for index in 0..certificate.len() {
        for value in [0x00, 0x7f, 0x80, 0x82, 0xff] {
            let mut altered = certificate.clone();
            altered[index] = value;
            let _ = refusal(key(), vec![altered]);
        }
    }
}

#[test]
fn certificates_that_no_message_holds_are_refused() {
    let one = ceremony("packed.ES256");
    let leaf = certificates(&one).remove(0);
    let filler = |bytes: usize| vec![leaf.clone(), vec![0x30; bytes - leaf.len()]];
    assert_eq!(refusal(attestation_key(&one), filler(KeyAttester::MAX_CHAIN)), None);
    let refused = refusal(attestation_key(&one), filler(KeyAttester::MAX_CHAIN + 1));
    assert_eq!(refused, Some(InvalidAttester::TooLong));
}

/// A DER element of less than 256 bytes.
fn der(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let head = match u8::try_from(content.len()).unwrap() {
        length @ 0..=0x7f => vec![tag, length],
        length => vec![tag, 0x81, length],
    };
    [head, content].concat()
}

/// The bare bones of a certificate for `key`, with the AAGUID extension.
fn certificate_for(key: &KeyPair, aaguid: [u8; 16], critical: &[u8]) -> Vec<u8> {
    let sequence = |content: &[&[u8]]| der(0x30, content);
    let oid = [0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xe5, 0x1c, 0x01, 0x01, 0x04];
    let value = der(0x04, &[&der(0x04, &[&aaguid])]);
    let other = sequence(&[&der(0x06, &[&[0x55, 0x1d, 0x13]]), &der(0x04, &[&sequence(&[])])]);
    let extension = sequence(&[&der(0x06, &[&oid]), critical, &value]);
    let extensions = der(0xa3, &[&sequence(&[&other, &extension])]);
    let point = der(0x03, &[&[0, 4], &key.public().to_raw()]);
    let key = sequence(&[&sequence(&[]), &point]);
    let empty = sequence(&[]);
    let version = der(0xa0, &[&[2, 1, 2]]);
    let tbs = sequence(&[&version, &[2, 1, 1], &empty, &empty, &empty, &empty, &key, &extensions]);
    sequence(&[&tbs, &empty, &der(0x03, &[&[0]])])
}

#[test]
fn a_certificate_of_another_aaguid_is_refused() {
    let key = || attestation_key(&ceremony("packed.ES256"));
    for critical in [&[][..], &[0x01, 0x01, 0xff]] {
        let certificate = certificate_for(&key(), MODEL.0, critical);
        let attester = KeyAttester::new(&key(), vec![certificate], &RustCrypto).unwrap();
        let attester: Arc<dyn Attester> = Arc::new(attester);
        let enterprise = EnterpriseAttester {
            attester: Arc::clone(&attester),
            vendor_facilitated: vec![],
            platform_managed: true,
        };
        let mut attesters = Attesters::default();
        let (other, refused) = (Aaguid([8; 16]), Err(InvalidAttester::AnotherAaguid(MODEL)));
        assert_eq!(attesters.set_batch(Arc::clone(&attester), other), refused);
        assert_eq!(attesters.set_enterprise(enterprise.clone(), other), refused);
        assert!(attesters.batch().is_none() && !attesters.is_enterprise_capable(), "nothing was set");
        assert_eq!(attesters.set_batch(attester, MODEL), Ok(()));
        assert_eq!(attesters.set_enterprise(enterprise, MODEL), Ok(()));
    }
    // One that names none is anybody's.
    assert_eq!(Attesters::default().set_batch(attester("packed.ES256"), MODEL), Ok(()));
}

#[test]
fn an_attester_signs_with_the_key_of_its_certificate() {
    let one = ceremony("packed.ES256");
    let attester = attester("packed.ES256");
    assert_eq!(attester.algorithm(), CoseAlgorithm::Es256);
    assert_eq!(attester.certificates(), certificates(&one));
    let signature = attester.sign(&[b"auth", b"data"]).unwrap();
    let key = attestation_key(&one);
    RustCrypto.verify(CoseAlgorithm::Es256, key.public(), &[b"authdata"], &signature).unwrap();
}

// --- enterprise attestation (CTAP 2.3 section 6.1.2 step 9) ------------------------------------------------------------

fn enterprise(listed: &[&str], platform_managed: bool) -> EnterpriseAttester {
    EnterpriseAttester {
        attester: attester("packed.EdDSA"),
        vendor_facilitated: listed.iter().map(|id| rp(id)).collect(),
        platform_managed,
    }
}

#[test]
fn enterprise_attestation_is_for_whom_the_standard_permits() {
    use EnterpriseAttestation::{PlatformManaged, VendorFacilitated};
    for (listed, platform_managed, requested, rp_id, permitted) in [
        // Vendor-facilitated only: 1 and 2 are equivalent.
        (&["a.example"][..], false, VendorFacilitated, "a.example", true),
        (&["a.example"], false, PlatformManaged, "a.example", true),
        (&["a.example"], false, VendorFacilitated, "b.example", false),
        (&["a.example"], false, PlatformManaged, "b.example", false),
        (&["a.example"], false, VendorFacilitated, "sub.a.example", false),
        // Platform-managed only: nobody is listed.
        (&[], true, VendorFacilitated, "a.example", false),
        (&[], true, PlatformManaged, "a.example", true),
        // Both.
        (&["a.example"], true, VendorFacilitated, "a.example", true),
        (&["a.example"], true, VendorFacilitated, "b.example", false),
        (&["a.example"], true, PlatformManaged, "a.example", true),
        (&["a.example"], true, PlatformManaged, "b.example", true),
        // Neither.
        (&[], false, VendorFacilitated, "a.example", false),
        (&[], false, PlatformManaged, "a.example", false),
    ] {
        let may = enterprise(listed, platform_managed).may_vouch(requested, &rp(rp_id));
        assert_eq!(may, permitted, "{listed:?}, {platform_managed}, {requested:?}, {rp_id}");
    }
}

#[test]
fn enterprise_attestation_is_refused_before_its_value_is_looked_at() {
    let mut capable = Attesters::default();
    capable.set_enterprise(enterprise(&["a.example"], true), MODEL).unwrap();
    let ask = |attesters: &Attesters, requested, enabled| {
        attesters.may_vouch_in_enterprise(requested, enabled, &rp("a.example"))
    };
    let incapable = Attesters::default();
    for (attesters, enabled) in [(&incapable, false), (&incapable, true), (&capable, false)] {
        assert_eq!(ask(attesters, None, enabled), Ok(false));
        for value in [0, 1, 2, 3, u64::MAX] {
            assert_eq!(ask(attesters, Some(value), enabled), Err(EnterpriseRefusal::NotEnabled));
        }
    }
    assert_eq!(ask(&capable, None, true), Ok(false));
    for value in [0, 3, u64::MAX] {
        assert_eq!(ask(&capable, Some(value), true), Err(EnterpriseRefusal::UnknownKind));
    }
    for kind in [EnterpriseAttestation::VendorFacilitated, EnterpriseAttestation::PlatformManaged] {
        assert_eq!(EnterpriseAttestation::from_value(kind.value()), Some(kind));
        assert_eq!(ask(&capable, Some(kind.value()), true), Ok(true));
    }
}

// --- attestationFormatsPreference --------------------------------------------------------------------------------------

fn name(voucher: Voucher<'_>) -> &'static str {
    match voucher {
        Voucher::Nobody => "nobody",
        Voucher::Credential => "credential",
        Voucher::Batch(_) => "batch",
        Voucher::Enterprise(_) => "enterprise",
    }
}

#[test]
fn the_first_format_of_the_preference_that_there_is_wins() {
    let alone = Attesters::default();
    let mut batch = Attesters::default();
    batch.set_batch(attester("packed.ES256"), MODEL).unwrap();
    let mut both = batch.clone();
    both.set_enterprise(enterprise(&[], true), MODEL).unwrap();
    use AttestationFormat::{None, Packed};
    for (attesters, default, preference, enterprise, expected) in [
        // Without a preference, or with one for what there is not: the authenticator's own choice.
        (&alone, None, &[][..], false, "nobody"),
        (&alone, None, &["packed"], false, "nobody"),
        (&alone, Packed, &[], false, "credential"),
        (&alone, Packed, &["tpm"], false, "credential"),
        (&batch, None, &[], false, "nobody"),
        (&batch, Packed, &[], false, "batch"),
        (&batch, Packed, &["tpm", "", "Packed", "NONE"], false, "batch"),
        (&both, Packed, &[], false, "batch"),
        (&both, Packed, &[], true, "enterprise"),
        (&both, None, &[], true, "enterprise"),
        // The lowest index that there is.
        (&alone, Packed, &["none"], false, "nobody"),
        (&alone, Packed, &["none", "packed"], false, "nobody"),
        (&alone, Packed, &["packed", "none"], false, "credential"),
        (&alone, Packed, &["apple", "packed", "none"], false, "credential"),
        (&alone, None, &["packed", "none"], false, "nobody"),
        (&batch, None, &["packed", "none"], false, "batch"),
        (&batch, None, &["fido-u2f", "none", "packed"], false, "nobody"),
        (&both, None, &["packed"], true, "enterprise"),
        // Who prefers none does not learn which authenticator it is.
        (&both, Packed, &["none"], true, "nobody"),
    ] {
        let preference: Vec<String> = preference.iter().copied().map(str::to_owned).collect();
        let voucher = attesters.choose(default, &preference, enterprise);
        assert_eq!(name(voucher), expected, "{default:?}, {preference:?}, {enterprise}");
        assert_eq!(voucher.is_enterprise(), expected == "enterprise");
        let listed = attesters.formats(default);
        assert!(listed.is_empty() || listed == ["packed"], "never none");
        assert!(expected == "nobody" || listed == ["packed"], "whatever is made is listed");
    }
}

/// An attestation key that is out of reach.
struct Absent(Vec<Vec<u8>>);

impl Attester for Absent {
    fn algorithm(&self) -> CoseAlgorithm {
        CoseAlgorithm::Es256
    }

    fn certificates(&self) -> &[Vec<u8>] {
        &self.0
    }

    fn sign(&self, _: &[&[u8]]) -> Result<Vec<u8>, CannotAttest> {
        Err(CannotAttest)
    }
}

#[test]
fn an_attester_that_cannot_sign_makes_no_statement() {
    let pair = RustCrypto.import(CoseAlgorithm::Es256, SecretBytes::new(vec![1; 32])).unwrap();
    let sign = |message: &[&[u8]]| RustCrypto.sign(&pair, message);
    let absent = Absent(certificates(&ceremony("packed.ES256")));
    let statement =
        Voucher::Batch(&absent).attest(CoseAlgorithm::Es256, sign, b"data", &ClientDataHash([0; 32]));
    assert_eq!(statement, Err(CannotAttest));
}
