//! The direction of imports in `src/`. `ARCHITECTURE.md` draws the same picture.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Every room, top floor first, with the rooms that it may import from. An arrow up is impossible to write here: a room
/// may name only rooms that stand below it in this list.
const ROOMS: &[(&str, &[&str])] = &[
    ("device", &["authenticator", "credential", "ctap1", "ctap2", "ctaphid", "time"]),
    ("provider", &["authenticator", "client", "credential", "ctap2", "webauthn", "time"]),
    (
        "authenticator",
        &[
            "extension",
            "pin_uv",
            "ctap1",
            "ctap2",
            "attestation",
            "credential",
            "webauthn",
            "crypto",
            "cose",
            "cbor",
            "secret",
            "user",
            "time",
            "few",
        ],
    ),
    ("client", &["pin_uv", "ctap2", "webauthn", "crypto", "cose", "cbor", "secret"]),
    ("backup", &["vault", "credential", "webauthn", "crypto", "cbor", "secret", "time"]),
    ("readiness", &["upkeep", "vault", "credential", "webauthn", "time"]),
    ("kit", &["upkeep", "vault", "time"]),
    ("upkeep", &["vault", "webauthn", "cbor", "secret", "time"]),
    ("vault", &["credential", "webauthn", "crypto", "cose", "cbor", "secret", "time", "few"]),
    ("extension", &["pin_uv", "ctap2", "credential", "webauthn", "crypto", "cbor", "secret", "user"]),
    ("pin_uv", &["webauthn", "crypto", "cose", "secret", "time"]),
    ("ctap1", &["ctap2", "webauthn", "cose"]),
    ("ctap2", &["webauthn", "cose", "cbor", "secret"]),
    ("attestation", &["webauthn", "crypto", "cose"]),
    ("credential", &["webauthn", "crypto", "cose", "cbor", "secret", "time", "few"]),
    ("webauthn", &["crypto", "cose", "cbor", "secret", "user"]),
    ("crypto", &["cose", "secret"]),
    ("ctaphid", &[]),
    ("cose", &["cbor"]),
    ("cbor", &[]),
    ("secret", &[]),
    ("user", &[]),
    ("time", &[]),
    ("few", &[]),
];

/// Fails with the list of all arrows that are not drawn.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    let mut faults = misdrawn();
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files)?;
    for file in &files {
        let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let place = file.strip_prefix(root).unwrap_or(file);
        let Some(room) = room_of(place) else { continue };
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            faults.push(format!("{}: the room `{room}` is not in the picture", place.display()));
            continue;
        };
        for target in imports(&text) {
            if target != room && !allowed.contains(&target.as_str()) {
                faults.push(format!("{}: {room} -> {target}", place.display()));
            }
        }
    }
    if faults.is_empty() {
        println!("arrows: {} files, every import points down", files.len());
        return Ok(());
    }
    Err(format!("imports that do not belong:\n  {}", faults.join("\n  ")))
}

/// Arrows in the picture itself that would point up.
fn misdrawn() -> Vec<String> {
    let floor = |name: &str| ROOMS.iter().position(|(room, _)| *room == name);
    let mut faults = Vec::new();
    for (index, (room, targets)) in ROOMS.iter().enumerate() {
        for target in *targets {
            if floor(target).is_none_or(|below| below <= index) {
                faults.push(format!("the picture itself: {room} -> {target} does not point down"));
            }
        }
    }
    faults
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// `src/cbor/read.rs` and `src/cose.rs` belong to the rooms `cbor` and `cose`; `src/lib.rs` is the front door.
fn room_of(place: &Path) -> Option<String> {
    let first = place.components().nth(1)?.as_os_str().to_str()?;
    let room = first.strip_suffix(".rs").unwrap_or(first);
    (room != "lib").then(|| room.to_owned())
}

/// The rooms named after `crate::`, alone or in braces. What is imported through the crate root is its own room's name and
/// is not in the picture either.
fn imports(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().map(without_comment).collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for (start, marker) in code.match_indices("crate::") {
        let rest = &code[start + marker.len()..];
        match rest.strip_prefix('{') {
            Some(list) => found.extend(list_heads(list)),
            None => found.extend(identifier(rest)),
        }
    }
    found
}

fn without_comment(line: &str) -> &str {
    line.split("//").next().unwrap_or(line)
}

/// The first identifier of each element of a `use` list, up to its closing brace.
fn list_heads(list: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let (mut depth, mut at_start) = (0usize, true);
    for (index, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            _ if depth == 0 && at_start && !character.is_whitespace() => {
                at_start = false;
                heads.extend(identifier(&list[index..]));
            }
            _ => {}
        }
    }
    heads
}

fn identifier(text: &str) -> Option<String> {
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found_alone_in_lists_and_in_paths() {
        let text = "use crate::cbor::Item;\nuse crate::{\n  a::{b, c},\n  d,\n};\nfn f(x: crate::e::T) {} // crate::no";
        let found: Vec<String> = imports(text).into_iter().collect();
        assert_eq!(found, ["a", "cbor", "d", "e"]);
    }

    #[test]
    fn the_picture_itself_points_down() {
        assert_eq!(misdrawn(), Vec::<String>::new());
    }

    #[test]
    fn an_arrow_up_is_a_fault() {
        let folder = std::env::temp_dir().join(format!("countersign-arrows-{}", std::process::id()));
        fs::create_dir_all(folder.join("src/cbor")).unwrap();
        fs::write(folder.join("src/cbor/mod.rs"), "use crate::vault::Vault;").unwrap();
        let result = check(&folder);
        fs::remove_dir_all(&folder).unwrap();
        assert!(result.unwrap_err().contains("cbor -> vault"));
    }
}
