//! The readiness report: how the owner of a vault could be locked out of it, or of what its passkeys open.
//!
//! [`ReadinessReport::of`] is a function of [`Facts`], of [`Limits`] and of today; it asks nobody and changes nothing. What
//! it finds has a stable code for programs ([`Reason::code`], with its table in `docs/recovery.md`), a severity, a sentence
//! that says what follows from it, and the next step, both for people who know nothing of cryptography.
//!
//! ```
//! use countersign::{
//!     rand_core::CryptoRng,
//!     readiness::{Facts, HostFacts, Limits, ReadinessReport, Severity},
//!     time::UnixTime,
//!     vault::{PasskeyStore, VaultError, VaultStorage},
//! };
//!
//! fn warn<S: VaultStorage, R: CryptoRng>(store: &PasskeyStore<S, R>, now: UnixTime) -> Result<(), VaultError> {
//!     let facts = Facts::of(store, HostFacts::default())?;
//!     let report = ReadinessReport::of(&facts, &Limits::default(), now);
//!     for finding in report.findings.iter().filter(|finding| finding.severity >= Severity::Warning) {
//!         println!("[{}] {} {}", finding.reason.code(), finding.sentence, finding.next_step);
//!     }
//!     Ok(())
//! }
//! ```

mod care;
mod dependence;
mod facts;
mod finding;
mod passkeys;
mod report;
mod ways;

pub use facts::{Facts, HostFacts, Limits, SlotFacts};
pub use finding::{Finding, Reason, Severity, Subject};
pub use passkeys::{DeletionImpact, PasswordAdvice, can_retire_password, deletion_impact};
pub use report::{Kept, ReadinessReport};
