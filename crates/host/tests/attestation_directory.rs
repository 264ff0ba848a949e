//! Attestation keys and certificates as files.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use countersign::{
    attestation::{Attester, InvalidAttester, KeyAttester},
    cose::CoseAlgorithm,
};
use countersign_host::{HostError, attestation_directory::read};

// A key and its certificate by OpenSSL 3 (`openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256`), and a key on
// another curve.
const KEY: &str = include_str!("data/attestation.key.pem");
const CERTIFICATE: &str = include_str!("data/attestation.pem");
const P384_KEY: &str = include_str!("data/p384.key.pem");

fn directory(key: &str, certificates: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("attestation.key.pem"), key).unwrap();
    chmod(directory.path(), 0o600);
    fs::write(directory.path().join("attestation.pem"), certificates).unwrap();
    directory
}

fn chmod(directory: &Path, mode: u32) {
    fs::set_permissions(directory.join("attestation.key.pem"), fs::Permissions::from_mode(mode)).unwrap();
}

fn refused(key: &str, certificates: &str) -> HostError {
    let made: Result<KeyAttester, HostError> = read(directory(key, certificates).path());
    made.err().unwrap()
}

#[test]
fn a_key_and_its_certificates_are_read() {
    let alone = read(directory(KEY, CERTIFICATE).path()).unwrap();
    assert_eq!((alone.algorithm(), alone.certificates().len()), (CoseAlgorithm::Es256, 1));
    assert_eq!(alone.certificates()[0][..2], [0x30, 0x82], "DER");
    let chain = format!("# the key's\n{CERTIFICATE}\n# the next\n{CERTIFICATE}");
    assert_eq!(read(directory(KEY, &chain).path()).unwrap().certificates().len(), 2);
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    for mode in [0o640, 0o604, 0o660] {
        let directory = directory(KEY, CERTIFICATE);
        chmod(directory.path(), mode);
        assert!(matches!(read(directory.path()), Err(HostError::Exposed(_, found)) if found == mode));
    }
}

#[test]
fn what_is_no_key_or_no_certificate_is_refused() {
    for key in ["", "no key", P384_KEY, CERTIFICATE, &KEY[..100]] {
        assert!(matches!(refused(key, CERTIFICATE), HostError::UnusableSecret(_)), "{key}");
    }
    assert!(matches!(refused(KEY, ""), HostError::Attester(InvalidAttester::NoCertificate)));
    for certificates in [KEY, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let error = refused(KEY, certificates);
        assert!(matches!(error, HostError::WrongFile(..) | HostError::Attester(_)), "{error:?}");
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(read(empty.path()), Err(HostError::NotFound(_))));
}
