//! The reference: a security key as CTAP 2.3 describes it, over plain numbers and lists. No cryptography, no store, no
//! steps; one function for each command, in the standard's order of steps.
//!
//! Where the standard leaves open which status an authenticator gives, all that it may give are listed.

/// CTAP status codes.
pub(crate) mod status {
    pub(crate) const INVALID_PARAMETER: u8 = 0x02;
    pub(crate) const INVALID_LENGTH: u8 = 0x03;
    pub(crate) const INVALID_SEQ: u8 = 0x04;
    pub(crate) const MISSING_PARAMETER: u8 = 0x14;
    pub(crate) const LARGE_BLOB_STORAGE_FULL: u8 = 0x18;
    pub(crate) const CREDENTIAL_EXCLUDED: u8 = 0x19;
    pub(crate) const OPERATION_DENIED: u8 = 0x27;
    pub(crate) const KEY_STORE_FULL: u8 = 0x28;
    pub(crate) const INVALID_OPTION: u8 = 0x2C;
    pub(crate) const NO_CREDENTIALS: u8 = 0x2E;
    pub(crate) const USER_ACTION_TIMEOUT: u8 = 0x2F;
    pub(crate) const NOT_ALLOWED: u8 = 0x30;
    pub(crate) const PIN_INVALID: u8 = 0x31;
    pub(crate) const PIN_BLOCKED: u8 = 0x32;
    pub(crate) const PIN_AUTH_INVALID: u8 = 0x33;
    pub(crate) const PIN_AUTH_BLOCKED: u8 = 0x34;
    pub(crate) const PIN_NOT_SET: u8 = 0x35;
    pub(crate) const PUAT_REQUIRED: u8 = 0x36;
    pub(crate) const PIN_POLICY_VIOLATION: u8 = 0x37;
    pub(crate) const UV_BLOCKED: u8 = 0x3C;
    pub(crate) const INTEGRITY_FAILURE: u8 = 0x3D;
    pub(crate) const INVALID_SUBCOMMAND: u8 = 0x3E;
    pub(crate) const UV_INVALID: u8 = 0x3F;
    pub(crate) const UNAUTHORIZED_PERMISSION: u8 = 0x40;
}
use status::*;

const MC: u64 = 0x01;
const GA: u64 = 0x02;
const CM: u64 = 0x04;
const BE: u64 = 0x08;
const LBW: u64 = 0x10;
const ACFG: u64 = 0x20;
const PCMR: u64 = 0x40;
const ALL: u64 = 0x7F;

/// What is decided before it runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) always_uv: bool,
    pub(crate) make_cred_uv_not_required: bool,
    pub(crate) no_mc_ga_with_pin: bool,
    pub(crate) persistent: bool,
    pub(crate) rolling: bool,
    pub(crate) built_in_uv: BuiltInUv,
    /// NO_CREDENTIALS as early as the standard has it, and not after the touch.
    pub(crate) early_no_credentials: bool,
}

/// Built-in user verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BuiltInUv {
    None,
    /// By a verifier with tries of its own.
    Verifier,
    /// By the PIN, which is entered on the authenticator as well, out of the same tries.
    Pin,
}

pub(crate) const MAX_RETRIES: u8 = 8;
pub(crate) const MAX_UV_RETRIES: u8 = 5;
/// How many credentials fit.
pub(crate) const CAPACITY: usize = 4;
/// How long the serialized large-blob array may be.
pub(crate) const BLOB_CAPACITY: usize = 1024;
const MAX_FRAGMENT: usize = 7609 - 64;

/// The relying parties, the users and the PINs that there are; commands name them by index.
pub(crate) const RPS: [&str; 3] = ["a.example", "b.example", "c.example"];
/// No number of one.
const NO_PIN: u8 = u8::MAX;
pub(crate) const PINS: [&str; 5] = ["1234", "4321", "äöü", "äöüß", "0123456789"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Person {
    Willing,
    Declines,
    Absent,
    /// Somebody whom built-in user verification does not know.
    Stranger,
}

/// How a command authorizes itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Auth {
    /// No pinUvAuthParam.
    Absent,
    /// One of no bytes.
    Empty,
    /// By a token that was given out: the latest is 0.
    Token(u8, Flaw),
}

/// What is wrong with a pinUvAuthParam.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// Over another message.
    OtherMessage,
    /// Under the other protocol.
    OtherProtocol,
    NoProtocol,
    UnknownProtocol,
}

/// What is wrong with a setPIN or changePIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PinFlaw {
    None,
    /// The pinUvAuthParam does not verify.
    Auth,
    /// newPinEnc decrypts to 48 bytes.
    Short,
}

#[derive(Debug, Clone)]
pub(crate) enum Command {
    GetInfo,
    Selection(Person),
    Reset(Person),
    PinRetries,
    UvRetries,
    SetPin {
        pin: u8,
        flaw: PinFlaw,
    },
    ChangePin {
        pin: u8,
        new: u8,
        flaw: PinFlaw,
    },
    /// getPinToken
    PinToken {
        two: bool,
        pin: u8,
        with_permissions: bool,
        with_rp: bool,
    },
    TokenByPin {
        two: bool,
        pin: u8,
        permissions: u64,
        rp: Option<u8>,
    },
    TokenByUv {
        two: bool,
        permissions: u64,
        rp: Option<u8>,
        person: Person,
    },
    Make {
        rp: u8,
        user: u8,
        rk: bool,
        uv: bool,
        protect: u8,
        exclude: Vec<u8>,
        auth: Auth,
        person: Person,
    },
    Get {
        rp: u8,
        allow: Option<Vec<u8>>,
        up: bool,
        uv: bool,
        auth: Auth,
        person: Person,
    },
    Next,
    Metadata(Auth),
    Rps(Auth),
    NextRp,
    Credentials {
        rp: u8,
        auth: Auth,
    },
    NextCredential,
    Delete {
        credential: u8,
        auth: Auth,
    },
    Update {
        credential: u8,
        other_user: bool,
        name: u8,
        auth: Auth,
    },
    BlobGet {
        offset: usize,
        count: usize,
        with_length: bool,
        with_auth: bool,
    },
    BlobSet {
        array: Array,
        offset: usize,
        count: usize,
        length: Option<usize>,
        auth: Auth,
    },
    MinPinLength {
        length: Option<u8>,
        force: Option<bool>,
        auth: Auth,
    },
    ToggleAlwaysUv(Auth),
    EnterpriseAttestation(Auth),
    LongTouch(Auth),
    Wait(u64),
    PowerCycle,
}

/// A serialized large-blob array: so many bytes, and the hash over them, if it is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Array {
    pub(crate) content: usize,
    pub(crate) good: bool,
}

/// What a platform sees of a success. Where any of several would be right, all are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Done,
    Retries {
        left: u8,
        power_cycle: bool,
    },
    UvRetries(u8),
    Token,
    Made {
        uv: bool,
    },
    Assertion {
        any_of: Vec<Shown>,
        up: bool,
        uv: bool,
        count: Option<u64>,
    },
    Metadata {
        existing: u64,
        remaining: u64,
    },
    Rp {
        any_of: Vec<u8>,
        total: Option<u64>,
    },
    Credential {
        any_of: Vec<Shown>,
        total: Option<u64>,
    },
    /// A part of the large-blob array: from, to.
    Blob(Stored, usize, usize),
    /// The same as bytes, which the reference does not know.
    Bytes(Vec<u8>),
    Info(Info),
}

/// A credential as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// By the order of making.
    pub(crate) credential: usize,
    pub(crate) user: Option<u8>,
    pub(crate) name: Option<u8>,
    pub(crate) protect: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    Initial,
    Array(Array),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Info {
    pub(crate) client_pin: bool,
    pub(crate) uv: Option<bool>,
    pub(crate) always_uv: bool,
    pub(crate) make_cred_uv_not_required: bool,
    pub(crate) force_pin_change: bool,
    pub(crate) min_pin_length: u8,
    pub(crate) long_touch_for_reset: bool,
}

/// The statuses of which one is right.
pub(crate) type Statuses = Vec<u8>;
pub(crate) type Outcome = Result<Seen, Statuses>;

fn fail<T>(status: u8) -> Result<T, Statuses> {
    Err(vec![status])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Token(u64),
    Persistent(u64),
}

#[derive(Debug, Clone)]
struct Token {
    generation: u64,
    two: bool,
    permissions: u64,
    rp: Option<u8>,
    verified: bool,
    present: bool,
    begun: u64,
    used: Option<u64>,
}

#[derive(Debug, Clone)]
struct Credential {
    rp: u8,
    user: u8,
    name: u8,
    discoverable: bool,
    protect: u8,
    alive: bool,
}

/// What a command leaves for the next one.
#[derive(Debug, Clone)]
enum Pending {
    Nothing,
    Assertions { remaining: Vec<usize>, up: bool, uv: bool, since: u64 },
    Rps { remaining: Vec<u8>, since: u64, token: Option<u64> },
    Credentials { remaining: Vec<usize>, since: u64, token: Option<u64> },
    Blob { array: Array, length: usize, next: usize, since: u64 },
}

pub(crate) struct Reference {
    kind: Kind,
    now: u64,
    pin: Option<u8>,
    retries: u8,
    mismatches: u8,
    uv_retries: u8,
    min_pin_length: u8,
    force_pin_change: bool,
    always_uv: bool,
    long_touch: bool,
    token: Option<Token>,
    persistent: u64,
    /// Everything that was given out, in order.
    held: Vec<(Held, bool)>,
    generations: u64,
    credentials: Vec<Credential>,
    blob: Stored,
    pending: Pending,
}

impl Reference {
    pub(crate) fn new(kind: Kind, now: u64) -> Self {
        Self {
            kind,
            now,
            pin: None,
            retries: MAX_RETRIES,
            mismatches: 0,
            uv_retries: MAX_UV_RETRIES,
            min_pin_length: 4,
            force_pin_change: false,
            always_uv: kind.always_uv,
            long_touch: false,
            token: None,
            persistent: 0,
            held: vec![],
            generations: 0,
            credentials: vec![],
            blob: Stored::Initial,
            pending: Pending::Nothing,
        }
    }

    pub(crate) fn run(&mut self, command: &Command) -> Outcome {
        // A command that goes on with another takes what that one left; all others end it.
        let pending = std::mem::replace(&mut self.pending, Pending::Nothing);
        self.expire();
        match command {
            Command::GetInfo => Ok(Seen::Info(self.info())),
            Command::Selection(person) => match person {
                Person::Absent => fail(USER_ACTION_TIMEOUT),
                Person::Declines => fail(OPERATION_DENIED),
                _ => Ok(Seen::Done),
            },
            Command::Reset(person) => self.reset(*person),
            Command::PinRetries => {
                Ok(Seen::Retries { left: self.retries, power_cycle: self.mismatches >= 3 })
            }
            Command::UvRetries => {
                if self.kind.built_in_uv == BuiltInUv::None {
                    return fail(INVALID_SUBCOMMAND);
                }
                Ok(Seen::UvRetries(self.uv_retries()))
            }
            Command::SetPin { pin, flaw } => self.set_pin(*pin, *flaw),
            Command::ChangePin { pin, new, flaw } => self.change_pin(*pin, *new, *flaw),
            Command::PinToken { two, pin, with_permissions, with_rp } => {
                if *with_permissions || *with_rp {
                    return fail(INVALID_PARAMETER);
                }
                self.pin_token(*two, *pin)
            }
            Command::TokenByPin { two, pin, permissions, rp } => {
                self.token_by_pin(*two, *pin, *permissions, *rp)
            }
            Command::TokenByUv { two, permissions, rp, person } => {
                self.token_by_uv(*two, *permissions, *rp, *person)
            }
            Command::Make { .. } => self.make(command),
            Command::Get { .. } => self.get(command),
            Command::Next => self.next(pending),
            Command::Metadata(auth) => self.metadata(*auth),
            Command::Rps(auth) => self.rps(*auth),
            Command::NextRp => match pending {
                Pending::Rps { remaining, since, token }
                    if !remaining.is_empty() && self.goes_on(since, token) =>
                {
                    self.pending = Pending::Rps { remaining: remaining.clone(), since: self.now, token };
                    Ok(Seen::Rp { any_of: remaining, total: None })
                }
                _ => fail(NOT_ALLOWED),
            },
            Command::Credentials { rp, auth } => self.list(*rp, *auth),
            Command::NextCredential => match pending {
                Pending::Credentials { remaining, since, token }
                    if !remaining.is_empty() && self.goes_on(since, token) =>
                {
                    let any_of = remaining.iter().map(|index| self.managed(*index)).collect();
                    self.pending = Pending::Credentials { remaining, since: self.now, token };
                    Ok(Seen::Credential { any_of, total: None })
                }
                _ => fail(NOT_ALLOWED),
            },
            Command::Delete { credential, auth } => self.delete(*credential, *auth),
            Command::Update { credential, other_user, name, auth } => {
                self.update(*credential, *other_user, *name, *auth)
            }
            Command::BlobGet { offset, count, with_length, with_auth } => {
                self.blob_get(*offset, *count, *with_length || *with_auth)
            }
            Command::BlobSet { array, offset, count, length, auth } => {
                self.blob_set(pending, *array, *offset, *count, *length, *auth)
            }
            Command::MinPinLength { length, force, auth } => {
                self.configuring(*auth)?;
                self.set_min_pin_length(*length, *force)
            }
            Command::ToggleAlwaysUv(auth) => {
                // Step 3: before there is any user verification, this much can be changed.
                if self.is_protected() {
                    self.configuring(*auth)?;
                }
                self.always_uv = !self.always_uv;
                Ok(Seen::Done)
            }
            // There is no certificate to do it with.
            Command::EnterpriseAttestation(_) => fail(INVALID_PARAMETER),
            Command::LongTouch(auth) => {
                self.configuring(*auth)?;
                self.long_touch = true;
                Ok(Seen::Done)
            }
            Command::Wait(time) => {
                self.now += time;
                self.pending = pending;
                Ok(Seen::Done)
            }
            Command::PowerCycle => {
                self.now = 0;
                self.token = None;
                self.mismatches = 0;
                if self.pin.is_none() {
                    self.uv_retries = MAX_UV_RETRIES;
                }
                Ok(Seen::Done)
            }
        }
    }

    /// Which of several was shown.
    pub(crate) fn picked_rp(&mut self, rp: u8) {
        if let Pending::Rps { remaining, .. } = &mut self.pending {
            remaining.retain(|other| *other != rp);
        }
    }

    /// Which of several was shown.
    pub(crate) fn picked_credential(&mut self, credential: usize) {
        if let Pending::Credentials { remaining, .. } = &mut self.pending {
            remaining.retain(|other| *other != credential);
        }
    }

    /// The PIN, for a person who knows it.
    pub(crate) fn pin(&self) -> Option<u8> {
        self.pin
    }

    fn info(&self) -> Info {
        Info {
            client_pin: self.pin.is_some(),
            uv: (self.kind.built_in_uv != BuiltInUv::None).then(|| self.is_uv_configured()),
            always_uv: self.always_uv,
            make_cred_uv_not_required: self.uv_not_required(),
            force_pin_change: self.force_pin_change,
            min_pin_length: self.min_pin_length,
            long_touch_for_reset: self.long_touch,
        }
    }

    /// Section 6.6.
    fn reset(&mut self, person: Person) -> Outcome {
        if self.now > 10_000 {
            return fail(NOT_ALLOWED);
        }
        match person {
            Person::Absent => return fail(USER_ACTION_TIMEOUT),
            Person::Declines => return fail(OPERATION_DENIED),
            _ => {}
        }
        let fresh = Self::new(self.kind, self.now);
        let (held, generations) = (std::mem::take(&mut self.held), self.generations);
        let mut credentials = std::mem::take(&mut self.credentials);
        credentials.iter_mut().for_each(|credential| credential.alive = false);
        // The numbers go on, so that nothing old is taken for something new.
        *self = Self { held, generations, persistent: self.persistent + 1, credentials, ..fresh };
        Ok(Seen::Done)
    }

    // --- what the commands share -------------------------------------------------------------------------------------

    /// "protected by some form of user verification"
    fn is_protected(&self) -> bool {
        self.pin.is_some() || self.kind.built_in_uv == BuiltInUv::Verifier
    }

    /// Whether built-in user verification is enabled. Our decision: a PIN that has to be changed is none.
    fn is_uv_configured(&self) -> bool {
        match self.kind.built_in_uv {
            BuiltInUv::None => false,
            BuiltInUv::Verifier => true,
            BuiltInUv::Pin => self.pin.is_some() && !self.force_pin_change,
        }
    }

    fn uv_retries(&self) -> u8 {
        match self.kind.built_in_uv {
            BuiltInUv::Pin if self.mismatches >= 3 => 0,
            BuiltInUv::Pin => self.retries,
            _ => self.uv_retries,
        }
    }

    /// "Let the makeCredUvNotRqd option ID be treated as false" under alwaysUv.
    fn uv_not_required(&self) -> bool {
        self.kind.make_cred_uv_not_required && !self.always_uv
    }

    /// pinUvAuthTokenUsageTimerObserver()
    fn expire(&mut self) {
        let (now, rolling) = (self.now, self.kind.rolling);
        self.token.take_if(|token| {
            let unused = token.used.is_none() && now >= token.begun + 30_000;
            let idle = rolling && token.used.is_some_and(|used| now >= used + 30_000);
            unused || idle || now >= token.begun + 600_000
        });
    }

    fn token_is_present(&self) -> bool {
        self.token.as_ref().is_some_and(|token| token.present && self.now < token.begun + 30_000)
    }

    /// What was given out and is named by a pinUvAuthParam.
    fn named(&self, auth: Auth) -> Option<(Held, bool)> {
        let Auth::Token(from_the_latest, _) = auth else { return None };
        let count = self.held.len();
        (count > 0).then(|| self.held[count - 1 - usize::from(from_the_latest) % count])
    }

    fn check_protocol(&self, auth: Auth) -> Result<(), Statuses> {
        match auth {
            Auth::Token(_, Flaw::NoProtocol) => fail(MISSING_PARAMETER),
            Auth::Token(_, Flaw::UnknownProtocol) => fail(INVALID_PARAMETER),
            _ => Ok(()),
        }
    }

    /// verify(pinUvAuthToken, ...), which is a use of the token.
    fn verify(&mut self, auth: Auth) -> Result<&mut Token, Statuses> {
        self.check_protocol(auth)?;
        let named = self.named(auth);
        let now = self.now;
        match (auth, &mut self.token) {
            (Auth::Token(_, Flaw::None), Some(token))
                if named == Some((Held::Token(token.generation), token.two)) =>
            {
                token.used = Some(now);
                Ok(token)
            }
            _ => fail(PIN_AUTH_INVALID),
        }
    }

    /// clearUserPresentFlag(), clearUserVerifiedFlag(), clearPinUvAuthTokenPermissionsExceptLbw()
    fn spend(&mut self) {
        if let Some(token) = &mut self.token {
            token.present = false;
            token.verified = false;
            token.permissions &= LBW;
        }
    }

    fn code_points(pin: u8) -> u8 {
        PINS[usize::from(pin)].chars().count() as u8
    }

    /// performBuiltInUv
    fn built_in_uv(&mut self, person: Person) -> Result<(), UvError> {
        if self.uv_retries() == 0 {
            return Err(UvError::Failed);
        }
        match (person, self.kind.built_in_uv, self.pin) {
            (Person::Willing, BuiltInUv::Pin, Some(pin)) => {
                self.try_pin(pin).map_err(|_| UvError::Failed)?;
                Ok(())
            }
            (Person::Willing, ..) => {
                self.uv_retries = MAX_UV_RETRIES;
                Ok(())
            }
            (Person::Absent, ..) => Err(UvError::TimedOut),
            (Person::Declines, ..) => Err(UvError::Failed),
            // Asked again until it is of no use.
            (Person::Stranger, BuiltInUv::Pin, _) => {
                while self.uv_retries() > 0 {
                    let _ = self.try_pin(NO_PIN);
                }
                Err(UvError::Failed)
            }
            (Person::Stranger, ..) => {
                self.uv_retries -= 1;
                Err(UvError::Failed)
            }
        }
    }

    /// Of an operation that built-in user verification was to authorize. Where only a power cycle is missing,
    /// PIN_AUTH_BLOCKED says more than the standard's status.
    fn uv_failed(&self) -> Statuses {
        match self.kind.built_in_uv {
            BuiltInUv::Pin if self.retries > 0 && self.mismatches >= 3 => {
                vec![PIN_AUTH_BLOCKED, PIN_BLOCKED, OPERATION_DENIED]
            }
            _ if self.uv_retries() == 0 => vec![PIN_BLOCKED],
            _ => vec![OPERATION_DENIED],
        }
    }

    // --- 6.5 clientPIN -----------------------------------------------------------------------------------------------

    fn set_pin(&mut self, pin: u8, flaw: PinFlaw) -> Outcome {
        // Step 3.
        if self.pin.is_some() || flaw == PinFlaw::Auth {
            return fail(PIN_AUTH_INVALID);
        }
        self.check_new_pin(pin, flaw)?;
        self.pin = Some(pin);
        self.retries = MAX_RETRIES;
        Ok(Seen::Done)
    }

    /// Steps 7 to 10 of setPIN, 10 to 12 of changePIN.
    fn check_new_pin(&self, pin: u8, flaw: PinFlaw) -> Result<(), Statuses> {
        if flaw == PinFlaw::Short {
            return fail(INVALID_PARAMETER);
        }
        if Self::code_points(pin) < self.min_pin_length {
            return fail(PIN_POLICY_VIOLATION);
        }
        Ok(())
    }

    fn change_pin(&mut self, pin: u8, new: u8, flaw: PinFlaw) -> Outcome {
        self.may_try(if flaw == PinFlaw::Auth { &[PIN_AUTH_INVALID] } else { &[] })?;
        if flaw == PinFlaw::Auth {
            return fail(PIN_AUTH_INVALID);
        }
        self.try_pin(pin)?;
        self.check_new_pin(new, flaw)?;
        // Step 13.
        if self.force_pin_change && self.pin == Some(new) {
            return fail(PIN_POLICY_VIOLATION);
        }
        self.force_pin_change = false;
        self.pin = Some(new);
        self.retries = MAX_RETRIES;
        self.token = None;
        self.persistent += 1;
        Ok(Seen::Done)
    }

    /// `or`: statuses that the standard has at about the same place.
    fn may_try(&self, or: &[u8]) -> Result<(), Statuses> {
        let status = match self.pin {
            None => PIN_NOT_SET,
            Some(_) if self.retries == 0 => PIN_BLOCKED,
            Some(_) if self.mismatches >= 3 => PIN_AUTH_BLOCKED,
            Some(_) => return Ok(()),
        };
        Err([&[status], or].concat())
    }

    fn try_pin(&mut self, pin: u8) -> Result<(), Statuses> {
        self.retries -= 1;
        if self.pin != Some(pin) {
            self.mismatches += 1;
            return fail(match (self.retries, self.mismatches) {
                (0, _) => PIN_BLOCKED,
                (_, 3..) => PIN_AUTH_BLOCKED,
                _ => PIN_INVALID,
            });
        }
        self.retries = MAX_RETRIES;
        self.mismatches = 0;
        self.uv_retries = MAX_UV_RETRIES;
        Ok(())
    }

    fn pin_token(&mut self, two: bool, pin: u8) -> Outcome {
        self.may_try(&[])?;
        self.try_pin(pin)?;
        if self.force_pin_change {
            return fail(PIN_INVALID);
        }
        // Step 14: the default permissions.
        let permissions = if self.kind.no_mc_ga_with_pin { 0 } else { MC | GA };
        self.give_token(two, permissions, None, false)
    }

    fn token_by_pin(&mut self, two: bool, pin: u8, permissions: u64, rp: Option<u8>) -> Outcome {
        if permissions == 0 {
            return fail(INVALID_PARAMETER);
        }
        let no_mc_ga = self.kind.no_mc_ga_with_pin && permissions & (MC | GA) != 0;
        self.may_be_given(permissions, rp, no_mc_ga)?;
        self.may_try(&[])?;
        self.try_pin(pin)?;
        if self.force_pin_change {
            return fail(PIN_POLICY_VIOLATION);
        }
        self.give(two, permissions, rp, false)
    }

    fn token_by_uv(&mut self, two: bool, permissions: u64, rp: Option<u8>, person: Person) -> Outcome {
        if self.kind.built_in_uv == BuiltInUv::None {
            return fail(INVALID_SUBCOMMAND);
        }
        if permissions == 0 {
            return fail(INVALID_PARAMETER);
        }
        self.may_be_given(permissions, rp, false)?;
        // Step 5.
        if !self.is_uv_configured() {
            return fail(NOT_ALLOWED);
        }
        if self.uv_retries() == 0 {
            return fail(UV_BLOCKED);
        }
        match self.built_in_uv(person) {
            Ok(()) => self.give(two, permissions, rp, true),
            Err(UvError::TimedOut) => fail(USER_ACTION_TIMEOUT),
            Err(UvError::Failed) if self.uv_retries() == 0 => fail(UV_BLOCKED),
            // Whether somebody who says no denied consent or failed the verification cannot be told.
            Err(UvError::Failed) if person == Person::Declines => Err(vec![OPERATION_DENIED, UV_INVALID]),
            Err(UvError::Failed) => fail(UV_INVALID),
        }
    }

    /// Step 4, of what both ways have in common. That mc and ga are for one relying party stands in the table of the
    /// permissions, and not in the steps.
    fn may_be_given(&self, permissions: u64, rp: Option<u8>, no_mc_ga: bool) -> Result<(), Statuses> {
        let persistent = permissions & PCMR != 0;
        let not_persistent = persistent && (!self.kind.persistent || permissions & ALL != PCMR);
        let unauthorized = no_mc_ga || permissions & BE != 0 || not_persistent;
        let unbound = permissions & (MC | GA) != 0 && rp.is_none();
        match (unauthorized, unbound) {
            (false, false) => Ok(()),
            (true, false) => fail(UNAUTHORIZED_PERMISSION),
            (false, true) => fail(INVALID_PARAMETER),
            (true, true) => Err(vec![UNAUTHORIZED_PERMISSION, INVALID_PARAMETER]),
        }
    }

    fn give(&mut self, two: bool, permissions: u64, rp: Option<u8>, present: bool) -> Outcome {
        if permissions & PCMR != 0 {
            self.held.push((Held::Persistent(self.persistent), two));
            return Ok(Seen::Token);
        }
        self.give_token(two, permissions & ALL, rp, present)
    }

    fn give_token(&mut self, two: bool, permissions: u64, rp: Option<u8>, present: bool) -> Outcome {
        self.generations += 1;
        self.held.push((Held::Token(self.generations), two));
        self.token = Some(Token {
            generation: self.generations,
            two,
            permissions,
            rp,
            verified: true,
            present,
            begun: self.now,
            used: None,
        });
        Ok(Seen::Token)
    }

    // --- 6.1 makeCredential ------------------------------------------------------------------------------------------

    fn make(&mut self, command: &Command) -> Outcome {
        let Command::Make { rp, user, rk, uv, protect, exclude, auth, person } = command.clone() else {
            unreachable!()
        };
        // Step 1.
        self.probe(auth, person)?;
        // Step 2.
        self.check_protocol(auth)?;
        // Step 5.
        let by_token = auth != Auth::Absent;
        let mut uv = uv && !by_token;
        if uv && !self.is_uv_configured() {
            return fail(INVALID_OPTION);
        }
        // Step 6.
        if self.always_uv {
            uv = self.always(uv, by_token)?;
        }
        // Steps 7 and 8.
        if self.is_protected() && !uv && !by_token && (rk || !self.uv_not_required()) {
            return fail(if self.pin.is_some() && !self.kind.no_mc_ga_with_pin {
                PUAT_REQUIRED
            } else {
                OPERATION_DENIED
            });
        }
        // Step 11. Step 10 leaves it out where there is neither a token nor "uv".
        let mut verified = false;
        if by_token {
            self.verify_for(auth, MC, rp)?;
            verified = true;
        }
        if uv {
            match self.built_in_uv(person) {
                Ok(()) => verified = true,
                Err(UvError::TimedOut) => return fail(USER_ACTION_TIMEOUT),
                Err(UvError::Failed) => return Err(self.uv_failed()),
            }
        }
        // Step 12.
        let excluded = |index: &u8| {
            let credential = self.credential(*index);
            credential.is_some_and(|(_, credential)| {
                credential.alive && credential.rp == rp && (credential.protect != 3 || verified)
            })
        };
        if exclude.iter().any(excluded) {
            return fail(CREDENTIAL_EXCLUDED);
        }
        // Steps 13 and 14.
        if !uv {
            self.present(by_token, person)?;
            self.spend();
        }
        // Steps 17 and 18.
        if rk {
            let same = |other: &&mut Credential| {
                other.alive && other.discoverable && other.rp == rp && other.user == user
            };
            if let Some(old) = self.credentials.iter_mut().find(same) {
                old.alive = false;
            } else if self.stored().count() >= CAPACITY {
                return fail(KEY_STORE_FULL);
            }
        }
        self.credentials.push(Credential { rp, user, name: 0, discoverable: rk, protect, alive: true });
        Ok(Seen::Made { uv: verified })
    }

    /// Step 1 of both ceremonies.
    fn probe(&self, auth: Auth, person: Person) -> Result<(), Statuses> {
        match (auth, person) {
            (Auth::Empty, Person::Declines | Person::Absent) => fail(OPERATION_DENIED),
            (Auth::Empty, _) if self.pin.is_some() => fail(PIN_INVALID),
            (Auth::Empty, _) => fail(PIN_NOT_SET),
            _ => Ok(()),
        }
    }

    /// Step 6 of makeCredential, 5 of getAssertion: whether the option "uv" is true after it.
    fn always(&self, uv: bool, by_token: bool) -> Result<bool, Statuses> {
        let status = if self.kind.no_mc_ga_with_pin { OPERATION_DENIED } else { PUAT_REQUIRED };
        if !self.is_protected() {
            return fail(status);
        }
        let uv = uv || (!by_token && self.is_uv_configured());
        if !by_token && !uv { fail(status) } else { Ok(uv) }
    }

    /// Step 11.1 of makeCredential, 6.1 of getAssertion. Where nothing protects the authenticator there is no token, and
    /// a pinUvAuthParam is refused and not, as those steps can be read, passed over.
    fn verify_for(&mut self, auth: Auth, permission: u64, rp: u8) -> Result<(), Statuses> {
        let token = self.verify(auth)?;
        let bound = token.rp.is_some_and(|bound| bound != rp);
        if token.permissions & permission == 0 || bound || !token.verified {
            return fail(PIN_AUTH_INVALID);
        }
        token.rp = Some(rp);
        Ok(())
    }

    /// Steps 14.1 and 14.2 of makeCredential, 9.1 and 9.2 of getAssertion.
    fn present(&self, by_token: bool, person: Person) -> Result<(), Statuses> {
        match person {
            _ if by_token && self.token_is_present() => Ok(()),
            Person::Declines | Person::Absent => fail(OPERATION_DENIED),
            Person::Willing | Person::Stranger => Ok(()),
        }
    }

    /// A credential by its number; the latest is 0. Some numbers name none.
    fn credential(&self, from_the_latest: u8) -> Option<(usize, &Credential)> {
        let index = self.credentials.len().checked_sub(1 + usize::from(from_the_latest))?;
        Some((index, &self.credentials[index]))
    }

    fn stored(&self) -> impl Iterator<Item = (usize, &Credential)> {
        self.credentials
            .iter()
            .enumerate()
            .filter(|(_, credential)| credential.alive && credential.discoverable)
    }

    // --- 6.2 getAssertion, 6.3 getNextAssertion ----------------------------------------------------------------------

    fn get(&mut self, command: &Command) -> Outcome {
        let Command::Get { rp, allow, up, uv, auth, person } = command.clone() else { unreachable!() };
        // Steps 1, 2 and 4.
        self.probe(auth, person)?;
        self.check_protocol(auth)?;
        let by_token = auth != Auth::Absent;
        let mut uv = uv && !by_token;
        if uv && !self.is_uv_configured() {
            return fail(INVALID_OPTION);
        }
        // Step 5.
        if self.always_uv && up {
            uv = self.always(uv, by_token)?;
        }
        // Step 6.
        let mut verified = false;
        if by_token {
            self.verify_for(auth, GA, rp)?;
            verified = true;
        }
        if uv {
            match self.built_in_uv(person) {
                Ok(()) => verified = true,
                Err(UvError::TimedOut) => return fail(USER_ACTION_TIMEOUT),
                Err(UvError::Failed) => return Err(self.uv_failed_in_assertion()),
            }
        }
        // Step 7.
        let found = self.applicable(rp, allow.as_deref(), verified);
        if found.is_empty() {
            // Our decision: only after the touch.
            if up && !uv && !self.kind.early_no_credentials {
                self.present(by_token, person)?;
            }
            return fail(NO_CREDENTIALS);
        }
        // Steps 8 and 9.
        if up && !uv {
            self.present(by_token, person)?;
            self.spend();
        }
        // Steps 11 and 12.
        let shown = |index: &usize| self.shown(*index, verified);
        if allow.is_some() {
            let any_of = found.iter().map(shown).collect();
            return Ok(Seen::Assertion { any_of, up, uv: verified, count: None });
        }
        let (first, remaining) = found.split_first().unwrap();
        let any_of = vec![shown(first)];
        let count = (found.len() > 1).then_some(found.len() as u64);
        if !remaining.is_empty() {
            let remaining = remaining.to_vec();
            self.pending = Pending::Assertions { remaining, up, uv: verified, since: self.now };
        }
        Ok(Seen::Assertion { any_of, up, uv: verified, count })
    }

    /// Step 6.2.3.
    fn uv_failed_in_assertion(&self) -> Statuses {
        if self.pin.is_none() || self.kind.no_mc_ga_with_pin {
            return self.uv_failed();
        }
        // The PIN is set; whether it is of use is not asked by the standard.
        if self.may_try(&[]).is_ok() {
            vec![PUAT_REQUIRED]
        } else {
            [vec![PUAT_REQUIRED], self.uv_failed()].concat()
        }
    }

    /// The newest first.
    fn applicable(&self, rp: u8, allow: Option<&[u8]>, verified: bool) -> Vec<usize> {
        let named = allow.map(|allow| {
            allow.iter().filter_map(|index| Some(self.credential(*index)?.0)).collect::<Vec<_>>()
        });
        let fits = |(index, credential): &(usize, &Credential)| {
            let located = match &named {
                Some(named) => named.contains(index),
                None => credential.discoverable,
            };
            let shown = match credential.protect {
                3 => verified,
                2 => verified || named.is_some(),
                _ => true,
            };
            credential.alive && credential.rp == rp && located && shown
        };
        let found = self.credentials.iter().enumerate().filter(fits);
        found.map(|(index, _)| index).rev().collect()
    }

    /// As an assertion shows it: "User identifiable information [...] MUST NOT be returned if user verification is not
    /// done".
    fn shown(&self, index: usize, verified: bool) -> Shown {
        let credential = &self.credentials[index];
        Shown {
            credential: index,
            user: credential.discoverable.then_some(credential.user),
            name: (credential.discoverable && verified).then_some(credential.name),
            protect: None,
        }
    }

    fn next(&mut self, pending: Pending) -> Outcome {
        let Pending::Assertions { remaining, up, uv, since } = pending else { return fail(NOT_ALLOWED) };
        let Some((first, rest)) = remaining.split_first() else { return fail(NOT_ALLOWED) };
        if self.now > since + 30_000 {
            return fail(NOT_ALLOWED);
        }
        self.pending = Pending::Assertions { remaining: rest.to_vec(), up, uv, since: self.now };
        Ok(Seen::Assertion { any_of: vec![self.shown(*first, uv)], up, uv, count: None })
    }

    // --- 6.8 credentialManagement ------------------------------------------------------------------------------------

    /// Whoever may read: with permission cm, or with the persistent token. The relying party that the token is bound to.
    fn reading(&mut self, auth: Auth) -> Result<Option<u8>, Statuses> {
        if auth == Auth::Absent {
            return fail(PUAT_REQUIRED);
        }
        self.check_protocol(auth)?;
        let persistent = |(held, _)| held == Held::Persistent(self.persistent);
        // The persistent token is one for all protocols.
        let unflawed = matches!(auth, Auth::Token(_, Flaw::None | Flaw::OtherProtocol));
        if self.kind.persistent && unflawed && self.named(auth).is_some_and(persistent) {
            return Ok(None);
        }
        self.managing(auth)
    }

    fn managing(&mut self, auth: Auth) -> Result<Option<u8>, Statuses> {
        if auth == Auth::Absent {
            return fail(PUAT_REQUIRED);
        }
        let token = self.verify(auth)?;
        if token.permissions & CM == 0 {
            return fail(PIN_AUTH_INVALID);
        }
        Ok(token.rp)
    }

    /// The token that began an enumeration; the persistent one does not end.
    fn authorized(&self, auth: Auth) -> Option<u64> {
        match self.named(auth) {
            Some((Held::Token(generation), _)) => Some(generation),
            _ => None,
        }
    }

    /// Section 6: a stateful command ends when "the time between such commands exceeds 30 seconds", and when "the
    /// pinUvAuthToken that authenticated the state initializing command expires".
    fn goes_on(&self, since: u64, token: Option<u64>) -> bool {
        let lives = |generation| self.token.as_ref().is_some_and(|token| token.generation == generation);
        self.now <= since + 30_000 && token.is_none_or(lives)
    }

    fn metadata(&mut self, auth: Auth) -> Outcome {
        if self.reading(auth)?.is_some() {
            return fail(PIN_AUTH_INVALID);
        }
        let existing = self.stored().count();
        Ok(Seen::Metadata { existing: existing as u64, remaining: (CAPACITY - existing) as u64 })
    }

    fn rps(&mut self, auth: Auth) -> Outcome {
        if self.reading(auth)?.is_some() {
            return fail(PIN_AUTH_INVALID);
        }
        let mut rps: Vec<u8> = self.stored().map(|(_, credential)| credential.rp).collect();
        rps.sort_unstable();
        rps.dedup();
        if rps.is_empty() {
            return fail(NO_CREDENTIALS);
        }
        let (since, token) = (self.now, self.authorized(auth));
        self.pending = Pending::Rps { remaining: rps.clone(), since, token };
        Ok(Seen::Rp { total: Some(rps.len() as u64), any_of: rps })
    }

    fn list(&mut self, rp: u8, auth: Auth) -> Outcome {
        if self.reading(auth)?.is_some_and(|bound| bound != rp) {
            return fail(PIN_AUTH_INVALID);
        }
        let found: Vec<usize> =
            self.stored().filter(|(_, credential)| credential.rp == rp).map(|(index, _)| index).collect();
        if found.is_empty() {
            return fail(NO_CREDENTIALS);
        }
        let any_of: Vec<Shown> = found.iter().map(|index| self.managed(*index)).collect();
        let (since, token) = (self.now, self.authorized(auth));
        self.pending = Pending::Credentials { remaining: found, since, token };
        Ok(Seen::Credential { total: Some(any_of.len() as u64), any_of })
    }

    /// As credential management shows it.
    fn managed(&self, index: usize) -> Shown {
        let credential = &self.credentials[index];
        Shown {
            credential: index,
            user: Some(credential.user),
            name: Some(credential.name),
            protect: Some(credential.protect),
        }
    }

    /// The stored credential that is to be changed.
    fn changing(&mut self, credential: u8, auth: Auth) -> Result<usize, Statuses> {
        let bound = self.managing(auth)?;
        match self.credential(credential) {
            Some((index, found)) if found.alive && found.discoverable => {
                if bound.is_some_and(|bound| bound != found.rp) { fail(PIN_AUTH_INVALID) } else { Ok(index) }
            }
            // What is not there is of no relying party, either.
            _ if bound.is_some() => Err(vec![PIN_AUTH_INVALID, NO_CREDENTIALS]),
            _ => fail(NO_CREDENTIALS),
        }
    }

    fn delete(&mut self, credential: u8, auth: Auth) -> Outcome {
        let index = self.changing(credential, auth)?;
        self.credentials[index].alive = false;
        Ok(Seen::Done)
    }

    fn update(&mut self, credential: u8, other_user: bool, name: u8, auth: Auth) -> Outcome {
        let index = self.changing(credential, auth)?;
        if other_user {
            return fail(INVALID_PARAMETER);
        }
        self.credentials[index].name = name;
        Ok(Seen::Done)
    }

    // --- 6.10 largeBlobs ---------------------------------------------------------------------------------------------

    fn blob_get(&mut self, offset: usize, count: usize, with_more: bool) -> Outcome {
        if with_more {
            return fail(INVALID_PARAMETER);
        }
        if count > MAX_FRAGMENT {
            return fail(INVALID_LENGTH);
        }
        let length = match self.blob {
            Stored::Initial => 17,
            Stored::Array(array) => array.content + 16,
        };
        if offset > length {
            return fail(INVALID_PARAMETER);
        }
        Ok(Seen::Blob(self.blob, offset, length.min(offset + count)))
    }

    fn blob_set(
        &mut self,
        pending: Pending,
        array: Array,
        offset: usize,
        count: usize,
        length: Option<usize>,
        auth: Auth,
    ) -> Outcome {
        if count > MAX_FRAGMENT {
            return fail(INVALID_LENGTH);
        }
        let (expected, next) = match (offset, length, &pending) {
            (0, None, _) => return fail(INVALID_PARAMETER),
            (0, Some(length), _) if length > BLOB_CAPACITY => return fail(LARGE_BLOB_STORAGE_FULL),
            (0, Some(length), _) if length < 17 => return fail(INVALID_PARAMETER),
            (0, Some(length), _) => (length, 0),
            (_, Some(_), _) => return fail(INVALID_PARAMETER),
            (_, None, Pending::Blob { array: same, length, next, since }) if *same == array => {
                if self.goes_on(*since, None) { (*length, *next) } else { (0, 0) }
            }
            (_, None, Pending::Blob { .. }) => unreachable!("fragments of one array"),
            (_, None, _) => (0, 0),
        };
        if offset != next {
            return fail(INVALID_SEQ);
        }
        if self.is_protected() || self.always_uv {
            if auth == Auth::Absent {
                return fail(PUAT_REQUIRED);
            }
            if self.verify(auth)?.permissions & LBW == 0 {
                return fail(PIN_AUTH_INVALID);
            }
        }
        if offset + count > expected {
            return fail(INVALID_PARAMETER);
        }
        if offset + count < expected {
            let since = self.now;
            self.pending = Pending::Blob { array, length: expected, next: offset + count, since };
            return Ok(Seen::Done);
        }
        // The hash is right over the whole array, and over no part of it.
        if !array.good || expected != array.content + 16 {
            return fail(INTEGRITY_FAILURE);
        }
        self.blob = Stored::Array(array);
        Ok(Seen::Done)
    }

    /// Whether a fragment would be one of another array than the one that is being written.
    pub(crate) fn writes_another(&self, array: Array) -> bool {
        matches!(&self.pending, Pending::Blob { array: other, .. } if *other != array)
    }

    // --- 6.11 config -------------------------------------------------------------------------------------------------

    fn configuring(&mut self, auth: Auth) -> Result<(), Statuses> {
        if !self.is_protected() && !self.always_uv {
            return Ok(());
        }
        if auth == Auth::Absent {
            return fail(PUAT_REQUIRED);
        }
        if self.verify(auth)?.permissions & ACFG == 0 {
            return fail(PIN_AUTH_INVALID);
        }
        Ok(())
    }

    fn set_min_pin_length(&mut self, length: Option<u8>, force: Option<bool>) -> Outcome {
        let length = length.unwrap_or(self.min_pin_length);
        let no_pin = force == Some(true) && self.pin.is_none();
        if length < self.min_pin_length || length > 63 {
            let or: &[u8] = if no_pin { &[PIN_NOT_SET] } else { &[] };
            return Err([&[PIN_POLICY_VIOLATION], or].concat());
        }
        if no_pin {
            return fail(PIN_NOT_SET);
        }
        let too_short = self.pin.is_some_and(|pin| Self::code_points(pin) < length);
        if force == Some(true) || too_short {
            // What the PIN gave out ends. Our decision: the persistent token, too.
            if !self.force_pin_change {
                self.token = None;
            }
            self.force_pin_change = true;
            self.persistent += 1;
        }
        self.min_pin_length = length;
        Ok(Seen::Done)
    }
}

enum UvError {
    TimedOut,
    Failed,
}
