//! A file that may not grow any more, in a process of its own (the shell's limit on file sizes): the write fails as a
//! whole, is said to be for want of room, and the file goes on working.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;

use common::{create, myself, part, passkey, reopen};
use countersign::{
    credential::{ChangeSet, CredentialStore, Query, StoreError},
    vault::{StorageError, VaultError, VaultStorage},
    webauthn::RpId,
};
use countersign_host::VaultFile;
use tempfile::tempdir;

const ME: &str = "a_write_without_room_fails_as_a_whole_and_the_file_goes_on_working";

#[test]
fn a_write_without_room_fails_as_a_whole_and_the_file_goes_on_working() {
    if let Some(path) = part() {
        return without_room(&path);
    }
    let directory = tempdir().unwrap();
    let path = directory.path().join("vault.redb");
    drop(create(VaultFile::create(&path).unwrap()));
    let me = myself(ME, &path);
    let mut shell = std::process::Command::new("sh");
    // SIGXFSZ ignored, a write beyond the limit is the error EFBIG. The limit is in blocks of 512 bytes.
    let script = "trap '' XFSZ; ulimit -f 8192; exec \"$0\" \"$@\"";
    shell.args(["-c", script]).arg(me.get_program()).args(me.get_args()).env(common::PART, &path);
    let output = shell.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("WAS FULL"), "{text}");
    assert_eq!(reopen(VaultFile::open(&path).unwrap()).list(64).unwrap().len(), 1);
}

fn without_room(path: &std::path::Path) {
    let mut store = reopen(VaultFile::open(path).unwrap());
    let kept = store.put(64, b"kept").unwrap();
    let before = store.storage().parts().unwrap();
    let refused = store.put(64, &vec![0; 8_000_000]);
    assert_eq!(refused, Err(VaultError::Storage(StorageError::Full)));
    assert_eq!(store.storage().parts().unwrap(), before, "it answers, and nothing was written");
    assert_eq!(store.get(&kept).unwrap().plaintext.expose(), b"kept");
    store.replace(&kept, b"still kept").unwrap();

    // Through the authenticator's joint it is KEY_STORE_FULL.
    let mut big = passkey("example.com", 1);
    big.credential.user.display_name = Some("x".repeat(8_000_000).into());
    let refused = store.commit(ChangeSet { put: vec![big], ..ChangeSet::default() });
    assert_eq!(refused, Err(StoreError::Full));
    store.commit(ChangeSet { put: vec![passkey("example.com", 2)], ..ChangeSet::default() }).unwrap();
    let found = store.load(&Query::Discoverable(RpId::new("example.com").unwrap())).unwrap();
    assert_eq!(found.len(), 1);
    common::say("WAS FULL");
}
