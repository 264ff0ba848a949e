//! A software authenticator on disk.

use std::path::Path;

use countersign::{
    authenticator::{Authenticator, Channel, Outcome, PinEntry, ProviderRequest, Settings, Step, Turn, run},
    credential::{
        ChangeSet, Credential, CredentialRecord, CredentialStore, Query, StateRecord, StateStore, StoreError,
    },
    crypto::OsRng,
    ctap2::GetInfoResponse,
    rand_core::CryptoRng,
    secret::Secret,
    time::{Moment, UnixTime},
    vault::{
        Administration, Opening, PasskeyStore, Prepared, RollbackStore, SlotKind, SlotPrivate, SlotSecret,
        SlotStatus, Vault, VaultError, VaultId, item_type,
    },
    webauthn::CredentialId,
};

use crate::{
    clock::Clock, error::HostError, person::Person, providers::provider, secret_file, seen_file::SeenFile,
    vault_file::VaultFile,
};

const VAULT: &str = "vault.redb";
const SECRET: &str = "device.secret";

/// The store of an authenticator on disk.
pub type KeyStore = PasskeyStore<VaultFile, OsRng>;

/// A software authenticator in a directory of its own: `vault.redb`, a vault that keeps passkeys and the authenticator's
/// state, and `device.secret`, the 32 bytes that open it. Who can read both has the passkeys; the PIN guards their use
/// through this program.
///
/// Opening is power-up: the reset window and the count of wrong PINs in a row begin anew. The tries of the PIN are
/// stored, and each is counted on disk before the PIN is compared. One process at a time ([`HostError::Busy`]).
pub struct KeyDirectory {
    authenticator: Authenticator,
    store: KeyStore,
    rng: OsRng,
    clock: Clock,
}

/// The parts of a [`KeyDirectory`].
pub struct KeyParts {
    /// The machine.
    pub authenticator: Authenticator,
    /// Its store.
    pub store: KeyStore,
    /// The clock by which the deadlines of its questions count.
    pub clock: Clock,
}

impl KeyDirectory {
    /// Makes a new authenticator with its first PIN. Passkeys, state and PIN appear at once or not at all; a
    /// `device.secret` that an interrupted attempt has left behind is used.
    ///
    /// Errors: [`HostError::AlreadyExists`] where there is an authenticator, [`HostError::CannotStart`], and those of the
    /// files.
    pub fn init(
        directory: &Path,
        settings: Settings,
        pin: &PinEntry,
        seen: SeenFile,
    ) -> Result<Self, HostError> {
        let mut rng = OsRng::default();
        let clock = Clock::start();
        let mut authenticator = Authenticator::new(settings, None, provider())?;
        let Step::Commit(ChangeSet { state: Some(state), .. }, pending) =
            authenticator.set_pin(pin, &mut rng)
        else {
            return Err(HostError::Store(StoreError::Unavailable));
        };
        let store = create(directory, Some(&state), seen, &mut rng)?;
        _ = authenticator.committed(pending, Ok(()), clock.now(), &mut rng);
        Ok(Self { authenticator, store, rng, clock })
    }

    /// Makes a new authenticator without a PIN, for platforms to set one. Otherwise as [`KeyDirectory::init`].
    pub fn init_without_pin(directory: &Path, settings: Settings, seen: SeenFile) -> Result<Self, HostError> {
        let mut rng = OsRng::default();
        let authenticator = Authenticator::new(settings, None, provider())?;
        let store = create(directory, None, seen, &mut rng)?;
        Ok(Self { authenticator, store, rng, clock: Clock::start() })
    }

    /// Powers an authenticator up.
    ///
    /// Errors: those of [`VaultFile::open`] and [`secret_file::read`]; [`HostError::Vault`] where the vault does not open
    /// by the device secret, was altered, or is older than `seen` remembers; [`HostError::CannotStart`].
    pub fn open(directory: &Path, settings: Settings, mut seen: SeenFile) -> Result<Self, HostError> {
        let file = VaultFile::open(&directory.join(VAULT))?;
        let secret = secret_file::read(&directory.join(SECRET))?;
        let vault = unlock(&file, &secret, &mut seen)?;
        let rng = OsRng::default();
        let store = PasskeyStore::new(vault, file, Some(Box::new(seen)), rng)?;
        let state = store.load_state()?;
        let authenticator = Authenticator::new(settings, state.as_ref(), provider())?;
        Ok(Self { authenticator, store, rng, clock: Clock::start() })
    }

    /// Runs one command to its end: `begin` begins it, `person` answers its questions.
    pub fn perform(
        &mut self,
        begin: impl FnOnce(&mut Authenticator, Moment, &mut dyn CryptoRng) -> Step,
        person: &mut dyn Person,
    ) -> Outcome {
        let Self { authenticator, store, rng, clock } = self;
        if let Some(date) = Clock::date() {
            store.set_time(date);
        }
        let mut step = begin(authenticator, clock.now(), rng);
        loop {
            match run(authenticator, store, step, clock.now(), rng) {
                Turn::Done(outcome) => return outcome,
                Turn::Ask(question, pending) => {
                    let answer = person.answer(&question);
                    step = authenticator.answer(pending, answer, clock.now(), rng);
                }
            }
        }
    }

    /// One CTAP2 message, command byte and CBOR, as a transport delivers it; the response likewise.
    pub fn ctap(&mut self, from: Channel, message: &[u8], person: &mut dyn Person) -> Vec<u8> {
        let begin = |authenticator: &mut Authenticator, now, rng: &mut dyn CryptoRng| {
            authenticator.begin_ctap(from, message, now, rng)
        };
        self.perform(begin, person).response.encode()
    }

    /// One command of a WebAuthn client of ours.
    pub fn provider(&mut self, from: Channel, request: ProviderRequest, person: &mut dyn Person) -> Outcome {
        let begin = |authenticator: &mut Authenticator, now, rng: &mut dyn CryptoRng| {
            authenticator.begin_provider(from, request, now, rng)
        };
        self.perform(begin, person)
    }

    /// authenticatorGetInfo.
    pub fn info(&self) -> GetInfoResponse {
        self.authenticator.info()
    }

    /// The public parts of all passkeys, in the order in which they were made.
    pub fn passkeys(&self) -> Result<Vec<Credential>, HostError> {
        let ids = self.store.list(item_type::PASSKEY)?;
        let mut passkeys = Vec::with_capacity(ids.len());
        for id in ids {
            let item = self.store.get(&id)?;
            let record = CredentialRecord::decode(item.plaintext.expose());
            let record = record.map_err(|_| VaultError::Malformed("passkey record"))?;
            passkeys.push(record.credential);
        }
        passkeys.sort_by_key(Credential::age);
        Ok(passkeys)
    }

    /// The public part of one passkey.
    pub fn passkey(&self, id: &CredentialId) -> Result<Credential, HostError> {
        let found = self.store.load(&Query::Identified(id.clone()))?;
        found.into_iter().next().map(|record| record.credential.clone()).ok_or(HostError::NoSuchPasskey)
    }

    /// Deletes a passkey for good. [`HostError::NoSuchPasskey`].
    pub fn delete_passkey(&mut self, id: &CredentialId) -> Result<(), HostError> {
        self.passkey(id)?;
        if let Some(date) = Clock::date() {
            self.store.set_time(date);
        }
        Ok(self.store.commit(ChangeSet { delete: vec![id.clone()], ..ChangeSet::default() })?)
    }

    /// The clock by which the deadlines of questions count.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// The machine: settings, whether a PIN is set, how many tries are left.
    pub fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// The store.
    pub fn store(&self) -> &KeyStore {
        &self.store
    }

    /// Takes it apart, for hosts that put a [`Provider`](countersign::provider::Provider) on top of the authenticator.
    pub fn into_parts(self) -> KeyParts {
        let Self { authenticator, store, clock, .. } = self;
        KeyParts { authenticator, store, clock }
    }

    /// The parts, for hosts that match on the steps themselves.
    pub fn parts_mut(&mut self) -> (&mut Authenticator, &mut KeyStore, &mut OsRng) {
        (&mut self.authenticator, &mut self.store, &mut self.rng)
    }
}

/// A new vault with a slot for the device's secret, and the authenticator's first state if it has one.
fn create(
    directory: &Path,
    state: Option<&StateRecord>,
    seen: SeenFile,
    rng: &mut OsRng,
) -> Result<KeyStore, HostError> {
    let file = VaultFile::create(&directory.join(VAULT))?;
    let secret = make_secret(&directory.join(SECRET), rng)?;
    let prepared = draft(&secret, state, rng)?;
    Ok(PasskeyStore::create(prepared, file, Some(Box::new(seen)), OsRng::default(), Moment::default())?)
}

/// A new secret, or the one that an interrupted attempt has left; it opens nothing yet.
fn make_secret(path: &Path, rng: &mut OsRng) -> Result<Secret<32>, HostError> {
    let secret = Secret::make_random(rng);
    match secret_file::create(path, &secret) {
        Err(HostError::AlreadyExists(_)) => {
            secret_file::require_own(path)?;
            secret_file::read(path)
        }
        other => other.map(|()| secret),
    }
}

fn draft(secret: &Secret<32>, state: Option<&StateRecord>, rng: &mut OsRng) -> Result<Prepared, VaultError> {
    let now = Clock::date().unwrap_or(UnixTime(0));
    let private = SlotPrivate { label: "device.secret".into(), created: now.0, ..SlotPrivate::default() };
    let mut draft = Administration::new_vault(VaultId::make(rng), None, rng)?;
    draft.enrol_device(secret, private, rng)?;
    if let Some(state) = state {
        draft.add_item(item_type::AUTHENTICATOR_STATE, state.encoded().expose(), rng)?;
    }
    draft.finish(now, rng)
}

fn unlock(file: &VaultFile, secret: &Secret<32>, seen: &mut dyn RollbackStore) -> Result<Vault, HostError> {
    let wrong_file = || HostError::WrongFile(file.path().to_path_buf(), "an authenticator's vault");
    let envelope = file.envelope()?.ok_or_else(wrong_file)?;
    let device = |slot: &countersign::vault::SlotView<'_>| {
        (slot.kind(), slot.status()) == (SlotKind::Device, SlotStatus::Enabled)
    };
    let slot = envelope.slots().find(device).ok_or_else(wrong_file)?.slot_id();
    let opening = Opening { memory: Some(seen), ..Opening::default() };
    Ok(envelope.open(&slot, &SlotSecret::Device(secret), opening)?.0)
}
