//! What an authenticator is told to be, with constructors by role.

use alloc::{vec, vec::Vec};

use super::pin::Argon2Cost;
use crate::{
    attestation::AttestationFormat,
    cose::CoseAlgorithm,
    credential::Backup,
    ctap2::Limits,
    webauthn::{Aaguid, AuthenticatorAttachment, CredentialId, Transport},
};

/// Whether new credentials may leave their device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewCredentialBackup {
    /// BE = 0: never exported.
    DeviceBound,
    /// BE = 1, and BS as given: true where the store is backed up or synchronised at the time.
    Eligible {
        /// BS at creation.
        backed_up: bool,
    },
}

/// The signature counter of device-bound credentials (WebAuthn section "Signature Counter Considerations").
/// Backup-eligible ones always report zero: copies could not keep a counter in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CounterPolicy {
    /// Always zero.
    Zero,
    /// One more with each assertion of the credential, committed before the signature leaves. Wrapped credentials share
    /// one counter, since there is nowhere to keep theirs: relying parties that put their numbers together can tell how
    /// often it was used elsewhere.
    PerCredential,
}

/// Who verifies the user when a request asks for built-in user verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserVerification {
    /// Nobody: getInfo has no option `uv`, and requests with `uv` fail.
    None,
    /// The core, by the PIN that a person enters on this authenticator. Configured once a PIN is set.
    Pin,
    /// The host, with a verifier of its own (fingerprint, system password). Always configured.
    Host,
}

/// Whether authenticatorReset is possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetPolicy {
    /// Never: NOT_ALLOWED.
    Off,
    /// Within so many milliseconds of power-up; the standard has 10 seconds.
    Window(u64),
}

/// Where credentials that are not discoverable are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonDiscoverable {
    /// In the store, like the others: they can be exported.
    Stored,
    /// Nowhere: each is sealed into its own identifier, and any number of them takes no room. They have no account, and
    /// are gone with the authenticator's state.
    Wrapped,
}

/// Which way of keeping large blobs is offered. There is never more than one (CTAP 2.3 section 12.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LargeBlobs {
    /// None.
    None,
    /// authenticatorLargeBlobs and the extension `largeBlobKey`: one array for all.
    Array {
        /// The longest serialized array, in bytes. Invariant: 1024 to four times `max_msg_size`, so that it does not tip what
        /// a command may take of the heap: it is part of the state, which is written whole.
        max_bytes: usize,
    },
    /// The extension `largeBlob`: one blob for each credential. A look-up has the blobs of all credentials that it finds at
    /// hand, beside what a command may otherwise take of the heap.
    PerCredential {
        /// The longest blob as it is stored (compressed), in bytes. Invariant: 1024 to 65536.
        max_bytes: usize,
    },
}

/// Everything about an authenticator that is decided before it runs. The fields' invariants are checked by
/// [`super::Authenticator::new`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The model. Invariant: stable for a provider, and documented by it.
    pub aaguid: Aaguid,
    /// The attestation of new credentials where the relying party does not prefer another one. `Packed` is self attestation,
    /// unless there is an attester ([`super::Authenticator::with_attester`]).
    pub attestation: AttestationFormat,
    /// What can be negotiated: makeCredential takes the first algorithm of the relying party's list that is in here. All
    /// of this build by default. Invariant: not empty, no repeats.
    pub algorithms: Vec<CoseAlgorithm>,
    /// What getInfo lists, the preferred one first. ES256 and EdDSA by default, since some clients choke on algorithms
    /// that they do not know. Invariant: not empty, no repeats, all of them in `algorithms`.
    pub advertised_algorithms: Vec<CoseAlgorithm>,
    /// The length of new credential IDs, but for wrapped ones. Invariant: 16 to 1023 bytes.
    pub credential_id_length: usize,
    /// Whether new credentials may leave their device.
    pub backup: NewCredentialBackup,
    /// The signature counter of device-bound credentials.
    pub sign_count: CounterPolicy,
    /// Every use needs user verification (option `alwaysUv`).
    pub always_uv: bool,
    /// Non-discoverable credentials may be made without user verification (option `makeCredUvNotRqd`; off under
    /// `always_uv`).
    pub make_cred_uv_not_required: bool,
    /// Who verifies users.
    pub user_verification: UserVerification,
    /// What the host verifies users by, for getInfo: bits `USER_VERIFY_...` of the FIDO Registry, section 3.1 (fingerprint 0x02,
    /// passcode 0x04, face 0x10). `None`: not told. Where users are verified by the PIN, that is told, whatever stands here.
    pub host_uv_modality: Option<u32>,
    /// Whether a platform may set, change and use the PIN (authenticatorClientPIN; option `clientPin`).
    pub client_pin: bool,
    /// Tokens made with a PIN are not good for makeCredential and getAssertion (option `noMcGaPermissionsWithClientPin`).
    pub no_mc_ga_permissions_with_client_pin: bool,
    /// A token ends after 30 seconds without use, and not only after 10 minutes (CTAP 2.3 section 6.5.2.1, "rolling
    /// timer").
    pub rolling_token_timer: bool,
    /// The fewest code points of a PIN, which authenticatorConfig can raise. Invariant: 4 to 63.
    pub min_pin_length: u8,
    /// How many relying parties authenticatorConfig may allow to learn the minimum PIN length. Invariant: at most 64.
    pub max_rp_ids_for_set_min_pin_length: usize,
    /// The cost of a PIN try.
    pub pin_cost: Argon2Cost,
    /// Whether a platform may list, change and delete credentials (authenticatorCredentialManagement).
    pub credential_management: bool,
    /// Whether the command's preview (0x41) is answered as well, for platforms that know CTAP 2.1's predecessor only. It
    /// wants permission cm all the same: the token of a platform that knows no permissions is not good for it. Needs
    /// credential management.
    pub credential_management_preview: bool,
    /// Whether a platform may keep a token for listing credentials (option `perCredMgmtRO`). Needs credential management.
    pub persistent_read_only: bool,
    /// Whether a platform may configure (authenticatorConfig).
    pub authenticator_config: bool,
    /// Which way of keeping large blobs is offered.
    pub large_blobs: LargeBlobs,
    /// The longest credBlob, in bytes. Invariant: 32 to 1024.
    pub max_cred_blob_length: usize,
    /// Where credentials that are not discoverable are kept.
    pub non_discoverable: NonDiscoverable,
    /// On the CTAP door, too, the person chooses among several accounts, instead of getNextAssertion.
    pub display: bool,
    /// Whether "no credentials" is said before anybody was asked. Off: only after user presence, so that nobody learns
    /// without a touch what is stored. On: the order of CTAP 2.3 section 6.2.2, step 7.6.
    pub no_credentials_before_touch: bool,
    /// Whether authenticatorReset is possible.
    pub reset: ResetPolicy,
    /// How long a person has for an answer, in milliseconds. Invariant: 1 second to 10 minutes.
    pub question_timeout: u64,
    /// Whether the date of the last assertion is recorded, which costs a commit per assertion.
    pub record_last_use: bool,
    /// To how many bytes names are cut on the CTAP door. Invariant: at least 64.
    pub name_limit: usize,
    /// How it is attached.
    pub attachment: AuthenticatorAttachment,
    /// The transports that getInfo and registrations list.
    pub transports: Vec<Transport>,
    /// The longest message, in bytes. Invariant: at least 1024, which is CTAP's default.
    pub max_msg_size: usize,
    /// The longest allowList or excludeList. Each entry may cost a kibibyte while its command runs: with 32, no command
    /// needs more than 8 times [`Settings::max_msg_size`] and 16 KiB. Invariant: 1 to 1024.
    pub max_credential_count_in_list: usize,
    /// The firmware version, for getInfo.
    pub firmware_version: Option<u64>,
}

impl LargeBlobs {
    fn is_valid(self, max_msg_size: usize) -> bool {
        match self {
            Self::None => true,
            Self::Array { max_bytes } => (1024..=max_msg_size.saturating_mul(4)).contains(&max_bytes),
            Self::PerCredential { max_bytes } => (1024..=65_536).contains(&max_bytes),
        }
    }
}

/// A field of [`Settings`] is outside its invariant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidSettings(
    /// The field's name.
    pub &'static str,
);

impl core::fmt::Display for InvalidSettings {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "setting {} is outside its range", self.0)
    }
}

impl core::error::Error for InvalidSettings {}

/// countersign's AAGUID: 636f756e-7465-7273-6967-6e2061757468 ("countersign auth" in ASCII).
const COUNTERSIGN: Aaguid = Aaguid(*b"countersign auth");

impl Settings {
    /// A roaming security key: device-bound credentials that count their uses, a PIN that is entered on the key or sent by a
    /// platform, reset within 10 seconds of power-up.
    pub fn security_key() -> Self {
        Self {
            aaguid: COUNTERSIGN,
            attestation: AttestationFormat::Packed,
            algorithms: CoseAlgorithm::ALL.to_vec(),
            advertised_algorithms: vec![CoseAlgorithm::Es256, CoseAlgorithm::EdDsa],
            credential_id_length: 32,
            backup: NewCredentialBackup::DeviceBound,
            sign_count: CounterPolicy::PerCredential,
            always_uv: false,
            make_cred_uv_not_required: true,
            user_verification: UserVerification::Pin,
            host_uv_modality: None,
            client_pin: true,
            no_mc_ga_permissions_with_client_pin: false,
            rolling_token_timer: false,
            min_pin_length: 4,
            max_rp_ids_for_set_min_pin_length: 8,
            pin_cost: Argon2Cost::HOST,
            credential_management: true,
            credential_management_preview: false,
            persistent_read_only: true,
            authenticator_config: true,
            large_blobs: LargeBlobs::Array { max_bytes: 4096 },
            max_cred_blob_length: 64,
            non_discoverable: NonDiscoverable::Wrapped,
            display: false,
            no_credentials_before_touch: false,
            reset: ResetPolicy::Window(10_000),
            question_timeout: 30_000,
            record_last_use: false,
            name_limit: 64,
            attachment: AuthenticatorAttachment::CrossPlatform,
            transports: vec![Transport::Usb],
            max_msg_size: 7609,
            max_credential_count_in_list: 32,
            firmware_version: None,
        }
    }

    /// A device's own authenticator: device-bound credentials, the host verifies users, no reset. Credentials can be managed
    /// through it; the rest is configured in the device's own settings.
    pub fn platform() -> Self {
        Self {
            attestation: AttestationFormat::None,
            user_verification: UserVerification::Host,
            client_pin: false,
            persistent_read_only: false,
            authenticator_config: false,
            large_blobs: LargeBlobs::None,
            reset: ResetPolicy::Off,
            record_last_use: true,
            attachment: AuthenticatorAttachment::Platform,
            transports: vec![Transport::Internal],
            ..Self::security_key()
        }
    }

    /// A credential manager's: credentials live in a vault and may be backed up and exported, counters stay zero, no
    /// attestation (a copy could not keep its promise), no reset. Nobody but its own application lists what is in the vault:
    /// on the CTAP door there is no credential management, configuration or large-blob array.
    pub fn credential_manager() -> Self {
        Self {
            backup: NewCredentialBackup::Eligible { backed_up: false },
            sign_count: CounterPolicy::Zero,
            credential_management: false,
            non_discoverable: NonDiscoverable::Stored,
            transports: vec![Transport::Internal, Transport::Hybrid],
            ..Self::platform()
        }
    }

    /// The same for an authenticator that stands behind a transport, as a security key does: platforms send the PIN, manage
    /// and configure, and keep large blobs in an array; it verifies nobody by itself.
    pub fn served_to_platforms(self) -> Self {
        Self {
            user_verification: UserVerification::None,
            client_pin: true,
            credential_management: true,
            persistent_read_only: true,
            authenticator_config: true,
            large_blobs: LargeBlobs::Array { max_bytes: 4096 },
            ..self
        }
    }

    /// Checks every invariant.
    pub(super) fn check(&self) -> Result<(), InvalidSettings> {
        let enabled = |algorithm: &CoseAlgorithm| self.algorithms.contains(algorithm);
        let advertised = &self.advertised_algorithms;
        let checks = [
            ("algorithms", is_list(&self.algorithms)),
            ("advertised_algorithms", is_list(advertised) && advertised.iter().all(enabled)),
            ("credential_id_length", (16..=CredentialId::MAX_LENGTH).contains(&self.credential_id_length)),
            ("question_timeout", (1_000..=600_000).contains(&self.question_timeout)),
            ("name_limit", self.name_limit >= 64),
            ("max_msg_size", self.max_msg_size >= 1024),
            ("max_credential_count_in_list", (1..=1024).contains(&self.max_credential_count_in_list)),
            ("pin_cost", self.pin_cost.is_valid()),
            ("min_pin_length", (4..=63).contains(&self.min_pin_length)),
            ("max_rp_ids_for_set_min_pin_length", self.max_rp_ids_for_set_min_pin_length <= 64),
            (
                "credential_management_preview",
                self.credential_management || !self.credential_management_preview,
            ),
            ("persistent_read_only", self.credential_management || !self.persistent_read_only),
            ("large_blobs", self.large_blobs.is_valid(self.max_msg_size)),
            ("max_cred_blob_length", (32..=1024).contains(&self.max_cred_blob_length)),
        ];
        match checks.into_iter().find(|(_, holds)| !holds) {
            Some((field, _)) => Err(InvalidSettings(field)),
            None => Ok(()),
        }
    }

    /// What the reader of requests may let through.
    pub(super) fn limits(&self) -> Limits {
        Limits { max_message: self.max_msg_size, max_list: self.max_credential_count_in_list }
    }

    pub(super) fn new_backup(&self) -> Backup {
        match self.backup {
            NewCredentialBackup::DeviceBound => Backup::DeviceBound,
            NewCredentialBackup::Eligible { backed_up } => Backup::Eligible { backed_up },
        }
    }
}

/// Whether a list is one: not empty, no repeats.
fn is_list(algorithms: &[CoseAlgorithm]) -> bool {
    let repeated = |(index, algorithm)| algorithms.iter().take(index).any(|other| other == algorithm);
    !algorithms.is_empty() && !algorithms.iter().enumerate().any(repeated)
}
