//! The authenticator beside a small reference that is written from CTAP 2.3 alone (`reference.rs`): any sequence of
//! commands has the same statuses and the same visible results with both.

#[path = "../common/mod.rs"]
mod common;
mod driver;
mod reference;

use std::collections::BTreeMap;

use driver::{Driver, part_of};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use reference::{
    Array, Auth, BLOB_CAPACITY, BuiltInUv, Command, Flaw, Kind, Outcome, Person, PinFlaw, Reference, Seen,
};

const LONGEST: usize = 40;

/// Stands in commands for the PIN that is set, and for a token's permissions.
const RIGHT: u8 = 0xFF;

// --- any commands ----------------------------------------------------------------------------------------------------

fn any_kind() -> impl Strategy<Value = Kind> {
    let rarely = || prop::bool::weighted(0.2);
    let built_in =
        prop_oneof![2 => Just(BuiltInUv::None), 3 => Just(BuiltInUv::Verifier), 1 => Just(BuiltInUv::Pin)];
    (rarely(), any::<bool>(), rarely(), any::<bool>(), any::<bool>(), built_in, rarely()).prop_map(
        |(
            always_uv,
            make_cred_uv_not_required,
            no_mc_ga_with_pin,
            persistent,
            rolling,
            built_in_uv,
            early,
        )| {
            Kind {
                always_uv,
                make_cred_uv_not_required,
                no_mc_ga_with_pin,
                persistent,
                rolling,
                built_in_uv,
                early_no_credentials: early,
            }
        },
    )
}

fn any_person() -> impl Strategy<Value = Person> {
    prop_oneof![
        12 => Just(Person::Willing),
        1 => Just(Person::Declines),
        1 => Just(Person::Absent),
        1 => Just(Person::Stranger),
    ]
}

fn any_auth() -> impl Strategy<Value = Auth> {
    let flaw = prop_oneof![
        Just(Flaw::OtherMessage),
        Just(Flaw::OtherProtocol),
        Just(Flaw::NoProtocol),
        Just(Flaw::UnknownProtocol),
    ];
    prop_oneof![
        16 => Just(Auth::Token(0, Flaw::None)),
        2 => (0u8..4).prop_map(|from_the_latest| Auth::Token(from_the_latest, Flaw::None)),
        1 => flaw.prop_map(|flaw| Auth::Token(0, flaw)),
        1 => Just(Auth::Absent),
    ]
}

/// For the ceremonies, which do without as well.
fn any_optional_auth() -> impl Strategy<Value = Auth> {
    prop_oneof![12 => any_auth(), 8 => Just(Auth::Absent), 1 => Just(Auth::Empty)]
}

fn any_rp() -> impl Strategy<Value = u8> {
    prop_oneof![4 => Just(0), 2 => Just(1), 1 => Just(2)]
}

/// By its number, the latest being 0; some name none.
fn any_credential() -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(0), 2 => 0u8..3, 1 => 0u8..6]
}

fn any_pin() -> impl Strategy<Value = u8> {
    prop_oneof![5 => Just(RIGHT), 1 => Just(0), 1 => Just(1)]
}

fn any_pin_flaw() -> impl Strategy<Value = PinFlaw> {
    prop_oneof![8 => Just(PinFlaw::None), 1 => Just(PinFlaw::Auth), 1 => Just(PinFlaw::Short)]
}

fn any_permissions() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => Just(0x37),
        2 => Just(0x03),
        2 => Just(0x04),
        2 => Just(0x10),
        2 => Just(0x20),
        2 => Just(0x40),
        2 => 0u64..0x200,
    ]
}

fn any_token_command() -> impl Strategy<Value = Command> {
    let rp = || prop_oneof![2 => Just(None), 3 => any_rp().prop_map(Some)];
    prop_oneof![
        3 => (any::<bool>(), any_pin(), prop::bool::weighted(0.1), prop::bool::weighted(0.1)).prop_map(
            |(two, pin, with_permissions, with_rp)| Command::PinToken { two, pin, with_permissions, with_rp }
        ),
        6 => (any::<bool>(), any_pin(), any_permissions(), rp())
            .prop_map(|(two, pin, permissions, rp)| Command::TokenByPin { two, pin, permissions, rp }),
        2 => (any::<bool>(), any_permissions(), rp(), any_person())
            .prop_map(|(two, permissions, rp, person)| Command::TokenByUv { two, permissions, rp, person }),
    ]
}

fn any_pin_command() -> impl Strategy<Value = Command> {
    let new = || 0u8..5;
    prop_oneof![
        2 => Just(Command::PinRetries),
        1 => Just(Command::UvRetries),
        2 => (new(), any_pin_flaw()).prop_map(|(pin, flaw)| Command::SetPin { pin, flaw }),
        3 => (any_pin(), prop_oneof![4 => new(), 1 => Just(RIGHT)], any_pin_flaw())
            .prop_map(|(pin, new, flaw)| Command::ChangePin { pin, new, flaw }),
    ]
}

fn any_make() -> impl Strategy<Value = Command> {
    let exclude = prop_oneof![3 => Just(vec![]), 1 => prop::collection::vec(any_credential(), 1..3)];
    let options = (prop::bool::weighted(0.8), prop::bool::weighted(0.2), 1u8..=3);
    (any_rp(), 0u8..3, options, exclude, any_optional_auth(), any_person()).prop_map(
        |(rp, user, (rk, uv, protect), exclude, auth, person)| Command::Make {
            rp,
            user,
            rk,
            uv,
            protect,
            exclude,
            auth,
            person,
        },
    )
}

fn any_get() -> impl Strategy<Value = Command> {
    let allow =
        prop_oneof![2 => Just(None), 1 => prop::collection::vec(any_credential(), 1..4).prop_map(Some)];
    let options = (prop::bool::weighted(0.8), prop::bool::weighted(0.2));
    let get = (any_rp(), allow, options, any_optional_auth(), any_person())
        .prop_map(|(rp, allow, (up, uv), auth, person)| Command::Get { rp, allow, up, uv, auth, person });
    // A verification without presence is for the tests of getAssertion: what "up" is then is our decision.
    get.prop_map(|command| match command {
        Command::Get { rp, allow, up: false, auth, person, .. } => {
            Command::Get { rp, allow, up: false, uv: false, auth, person }
        }
        other => other,
    })
}

fn any_management() -> impl Strategy<Value = Command> {
    prop_oneof![
        2 => any_auth().prop_map(Command::Metadata),
        2 => any_auth().prop_map(Command::Rps),
        2 => (any_rp(), any_auth()).prop_map(|(rp, auth)| Command::Credentials { rp, auth }),
        2 => Just(Command::NextRp),
        2 => Just(Command::NextCredential),
        2 => (any_credential(), any_auth()).prop_map(|(credential, auth)| Command::Delete { credential, auth }),
        2 => (any_credential(), prop::bool::weighted(0.2), 1u8..9, any_auth()).prop_map(
            |(credential, other_user, name, auth)| Command::Update { credential, other_user, name, auth }
        ),
    ]
}

fn any_array() -> impl Strategy<Value = Array> {
    let content = prop_oneof![Just(1), Just(1008), Just(1009), 1usize..1010];
    (content, prop::bool::weighted(0.8)).prop_map(|(content, good)| Array { content, good })
}

/// A fragment that may stand anywhere in an array.
fn any_fragment() -> impl Strategy<Value = Command> {
    let length = prop_oneof![3 => Just(Some(None)), 1 => (0usize..1100).prop_map(|any| Some(Some(any))), 1 => Just(None)];
    (any_array(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), length, any_auth()).prop_map(
        |(array, offset, count, length, auth)| {
            let whole = array.content + 16;
            let offset = offset.index(whole);
            let count = count.index(whole - offset + 1);
            let length = match length {
                Some(None) => (offset == 0).then_some(whole),
                Some(any) => any,
                None => None,
            };
            Command::BlobSet { array, offset, count, length, auth }
        },
    )
}

/// A whole array in up to three fragments, and what is read of it afterwards.
fn any_blob_script() -> impl Strategy<Value = Vec<Command>> {
    let cuts = prop::collection::vec(any::<prop::sample::Index>(), 0..3);
    (any_array(), cuts, any_auth()).prop_map(|(array, cuts, auth)| {
        let whole = array.content + 16;
        let mut places: Vec<usize> = cuts.iter().map(|cut| 1 + cut.index(whole - 1)).collect();
        places.extend([0, whole]);
        places.sort_unstable();
        places.dedup();
        let fragment = |pair: &[usize]| Command::BlobSet {
            array,
            offset: pair[0],
            count: pair[1] - pair[0],
            length: (pair[0] == 0).then_some(whole),
            auth,
        };
        let read = Command::BlobGet { offset: 0, count: BLOB_CAPACITY, with_length: false, with_auth: false };
        places.windows(2).map(fragment).chain([read]).collect()
    })
}

fn any_configuration() -> impl Strategy<Value = Command> {
    let length = prop_oneof![Just(None), (3u8..12).prop_map(Some), Just(Some(64))];
    prop_oneof![
        4 => (length, any::<Option<bool>>(), any_auth())
            .prop_map(|(length, force, auth)| Command::MinPinLength { length, force, auth }),
        3 => any_auth().prop_map(Command::ToggleAlwaysUv),
        1 => any_auth().prop_map(Command::EnterpriseAttestation),
        1 => any_auth().prop_map(Command::LongTouch),
    ]
}

fn any_interruption() -> impl Strategy<Value = Command> {
    // No sum of these is one of the standard's limits.
    let time = prop_oneof![Just(1_003), Just(9_007), Just(29_011), Just(31_013), Just(590_017)];
    prop_oneof![
        4 => time.prop_map(Command::Wait),
        2 => Just(Command::PowerCycle),
        2 => Just(Command::GetInfo),
        1 => any_person().prop_map(Command::Selection),
        1 => any_person().prop_map(Command::Reset),
    ]
}

/// What a command needs a token for: its permission, and the relying party where the permission asks for one.
fn needed(command: &Command) -> (u64, Option<u8>) {
    match command {
        Command::Make { rp, .. } => (0x01, Some(*rp)),
        Command::Get { rp, .. } => (0x02, Some(*rp)),
        Command::BlobSet { .. } => (0x10, None),
        Command::MinPinLength { .. } | Command::ToggleAlwaysUv(_) | Command::LongTouch(_) => (0x20, None),
        _ => (0x04, None),
    }
}

/// Commands after a token that is good for the first of them.
fn with_its_token(commands: impl Strategy<Value = Vec<Command>>) -> impl Strategy<Value = Vec<Command>> {
    let more = prop_oneof![4 => Just(0), 1 => Just(0x10), 1 => Just(0x24)];
    let how = (any::<bool>(), prop::bool::weighted(0.2), any_person());
    (commands, how, more, prop::bool::weighted(0.2)).prop_map(
        |(commands, (two, by_uv, person), more, bound)| {
            let (permission, rp) = needed(&commands[0]);
            let (permissions, rp) = (permission | more, rp.or(bound.then_some(0)));
            let token = match by_uv {
                true => Command::TokenByUv { two, permissions, rp, person },
                false => Command::TokenByPin { two, pin: RIGHT, permissions, rp },
            };
            [vec![token], commands].concat()
        },
    )
}

fn one(strategy: impl Strategy<Value = Command>) -> impl Strategy<Value = Vec<Command>> {
    strategy.prop_map(|command| vec![command])
}

/// A command, and two that go on with it.
fn walk(first: impl Strategy<Value = Command>, next: Command) -> impl Strategy<Value = Vec<Command>> {
    first.prop_map(move |first| vec![first, next.clone(), next.clone()])
}

fn any_credentials() -> impl Strategy<Value = Command> {
    (any_rp(), any_auth()).prop_map(|(rp, auth)| Command::Credentials { rp, auth })
}

fn any_discovery() -> impl Strategy<Value = Command> {
    let auth = prop_oneof![2 => Just(Auth::Token(0, Flaw::None)), 1 => Just(Auth::Absent)];
    let person = Person::Willing;
    (any_rp(), auth, prop::bool::weighted(0.8)).prop_map(move |(rp, auth, up)| Command::Get {
        rp,
        allow: None,
        up,
        uv: false,
        auth,
        person,
    })
}

/// Passkeys of one relying party.
fn any_population() -> impl Strategy<Value = Vec<Command>> {
    (any_rp(), 1u8..4, prop_oneof![4 => Just(1), 1 => 1u8..=3], any::<bool>()).prop_map(
        |(rp, users, protect, by_uv)| {
            let passkey = |user| {
                let (auth, person) = (Auth::Token(0, Flaw::None), Person::Willing);
                let (two, permissions, rp_id) = (true, 0x01, Some(rp));
                let token = match by_uv {
                    true => Command::TokenByUv { two, permissions, rp: rp_id, person },
                    false => Command::TokenByPin { two, pin: RIGHT, permissions, rp: rp_id },
                };
                let exclude = vec![];
                [token, Command::Make { rp, user, rk: true, uv: false, protect, exclude, auth, person }]
            };
            (0..users).flat_map(passkey).collect()
        },
    )
}

/// Wrong PINs, or faces that nobody knows, until there is no further; and then a right one.
fn any_siege() -> impl Strategy<Value = Vec<Command>> {
    let by_pin = |pin: u8| {
        prop_oneof![
            Just(Command::TokenByPin { two: true, pin, permissions: 0x04, rp: None }),
            Just(Command::PinToken { two: false, pin, with_permissions: false, with_rp: false }),
            Just(Command::ChangePin { pin, new: 1, flaw: PinFlaw::None }),
        ]
    };
    // No commands set this one: it is too short.
    let pins = (by_pin(2), by_pin(RIGHT), 1usize..5, 1usize..4, any::<bool>()).prop_map(
        |(wrong, right, at_once, times, power_cycle)| {
            let storm = [vec![wrong; at_once], vec![Command::PowerCycle]].concat();
            let mut commands = vec![storm; times].concat();
            if !power_cycle {
                commands.pop();
            }
            [commands, vec![right]].concat()
        },
    );
    let (person, auth) = (Person::Stranger, Auth::Absent);
    let stranger = Command::TokenByUv { two: true, permissions: 0x04, rp: None, person };
    let faces = prop_oneof![
        Just(Command::Get { rp: 0, allow: None, up: true, uv: true, auth, person }),
        Just(Command::Make { rp: 0, user: 0, rk: true, uv: true, protect: 1, exclude: vec![], auth, person }),
        Just(stranger.clone()),
    ];
    let faces = faces.prop_map(move |last| [vec![stranger.clone(); 4], vec![last.clone(), last]].concat());
    prop_oneof![2 => pins, 1 => faces]
}

/// Some commands that belong together, or one.
fn any_commands() -> impl Strategy<Value = Vec<Command>> {
    let blob_get = (0usize..1100, 0usize..8000, prop::bool::weighted(0.1), prop::bool::weighted(0.1))
        .prop_map(|(offset, count, with_length, with_auth)| {
            vec![Command::BlobGet { offset, count, with_length, with_auth }]
        });
    prop_oneof![
        4 => one(any_pin_command()),
        3 => one(any_token_command()),
        2 => one(any_make()),
        4 => with_its_token(one(any_make())),
        4 => any_population(),
        2 => one(any_get()),
        4 => with_its_token(one(any_get())),
        4 => with_its_token(walk(any_discovery(), Command::Next)),
        1 => one(any_management()),
        6 => with_its_token(one(any_management())),
        3 => with_its_token(walk(any_auth().prop_map(Command::Rps), Command::NextRp)),
        3 => with_its_token(walk(any_credentials(), Command::NextCredential)),
        1 => one(any_configuration()),
        3 => with_its_token(one(any_configuration())),
        1 => any_blob_script(),
        3 => with_its_token(any_blob_script()),
        1 => one(any_fragment()),
        1 => blob_get,
        2 => any_siege(),
        5 => one(any_interruption()),
    ]
}

fn any_session() -> impl Strategy<Value = Vec<Command>> {
    let pin = prop_oneof![
        7 => Just(vec![Command::SetPin { pin: 0, flaw: PinFlaw::None }]),
        3 => Just(vec![]),
    ];
    let passkeys = prop_oneof![1 => any_population(), 1 => Just(vec![])];
    (pin, passkeys, prop::collection::vec(any_commands(), 1..20)).prop_map(|(pin, passkeys, rest)| {
        let mut commands = [pin, passkeys, rest.concat()].concat();
        commands.truncate(LONGEST);
        commands
    })
}

// --- both, side by side ----------------------------------------------------------------------------------------------

/// The command with the PIN that is set in the place of [`RIGHT`].
fn with_the_right_pin(mut command: Command, right: Option<u8>) -> Command {
    let replace = |pin: &mut u8| {
        if *pin == RIGHT {
            *pin = right.unwrap_or(0);
        }
    };
    match &mut command {
        Command::PinToken { pin, .. } | Command::TokenByPin { pin, .. } => replace(pin),
        Command::ChangePin { pin, new, .. } => {
            replace(pin);
            replace(new);
        }
        _ => {}
    }
    command
}

/// Whether what happened is what was expected, or one of several things that were.
fn agree(expected: &Outcome, happened: &Result<Seen, u8>) -> bool {
    match (expected, happened) {
        (Err(statuses), Err(status)) => statuses.contains(status),
        (
            Ok(Seen::Assertion { any_of, up, uv, count }),
            Ok(Seen::Assertion { any_of: shown, up: present, uv: verified, count: counted }),
        ) => any_of.contains(&shown[0]) && (up, uv, count) == (present, verified, counted),
        (Ok(Seen::Rp { any_of, total }), Ok(Seen::Rp { any_of: shown, total: counted })) => {
            any_of.contains(&shown[0]) && total == counted
        }
        (Ok(Seen::Credential { any_of, total }), Ok(Seen::Credential { any_of: shown, total: counted })) => {
            any_of.contains(&shown[0]) && total == counted
        }
        (Ok(Seen::Blob(stored, from, to)), Ok(Seen::Bytes(read))) => part_of(*stored, *from, *to) == *read,
        (Ok(expected), Ok(happened)) => expected == happened,
        _ => false,
    }
}

/// Whether a fragment is one of another array than the one that is on its way: the reference has no bytes to tell the
/// outcome.
fn strays(reference: &Reference, command: &Command) -> bool {
    matches!(command, Command::BlobSet { array, offset: 1.., .. } if reference.writes_another(*array))
}

/// What was shown of several goes out of what is left.
fn pick(reference: &mut Reference, seen: &Seen) {
    match seen {
        Seen::Rp { any_of, .. } => reference.picked_rp(any_of[0]),
        Seen::Credential { any_of, .. } => reference.picked_credential(any_of[0].credential),
        _ => {}
    }
}

fn side_by_side(kind: Kind, commands: Vec<Command>) -> Result<(), TestCaseError> {
    let mut driver = Driver::new(kind);
    let mut reference = Reference::new(kind, driver.now());
    for (number, command) in commands.into_iter().enumerate() {
        let command = with_the_right_pin(command, reference.pin());
        if strays(&reference, &command) {
            continue;
        }
        let pin = reference.pin();
        let expected = reference.run(&command);
        let happened = driver.run(&command, pin);
        prop_assert!(
            agree(&expected, &happened),
            "command {number}, {command:?}: expected {expected:02x?}, happened {happened:02x?}"
        );
        if let Ok(seen) = &happened {
            pick(&mut reference, seen);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_commands_come_out_as_the_reference_has_them(kind in any_kind(), commands in any_session()) {
        side_by_side(kind, commands)?;
    }
}

/// What sessions do not reach, they do not compare.
#[test]
fn sessions_reach_every_command_and_every_status() {
    let mut runner = TestRunner::deterministic();
    let mut reached: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..3_000 {
        let (kind, commands) = (any_kind(), any_session()).new_tree(&mut runner).unwrap().current();
        let mut reference = Reference::new(kind, 1_000);
        for command in commands {
            let command = with_the_right_pin(command, reference.pin());
            if strays(&reference, &command) {
                continue;
            }
            let outcome = reference.run(&command);
            if let Ok(seen) = &outcome {
                pick(&mut reference, seen);
            }
            for what in told(&command, &outcome) {
                *reached.entry(what).or_default() += 1;
            }
        }
    }
    let expected = EXPECTED
        .iter()
        .flat_map(|(name, statuses)| statuses.split(' ').map(move |status| format!("{name} {status}")));
    let missed: Vec<String> =
        expected.filter(|what| reached.get(what).is_none_or(|count| *count < 3)).collect();
    assert!(missed.is_empty(), "hardly ever: {missed:?} of {reached:#?}");
}

/// "Name ok", or "Name 2e" for each status that is right.
fn told(command: &Command, outcome: &Outcome) -> Vec<String> {
    let name: String = format!("{command:?}").chars().take_while(char::is_ascii_alphanumeric).collect();
    match outcome {
        Ok(_) => vec![format!("{name} ok")],
        Err(statuses) => statuses.iter().map(|status| format!("{name} {status:02x}")).collect(),
    }
}

const EXPECTED: &[(&str, &str)] = &[
    ("GetInfo", "ok"),
    ("Selection", "ok 27 2f"),
    ("Reset", "ok 27 2f 30"),
    ("PinRetries", "ok"),
    ("UvRetries", "ok 3e"),
    ("SetPin", "ok 02 33 37"),
    ("ChangePin", "ok 02 31 32 33 34 35 37"),
    ("PinToken", "ok 02 31 32 34 35"),
    ("TokenByPin", "ok 02 31 32 34 35 37 40"),
    ("TokenByUv", "ok 02 27 2f 30 3c 3e 3f 40"),
    ("Make", "ok 02 14 19 27 28 2c 2f 31 32 33 35 36"),
    ("Get", "ok 02 14 27 2c 2e 2f 31 32 33 35 36"),
    ("Next", "ok 30"),
    ("Metadata", "ok 02 14 33 36"),
    ("Rps", "ok 02 14 2e 33 36"),
    ("NextRp", "ok 30"),
    ("Credentials", "ok 02 14 2e 33 36"),
    ("NextCredential", "ok 30"),
    ("Delete", "ok 02 14 2e 33 36"),
    ("Update", "ok 02 14 2e 33 36"),
    ("BlobGet", "ok 02 03"),
    ("BlobSet", "ok 02 04 14 18 33 36 3d"),
    ("MinPinLength", "ok 02 14 33 35 36 37"),
    ("ToggleAlwaysUv", "ok 02 14 33 36"),
    ("EnterpriseAttestation", "02"),
    ("LongTouch", "ok 33 36"),
];
