//! Credentials that are sealed into their own identifiers: made where nothing is to be stored, and found among the
//! identifiers that a request names.

use alloc::sync::Arc;

use rand_core::CryptoRng;

use super::{machine::Authenticator, settings::NonDiscoverable, state::State};
use crate::{
    credential::{Query, Records, WrappedCredential, WrappedFacts, Wrapper},
    crypto::{CryptoError, KeyPair},
    secret::Secret,
    webauthn::{RpEntity, RpIdHash},
};

impl Authenticator {
    /// Whether new credentials that are not discoverable are wrapped.
    pub(super) fn wraps(&self) -> bool {
        self.settings.non_discoverable == NonDiscoverable::Wrapped
    }

    /// Wraps a key pair, and gives the state that has the wrap key. Draws 32 bytes, if there is no wrap key yet, and 24
    /// bytes nonce.
    pub(super) fn wrap(
        &self,
        rp_id_hash: &RpIdHash,
        key: KeyPair,
        facts: WrappedFacts,
        rng: &mut dyn CryptoRng,
    ) -> Result<(WrappedCredential, State), CryptoError> {
        let mut state = self.state.clone_secret();
        let wrap_key = state.wrap_key.get_or_insert_with(|| Secret::make_random(rng));
        let wrapped = Wrapper::new(wrap_key).wrap(rp_id_hash, key, facts, rng)?;
        Ok((wrapped, state))
    }

    /// What opens wrapped credentials; where none was ever made, there is none. The setting does not matter here: what was
    /// wrapped once stays good.
    pub(super) fn wrapper(&self) -> Option<Wrapper> {
        self.state.wrap_key.as_ref().map(Wrapper::new)
    }

    /// Adds what a request names and the store does not have, where the identifier opens. One that does not is not ours,
    /// or not any more.
    pub(super) fn add_wrapped(&self, query: &Query, records: &mut Records) {
        let (Query::Named(rp_id, ids), Some(wrapper)) = (query, self.wrapper()) else { return };
        let rp_id_hash = rp_id.hash();
        let stored = records.len();
        for (index, id) in ids.iter().enumerate() {
            let known = records.iter().take(stored).any(|record| record.credential.id == *id);
            if known || ids.iter().take(index).any(|earlier| earlier == id) {
                continue;
            }
            let opened = wrapper.unwrap(&rp_id_hash, id, &*self.provider);
            let rp = RpEntity { id: rp_id.clone(), name: None };
            records.extend(
                opened.and_then(|wrapped| wrapped.into_record(rp, self.settings.aaguid).ok()).map(Arc::new),
            );
        }
    }
}
