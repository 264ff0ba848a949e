//! The recovery kit, read back by what is no part of it.

mod common;

use common::{seeded_rng::SeededRng, vault::private, world::TODAY};
use countersign::{
    kit::{Kit, is_stale},
    secret::Secret,
    time::{Moment, UnixTime},
    upkeep::{BackupNote, KitNote, UpkeepRecord},
    vault::{
        Administration, Envelope, MemoryStorage, Opening, PasskeyStore, RecoveryCode, SlotPrivate,
        SlotSecret, VaultId, VaultStorage,
    },
};

type Store = PasskeyStore<MemoryStorage, SeededRng>;

const HOSTILE: &str = "</li><script>alert('1')</script>&\"\nRecovery code\u{202e}";

struct World {
    store: Store,
    code: RecoveryCode,
}

/// A vault with a recovery code, a device whose name attacks, and shares.
fn world() -> World {
    let mut rng = SeededRng(4);
    let mut draft = Administration::new_vault(VaultId::make(&mut rng), None, &mut rng).unwrap();
    let code = RecoveryCode::make(&mut rng);
    let noted = SlotPrivate { note: Some("in the desk".into()), ..private("paper") };
    draft.enrol_recovery_code(&code, noted, &mut rng).unwrap();
    draft.enrol_device(&Secret::make_random(&mut rng), private(HOSTILE), &mut rng).unwrap();
    draft.enrol_shares(2, 3, private("friends"), &mut rng).unwrap();
    let prepared = draft.finish(TODAY, &mut rng).unwrap();
    let store =
        PasskeyStore::create(prepared, MemoryStorage::default(), None, rng, Moment::default()).unwrap();
    World { store, code }
}

fn kit(world: &World) -> Kit {
    Kit::of(world.store.vault(), &UpkeepRecord::default(), TODAY).unwrap().with_code(&world.code)
}

fn code_text(world: &World) -> String {
    world.code.to_text(&world.store.vault().vault_id()).to_string()
}

/// What another library reads in a drawing of rectangles, each 4 pixels a module.
fn read_qr(svg: &str) -> String {
    let number = |text: &str| text.parse::<usize>().unwrap();
    let path = svg.split("fill=\"#000\" d=\"").nth(1).unwrap().split('"').next().unwrap();
    let mut dark = std::collections::BTreeSet::new();
    for run in path.split_terminator('z') {
        let (x, rest) = run.strip_prefix('M').unwrap().split_once(' ').unwrap();
        let (y, rest) = rest.split_once('h').unwrap();
        let (width, rest) = rest.split_once("v1h-").unwrap();
        assert_eq!(width, rest);
        dark.extend((number(x)..number(x) + number(width)).map(|x| (x, number(y))));
    }
    let least = |values: &mut dyn Iterator<Item = usize>| values.min().unwrap();
    let quiet = (least(&mut dark.iter().map(|(x, _)| *x)), least(&mut dark.iter().map(|(_, y)| *y)));
    assert_eq!(quiet, (4, 4), "four modules of white around the code, as the standard asks for");
    let side = 4 * (dark.iter().map(|(x, _)| x).max().unwrap() + 5);
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(side, side, |x, y| {
        if dark.contains(&(x / 4, y / 4)) { 0 } else { 255 }
    });
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1);
    grids[0].decode().unwrap().1
}

#[test]
fn a_qr_code_is_read_by_another_library_and_its_code_opens_the_vault() {
    let world = world();
    let read = read_qr(&kit(&world).to_svg());
    assert_eq!(read, *kit(&world).to_qr_text());
    assert!(read.len() < 400);
    let vault_id = world.store.vault().vault_id();
    assert!(read.contains(&format!("vault {vault_id}\n")) && read.contains("recovery kit 1, "));
    assert!(read.ends_with("docs/vault-format.md"), "{read}");
    let code = read.lines().find_map(|line| line.strip_prefix("code ")).unwrap();
    let code = RecoveryCode::parse(code, &vault_id).unwrap();
    let envelope = Envelope::from_stored(world.store.storage().parts().unwrap().unwrap()).unwrap();
    let opened = envelope
        .slots()
        .filter(|slot| envelope.open(&slot.slot_id(), &SlotSecret::Code(&code), Opening::default()).is_ok());
    assert_eq!(opened.count(), 1);
}

#[test]
fn the_page_has_the_same_qr_code() {
    let world = world();
    assert_eq!(read_qr(&kit(&world).to_html()), *kit(&world).to_qr_text());
}

#[test]
fn every_form_has_revision_date_vault_and_code() {
    let world = world();
    let kit = kit(&world);
    for form in [kit.to_text(), kit.to_html(), kit.to_svg()] {
        let facts = [
            "ecovery kit, revision 1, ".to_owned() + &TODAY.day().to_string(),
            world.store.vault().vault_id().to_string(),
            code_text(&world),
            "recovery code".into(),
            "docs/vault-format.md".into(),
        ];
        for fact in facts {
            assert!(form.contains(&fact), "{fact} in {}", *form);
        }
    }
    for form in [kit.to_text(), kit.to_html()] {
        for fact in ["paper", "in the desk", "any 2 of 3", "friends", "device"] {
            assert!(form.contains(fact), "{fact} in {}", *form);
        }
    }
}

#[test]
fn without_a_code_there_is_a_line_to_write_it_on() {
    let world = world();
    let kit = Kit::of(world.store.vault(), &UpkeepRecord::default(), TODAY).unwrap();
    assert!(!kit.has_code());
    for form in [kit.to_text(), kit.to_html()] {
        assert!(form.contains("CS1-____-"), "{}", *form);
    }
    for form in [kit.to_text(), kit.to_html(), kit.to_svg(), kit.to_qr_text()] {
        assert!(!form.contains(&code_text(&world)));
    }
}

#[test]
fn the_page_runs_and_loads_nothing() {
    let page = kit(&world()).to_html().to_lowercase();
    for forbidden in
        ["<script", "<link", "<img", "<iframe", "src=", "href=", "url(", "@import", " on", "javascript:"]
    {
        let found = page.match_indices(forbidden).map(|(at, _)| &page[at..(at + 30).min(page.len())]);
        // " on" is also a word.
        let found: Vec<&str> = found.filter(|text| forbidden != " on" || text[..8].contains('=')).collect();
        assert!(found.is_empty(), "{found:?}");
    }
    assert!(page.contains("content-security-policy\" content=\"default-src 'none'"));
    assert_eq!(page.matches("https://").count(), 1, "where the format is documented, as text");
    assert!(page.contains("@page{"));
}

/// Every element that is opened is closed, in order, but those that HTML never closes.
fn assert_balanced(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in text.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap_or_else(|| panic!("{tag}"));
        let name = tag.split([' ', '\n']).next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if name.starts_with('!') || name == "meta" || tag.ends_with('/') => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn names_cannot_forge_markup_or_lines() {
    let kit = kit(&world());
    let (page, svg, text) = (kit.to_html(), kit.to_svg(), kit.to_text());
    assert_balanced(&page);
    assert_balanced(&svg);
    assert!(page.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;\u{fffd}Recovery"));
    assert!(!page.contains('\u{202e}') && !text.contains('\u{202e}'));
    assert_eq!(
        text.lines().filter(|line| *line == "Recovery code").count(),
        1,
        "the heading, and no other line"
    );
}

#[test]
fn text_stays_within_its_columns() {
    let text = kit(&world()).to_text();
    let doc = text.lines().filter(|line| line.chars().count() > 88);
    assert_eq!(doc.count(), 0, "{}", *text);
}

#[test]
fn steps_and_backup_are_the_hosts_and_the_owners_words() {
    let world = world();
    let backup = BackupNote {
        backup_vault: VaultId([1; 16]),
        created: UnixTime(86_400),
        source_epoch: 1,
        items: 1,
        opens_by: vec![],
        verified: None,
        restored: None,
        place: Some("at the <bank>".into()),
    };
    let upkeep = UpkeepRecord { backups: vec![backup], ..UpkeepRecord::default() };
    let kit =
        Kit::of(world.store.vault(), &upkeep, TODAY).unwrap().with_steps(vec!["Ring & ask Anna.".into()]);
    let (page, text) = (kit.to_html(), kit.to_text());
    assert!(text.contains("1970-01-02: at the <bank>.") && text.contains("1. Ring & ask Anna."), "{}", *text);
    let split =
        Kit::of(world.store.vault(), &upkeep, TODAY).unwrap().with_steps(vec!["Type --code <it>.".into()]);
    assert!(
        split.to_html().contains("<li>Type <span>--code</span> &lt;it&gt;.</li>"),
        "no line breaks in an option"
    );
    assert!(page.contains("at the &lt;bank&gt;") && page.contains("<li>Ring &amp; ask Anna.</li>"));
}

#[test]
fn a_kit_goes_stale_with_the_slots_it_tells_of() {
    let World { mut store, code } = world();
    let mut upkeep = UpkeepRecord::default();
    assert!(is_stale(store.vault(), &upkeep), "none was printed");
    let kit = Kit::of(store.vault(), &upkeep, TODAY).unwrap().with_code(&code).with_place("bank");
    upkeep.kit = Some(kit.note());
    assert!(!is_stale(store.vault(), &upkeep));
    let KitNote { revision, printed, slots, place } = kit.note();
    assert_eq!((revision, printed, slots.len(), place.as_deref()), (1, TODAY, 3, Some("bank")));
    assert!(!kit.to_text().contains("bank"), "a thief of the sheet need not know where it should be");
    upkeep.save(&mut store).unwrap();

    let proof = store.vault().opening_proof();
    let rng = &mut SeededRng(9);
    let enrolled = store.administer(&proof, Moment::default(), |admin, _, _| {
        admin.enrol_recovery_code(&RecoveryCode::make(rng), private("another"), rng)
    });
    enrolled.unwrap();
    let upkeep = UpkeepRecord::load(&store).unwrap();
    assert!(is_stale(store.vault(), &upkeep));
    let next = Kit::of(store.vault(), &upkeep, TODAY).unwrap();
    assert_eq!(next.revision(), 2);
    assert_eq!(next.note().slots.len(), 4);
}
