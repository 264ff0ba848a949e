//! Somebody else's asynchronous item database under the authenticator.
//!
//! countersign has no `async` and opens no database. Each command is a sequence of [`Step`]s; whoever has the database
//! carries out [`Step::Load`] and [`Step::Commit`] in its own way, here with futures, and goes on. The database below knows
//! nothing of passkeys: it keeps items with an owner and a few labels, and takes its time. A real one would be IndexedDB,
//! a bridge to a phone's keychain, or a server.
//!
//! Two duties come with it, and both are visible here: a commit is one transaction, and look-ups and commits are carried
//! out in the order in which they were asked for.
//!
//! `cargo run --example own_store`

use std::{
    cell::RefCell,
    collections::BTreeMap,
    error::Error,
    future::Future,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use countersign::{
    authenticator::{
        Answer, Authenticator, Channel, Outcome, Purpose, Question, Settings, Step, Verification,
    },
    cose::PublicKey,
    credential::{ChangeSet, CredentialRecord, Overview, Query, Records, StateRecord, StoreError},
    crypto::{CryptoProvider, RustCrypto},
    ctap2::{GetAssertion, MakeCredential, Options, Request, Response, Status},
    rand_core::{CryptoRng, TryCryptoRng, TryRng},
    secret::SecretBytes,
    time::{Moment, UnixTime},
    webauthn::{AuthenticatorDataView, ClientDataHash, CredentialId, RpEntity, RpId, UserEntity, UserHandle},
};

// --- somebody else's database ----------------------------------------------------------------------------------------

/// An item: bytes under a name, with an owner to look it up by.
struct Item {
    owner: String,
    bytes: Vec<u8>,
}

/// What one transaction does.
#[derive(Default)]
struct Transaction {
    remove_all: bool,
    remove: Vec<Vec<u8>>,
    /// Without these nothing is done.
    only_if_there: Vec<Vec<u8>>,
    put: Vec<(Vec<u8>, Item)>,
}

/// The database. Every call returns a future.
#[derive(Clone, Default)]
struct ItemDatabase {
    items: Rc<RefCell<BTreeMap<Vec<u8>, Item>>>,
}

impl ItemDatabase {
    async fn by_name(&self, name: &[u8]) -> Option<Vec<u8>> {
        round_trip().await;
        self.items.borrow().get(name).map(|item| item.bytes.clone())
    }

    async fn by_owner(&self, owner: &str) -> Vec<Vec<u8>> {
        round_trip().await;
        self.items
            .borrow()
            .values()
            .filter(|item| item.owner == owner)
            .map(|item| item.bytes.clone())
            .collect()
    }

    /// Every item that belongs to somebody.
    async fn owned(&self) -> Vec<Vec<u8>> {
        round_trip().await;
        self.items
            .borrow()
            .values()
            .filter(|item| item.owner != NOBODY)
            .map(|item| item.bytes.clone())
            .collect()
    }

    /// All of it or nothing; `false` is nothing.
    async fn transact(&self, transaction: Transaction) -> bool {
        round_trip().await;
        let mut items = self.items.borrow_mut();
        if !transaction.only_if_there.iter().all(|name| items.contains_key(name)) {
            return false;
        }
        if transaction.remove_all {
            items.clear();
        }
        transaction.remove.iter().for_each(|name| _ = items.remove(name));
        items.extend(transaction.put);
        true
    }
}

/// The database is elsewhere: a future that is not ready the first time it is asked.
fn round_trip() -> impl Future<Output = ()> {
    struct RoundTrip(bool);
    impl Future for RoundTrip {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
            if std::mem::replace(&mut self.0, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        }
    }
    RoundTrip(false)
}

/// The smallest executor there is. Yours is tokio, the browser's event loop, or a phone's run loop.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

// --- the bridge: countersign's questions in the database's words ------------------------------------------------------

/// The authenticator's own record is an item like any other.
const STATE: &[u8] = b"state";

/// Passkeys have a part of the names to themselves: a request may name any bytes as a credential ID, "state" among them.
fn name(id: &CredentialId) -> Vec<u8> {
    [b"passkey/", id.as_bytes()].concat()
}

/// An RP ID is never empty, so that the state belongs to no relying party.
const NOBODY: &str = "";

async fn load(database: &ItemDatabase, query: &Query) -> Result<Records, StoreError> {
    let found = match query {
        Query::Named(_, ids) => {
            let mut found = Vec::new();
            for id in ids {
                found.extend(database.by_name(&name(id)).await);
            }
            found
        }
        Query::Discoverable(rp) | Query::Account(rp, _) => database.by_owner(rp.as_str()).await,
        Query::Identified(id) => database.by_name(&name(id)).await.into_iter().collect(),
        // Asked by authenticatorCredentialManagement, where a person lists passkeys: no index is needed for it.
        Query::OfHash(_) => database.owned().await,
    };
    // In a real store the bytes are encrypted at rest: a record holds its private key.
    let records = found.iter().map(|bytes| CredentialRecord::decode(bytes).map_err(|_| StoreError::Tampered));
    // The machine checks what it gets against the query again; handing out a few too many would do no harm.
    records.filter(|record| record.as_ref().map_or(true, |record| query.matches(record))).collect()
}

/// What there is: how many passkeys, of which sites.
async fn survey(database: &ItemDatabase) -> Result<Overview, StoreError> {
    let decoded =
        database.owned().await.iter().map(|bytes| CredentialRecord::decode(bytes)).collect::<Vec<_>>();
    if decoded.iter().any(Result::is_err) {
        return Err(StoreError::Tampered);
    }
    let credentials = decoded.iter().flatten().map(|record| &record.credential);
    Ok(Overview::of(credentials, u64::MAX))
}

async fn commit(database: &ItemDatabase, changes: ChangeSet) -> Result<(), StoreError> {
    let mut transaction = Transaction {
        remove_all: changes.clear,
        remove: changes.delete.iter().map(name).collect(),
        // What the user deleted on another device since it was looked up must not come back.
        only_if_there: changes.update.iter().map(|record| name(&record.credential.id)).collect(),
        put: Vec::new(),
    };
    for record in changes.update.iter().chain(&changes.put) {
        let owner = record.credential.rp.id.as_str().to_owned();
        let item = Item { owner, bytes: record.encode().expose().to_vec() };
        transaction.put.push((name(&record.credential.id), item));
    }
    if let Some(state) = &changes.state {
        let item = Item { owner: NOBODY.to_owned(), bytes: state.encoded().expose().to_vec() };
        transaction.put.push((STATE.to_vec(), item));
    }
    if database.transact(transaction).await { Ok(()) } else { Err(StoreError::NotFound) }
}

// --- the host --------------------------------------------------------------------------------------------------------

/// A credential manager: it owns the machine and the database, and brings the two together.
struct Host {
    authenticator: Authenticator,
    database: ItemDatabase,
    started: Instant,
    rng: Box<dyn CryptoRng>,
}

impl Host {
    /// Powers up with the state that the database holds, if it holds one.
    async fn start(database: ItemDatabase, rng: Box<dyn CryptoRng>) -> Result<Self, Box<dyn Error>> {
        let state = database.by_name(STATE).await.map(|bytes| StateRecord::new(SecretBytes::new(bytes)));
        let settings = Settings::credential_manager();
        let authenticator = Authenticator::new(settings, state.as_ref(), Arc::new(RustCrypto))?;
        Ok(Self { authenticator, database, started: Instant::now(), rng })
    }

    /// One command from its beginning to its response.
    async fn call(&mut self, request: Request) -> Outcome {
        let now = self.now();
        let mut step = self.authenticator.begin(Channel(1), request, now, &mut *self.rng);
        loop {
            step = match step {
                Step::Done(outcome) => return outcome,
                Step::Load(query, pending) => {
                    let found = load(&self.database, &query).await;
                    let now = self.now();
                    self.authenticator.loaded(pending, found, now, &mut *self.rng)
                }
                Step::Survey(pending) => {
                    let found = survey(&self.database).await;
                    self.authenticator.surveyed(pending, found, self.now())
                }
                Step::Commit(changes, pending) => {
                    let result = commit(&self.database, changes).await;
                    let now = self.now();
                    self.authenticator.committed(pending, result, now, &mut *self.rng)
                }
                Step::Ask(question, pending) => {
                    let answer = ask(&question).await;
                    let now = self.now();
                    self.authenticator.answer(pending, answer, now, &mut *self.rng)
                }
            };
        }
    }

    fn now(&self) -> Moment {
        let ticks = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        // A real host asks its clock for the date.
        Moment { ticks, date: Some(UnixTime(1_800_000_000)) }
    }
}

/// Asks the person. This one always agrees, and the host's verifier recognises them.
async fn ask(question: &Question) -> Answer {
    round_trip().await;
    match &question.purpose {
        Purpose::Register { rp, user, .. } => {
            let account = user.name.as_deref().unwrap_or("somebody");
            println!("  asked: make a passkey for {account} at {}? - yes", rp.id.as_str());
        }
        Purpose::SignIn { rp_id, accounts, .. } => {
            println!("  asked: sign in to {} ({} account)? - yes", rp_id.as_str(), accounts.len());
        }
        Purpose::NotRegistered { rp_id } => {
            println!("  asked: nothing for {} here, go on? - yes", rp_id.as_str())
        }
        other => println!("  asked: {other:?} - yes"),
    }
    match question.verification {
        Verification::Host => Answer::Verified { choice: None },
        _ => Answer::Approved { choice: None },
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let database = ItemDatabase::default();
    block_on(async {
        let mut host = Host::start(database.clone(), Box::new(DemoRng(1))).await?;
        println!("registering at example.com");
        let (id, public_key) = register(&mut host).await?;
        println!("  made a passkey; the database holds {} items", database.items.borrow().len());

        // The program ends and starts again: all that is left is in the database.
        let mut host = Host::start(database.clone(), Box::new(DemoRng(2))).await?;
        println!("signing in to example.com");
        sign_in(&mut host, &id, &public_key).await?;
        println!("  the signature verifies");

        println!("signing in to example.org");
        let response = host.call(Request::GetAssertion(get("example.org")?)).await.response;
        assert_eq!(response, Response::Failed(Status::NoCredentials));
        println!("  no passkey there");
        Ok(())
    })
}

async fn register(host: &mut Host) -> Result<(CredentialId, PublicKey), Box<dyn Error>> {
    let request = MakeCredential {
        client_data_hash: ClientDataHash([1; 32]),
        rp: RpEntity { id: RpId::new("example.com")?, name: Some("Example".into()) },
        user: UserEntity {
            id: UserHandle::new(b"alice")?,
            name: Some("alice@example.com".into()),
            display_name: None,
        },
        algorithms: vec![-7],
        exclude_list: Vec::new(),
        extensions: Default::default(),
        options: Options { rk: Some(true), up: None, uv: Some(true) },
        pin_uv_auth: None,
        enterprise_attestation: None,
        attestation_formats_preference: Vec::new(),
    };
    match host.call(Request::MakeCredential(request)).await.response {
        Response::MakeCredential(response) => {
            let data = AuthenticatorDataView::parse(&response.auth_data).ok_or("no authenticator data")?;
            let (_, id, key) = data.attested.ok_or("no credential")?;
            let (_, public_key) = PublicKey::from_cose(&key).ok_or("no public key")?;
            Ok((id, public_key))
        }
        other => Err(format!("{other:?}").into()),
    }
}

async fn sign_in(host: &mut Host, id: &CredentialId, key: &PublicKey) -> Result<(), Box<dyn Error>> {
    let request = get("example.com")?;
    let hash = request.client_data_hash;
    match host.call(Request::GetAssertion(request)).await.response {
        Response::GetAssertion(response) => {
            assert_eq!(response.credential, *id);
            let data = AuthenticatorDataView::parse(&response.auth_data).ok_or("no authenticator data")?;
            assert!(data.flags.user_present() && data.flags.user_verified());
            let algorithm = countersign::cose::CoseAlgorithm::Es256;
            Ok(RustCrypto.verify(algorithm, key, &[&response.auth_data, &hash.0], &response.signature)?)
        }
        other => Err(format!("{other:?}").into()),
    }
}

fn get(rp_id: &str) -> Result<GetAssertion, Box<dyn Error>> {
    Ok(GetAssertion {
        rp_id: RpId::new(rp_id)?,
        client_data_hash: ClientDataHash([2; 32]),
        allow_list: None,
        extensions: Default::default(),
        options: Options { rk: None, up: None, uv: Some(true) },
        pin_uv_auth: None,
    })
}

/// NOT random: it lets the example run without an operating system's entropy. Use `getrandom::SysRng` or the like.
struct DemoRng(u64);

impl TryRng for DemoRng {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.try_next_u64().map(|word| word as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Ok(self.0 ^ (self.0 >> 29))
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Self::Error> {
        for chunk in target.chunks_mut(8) {
            let word = self.try_next_u64()?;
            chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for DemoRng {}
