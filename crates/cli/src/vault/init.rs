//! `countersign vault init`.

use clap::Args;
use countersign::{
    crypto::OsRng,
    vault::{Administration, PasskeyStore, RecoveryCode, SlotPrivate, VaultId},
};
use countersign_host::VaultFile;
use serde_json::json;
use zeroize::Zeroizing;

use crate::{
    failure::Failure,
    outcome::Outcome,
    places::{Places, VaultStore, today},
};

const AFTER_HELP: &str = "\
Examples:
  countersign vault init
  countersign vault init --dir demo --json

The recovery code is shown once and stored nowhere: write it down. With --json it is the member
recoveryCode.";

/// Make a vault; shows its recovery code, once
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct InitArgs {}

/// A vault that was just made, open.
pub(crate) struct NewVault {
    pub(crate) store: VaultStore,
    pub(crate) recovery_code: Zeroizing<String>,
}

/// Makes a vault that a new recovery code opens.
pub(crate) fn create(places: &Places) -> Result<NewVault, Failure> {
    Ok(create_with(places, |_, _, _| Ok(()))?.0)
}

/// The same; `fill` puts what is there from the beginning into the vault's first write.
pub(crate) fn create_with<T>(
    places: &Places,
    fill: impl FnOnce(&mut Administration<'_>, &VaultFile, &mut OsRng) -> Result<T, Failure>,
) -> Result<(NewVault, T), Failure> {
    let file = VaultFile::create(&places.vault_file())?;
    places.check_memory()?;
    let mut rng = OsRng::default();
    let vault_id = VaultId::make(&mut rng);
    let code = RecoveryCode::make(&mut rng);
    let mut draft = Administration::new_vault(vault_id, None, &mut rng)?;
    let private = SlotPrivate { label: "recovery code".into(), created: today().0, ..SlotPrivate::default() };
    draft.enrol_recovery_code(&code, private, &mut rng)?;
    let filled = fill(&mut draft, &file, &mut rng)?;
    let prepared = draft.finish(today(), &mut rng)?;
    let mut store = PasskeyStore::create(
        prepared,
        file,
        Some(Box::new(places.memory())),
        OsRng::default(),
        places.now(),
    )?;
    store.set_time(today());
    Ok((NewVault { store, recovery_code: code.to_text(&vault_id) }, filled))
}

pub(super) fn run(places: &Places, _: InitArgs) -> Result<Outcome, Failure> {
    let NewVault { store, recovery_code } = create(places)?;
    let (path, vault_id) = (places.vault_file(), store.vault().vault_id());
    let text = format!(
        "Made the vault {vault_id} in {}.\n\n  Recovery code: {}\n\n\
         It is shown this once and opens everything: write it down, and keep it apart from this machine.\n\
         Next: countersign vault test --by code, to try out what you wrote down; countersign vault enroll, \
         to let a passkey of the key open the vault.",
        path.display(),
        *recovery_code,
    );
    let json = json!({
        "vaultId": vault_id.to_string(),
        "path": path.display().to_string(),
        "recoveryCode": *recovery_code,
        "epoch": store.vault().epoch(),
        "keyGeneration": store.vault().key_gen(),
    });
    Ok(Outcome::Report { text, json })
}
