//! Attestation: who vouches for a new credential (WebAuthn sections "Attestation", "Packed Attestation Statement Format",
//! "None Attestation Statement Format"; CTAP 2.3 sections 6.1.2 and 7.1).
//!
//! Nobody (`none`), the credential itself (`packed`, self attestation), an [`Attester`] with a certificate that all
//! authenticators of a batch share (`packed` with `x5c`), or, where an organisation was permitted to ask for it, one whose
//! certificate tells this authenticator from all others ([`EnterpriseAttester`]). [`Attesters`] holds who there is and
//! chooses.

mod attester;
mod certificate;
mod choice;
mod enterprise;
mod statement;

pub use attester::{Attester, CannotAttest, InvalidAttester, KeyAttester};
pub use choice::{Attesters, Voucher};
pub use enterprise::{EnterpriseAttestation, EnterpriseAttester, EnterpriseRefusal};
pub use statement::{AttestationFormat, AttestationStatement};
