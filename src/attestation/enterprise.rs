//! Enterprise attestation (CTAP 2.3 section 7.1): statements that may tell one authenticator from all others.

use alloc::{sync::Arc, vec::Vec};

use super::attester::Attester;
use crate::webauthn::RpId;

/// The two kinds of enterprise attestation, as a request names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnterpriseAttestation {
    /// 1: for the relying parties that the vendor put into the authenticator.
    VendorFacilitated,
    /// 2: for the relying parties that the platform's administrator vetted.
    PlatformManaged,
}

impl EnterpriseAttestation {
    /// The value of the parameter enterpriseAttestation.
    pub const fn value(self) -> u64 {
        match self {
            Self::VendorFacilitated => 1,
            Self::PlatformManaged => 2,
        }
    }

    /// The kind of that value, if it is one.
    pub const fn from_value(value: u64) -> Option<Self> {
        match value {
            1 => Some(Self::VendorFacilitated),
            2 => Some(Self::PlatformManaged),
            _ => None,
        }
    }
}

/// Why a request for enterprise attestation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnterpriseRefusal {
    /// There is no enterprise attestation here, or it is not enabled: INVALID_PARAMETER.
    NotEnabled,
    /// The value is neither 1 nor 2: INVALID_OPTION.
    UnknownKind,
}

/// Who vouches for credentials of an organisation's relying parties, and for which. The attester's certificate may hold
/// a serial number (WebAuthn section "Certificate Requirements for Enterprise Packed Attestation Statements").
#[derive(Clone)]
pub struct EnterpriseAttester {
    /// Who signs.
    pub attester: Arc<dyn Attester>,
    /// The relying parties of vendor-facilitated enterprise attestation; empty where that is not supported.
    pub vendor_facilitated: Vec<RpId>,
    /// Whether platform-managed enterprise attestation is supported: any relying party, if the platform asks for it.
    pub platform_managed: bool,
}

impl EnterpriseAttester {
    /// Whether an enterprise attestation may be returned (CTAP 2.3 section 6.1.2 step 9): "Consider the following cases in
    /// order, until one matches. […] Authenticators MUST NOT do so in any other cases."
    pub fn may_vouch(&self, requested: EnterpriseAttestation, rp: &RpId) -> bool {
        let listed = self.vendor_facilitated.contains(rp);
        match requested {
            // Vendor-facilitated is supported at all, and the RP ID matches an entry on the pre-configured list.
            EnterpriseAttestation::VendorFacilitated => listed,
            // Platform-managed is supported: the RP ID is not looked up. Where only vendor-facilitated is, 1 and 2 are
            // equivalent.
            EnterpriseAttestation::PlatformManaged => self.platform_managed || listed,
        }
    }
}
