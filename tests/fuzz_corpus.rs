//! The seed corpora of the fuzz targets, replayed on stable.

#[allow(unreachable_pub, dead_code, reason = "public in the fuzz package, of which this is the library")]
#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::{collections::BTreeSet, fs, path::Path};

use fuzz::TARGETS;

#[test]
fn every_seed_passes_its_target() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(seeds.len() >= 10, "{}", target.name);
        for (name, bytes) in seeds {
            let outcome = std::panic::catch_unwind(|| (target.run)(&bytes));
            assert!(outcome.is_ok(), "{}: {name}", target.name);
        }
    }
}

/// What the fuzzer starts from reaches the signatures of U2F, in both encodings of lengths.
#[cfg(feature = "u2f")]
#[test]
fn u2f_seeds_register_and_authenticate() {
    let target = TARGETS.iter().find(|target| target.name == "ctaphid").unwrap();
    let seeds = (target.seeds)();
    let seeds: Vec<_> = seeds.iter().filter(|(name, _)| name.starts_with("u2f")).collect();
    assert_eq!(seeds.len(), 3);
    for (name, bytes) in seeds {
        // By a touch and without one; not by an altered key handle, nor where it is only asked whose it is.
        assert_eq!(fuzz::ctaphid::u2f_successes(bytes), [1, 2], "{name}");
    }
}

#[test]
fn seeds_have_names_of_their_own() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        let names: BTreeSet<_> = seeds.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), seeds.len(), "{}", target.name);
        assert!(names.iter().all(|name| !name.contains('/')));
    }
}

#[test]
fn every_target_has_its_program() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
    let programs = fs::read_dir(package.join("fuzz_targets")).unwrap();
    let programs: BTreeSet<_> =
        programs.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let expected: BTreeSet<_> = TARGETS.iter().map(|target| format!("{}.rs", target.name)).collect();
    assert_eq!(programs, expected);
    for program in expected {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{program}\"")), "{program}");
    }
}
