//! `cargo xtask attestation-cert`: a self-made root and the certificate of an attestation key under it, as WebAuthn section
//! "Certificate Requirements for Packed Attestation Statements" wants it.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    str::FromStr as _,
    time::SystemTime,
};

use countersign::{authenticator::Settings, crypto::OsRng, secret::Secret};
use p256::{
    NistP256, SecretKey,
    ecdsa::{DerSignature, SigningKey},
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding},
};
use x509_cert::{
    Certificate, TbsCertificate,
    builder::{self, Builder as _, CertificateBuilder, profile::BuilderProfile},
    certificate::Rfc5280,
    der::{Decode as _, Encode as _, EncodePem as _, asn1::OctetString, oid::ObjectIdentifier},
    ext::{
        Extension, ToExtension as _,
        pkix::{AuthorityKeyIdentifier, BasicConstraints, KeyUsage, KeyUsages, SubjectKeyIdentifier},
    },
    name::Name,
    serial_number::SerialNumber,
    spki::{SubjectPublicKeyInfo, SubjectPublicKeyInfoRef},
    time::{Time, Validity},
};

/// id-ce-basicConstraints and id-ce-keyUsage (RFC 5280 section 4.2.1).
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
/// id-fido-gen-ce-aaguid (WebAuthn section "Certificate Requirements for Packed Attestation Statements").
const AAGUID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.45724.1.1.4");
/// id-fido-gen-ce-sernum (WebAuthn section "Certificate Requirements for Enterprise Packed Attestation Statements").
const SERIAL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.45724.1.1.2");

/// What is asked for.
struct Order {
    directory: PathBuf,
    /// Where the root is; none: a new one is made.
    root: Option<PathBuf>,
    aaguid: [u8; 16],
    country: String,
    organization: String,
    name: String,
    /// The authenticator's serial number, for enterprise attestation.
    serial: Option<Vec<u8>>,
}

/// A key and its certificate.
struct Certified {
    key: SigningKey,
    certificate: Certificate,
}

pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let order = Order::read(words)?;
    make(&order)?;
    println!("attestation.pem, attestation.der, attestation.key.pem: {}", order.directory.display());
    if order.root.is_none() {
        println!("root.pem, root.der, root.key.pem: what relying parties have to trust is root.pem");
    }
    Ok(())
}

impl Order {
    fn read(words: &[&str]) -> Result<Self, String> {
        let (directory, mut options) = match words {
            [directory, options @ ..] if !directory.starts_with('-') => (PathBuf::from(directory), options),
            _ => return Err("attestation-cert takes the directory that the files go to".to_owned()),
        };
        let mut order = Self {
            directory,
            root: None,
            aaguid: Settings::security_key().aaguid.0,
            country: "ZZ".to_owned(),
            organization: "countersign self-made".to_owned(),
            name: "countersign attestation".to_owned(),
            serial: None,
        };
        while let [option, value, rest @ ..] = options {
            match *option {
                "--root" => order.root = Some(PathBuf::from(value)),
                "--aaguid" => {
                    let bytes = from_hex(&value.replace('-', ""))?;
                    order.aaguid = bytes.try_into().map_err(|_| "--aaguid takes 16 bytes".to_owned())?;
                }
                "--country" => order.country = country(value)?,
                "--organization" => order.organization = attribute(value)?,
                "--name" => order.name = attribute(value)?,
                "--serial" => order.serial = Some(from_hex(value)?),
                _ => return Err(format!("unknown option {option}")),
            }
            options = rest;
        }
        match options {
            [] => Ok(order),
            [option, ..] => Err(format!("{option} has no value")),
        }
    }

    /// Subject-C, Subject-O, Subject-OU, Subject-CN.
    fn subject(&self, unit: &str, name: &str) -> Result<Name, String> {
        let text = format!("CN={name},OU={unit},O={},C={}", self.organization, self.country);
        Name::from_str(&text).map_err(|error| format!("{text}: {error}"))
    }
}

/// A value of a distinguished name: nothing that RFC 4514 would want escaped.
fn attribute(value: &str) -> Result<String, String> {
    let plain = !value.is_empty()
        && value.trim() == value
        && !value.chars().any(|letter| letter.is_control() || ",+\"\\<>;=#".contains(letter));
    if plain { Ok(value.to_owned()) } else { Err(format!("{value:?} cannot stand in a name")) }
}

/// ISO 3166 alpha-2.
fn country(value: &str) -> Result<String, String> {
    let code = value.len() == 2 && value.bytes().all(|letter| letter.is_ascii_uppercase());
    if code {
        Ok(value.to_owned())
    } else {
        Err(format!("{value:?} is no country code of two capital letters"))
    }
}

fn from_hex(digits: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("{digits:?} is not hexadecimal");
    if digits.is_empty() || !digits.is_ascii() || !digits.len().is_multiple_of(2) {
        return Err(wrong());
    }
    let pairs = (0..digits.len()).step_by(2).filter_map(|at| digits.get(at..at + 2));
    pairs.map(|pair| u8::from_str_radix(pair, 16).map_err(|_| wrong())).collect()
}

fn make(order: &Order) -> Result<(), String> {
    let root = match &order.root {
        Some(directory) => read_root(directory)?,
        None => make_root(order)?,
    };
    let leaf = make_leaf(order, &root)?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&order.directory)
        .map_err(|error| format!("{}: {error}", order.directory.display()))?;
    if order.root.is_none() {
        write(&order.directory, "root", &root)?;
    }
    write(&order.directory, "attestation", &leaf)
}

fn make_root(order: &Order) -> Result<Certified, String> {
    let subject = order.subject("Authenticator Attestation CA", &format!("{} root", order.name))?;
    let basic_constraints = BasicConstraints { ca: true, path_len_constraint: Some(0) };
    let key_usage = KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign);
    let extensions = standard_extensions(&basic_constraints, &key_usage)?;
    let key = random_key()?;
    let profile = Profile { issuer: subject.clone(), subject, extensions };
    let certificate = sign(profile, &key, &key).map_err(|error| error.to_string())?;
    Ok(Certified { key, certificate })
}

/// The requirements of WebAuthn, in their order: version 3 (which the builder makes), Subject-C, O, OU and CN; "If the
/// related attestation root certificate is used for multiple authenticator models, the Extension OID […] MUST be present,
/// containing the AAGUID as a 16-byte OCTET STRING. The extension MUST NOT be marked as critical."; "The Basic Constraints
/// extension MUST have the CA component set to false." The serial number is not critical either.
fn make_leaf(order: &Order, root: &Certified) -> Result<Certified, String> {
    let subject = order.subject("Authenticator Attestation", &order.name)?;
    let basic_constraints = BasicConstraints { ca: false, path_len_constraint: None };
    let mut extensions =
        standard_extensions(&basic_constraints, &KeyUsage(KeyUsages::DigitalSignature.into()))?;
    extensions.push(octets(AAGUID, &order.aaguid)?);
    if let Some(serial) = &order.serial {
        extensions.push(octets(SERIAL_NUMBER, serial)?);
    }
    let key = random_key()?;
    let profile =
        Profile { issuer: root.certificate.tbs_certificate().subject().clone(), subject, extensions };
    let certificate = sign(profile, &key, &root.key).map_err(|error| error.to_string())?;
    Ok(Certified { key, certificate })
}

fn standard_extensions(constraints: &BasicConstraints, usage: &KeyUsage) -> Result<Vec<Extension>, String> {
    let extensions = [
        (BASIC_CONSTRAINTS, true, constraints).to_extension(&Name::default(), &[]),
        (KEY_USAGE, true, usage).to_extension(&Name::default(), &[]),
    ];
    extensions.into_iter().map(|extension| extension.map_err(|error| error.to_string())).collect()
}

/// An OCTET STRING, wrapped into the one that every extension has.
fn octets(identifier: ObjectIdentifier, value: &[u8]) -> Result<Extension, String> {
    let value = OctetString::new(value).map_err(|error| error.to_string())?;
    (identifier, false, &value).to_extension(&Name::default(), &[]).map_err(|error| error.to_string())
}

/// Issuer, subject and extensions as they were decided, and the identifiers of both keys.
struct Profile {
    issuer: Name,
    subject: Name,
    extensions: Vec<Extension>,
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, _: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        key: SubjectPublicKeyInfoRef<'_>,
        issuer: SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        let mut extensions = self.extensions.clone();
        extensions.push(SubjectKeyIdentifier::try_from(key)?.to_extension(tbs.subject(), &extensions)?);
        extensions.push(AuthorityKeyIdentifier::try_from(issuer)?.to_extension(tbs.subject(), &extensions)?);
        Ok(extensions)
    }
}

/// From now on, without an end: credentials outlive every date.
fn sign(profile: Profile, key: &SigningKey, by: &SigningKey) -> builder::Result<Certificate> {
    let serial = SerialNumber::<Rfc5280>::generate(&mut OsRng::default());
    let key = SubjectPublicKeyInfo::from_key(key.verifying_key())?;
    let builder = CertificateBuilder::new(
        profile,
        serial,
        Validity::new(Time::try_from(SystemTime::now())?, Time::INFINITY),
        key,
    )?;
    builder.build::<_, DerSignature>(by)
}

fn random_key() -> Result<SigningKey, String> {
    let private = Secret::<32>::make_random(&mut OsRng::default());
    let key = p256::elliptic_curve::SecretKey::<NistP256>::from_slice(private.expose());
    key.map(SigningKey::from).map_err(|error| format!("a key cannot be made: {error}"))
}

fn read_root(directory: &Path) -> Result<Certified, String> {
    let failed =
        |name: &str, error: &dyn std::fmt::Display| format!("{}: {error}", directory.join(name).display());
    let key =
        fs::read_to_string(directory.join("root.key.pem")).map_err(|error| failed("root.key.pem", &error))?;
    let key = SecretKey::from_pkcs8_pem(&key).map_err(|error| failed("root.key.pem", &error))?;
    let certificate = fs::read(directory.join("root.der")).map_err(|error| failed("root.der", &error))?;
    let certificate = Certificate::from_der(&certificate).map_err(|error| failed("root.der", &error))?;
    Ok(Certified { key: SigningKey::from(key), certificate })
}

/// Writes NAME.key.pem (0600), NAME.der and NAME.pem. What exists already stays.
fn write(directory: &Path, name: &str, certified: &Certified) -> Result<(), String> {
    let key = certified.key.to_pkcs8_pem(LineEnding::LF).map_err(|error| error.to_string())?;
    create(&directory.join(format!("{name}.key.pem")), key.as_bytes(), 0o600)?;
    let der = certified.certificate.to_der().map_err(|error| error.to_string())?;
    create(&directory.join(format!("{name}.der")), &der, 0o644)?;
    let pem = certified.certificate.to_pem(LineEnding::LF).map_err(|error| error.to_string())?;
    create(&directory.join(format!("{name}.pem")), pem.as_bytes(), 0o644)
}

fn create(path: &Path, contents: &[u8], mode: u32) -> Result<(), String> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(contents)).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{os::unix::fs::PermissionsExt as _, sync::Arc};

    use countersign::{
        attestation::{EnterpriseAttester, InvalidAttester, KeyAttester},
        authenticator::Authenticator,
        cose::{CoseAlgorithm, EcPoint, PublicKey},
        crypto::{CryptoProvider as _, RustCrypto},
        secret::SecretBytes,
        webauthn::Aaguid,
    };
    use x509_parser::{
        certificate::X509Certificate, oid_registry::asn1_rs::Tag, prelude::FromDer as _,
        public_key::PublicKey as ParsedKey, x509::X509Version,
    };

    use super::*;

    fn ordered(words: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("made");
        run(&[&[path.to_str().unwrap()], words].concat()).unwrap();
        directory
    }

    fn read(directory: &tempfile::TempDir, name: &str) -> Vec<u8> {
        fs::read(directory.path().join("made").join(name)).unwrap()
    }

    /// The one value of a name's attribute, with its type.
    fn subject<'a>(certificate: &'a X509Certificate<'_>, oid: &str) -> (Tag, &'a str) {
        let mut values =
            certificate.subject().iter_attributes().filter(|a| a.attr_type().to_id_string() == oid);
        let value = values.next().unwrap();
        assert!(values.next().is_none());
        (value.attr_value().tag(), value.as_str().unwrap())
    }

    /// The octets of an extension that is not critical: an OCTET STRING in the extension's own.
    fn octets<'a>(certificate: &'a X509Certificate<'_>, oid: &str) -> Option<&'a [u8]> {
        let mut found =
            certificate.extensions().iter().filter(|extension| extension.oid.to_id_string() == oid);
        let extension = found.next()?;
        assert!(found.next().is_none() && !extension.critical);
        let [0x04, length, octets @ ..] = extension.value else { panic!("no OCTET STRING") };
        assert_eq!(usize::from(*length), octets.len());
        Some(octets)
    }

    /// Whether `issuer` signed the certificate; verified by the library's own provider, over the bytes as they came.
    fn assert_signed(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) {
        assert_eq!(certificate.issuer(), issuer.subject());
        let ParsedKey::EC(point) = issuer.public_key().parsed().unwrap() else { panic!("no point") };
        let key = PublicKey::P256(EcPoint::from_raw(&point.data()[1..]).unwrap());
        let message = certificate.tbs_certificate.as_ref();
        RustCrypto.verify(CoseAlgorithm::Es256, &key, &[message], &certificate.signature_value.data).unwrap();
        assert_eq!(certificate.signature_algorithm.algorithm.to_id_string(), "1.2.840.10045.4.3.2");
    }

    #[test]
    fn the_certificate_fulfils_every_requirement_of_webauthn() {
        let directory = ordered(&["--country", "CH", "--organization", "Example AG", "--name", "Example 1"]);
        let (leaf, root) = (read(&directory, "attestation.der"), read(&directory, "root.der"));
        let (rest, leaf) = X509Certificate::from_der(&leaf).unwrap();
        assert!(rest.is_empty());
        let root = X509Certificate::from_der(&root).unwrap().1;
        assert_eq!((leaf.version(), root.version()), (X509Version::V3, X509Version::V3));
        assert_eq!(subject(&leaf, "2.5.4.6"), (Tag::PrintableString, "CH"));
        assert_eq!(subject(&leaf, "2.5.4.10"), (Tag::Utf8String, "Example AG"));
        assert_eq!(subject(&leaf, "2.5.4.11"), (Tag::Utf8String, "Authenticator Attestation"));
        assert_eq!(subject(&leaf, "2.5.4.3"), (Tag::Utf8String, "Example 1"));
        let constraints = leaf.basic_constraints().unwrap().unwrap();
        assert!(!constraints.value.ca && constraints.critical);
        assert!(root.basic_constraints().unwrap().unwrap().value.ca);
        assert!(leaf.key_usage().unwrap().unwrap().value.digital_signature());
        assert!(root.key_usage().unwrap().unwrap().value.key_cert_sign());
        assert_eq!(octets(&leaf, "1.3.6.1.4.1.45724.1.1.4").unwrap(), b"countersign auth");
        assert_eq!(octets(&leaf, "1.3.6.1.4.1.45724.1.1.2"), None, "no serial number unless asked for");
        assert_signed(&leaf, &root);
        assert_signed(&root, &root);
        assert!(leaf.validity().is_valid());
        assert_eq!(leaf.validity().not_after.to_datetime().year(), 9999);
        assert_ne!(leaf.raw_serial(), root.raw_serial());
    }

    #[test]
    fn an_enterprise_certificate_has_the_serial_number_and_the_root_it_was_given() {
        let batch = ordered(&[]);
        let root = batch.path().join("made");
        let enterprise = ordered(&["--root", root.to_str().unwrap(), "--serial", "00c0ffee"]);
        assert!(!enterprise.path().join("made").join("root.der").exists());
        let (leaf, root) = (read(&enterprise, "attestation.der"), read(&batch, "root.der"));
        let (leaf, root) =
            (X509Certificate::from_der(&leaf).unwrap().1, X509Certificate::from_der(&root).unwrap().1);
        assert_eq!(octets(&leaf, "1.3.6.1.4.1.45724.1.1.2").unwrap(), [0x00, 0xc0, 0xff, 0xee]);
        assert_signed(&leaf, &root);
    }

    #[test]
    fn private_keys_are_readable_by_their_owner_alone_and_nothing_is_overwritten() {
        let directory = ordered(&[]);
        let made = directory.path().join("made");
        for (name, mode) in
            [("root.key.pem", 0o600), ("attestation.key.pem", 0o600), ("attestation.pem", 0o644)]
        {
            let permissions = fs::metadata(made.join(name)).unwrap().permissions();
            assert_eq!(permissions.mode() & 0o777 & mode, permissions.mode() & 0o777, "{name}");
        }
        let before = read(&directory, "attestation.key.pem");
        assert!(run(&[made.to_str().unwrap()]).is_err());
        assert_eq!(read(&directory, "attestation.key.pem"), before);
        assert_eq!(read(&directory, "root.der"), {
            let pem = String::from_utf8(read(&directory, "root.pem")).unwrap();
            x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap().1.contents
        });
    }

    #[test]
    fn a_root_that_cannot_be_read_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let made = directory.path().join("made");
        let nowhere = directory.path().join("nowhere");
        assert!(run(&[made.to_str().unwrap(), "--root", nowhere.to_str().unwrap()]).is_err());
        assert!(!made.exists());
    }

    #[test]
    fn the_authenticator_takes_the_key_and_the_certificate() {
        let directory = ordered(&["--aaguid", "00112233-4455-6677-8899-aabbccddeeff", "--serial", "01"]);
        let attester = || {
            let key = String::from_utf8(read(&directory, "attestation.key.pem")).unwrap();
            let key = SecretKey::from_pkcs8_pem(&key).unwrap().to_bytes();
            let key = RustCrypto.import(CoseAlgorithm::Es256, SecretBytes::new(key.to_vec())).unwrap();
            let chain = vec![read(&directory, "attestation.der")];
            Arc::new(KeyAttester::new(&key, chain, &RustCrypto).unwrap())
        };
        let aaguid = Aaguid(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes());
        let authenticator = |settings| Authenticator::new(settings, None, Arc::new(RustCrypto)).unwrap();
        let enterprise = || EnterpriseAttester {
            attester: attester(),
            vendor_facilitated: vec![],
            platform_managed: true,
        };
        let ours = authenticator(Settings { aaguid, ..Settings::security_key() });
        let ours = ours.with_attester(attester()).unwrap().with_enterprise_attester(enterprise()).unwrap();
        assert_eq!(ours.info().attestation_formats, ["packed"]);
        let refused = authenticator(Settings::security_key()).with_attester(attester()).err();
        assert_eq!(refused, Some(InvalidAttester::AnotherAaguid(aaguid)), "the certificate names its model");
    }

    #[test]
    fn what_cannot_be_a_name_or_a_number_is_refused() {
        for words in [
            &[][..],
            &["--serial", "01"],
            &["dir", "--serial", "1"],
            &["dir", "--serial", "zz"],
            &["dir", "--serial", ""],
            &["dir", "--serial"],
            &["dir", "--aaguid", "0011"],
            &["dir", "--name", "a,b"],
            &["dir", "--country", "che"],
            &["dir", "--organization", ""],
            &["dir", "--organization", "a+OU=b"],
            &["dir", "--colour", "blue"],
        ] {
            assert!(Order::read(words).is_err(), "{words:?}");
        }
    }
}
