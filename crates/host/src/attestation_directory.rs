//! An attestation key with its certificates in a directory.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use countersign::{
    attestation::{InvalidAttester, KeyAttester},
    cose::CoseAlgorithm,
    secret::SecretBytes,
};
use p256::{
    SecretKey,
    pkcs8::{DecodePrivateKey, der::pem},
};
use zeroize::Zeroizing;

use crate::{error::HostError, providers::fastest_provider, secret_file};

const KEY: &str = "attestation.key.pem";
const CERTIFICATES: &str = "attestation.pem";
const END: &str = "-----END CERTIFICATE-----";
/// More than a key in PKCS #8 has.
const KEY_LIMIT: u64 = 4096;

/// Reads what vouches for an authenticator: `attestation.key.pem`, a P-256 key in PKCS #8 that is its owner's alone, and
/// `attestation.pem`, its certificate and those between it and the root. `cargo xtask attestation-cert` makes such a
/// directory.
///
/// Errors: [`HostError::Exposed`] where others may read the key, [`HostError::UnusableSecret`] where it is none,
/// [`HostError::WrongFile`] where the certificates are none, [`HostError::Attester`] where they are another key's.
pub fn read(directory: &Path) -> Result<KeyAttester, HostError> {
    let private = read_key(&directory.join(KEY))?;
    let no_key = |_| HostError::UnusableSecret("the attestation key is no key on P-256");
    let provider = fastest_provider();
    let key = provider.import(CoseAlgorithm::Es256, private).map_err(no_key)?;
    let certificates = read_certificates(&directory.join(CERTIFICATES))?;
    KeyAttester::new(&key, certificates, &*provider).map_err(HostError::Attester)
}

fn read_key(path: &Path) -> Result<SecretBytes, HostError> {
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(KEY_LIMIT).unwrap_or_default()));
    let read = secret_file::open(path)?.take(KEY_LIMIT).read_to_string(&mut text);
    read.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => HostError::UnusableSecret("the attestation key is no PEM text"),
        _ => HostError::io(path, error),
    })?;
    let key = SecretKey::from_pkcs8_pem(&text)
        .map_err(|_| HostError::UnusableSecret("the attestation key is no P-256 key in PKCS #8, PEM"))?;
    let bytes = Zeroizing::new(key.to_bytes());
    Ok(SecretBytes::new(bytes.to_vec()))
}

fn read_certificates(path: &Path) -> Result<Vec<Vec<u8>>, HostError> {
    let wrong = || HostError::WrongFile(path.to_path_buf(), "a list of certificates (PEM)");
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => wrong(),
        _ => HostError::io(path, error),
    })?;
    let parts = text.split_inclusive(END).filter(|part| part.ends_with(END));
    let certificates = parts.map(|part| match pem::decode_vec(part.trim_start().as_bytes()) {
        Ok(("CERTIFICATE", certificate)) => Ok(certificate),
        _ => Err(wrong()),
    });
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>()?;
    if certificates.is_empty() {
        Err(HostError::Attester(InvalidAttester::NoCertificate))
    } else {
        Ok(certificates)
    }
}
