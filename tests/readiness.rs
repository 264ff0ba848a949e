//! The readiness report: from a vault that lacks nothing, one thing is taken away at a time.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{seeded_rng::SeededRng, vault::private, world::TODAY};
use countersign::{
    credential::{Backup, CredProtect, Credential},
    readiness::{
        DeletionImpact, Facts, Finding, HostFacts, Limits, PasswordAdvice, ReadinessReport, Reason, Severity,
        SlotFacts, Subject, can_retire_password, deletion_impact,
    },
    secret::Secret,
    time::{Moment, UnixTime},
    upkeep::{BackupNote, Coverage, KitNote, UpkeepRecord},
    vault::{
        Administration, MemoryStorage, PasskeyStore, Policy, RecoveryCode, ShareSet, SlotId, SlotKind,
        SlotPrivate, SlotStatus, VaultId,
    },
    webauthn::{Aaguid, CredentialId, RpEntity, RpId, UserEntity, UserHandle},
};
use proptest::prelude::*;

const DAY: u64 = 86_400;
const PHONE: usize = 0;
const KEY: usize = 1;
const CODE: usize = 2;

fn slot(number: u8, kind: SlotKind, label: &str) -> SlotFacts {
    SlotFacts {
        slot_id: SlotId([number; 16]),
        slot_gen: 1,
        kind,
        status: SlotStatus::Enabled,
        refresh_due: false,
        built_in: false,
        shares: None,
        credential_id: (kind == SlotKind::Passkey).then(|| vec![number; 16]),
        private: SlotPrivate {
            label: label.into(),
            created: TODAY.0 - 30 * DAY,
            last_verified: Some(TODAY.0 - DAY),
            ..SlotPrivate::default()
        },
    }
}

fn passkey(number: u8, label: &str, aaguid: u8, eligible: bool) -> SlotFacts {
    let mut slot = slot(number, SlotKind::Passkey, label);
    slot.private.aaguid = Some([aaguid; 16]);
    slot.private.backup_eligible = Some(eligible);
    slot.private.backed_up = Some(eligible);
    slot
}

fn account(rp: &str, number: u8, backup: Backup) -> Credential {
    Credential {
        id: CredentialId::new(&[number, 99]).unwrap(),
        rp: RpEntity { id: RpId::new(rp).unwrap(), name: None },
        user: UserEntity { id: UserHandle::new(&[1]).unwrap(), name: None, display_name: None },
        discoverable: true,
        cred_protect: CredProtect::default(),
        backup,
        sign_count: 0,
        aaguid: Aaguid::ZERO,
        order: u64::from(number),
        created: Some(TODAY),
        last_used: Some(TODAY),
    }
}

const BACKED_UP: Backup = Backup::Eligible { backed_up: true };

/// A synced passkey on a phone, a security key, a recovery code on paper that was tried; two passkeys at one account; a
/// backup that was tried; a kit; a recent review.
fn ready() -> Facts {
    let mut slots = vec![
        passkey(1, "phone", 1, true),
        passkey(2, "key", 2, false),
        slot(3, SlotKind::RecoveryCode, "paper"),
    ];
    slots[CODE].private.note = Some("in the desk, Anna knows".into());
    let printed = slots.iter().map(|slot| (slot.slot_id, slot.slot_gen)).collect();
    let place = Some("at the bank".to_owned());
    Facts {
        slots,
        policy: Some(Policy {
            most_passkeys: None,
            least_slots: Some(3),
            no_fallback: false,
            allowed_kinds: None,
        }),
        passkeys: vec![account("example.org", 1, BACKED_UP), account("example.org", 2, BACKED_UP)],
        items: 2,
        upkeep: UpkeepRecord {
            backups: vec![BackupNote {
                backup_vault: VaultId([7; 16]),
                created: UnixTime(TODAY.0 - 2 * DAY),
                source_epoch: 3,
                items: 2,
                opens_by: vec![SlotKind::RecoveryCode],
                verified: Some(UnixTime(TODAY.0 - DAY)),
                restored: None,
                place: place.clone(),
            }],
            kit: Some(KitNote { revision: 1, printed: TODAY, slots: printed, place }),
            reviewed: Some(UnixTime(TODAY.0 - 10 * DAY)),
            coverage: vec![],
        },
        host: HostFacts::default(),
    }
}

fn report(facts: &Facts) -> ReadinessReport {
    ReadinessReport::of(facts, &Limits::default(), TODAY)
}

/// The reasons and severities of all that is found after a change to what lacks nothing.
fn after(change: impl FnOnce(&mut Facts)) -> Vec<(Reason, Severity)> {
    let mut facts = ready();
    change(&mut facts);
    report(&facts).findings.iter().map(|finding| (finding.reason, finding.severity)).collect()
}

fn remove(facts: &mut Facts, index: usize) {
    facts.slots.remove(index);
    facts.policy = None;
    reprint(facts);
}

fn reprint(facts: &mut Facts) {
    let slots = facts.slots.iter().map(|slot| (slot.slot_id, slot.slot_gen)).collect();
    facts.upkeep.kit.as_mut().unwrap().slots = slots;
}

use Reason::*;
use Severity::*;

type Change = fn(&mut Facts);

/// What is taken away, and all that the report then says.
const CASES: &[(Change, &[(Reason, Severity)])] = &[
    (|_| {}, &[]),
    (|facts| remove(facts, KEY), &[(SingleAuthenticator, Warning)]),
    (
        |facts| {
            remove(facts, KEY);
            remove(facts, PHONE);
        },
        &[(SinglePointOfFailure, Critical), (NoAuthenticator, Advice)],
    ),
    (|facts| remove(facts, CODE), &[(NoFallback, Warning)]),
    (
        |facts| {
            remove(facts, CODE);
            let no_fallback = true;
            facts.policy =
                Some(Policy { most_passkeys: None, least_slots: None, no_fallback, allowed_kinds: None });
        },
        &[(NoFallback, Info)],
    ),
    (
        |facts| {
            remove(facts, CODE);
            remove(facts, KEY);
        },
        &[(SinglePointOfFailure, Critical), (SingleAuthenticator, Warning), (NoFallback, Warning)],
    ),
    // Two synced passkeys of one provider, and nothing else.
    (
        |facts| {
            remove(facts, CODE);
            facts.slots[KEY] = passkey(2, "tablet", 1, true);
        },
        &[(SinglePointOfFailure, Critical), (SameProvider, Warning), (NoFallback, Warning)],
    ),
    (|facts| facts.slots[KEY] = passkey(2, "tablet", 1, true), &[(SameProvider, Warning)]),
    // The same, but not in sync: each is lost by itself.
    (
        |facts| {
            remove(facts, CODE);
            facts.slots[KEY] = passkey(2, "tablet", 1, true);
            facts.slots.iter_mut().for_each(|slot| slot.private.backed_up = Some(false));
        },
        &[(NoFallback, Warning), (SameModel, Advice), (NotBackedUp, Advice)],
    ),
    // Two keys of one model are lost one by one.
    (
        |facts| {
            remove(facts, CODE);
            facts.slots[PHONE] = passkey(1, "other key", 2, false);
        },
        &[(NoFallback, Warning), (SameModel, Advice)],
    ),
    (|facts| facts.slots.iter_mut().for_each(|slot| slot.built_in = true), &[(AllBuiltIn, Advice)]),
    (|facts| facts.slots[PHONE].private.backed_up = Some(false), &[(NotBackedUp, Advice)]),
    (|facts| facts.slots[CODE].private.last_verified = None, &[(FallbackUntested, Warning)]),
    (
        |facts| {
            facts.slots.push(slot(4, SlotKind::Passphrase, "words"));
            facts.slots[3].private.last_verified = None;
            reprint(facts);
        },
        &[(FallbackUntested, Advice)],
    ),
    // A day that has not come was not a test.
    (|facts| facts.slots[CODE].private.last_verified = Some(TODAY.0 + DAY), &[(FallbackUntested, Warning)]),
    (|facts| facts.slots[KEY].private.last_verified = Some(TODAY.0 - 183 * DAY), &[(SlotUntested, Advice)]),
    (|facts| facts.slots[KEY].private.last_verified = Some(TODAY.0 - 182 * DAY), &[]),
    (
        |facts| {
            facts.slots[KEY].private.last_verified = Some(TODAY.0 - 183 * DAY);
            facts.slots[KEY].private.last_used = Some(TODAY.0 - DAY);
        },
        &[],
    ),
    (
        |facts| {
            facts.slots[KEY].private.last_verified = None;
            facts.slots[KEY].private.created = TODAY.0 - 183 * DAY;
        },
        &[(SlotUntested, Advice)],
    ),
    (
        |facts| facts.slots.iter_mut().for_each(|slot| slot.private.last_verified = Some(1)),
        &[(SlotUntested, Warning)],
    ),
    // The code's note says that it is in the desk, too.
    (|facts| facts.host.kept_within = vec![facts.slots[CODE].slot_id], &[]),
    (
        |facts| {
            facts.host.kept_within = vec![facts.slots[CODE].slot_id];
            facts.slots[CODE].private.note = None;
        },
        &[(NoFallback, Warning), (CodeInOwnVault, Warning)],
    ),
    (
        |facts| {
            remove(facts, KEY);
            remove(facts, PHONE);
            facts.host.kept_within = vec![facts.slots[0].slot_id];
            facts.slots[0].private.note = None;
        },
        &[(NoWayIn, Critical), (NoFallback, Warning), (CodeInOwnVault, Warning), (NoAuthenticator, Advice)],
    ),
    (
        |facts| facts.slots[KEY].credential_id = Some(vec![1, 99]),
        &[(SingleAuthenticator, Warning), (CircularPasskey, Warning)],
    ),
    (|facts| facts.slots[KEY].refresh_due = true, &[(RefreshDue, Info)]),
    (
        |facts| {
            let mut idle = passkey(4, "watch", 4, true);
            idle.status = SlotStatus::Idle;
            facts.slots.push(idle);
        },
        &[(EncryptionNotSetUp, Info)],
    ),
    (
        |facts| {
            remove(facts, KEY);
            facts.policy = ready().policy;
        },
        &[(SingleAuthenticator, Warning), (PolicyViolation, Warning)],
    ),
    (|facts| facts.policy.as_mut().unwrap().most_passkeys = Some(1), &[(PolicyViolation, Warning)]),
    (|facts| facts.policy.as_mut().unwrap().no_fallback = true, &[(PolicyViolation, Warning)]),
    (
        |facts| facts.policy.as_mut().unwrap().allowed_kinds = Some(vec![SlotKind::Passkey]),
        &[(PolicyViolation, Warning)],
    ),
    (|facts| facts.upkeep.backups.clear(), &[(BackupMissing, Warning)]),
    (
        |facts| {
            facts.upkeep.backups.clear();
            facts.items = 0;
        },
        &[],
    ),
    (|facts| facts.upkeep.backups[0].created = UnixTime(TODAY.0 - 8 * DAY), &[(BackupStale, Advice)]),
    (|facts| facts.upkeep.backups[0].created = UnixTime(TODAY.0 - 29 * DAY), &[(BackupStale, Warning)]),
    (
        |facts| {
            facts.upkeep.backups[0].created = UnixTime(TODAY.0 - 29 * DAY);
            facts.host.changes_since_backup = Some(0);
        },
        &[],
    ),
    (|facts| facts.upkeep.backups[0].verified = None, &[(BackupUntested, Warning)]),
    (
        |facts| facts.upkeep.backups[0].verified = Some(UnixTime(TODAY.0 - 31 * DAY)),
        &[(BackupUntested, Advice)],
    ),
    (|facts| facts.upkeep.backups[0].opens_by = vec![SlotKind::Passkey], &[(BackupNeedsDevice, Advice)]),
    (|facts| facts.upkeep.kit = None, &[(KitMissing, Advice)]),
    (|facts| facts.slots[CODE].slot_gen = 2, &[(KitStale, Info)]),
    (|facts| facts.slots.push(passkey(4, "watch", 4, true)), &[(KitStale, Advice)]),
    (|facts| facts.upkeep.kit.as_mut().unwrap().slots.push((SlotId([9; 16]), 1)), &[(KitStale, Warning)]),
    (|facts| facts.slots[CODE].private.note = None, &[(PlaceUnknown, Info)]),
    (|facts| facts.upkeep.kit.as_mut().unwrap().place = None, &[(PlaceUnknown, Info)]),
    (|facts| facts.upkeep.backups[0].place = None, &[(PlaceUnknown, Info)]),
    (|facts| facts.upkeep.reviewed = Some(UnixTime(TODAY.0 - 182 * DAY)), &[(ReviewDue, Advice)]),
    (|facts| facts.upkeep.reviewed = None, &[]),
    (
        |facts| {
            facts.upkeep.reviewed = None;
            facts.slots[CODE].private.created = TODAY.0 - 182 * DAY;
        },
        &[(ReviewDue, Advice)],
    ),
    (|facts| facts.passkeys = vec![account("a.example", 1, BACKED_UP)], &[(SinglePasskey, Info)]),
    (
        |facts| facts.passkeys = vec![account("a.example", 1, Backup::Eligible { backed_up: false })],
        &[(SinglePasskey, Advice)],
    ),
    (
        |facts| facts.passkeys = vec![account("a.example", 1, Backup::DeviceBound)],
        &[(DeviceBoundAlone, Warning)],
    ),
    (
        |facts| {
            facts.passkeys = vec![account("a.example", 1, Backup::DeviceBound)];
            facts.host.elsewhere = vec![(RpId::new("a.example").unwrap(), UserHandle::new(&[1]).unwrap())];
        },
        &[],
    ),
    // A twin at another account of the relying party is none.
    (
        |facts| {
            facts.passkeys = vec![account("a.example", 1, Backup::DeviceBound)];
            facts.host.elsewhere = vec![(RpId::new("a.example").unwrap(), UserHandle::new(&[2]).unwrap())];
        },
        &[(DeviceBoundAlone, Warning)],
    ),
    (
        |facts| {
            facts.passkeys = vec![account("a.example", 1, BACKED_UP)];
            facts.upkeep.coverage = vec![covered("a.example", Some(false), None)];
        },
        &[(UncoveredRelyingParty, Warning)],
    ),
    (
        |facts| {
            facts.passkeys = vec![account("a.example", 1, Backup::DeviceBound)];
            facts.upkeep.coverage = vec![covered("a.example", Some(false), Some(true))];
        },
        &[],
    ),
    // Everything hangs on one house.
    (
        |facts| {
            facts.host.hangs_on =
                facts.slots.iter().map(|slot| (slot.slot_id, "the house".to_owned())).collect();
        },
        &[(SinglePointOfFailure, Critical)],
    ),
    // Two of three shares: the loss of one holder is no loss.
    (
        |facts| {
            remove(facts, KEY);
            remove(facts, PHONE);
            facts.slots[0].kind = SlotKind::Shares;
            facts.slots[0].shares = Some(ShareSet { set_id: [1; 8], needed: 2, made: 3 });
        },
        &[(NoAuthenticator, Advice)],
    ),
    (
        |facts| {
            remove(facts, KEY);
            remove(facts, PHONE);
            facts.slots[0].kind = SlotKind::Shares;
            facts.slots[0].shares = Some(ShareSet { set_id: [1; 8], needed: 3, made: 3 });
        },
        &[(SinglePointOfFailure, Critical), (NoAuthenticator, Advice)],
    ),
];

fn covered(rp: &str, second_authenticator: Option<bool>, recovery_codes: Option<bool>) -> Coverage {
    Coverage { rp_id: RpId::new(rp).unwrap(), second_authenticator, recovery_codes, note: None }
}

#[test]
fn each_lack_has_its_reason_and_severity_and_nothing_else_is_said() {
    for (number, (change, expected)) in CASES.iter().enumerate() {
        assert_eq!(after(change), *expected, "case {number}");
    }
}

#[test]
fn every_reason_is_found_by_some_case() {
    let found: BTreeSet<Reason> =
        CASES.iter().flat_map(|(_, expected)| *expected).map(|(reason, _)| *reason).collect();
    assert_eq!(found, Reason::ALL.iter().copied().collect());
}

#[test]
fn reason_codes_are_distinct_and_documented() {
    let table = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/recovery.md")).unwrap();
    let codes: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes.len(), Reason::ALL.len());
    for code in &codes {
        assert_eq!(table.matches(&format!("\n| `{code}` |")).count(), 1, "{code} in docs/recovery.md");
    }
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    assert_eq!(rows.collect::<BTreeSet<_>>(), codes, "no code stands in the table that no longer exists");
}

#[test]
fn sentences_are_whole_and_name_no_jargon() {
    for (change, _) in CASES {
        let mut facts = ready();
        change(&mut facts);
        for Finding { sentence, next_step, .. } in report(&facts).findings {
            for text in [&sentence, &next_step] {
                assert!(text.ends_with('.') && !text.contains("  "), "{text}");
                for word in
                    ["PRF", "slot", "AAGUID", "enrol", "credential", "relying", "authenticator", "envelope"]
                {
                    assert!(!text.contains(word), "{word}: {text}");
                }
            }
        }
    }
}

#[test]
fn the_worst_comes_first_and_names_what_it_is_about() {
    let mut facts = ready();
    remove(&mut facts, CODE);
    facts.slots[KEY] = passkey(2, "tablet", 1, true);
    facts.host.providers = vec![([1; 16], "Acme".into())];
    let report = report(&facts);
    assert_eq!(report.worst(), Some(Critical));
    let first = &report.findings[0];
    assert!(first.sentence.contains("your account with Acme"), "{}", first.sentence);
    let subjects = [Subject::Slot(facts.slots[PHONE].slot_id), Subject::Slot(facts.slots[KEY].slot_id)];
    assert_eq!(first.subjects, subjects);
    let severities: Vec<Severity> = report.findings.iter().map(|finding| finding.severity).collect();
    assert!(severities.is_sorted_by(|one, other| one >= other));
}

#[test]
fn after_enrolment_at_most_three_steps_are_offered() {
    let mut facts = Facts { slots: vec![passkey(1, "phone", 1, false)], items: 3, ..Facts::default() };
    let steps = |facts: &Facts| report(facts).next_steps().map(|step| step.reason).collect::<Vec<_>>();
    assert_eq!(steps(&facts), [SinglePointOfFailure, SingleAuthenticator, NoFallback]);
    facts.slots.push(passkey(2, "key", 2, false));
    assert_eq!(steps(&facts), [NoFallback, BackupMissing, KitMissing]);
    assert_eq!(steps(&ready()), []);
}

#[test]
fn the_next_review_is_half_a_year_after_the_last_one() {
    let mut facts = ready();
    assert_eq!(report(&facts).next_review, UnixTime(TODAY.0 + 172 * DAY));
    facts.upkeep.reviewed = None;
    assert_eq!(report(&facts).next_review, UnixTime(TODAY.0 + 152 * DAY), "else after the making");
    facts.upkeep.reviewed = Some(UnixTime(TODAY.0 + DAY));
    assert_eq!(
        report(&facts).next_review,
        UnixTime(TODAY.0 + 152 * DAY),
        "a review in a time to come was none"
    );
}

#[test]
fn the_report_says_where_things_are_kept() {
    let kept: BTreeMap<String, String> =
        report(&ready()).kept.into_iter().map(|kept| (format!("{:?}", kept.what), kept.place)).collect();
    assert_eq!(kept.len(), 3);
    assert_eq!(kept["Kit"], "at the bank");
    assert_eq!(kept[&format!("{:?}", Subject::Slot(SlotId([3; 16])))], "in the desk, Anna knows");
}

#[test]
fn what_nobody_noted_the_place_of_is_named() {
    let mut facts = ready();
    facts.slots[CODE].private.note = None;
    facts.upkeep.kit.as_mut().unwrap().place = None;
    let sentence = report(&facts).findings[0].sentence.clone();
    assert_eq!(
        sentence,
        "Nobody noted where to find this in an emergency: recovery code \"paper\" and the recovery kit."
    );
}

#[test]
fn numbers_at_their_ends_are_no_surprise() {
    let mut facts = ready();
    facts.upkeep.reviewed = Some(UnixTime(u64::MAX));
    facts.slots[CODE].private.created = u64::MAX;
    for now in [UnixTime(0), UnixTime(u64::MAX)] {
        for limit in [0, u64::MAX] {
            let limits = Limits { slot_test: limit, backup: limit, backup_test: limit, review: limit };
            ReadinessReport::of(&facts, &limits, now);
            ReadinessReport::of(&Facts::default(), &limits, now);
        }
    }
}

#[test]
fn deleting_the_last_passkey_of_an_account_is_said_beforehand() {
    let mut facts = ready();
    let id = facts.passkeys[0].id.clone();
    assert_eq!(deletion_impact(&facts, &id), DeletionImpact::OthersRemain(1));
    facts.passkeys.remove(1);
    assert_eq!(deletion_impact(&facts, &id), DeletionImpact::Last);
    facts.upkeep.coverage = vec![covered("example.org", None, Some(true))];
    assert_eq!(deletion_impact(&facts, &id), DeletionImpact::LastButCovered);
    assert_eq!(deletion_impact(&facts, &CredentialId::new(&[5]).unwrap()), DeletionImpact::Unknown);
}

#[test]
fn a_password_is_retired_only_where_passkeys_are_safe_and_in_use() {
    let mut facts = ready();
    let rp = RpId::new("example.org").unwrap();
    assert_eq!(can_retire_password(&facts, &rp, None), PasswordAdvice::MayRetire);
    assert_eq!(
        can_retire_password(&facts, &rp, Some(UnixTime(TODAY.0 + 1))),
        PasswordAdvice::KeepInUse,
        "something still needs the password"
    );
    facts.passkeys = vec![account("example.org", 1, Backup::Eligible { backed_up: false })];
    assert_eq!(can_retire_password(&facts, &rp, None), PasswordAdvice::KeepSingle);
    facts.passkeys[0].backup = BACKED_UP;
    assert_eq!(can_retire_password(&facts, &rp, None), PasswordAdvice::MayRetire);
    facts.passkeys[0].last_used = None;
    assert_eq!(can_retire_password(&facts, &rp, None), PasswordAdvice::KeepUntried);
    let other = RpId::new("example.com").unwrap();
    assert_eq!(can_retire_password(&facts, &other, None), PasswordAdvice::KeepNoPasskey);
}

#[test]
fn facts_are_read_from_an_open_vault() {
    let mut rng = SeededRng(4);
    let mut draft = Administration::new_vault(VaultId::make(&mut rng), None, &mut rng).unwrap();
    draft.enrol_device(&Secret::make_random(&mut rng), private("device"), &mut rng).unwrap();
    draft.enrol_recovery_code(&RecoveryCode::make(&mut rng), private("paper"), &mut rng).unwrap();
    draft.enrol_shares(2, 3, private("friends"), &mut rng).unwrap();
    let prepared = draft.finish(TODAY, &mut rng).unwrap();
    let mut store =
        PasskeyStore::create(prepared, MemoryStorage::default(), None, rng, Moment::default()).unwrap();
    store.put(64, b"a note").unwrap();
    ready().upkeep.save(&mut store).unwrap();
    let proof = store.vault().opening_proof();
    store.rotate(&proof, Moment::default()).unwrap();
    let facts = Facts::of(&store, HostFacts::default()).unwrap();
    assert_eq!(facts.items, 1, "the upkeep record is no item that a backup is for");
    assert_eq!(facts.upkeep, ready().upkeep);
    let labels: BTreeSet<_> =
        facts.slots.iter().map(|slot| (slot.kind, slot.private.label.as_str())).collect();
    let expected =
        [(SlotKind::RecoveryCode, "paper"), (SlotKind::Shares, "friends"), (SlotKind::Device, "device")];
    assert_eq!(labels, expected.into());
    assert!(facts.slots.iter().all(|slot| slot.refresh_due));
    let shares = facts.slots.iter().find_map(|slot| slot.shares).unwrap();
    assert_eq!((shares.needed, shares.made), (2, 3));
}

proptest! {
    /// What is found by intersection, found again by taking one thing away at a time.
    #[test]
    fn a_single_point_of_failure_is_what_leaves_no_way_in_when_it_goes(
        ways in prop::collection::vec((0..3u8, any::<bool>(), prop::collection::btree_set(0..3u8, 0..3)), 1..5),
    ) {
        let mut facts = Facts::default();
        let mut needs: Vec<BTreeSet<String>> = Vec::new();
        for (number, (aaguid, synced, words)) in (1u8..).zip(&ways) {
            let slot = passkey(number, "", *aaguid, *synced);
            let mut things: BTreeSet<String> = words.iter().map(|word| format!("word {word}")).collect();
            things.insert(format!("slot {number}"));
            if *synced && *aaguid != 0 {
                things.insert(format!("provider {aaguid}"));
            }
            facts.host.hangs_on.extend(words.iter().map(|word| (slot.slot_id, format!("word {word}"))));
            facts.slots.push(slot);
            needs.push(things);
        }
        let things: BTreeSet<&String> = needs.iter().flatten().collect();
        let fatal = things.into_iter().any(|thing| needs.iter().all(|needed| needed.contains(thing)));
        let found = report(&facts).findings.iter().any(|finding| finding.reason == SinglePointOfFailure);
        prop_assert_eq!(found, fatal);
    }
}
