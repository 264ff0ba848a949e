//! authenticatorConfig (CTAP 2.3 section 6.11). Which sub-commands work is decided in `get_info`, where
//! authenticatorConfigCommands lists them.

use super::{
    get_info,
    machine::Authenticator,
    pin::MAX_CODE_POINTS,
    state::State,
    step::{After, Step},
};
use crate::{
    ctap2::{Config, Configure, SetMinPinLength, Status},
    pin_uv::Permissions,
    time::Moment,
};

impl Authenticator {
    pub(super) fn configure(&mut self, request: &Config, now: Moment) -> Result<Step, Status> {
        if !self.settings.authenticator_config {
            return Err(Status::InvalidCommand);
        }
        // Step 2: "If the authenticator does not support the subcommand being invoked, per subCommand's value, return
        // CTAP1_ERR_INVALID_PARAMETER."
        if !get_info::config_commands(self).contains(&request.subcommand.number()) {
            return Err(Status::InvalidParameter);
        }
        self.authorize_configuration(request, now)?;
        // Step 5.
        let state = match &request.subcommand {
            Configure::EnableEnterpriseAttestation => {
                State { enterprise_attestation: true, ..self.state.clone_secret() }
            }
            // Section 6.11.2. makeCredUvNotRqd and U2F follow from it wherever they are looked at.
            Configure::ToggleAlwaysUv => {
                State { always_uv: Some(!self.always_uv()), ..self.state.clone_secret() }
            }
            Configure::SetMinPinLength(parameters) => self.with_min_pin_length(parameters)?,
            Configure::EnableLongTouchForReset => {
                State { long_touch_for_reset: true, ..self.state.clone_secret() }
            }
        };
        let forced = state.force_pin_change && !self.state.force_pin_change;
        let after = if forced { After::ForcedPinChange } else { After::Configured };
        Ok(self.replace_state(state, after))
    }

    /// Steps 3 and 4.
    fn authorize_configuration(&mut self, request: &Config, now: Moment) -> Result<(), Status> {
        let (protected, always_uv) = (self.is_protected(), self.always_uv());
        // Step 3: of an authenticator that always wants user verification before it has any, this much can be changed.
        // "Note: This allows for initial configuration of authenticators that have the Always UV feature enabled by
        // default."
        let initial = request.subcommand == Configure::ToggleAlwaysUv && !protected;
        // Step 4: "If the authenticator is protected by some form of user verification or the alwaysUv option ID is
        // present and true".
        if initial || !(protected || always_uv) {
            return Ok(());
        }
        let auth = request.pin_uv_auth.as_ref().ok_or(Status::PuatRequired)?;
        // 32×0xff || 0x0d || uint8(subCommand) || subCommandParams
        let message: [&[u8]; 3] = [&[0xFF; 32], &[0x0D], &request.signed];
        self.verify_token(auth, &message, Permissions::AUTHENTICATOR_CONFIG, now).map(|_| ())
    }

    /// Section 6.11.4.
    fn with_min_pin_length(&self, parameters: &SetMinPinLength) -> Result<State, Status> {
        // Step 2: "If minPinLengthRPIDs is present and the authenticator does not support the minPinLength extension".
        if parameters.min_pin_length_rp_ids.is_some() && !self.extensions().min_pin_length {
            return Err(Status::InvalidParameter);
        }
        let current = self.min_pin_length();
        // Steps 1 and 3. A length that no PIN can have is a policy that none can fit.
        let new = match parameters.new_min_pin_length {
            None => current,
            Some(new) => u8::try_from(new)
                .ok()
                .filter(|new| (current..=MAX_CODE_POINTS).contains(new))
                .ok_or(Status::PinPolicyViolation)?,
        };
        // Step 4.
        let force = parameters.force_change_pin == Some(true);
        if force && !self.has_pin() {
            return Err(Status::PinNotSet);
        }
        // pinComplexityPolicy can be turned on where there is a policy, and not off again.
        let complexity = parameters.pin_complexity_policy == Some(true);
        if complexity && self.pin_policy.is_none() {
            return Err(Status::InvalidParameter);
        }
        // Step 7. An empty list changes nothing: "present and contains at least one string".
        let rp_ids = parameters.min_pin_length_rp_ids.as_ref().filter(|rp_ids| !rp_ids.is_empty());
        if rp_ids.is_some_and(|rp_ids| rp_ids.len() > self.settings.max_rp_ids_for_set_min_pin_length) {
            return Err(Status::KeyStoreFull);
        }
        let mut state = self.state.clone_secret();
        // Step 6.
        if new > current {
            state.min_pin_length = Some(new);
        }
        if let Some(rp_ids) = rp_ids {
            state.min_pin_length_rp_ids.clone_from(rp_ids);
        }
        // Whether the PIN fits a policy that begins to hold, nobody knows any more.
        let newly_judged = complexity && !self.enforces_pin_policy();
        state.pin_complexity |= complexity;
        // Step 5: "If the value of PINCodePointLength is less than newMinPINLength".
        let unfit = state.pin.as_ref().is_some_and(|pin| pin.code_points < new || newly_judged);
        if force || unfit {
            state.force_pin_change = true;
            // A PIN that must not be used any more does not go on working through the tokens that it gave out.
            state.persistent_token = None;
        }
        Ok(state)
    }
}
