//! A WebAuthn ceremony, from its options to its response.

use countersign::{
    authenticator::Answer,
    client::{Caller, Origin, ResponseJson},
    credential::CredentialStore,
    crypto::OsRng,
    ctap2::Status,
    provider::{CeremonyError, Provider, ProviderTurn},
};
use countersign_host::Clock;

use crate::{
    failure::Failure,
    person::{Person, wrong_pin},
};

/// Which ceremony.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Create,
    Get,
}

/// Runs a ceremony to its end: the options' JSON in, the response's out.
pub(crate) fn run(
    provider: &mut Provider,
    store: &mut dyn CredentialStore,
    (kind, origin, options): (Kind, &Origin, &[u8]),
    person: &mut dyn Person,
    clock: Clock,
) -> Result<ResponseJson, Failure> {
    let caller = Caller::same_origin(origin.clone());
    let mut rng = OsRng::default();
    let mut step = match kind {
        Kind::Create => provider.create(&caller, options, clock.now(), &mut rng),
        Kind::Get => provider.get(&caller, options, clock.now(), &mut rng),
    };
    let mut pin_entered = false;
    loop {
        match provider.run(store, step, clock.now(), &mut rng) {
            ProviderTurn::Done(result) => {
                return result.map_err(|error| explain(error, pin_entered, provider));
            }
            ProviderTurn::Ask(question, ceremony) => match person.answer(&question, clock) {
                Ok(answer) => {
                    pin_entered = matches!(answer, Answer::Pin { .. });
                    step = provider.answer(ceremony, answer, clock.now(), &mut rng);
                }
                Err(failure) => {
                    drop(provider.cancel(ceremony));
                    return Err(failure);
                }
            },
        }
    }
}

/// The core says "declined" of a PIN entry that failed for good, since that is all a peer may know. The person may know
/// more.
fn explain(error: CeremonyError, pin_entered: bool, provider: &Provider) -> Failure {
    if pin_entered && error == CeremonyError::Authenticator(Status::OperationDenied) {
        return wrong_pin(provider.authenticator().pin_tries_left());
    }
    Failure::from(error)
}
