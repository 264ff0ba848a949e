//! Who vouches for a credential: the choice among those there are.

use alloc::{string::String, sync::Arc, vec, vec::Vec};

use super::{
    attester::{self, Attester, CannotAttest, InvalidAttester},
    enterprise::{EnterpriseAttestation, EnterpriseAttester, EnterpriseRefusal},
    statement::{AttestationFormat, AttestationStatement},
};
use crate::{
    cose::CoseAlgorithm,
    crypto::CryptoError,
    webauthn::{Aaguid, ClientDataHash, RpId},
};

/// Everybody who can vouch for the credentials of one authenticator.
#[derive(Clone, Default)]
pub struct Attesters {
    batch: Option<Arc<dyn Attester>>,
    enterprise: Option<EnterpriseAttester>,
}

/// Who vouches for one credential.
#[derive(Clone, Copy)]
pub enum Voucher<'a> {
    /// Nobody: `none`.
    Nobody,
    /// The credential itself: `packed` without `x5c`.
    Credential,
    /// An attester with a certificate of a batch: `packed` with `x5c`.
    Batch(&'a dyn Attester),
    /// An attester whose certificate may identify this authenticator: `packed` with `x5c`, and epAtt.
    Enterprise(&'a dyn Attester),
}

impl Attesters {
    /// Sets who vouches by a batch certificate for an authenticator of that AAGUID.
    pub fn set_batch(&mut self, attester: Arc<dyn Attester>, aaguid: Aaguid) -> Result<(), InvalidAttester> {
        attester::check(&*attester, aaguid)?;
        self.batch = Some(attester);
        Ok(())
    }

    /// Sets who vouches in an enterprise.
    pub fn set_enterprise(
        &mut self,
        attester: EnterpriseAttester,
        aaguid: Aaguid,
    ) -> Result<(), InvalidAttester> {
        attester::check(&*attester.attester, aaguid)?;
        self.enterprise = Some(attester);
        Ok(())
    }

    /// Who vouches by a batch certificate.
    pub fn batch(&self) -> Option<&Arc<dyn Attester>> {
        self.batch.as_ref()
    }

    /// Whether the authenticator is enterprise attestation capable: option `ep` exists.
    pub fn is_enterprise_capable(&self) -> bool {
        self.enterprise.is_some()
    }

    /// getInfo's attestationFormats, for an authenticator whose own choice is `default`: the formats that
    /// [`Attesters::choose`] can come to but "none", which CTAP 2.3 section 6.4 leaves out.
    pub fn formats(&self, default: AttestationFormat) -> Vec<&'static str> {
        let packed =
            default == AttestationFormat::Packed || self.batch.is_some() || self.enterprise.is_some();
        if packed { vec![AttestationFormat::Packed.identifier()] } else { Vec::new() }
    }

    /// CTAP 2.3 section 6.1.2 step 9: whether an enterprise attestation may be returned to a request with that
    /// enterpriseAttestation. `enabled` is what authenticatorConfig enabled. False: the parameter is treated as absent.
    pub fn may_vouch_in_enterprise(
        &self,
        requested: Option<u64>,
        enabled: bool,
        rp: &RpId,
    ) -> Result<bool, EnterpriseRefusal> {
        let Some(requested) = requested else { return Ok(false) };
        // "If the authenticator is not enterprise attestation capable, or […] enterprise attestation is disabled".
        let attester = self.enterprise.as_ref().filter(|_| enabled).ok_or(EnterpriseRefusal::NotEnabled)?;
        // "If the enterpriseAttestation parameter's value is not 1 or 2".
        let requested = EnterpriseAttestation::from_value(requested).ok_or(EnterpriseRefusal::UnknownKind)?;
        Ok(attester.may_vouch(requested, rp))
    }

    /// CTAP 2.3 section 6.1.2, the step that generates the attestation statement: the format of attestationFormatsPreference
    /// with the lowest index that there is, or else the authenticator's own choice, which is `default`, or an enterprise
    /// attestation where [`Attesters::may_vouch_in_enterprise`] said so. A relying party that prefers `none` gets it, in
    /// an enterprise too.
    pub fn choose(&self, default: AttestationFormat, preference: &[String], enterprise: bool) -> Voucher<'_> {
        let enterprise = self.enterprise.as_ref().filter(|_| enterprise);
        let possible = self.formats(default);
        let supported = |format: &&String| *format == "none" || possible.contains(&format.as_str());
        match preference.iter().find(supported).map(String::as_str) {
            Some("none") => Voucher::Nobody,
            None if enterprise.is_none() && default == AttestationFormat::None => Voucher::Nobody,
            _ => self.packed(enterprise),
        }
    }

    fn packed<'a>(&'a self, enterprise: Option<&'a EnterpriseAttester>) -> Voucher<'a> {
        match (enterprise, &self.batch) {
            (Some(enterprise), _) => Voucher::Enterprise(&*enterprise.attester),
            (None, Some(batch)) => Voucher::Batch(&**batch),
            (None, None) => Voucher::Credential,
        }
    }
}

impl Voucher<'_> {
    /// Makes the statement over authenticatorData || clientDataHash for a credential of `algorithm`. `sign` signs with it,
    /// and is called in self attestation alone.
    pub fn attest(
        self,
        algorithm: CoseAlgorithm,
        sign: impl FnOnce(&[&[u8]]) -> Result<Vec<u8>, CryptoError>,
        auth_data: &[u8],
        client_data_hash: &ClientDataHash,
    ) -> Result<AttestationStatement, CannotAttest> {
        let message: [&[u8]; 2] = [auth_data, &client_data_hash.0];
        Ok(match self {
            Self::Nobody => AttestationStatement::none(),
            // "alg" is the credential's own algorithm, as negotiated; "x5c" is absent in self attestation.
            Self::Credential => {
                let signature = sign(&message).map_err(|_| CannotAttest)?;
                AttestationStatement::packed(algorithm, signature, &[])
            }
            Self::Batch(attester) | Self::Enterprise(attester) => AttestationStatement::packed(
                attester.algorithm(),
                attester.sign(&message)?,
                attester.certificates(),
            ),
        })
    }

    /// epAtt: whether the statement is an enterprise attestation.
    pub fn is_enterprise(self) -> bool {
        matches!(self, Self::Enterprise(_))
    }
}
