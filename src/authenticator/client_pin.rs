//! authenticatorClientPIN (CTAP 2.3 section 6.5.5): the PIN that a platform sets, changes and sends, and the tokens that it
//! gets. The step numbers are the standard's; step 1 of each sub-command, the mandatory parameters, is the codec's.

use alloc::{boxed::Box, vec::Vec};

use rand_core::CryptoRng;

use super::{
    machine::Authenticator,
    pin::{MAX_TRIES, PinEntry, PinVerifier},
    question::Purpose,
    settings::{LargeBlobs, UserVerification},
    step::{After, Approval, Job as AnyJob, Refusal, Step, Work},
};
use crate::{
    ctap2::{ClientPin, ClientPinResponse, PlatformKey, Response, Status},
    pin_uv::{Grant, Permissions, PinUvAuthProtocol, PinUvAuthToken, SharedSecret},
    secret::Secret,
    time::Moment,
    webauthn::RpId,
};

/// One sub-command under way.
pub(super) struct Job {
    shared: SharedSecret,
    /// LEFT(SHA-256(PIN), 16), as the platform sent it; `None` where it sent none, or something of another length, which
    /// is a wrong PIN.
    pin_hash: Option<Secret<16>>,
    aim: Aim,
}

/// What the platform wants, once the user is verified.
enum Aim {
    /// changePIN
    NewPin { new_pin_enc: Vec<u8> },
    /// A token.
    Token {
        permissions: Permissions,
        rp_id: Option<RpId>,
        /// What the right PIN ends in when it has to be changed first.
        forced: Status,
    },
}

impl Authenticator {
    pub(super) fn client_pin(
        &mut self,
        request: ClientPin,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Status> {
        match request {
            // Section 6.5.5.4: one key pair serves both protocols. hmac-secret needs it, too, with or without PIN.
            ClientPin::GetKeyAgreement { pin_uv_auth_protocol } => {
                PinUvAuthProtocol::from_number(pin_uv_auth_protocol).ok_or(Status::InvalidParameter)?;
                let key = self.key_agreement(rng).public_key();
                Ok(respond(ClientPinResponse::KeyAgreement(key)))
            }
            ClientPin::GetUvRetries | ClientPin::GetTokenUsingUv { .. }
                if self.settings.user_verification == UserVerification::None =>
            {
                Err(Status::InvalidSubcommand)
            }
            // Section 6.5.5.3.
            ClientPin::GetUvRetries => Ok(respond(ClientPinResponse::UvRetries(self.uv_retries()))),
            ClientPin::GetTokenUsingUv { platform, permissions, rp_id } => {
                self.token_using_uv(&platform, permissions, rp_id, now, rng)
            }
            _ if !self.settings.client_pin => Err(Status::InvalidSubcommand),
            // Section 6.5.5.2. A PIN that is not set yet has all its tries.
            ClientPin::GetPinRetries => Ok(respond(ClientPinResponse::PinRetries {
                retries: self.pin_tries_left().unwrap_or(MAX_TRIES),
                power_cycle: self.needs_power_cycle(),
            })),
            ClientPin::SetPin { platform, new_pin_enc, pin_uv_auth_param } => {
                self.set_sent_pin(&platform, &new_pin_enc, &pin_uv_auth_param, rng)
            }
            ClientPin::ChangePin { platform, new_pin_enc, pin_hash_enc, pin_uv_auth_param } => {
                self.change_pin(&platform, new_pin_enc, &pin_hash_enc, &pin_uv_auth_param, rng)
            }
            ClientPin::GetPinToken { platform, pin_hash_enc, permissions, rp_id } => {
                let extra = permissions.is_some() || rp_id.is_some();
                self.get_pin_token(&platform, &pin_hash_enc, extra, now, rng)
            }
            ClientPin::GetTokenUsingPin { platform, pin_hash_enc, permissions, rp_id } => {
                self.token_using_pin(&platform, &pin_hash_enc, permissions, rp_id, now, rng)
            }
        }
    }

    /// Section 6.5.5.5.
    fn set_sent_pin(
        &mut self,
        platform: &PlatformKey,
        new_pin_enc: &[u8],
        pin_uv_auth_param: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Status> {
        // 2. If pinUvAuthProtocol is not supported, return CTAP1_ERR_INVALID_PARAMETER.
        let protocol = protocol_of(platform)?;
        // 3. If a PIN has already been set, authenticator returns CTAP2_ERR_PIN_AUTH_INVALID error.
        if self.has_pin() {
            return Err(Status::PinAuthInvalid);
        }
        // 4. The authenticator calls decapsulate on the provided platform key-agreement key.
        let shared = self.decapsulate(protocol, platform, rng)?;
        // 5. The authenticator calls verify(shared secret, newPinEnc, pinUvAuthParam).
        if !shared.verify(&[new_pin_enc], pin_uv_auth_param) {
            return Err(Status::PinAuthInvalid);
        }
        // 6 to 10.
        let entry = self.decrypt_new_pin(&shared, new_pin_enc)?;
        // 11 and 12: what is kept, with all tries.
        self.keep_pin(&entry, rng)
    }

    /// Section 6.5.5.6, up to the count of the try.
    fn change_pin(
        &mut self,
        platform: &PlatformKey,
        new_pin_enc: Vec<u8>,
        pin_hash_enc: &[u8],
        pin_uv_auth_param: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Status> {
        // 2.
        let protocol = protocol_of(platform)?;
        // 3. If the pinRetries counter is 0, return CTAP2_ERR_PIN_BLOCKED error. (No PIN: PIN_NOT_SET.)
        self.check_tries()?;
        // 4.
        let shared = self.decapsulate(protocol, platform, rng)?;
        // 5. The authenticator calls verify(shared secret, newPinEnc || pinHashEnc, pinUvAuthParam).
        if !shared.verify(&[&new_pin_enc, pin_hash_enc], pin_uv_auth_param) {
            return Err(Status::PinAuthInvalid);
        }
        let job = Job::new(shared, pin_hash_enc, Aim::NewPin { new_pin_enc });
        self.count_sent_try(job)
    }

    /// Section 6.5.5.7.1, superseded: the token of CTAP 2.0.
    fn get_pin_token(
        &mut self,
        platform: &PlatformKey,
        pin_hash_enc: &[u8],
        extra: bool,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Status> {
        // 2.
        let protocol = protocol_of(platform)?;
        // 3 and 4. If the permissions parameter, or the rpId parameter, is present, return CTAP1_ERR_INVALID_PARAMETER.
        if extra {
            return Err(Status::InvalidParameter);
        }
        // 5.
        self.check_tries()?;
        // 6.
        let shared = self.decapsulate(protocol, platform, rng)?;
        // 14. If the noMcGaPermissionsWithClientPin option ID is present and set to false, or absent, then assign the
        //     pinUvAuthToken the default permissions.
        let permissions = if self.settings.no_mc_ga_permissions_with_client_pin {
            Permissions::NONE
        } else {
            Permissions::MAKE_CREDENTIAL.and(Permissions::GET_ASSERTION)
        };
        // 11 (later): forcePINChange is PIN_INVALID, which is all that 2.0 has for it.
        let aim = Aim::Token { permissions, rp_id: None, forced: Status::PinInvalid };
        self.ask_consent(Job::new(shared, pin_hash_enc, aim), now)
    }

    /// Section 6.5.5.7.2.
    fn token_using_pin(
        &mut self,
        platform: &PlatformKey,
        pin_hash_enc: &[u8],
        permissions: u64,
        rp_id: Option<RpId>,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Status> {
        // 2.
        let protocol = protocol_of(platform)?;
        // 3 and 4, before anything is said of the PIN.
        let mut unavailable = self.unavailable_permissions(self.settings.authenticator_config);
        if self.settings.no_mc_ga_permissions_with_client_pin {
            unavailable = unavailable.and(Permissions::MAKE_CREDENTIAL).and(Permissions::GET_ASSERTION);
        }
        let permissions = check_permissions(permissions, unavailable, rp_id.as_ref())?;
        // 5.
        self.check_tries()?;
        // 6.
        let shared = self.decapsulate(protocol, platform, rng)?;
        // 11 (later): forcePINChange is PIN_POLICY_VIOLATION.
        let aim = Aim::Token { permissions, rp_id, forced: Status::PinPolicyViolation };
        self.ask_consent(Job::new(shared, pin_hash_enc, aim), now)
    }

    /// Section 6.5.5.7.3.
    fn token_using_uv(
        &mut self,
        platform: &PlatformKey,
        permissions: u64,
        rp_id: Option<RpId>,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Status> {
        // 2.
        let protocol = protocol_of(platform)?;
        // 3 and 4. mc and ga are always authorized.
        let unavailable = self.unavailable_permissions(self.has_uv_config());
        let permissions = check_permissions(permissions, unavailable, rp_id.as_ref())?;
        // 5. If a built-in user verification method is supported but not configured, return CTAP2_ERR_NOT_ALLOWED.
        if !self.verifies_users() {
            return Err(Status::NotAllowed);
        }
        // 7. If the uvRetries counter is 0, return CTAP2_ERR_UV_BLOCKED error.
        if self.uv_retries() == 0 {
            return Err(Status::UvBlocked);
        }
        let shared = self.decapsulate(protocol, platform, rng)?;
        // 6, 8 and 9: consent to the permissions and user verification are one question.
        let purpose = Purpose::Authorize { permissions, rp_id: rp_id.clone() };
        let aim = Aim::Token { permissions, rp_id, forced: Status::NotAllowed };
        let job = Box::new(Job { shared, pin_hash: None, aim });
        Ok(self.ask(AnyJob::ClientPin(job), purpose, true, now))
    }

    /// Step 4 of 0x06 and 0x09: the permissions whose feature is off or absent.
    fn unavailable_permissions(&self, config: bool) -> Permissions {
        let settings = &self.settings;
        let large_blobs = matches!(settings.large_blobs, LargeBlobs::Array { .. });
        let features = [
            (Permissions::CREDENTIAL_MANAGEMENT, settings.credential_management),
            (Permissions::BIO_ENROLLMENT, false),
            (Permissions::LARGE_BLOB_WRITE, large_blobs),
            (Permissions::AUTHENTICATOR_CONFIG, config),
            (Permissions::PERSISTENT_READ_ONLY, settings.persistent_read_only),
        ];
        let off = features.into_iter().filter(|(_, on)| !on);
        off.fold(Permissions::NONE, |sum, (permission, _)| sum.and(permission))
    }

    /// Step 7 of 0x05 and 0x09: "If the authenticator has a display, request user consent for the requested
    /// permissions."
    fn ask_consent(&mut self, job: Box<Job>, now: Moment) -> Result<Step, Status> {
        let purpose = match &job.aim {
            Aim::Token { permissions, rp_id, .. } if self.settings.display => {
                Purpose::Authorize { permissions: *permissions, rp_id: rp_id.clone() }
            }
            _ => return self.count_sent_try(job),
        };
        Ok(self.ask(AnyJob::ClientPin(job), purpose, false, now))
    }

    /// The question that 0x06 asks, to be asked again after a wrong PIN.
    pub(super) fn authorization_purpose(job: &Job) -> Purpose {
        match &job.aim {
            Aim::Token { permissions, rp_id, .. } => {
                Purpose::Authorize { permissions: *permissions, rp_id: rp_id.clone() }
            }
            Aim::NewPin { .. } => Purpose::Select,
        }
    }

    /// After consent, or after built-in user verification.
    pub(super) fn client_pin_approved(
        &mut self,
        job: Box<Job>,
        approval: &Approval,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Status> {
        match approval.verified {
            // Step 13 of 0x06: an answer is evidence of user interaction.
            Some(_) => self.give_token(job, true, now, rng),
            None => self.count_sent_try(job),
        }
    }

    /// Steps 8 and 10 of 0x06, step 7 of the others: what no approval ends in.
    pub(super) fn client_pin_refusal(&self, verify: bool, refusal: Refusal) -> Status {
        match refusal {
            // 10.1
            Refusal::TimedOut if verify => Status::UserActionTimeout,
            // 10.2. Where the person enters the PIN here, three wrong entries in a row block until a power cycle.
            Refusal::Blocked => Status::UvBlocked,
            Refusal::Unverified if self.uv_retries() == 0 => Status::UvBlocked,
            // 10.3
            Refusal::Unverified => Status::UvInvalid,
            Refusal::TimedOut | Refusal::Declined => Status::OperationDenied,
        }
    }

    /// "The authenticator decrements the pinRetries counter by 1", and commits it before the comparison.
    fn count_sent_try(&mut self, job: Box<Job>) -> Result<Step, Status> {
        self.check_tries()?;
        let changes = self.take_try();
        Ok(Step::Commit(changes, self.pending(Work::CountSentTry(job))))
    }

    /// "The authenticator decrypts pinHashEnc [...] and verifies against its internal stored LEFT(SHA-256(curPin), 16)."
    pub(super) fn compare_sent_pin(&mut self, job: Box<Job>) -> Result<Step, Status> {
        let verifier = self.state.pin.as_ref().ok_or(Status::PinNotSet)?;
        if job.pin_hash.as_ref().is_some_and(|hash| verifier.accepts(hash)) {
            // "The authenticator sets the pinRetries counter to maximum value."
            let changes = self.restore_tries();
            return Ok(Step::Commit(changes, self.pending(Work::RestoreSentTries(job))));
        }
        // "Calls regenerate": the next key agreement makes a new key.
        self.forget_agreement();
        // PIN_BLOCKED, PIN_AUTH_BLOCKED, or else PIN_INVALID.
        self.check_tries()?;
        Err(Status::PinInvalid)
    }

    /// After the right PIN.
    pub(super) fn sent_pin_accepted(
        &mut self,
        job: Box<Job>,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Status> {
        match &job.aim {
            Aim::NewPin { new_pin_enc } => self.keep_changed_pin(&job, new_pin_enc, rng),
            // Step 11: forcePINChange.
            Aim::Token { forced, .. } if self.state.force_pin_change => Err(*forced),
            Aim::Token { .. } => self.give_token(job, false, now, rng),
        }
    }

    /// Section 6.5.5.6, steps 9 to 21.
    fn keep_changed_pin(
        &mut self,
        job: &Job,
        new_pin_enc: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Status> {
        let entry = self.decrypt_new_pin(&job.shared, new_pin_enc)?;
        // 13. If forcePINChange is true and the new PIN is the current one, return CTAP2_ERR_PIN_POLICY_VIOLATION. The
        //     hash that was sent is the current PIN's: it was just verified.
        let unchanged = job.pin_hash.as_ref().is_some_and(|current| current.ct_eq(entry.hash().expose()));
        if self.state.force_pin_change && unchanged {
            return Err(Status::PinPolicyViolation);
        }
        self.keep_pin(&entry, rng)
    }

    /// Steps 6 to 10 of setPIN and 9 to 14 of changePIN: the new PIN.
    fn decrypt_new_pin(&self, shared: &SharedSecret, new_pin_enc: &[u8]) -> Result<PinEntry, Status> {
        // If an error results, it returns CTAP2_ERR_PIN_AUTH_INVALID.
        let padded = shared.decrypt(new_pin_enc).map_err(|_| Status::PinAuthInvalid)?;
        // If paddedNewPin is NOT 64 bytes long, it returns CTAP1_ERR_INVALID_PARAMETER.
        let padded: &[u8; 64] = padded.expose().try_into().map_err(|_| Status::InvalidParameter)?;
        // Trailing zeros are dropped. What is no text has no length in code points, and what has no zero after it is longer
        // than any PIN (section 6.5.1): neither is a PIN that the policy allows.
        let entry = PinEntry::from_padded(padded).ok_or(Status::PinPolicyViolation)?;
        if self.takes_pin(&entry) { Ok(entry) } else { Err(Status::PinPolicyViolation) }
    }

    /// Stores the new PIN. When it is stored, the tokens of the old one are over.
    pub(super) fn keep_pin(&mut self, entry: &PinEntry, rng: &mut dyn CryptoRng) -> Result<Step, Status> {
        let pin = PinVerifier::make(entry, self.settings.pin_cost, rng).ok_or(Status::Other)?;
        let state = self.state.with_pin(pin);
        Ok(self.replace_state(state, After::NewPin))
    }

    /// The last steps of 0x05, 0x06 and 0x09: the token that was asked for.
    fn give_token(
        &mut self,
        job: Box<Job>,
        user_present: bool,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Status> {
        let Aim::Token { permissions, rp_id, .. } = &job.aim else { return Err(Status::Other) };
        // "If the value of the requested permissions is pcmr: [...] The authenticator returns the encrypted
        // persistentPinUvAuthToken". It is made when it is first asked for, and stored before it leaves.
        if *permissions == Permissions::PERSISTENT_READ_ONLY {
            if self.state.persistent_token.is_some() {
                return self.give_persistent_token(&job, rng);
            }
            let state = self.state.with_persistent_token(rng);
            return Ok(self.replace_state(state, After::Grant(job)));
        }
        // "Create a new pinUvAuthToken by calling resetPinUvAuthToken() for all pinUvAuthProtocols": there is one only.
        let rolling = self.settings.rolling_token_timer;
        let grant = Grant { permissions: *permissions, rp_id: rp_id.clone(), user_present, rolling };
        let token = PinUvAuthToken::begin(job.shared.protocol(), grant, now, rng);
        let encrypted = token.encrypt(&job.shared, rng).map_err(|_| Status::Other)?;
        self.token = Some(Box::new(token));
        Ok(respond(ClientPinResponse::Token(encrypted)))
    }

    pub(super) fn give_persistent_token(&self, job: &Job, rng: &mut dyn CryptoRng) -> Result<Step, Status> {
        let token = self.state.persistent_token.as_ref().ok_or(Status::Other)?;
        let encrypted = job.shared.encrypt(token.expose(), rng).map_err(|_| Status::Other)?;
        Ok(respond(ClientPinResponse::Token(encrypted)))
    }

    /// "If an error results, it returns CTAP1_ERR_INVALID_PARAMETER."
    fn decapsulate(
        &mut self,
        protocol: PinUvAuthProtocol,
        platform: &PlatformKey,
        rng: &mut dyn CryptoRng,
    ) -> Result<SharedSecret, Status> {
        let agreement = self.key_agreement(rng);
        agreement.decapsulate(protocol, &platform.key_agreement).map_err(|_| Status::InvalidParameter)
    }
}

impl Job {
    fn new(shared: SharedSecret, pin_hash_enc: &[u8], aim: Aim) -> Box<Self> {
        // "If an error results, or a mismatch is detected": both are counted alike.
        let hash = shared.decrypt(pin_hash_enc).ok();
        let pin_hash = hash.and_then(|hash| Secret::from_slice(hash.expose()));
        Box::new(Self { shared, pin_hash, aim })
    }
}

fn respond(response: ClientPinResponse) -> Step {
    Step::respond(Response::ClientPin(response))
}

/// Step 2 of every sub-command: "If pinUvAuthProtocol is not supported, return CTAP1_ERR_INVALID_PARAMETER."
fn protocol_of(platform: &PlatformKey) -> Result<PinUvAuthProtocol, Status> {
    PinUvAuthProtocol::from_number(platform.pin_uv_auth_protocol).ok_or(Status::InvalidParameter)
}

/// Steps 3 and 4 of 0x06 and 0x09.
fn check_permissions(
    bits: u64,
    unavailable: Permissions,
    rp_id: Option<&RpId>,
) -> Result<Permissions, Status> {
    // 3. If the authenticator receives a permissions parameter with value 0, return CTAP1_ERR_INVALID_PARAMETER.
    if bits == 0 {
        return Err(Status::InvalidParameter);
    }
    // 4. Undefined permissions are ignored; pcmr goes with no other.
    let permissions = Permissions::from_bits(bits);
    let persistent = permissions.touch(Permissions::PERSISTENT_READ_ONLY);
    if permissions.touch(unavailable) || (persistent && permissions != Permissions::PERSISTENT_READ_ONLY) {
        return Err(Status::UnauthorizedPermission);
    }
    // Section 6.5.5.7, table of permissions: rpId is required with mc and ga. The steps name no code for its absence; we
    // take OpenSK's, since a token that any relying party's first request may bind is what the table rules out.
    let needs_rp_id = Permissions::MAKE_CREDENTIAL.and(Permissions::GET_ASSERTION);
    if permissions.touch(needs_rp_id) && rp_id.is_none() {
        return Err(Status::InvalidParameter);
    }
    Ok(permissions)
}
