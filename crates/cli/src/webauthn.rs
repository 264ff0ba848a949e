//! `countersign webauthn`: a relying party's options in, the response out.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use countersign::client::Origin;

use crate::{
    failure::Failure,
    input::read_input,
    key::Key,
    outcome::Outcome,
    person::{Operator, PersonArgs},
    places::Places,
};

const AFTER_HELP: &str = "\
Examples:
  countersign webauthn create --origin https://example.org creation-options.json > registration.json
  countersign webauthn get --origin https://example.org --yes --pin-file pin.txt < request-options.json";

const CREATE_HELP: &str = "\
Examples:
  countersign webauthn create --origin https://example.org options.json
  curl -s https://example.org/options |
    countersign webauthn create --origin https://example.org --yes --pin-file pin.txt

Options are a PublicKeyCredentialCreationOptionsJSON, as relying-party libraries make them
(generateRegistrationOptions in SimpleWebAuthn, options_to_json in py_webauthn). The response is
a RegistrationResponseJSON. Where the options ask for prf with eval, it holds PRF results in
clientExtensionResults: those are keys. Take them out before the rest goes to a server.";

const GET_HELP: &str = "\
Examples:
  countersign webauthn get --origin https://example.org options.json
  countersign webauthn get --origin https://example.org --yes --pin-file pin.txt - < options.json

Options are a PublicKeyCredentialRequestOptionsJSON, the response is an
AuthenticationResponseJSON. Where the options ask for prf, it holds PRF results in
clientExtensionResults: those are keys. Take them out before the rest goes to a server.";

/// The longest options that are read; the client's own limit is lower and says so itself.
const MAX_OPTIONS: u64 = 1024 * 1024;

/// Registration and sign-in with the key: WebAuthn JSON in, WebAuthn JSON out
#[derive(Args)]
#[command(after_help = AFTER_HELP, arg_required_else_help = true)]
pub(crate) struct WebauthnNoun {
    #[command(subcommand)]
    pub(crate) verb: WebauthnVerb,
}

/// The two ceremonies.
#[derive(Subcommand)]
pub(crate) enum WebauthnVerb {
    /// Register: make a passkey
    #[command(after_help = CREATE_HELP)]
    Create(CreateArgs),
    /// Sign in with a passkey
    #[command(after_help = GET_HELP)]
    Get(GetArgs),
}

/// What both take.
#[derive(Args)]
pub(crate) struct CreateArgs {
    /// The origin of the page that asks, as in https://example.org
    #[arg(long)]
    origin: String,
    /// The options' JSON; - or nothing is standard input
    file: Option<PathBuf>,
    #[command(flatten)]
    person: PersonArgs,
}

/// What sign-in takes.
#[derive(Args)]
pub(crate) struct GetArgs {
    #[command(flatten)]
    common: CreateArgs,
    /// Where several accounts fit: the credential ID of the one to sign in with
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    credential: Option<String>,
}

pub(crate) fn run(places: &Places, verb: WebauthnVerb) -> Result<Outcome, Failure> {
    let response = match verb {
        WebauthnVerb::Create(arguments) => {
            let (origin, options) = read(&arguments)?;
            let mut operator = Operator::new(arguments.person, places.printer);
            Key::open(places)?.create(&origin, &options, &mut operator)?
        }
        WebauthnVerb::Get(arguments) => {
            let (origin, options) = read(&arguments.common)?;
            let operator = Operator::new(arguments.common.person, places.printer);
            let mut operator = operator.with_account(arguments.credential.as_deref())?;
            Key::open(places)?.get(&origin, &options, &mut operator)?
        }
    };
    Ok(Outcome::Response(response))
}

fn read(arguments: &CreateArgs) -> Result<(Origin, Vec<u8>), Failure> {
    let origin = Origin::parse(&arguments.origin)?;
    Ok((origin, read_input(arguments.file.as_deref(), MAX_OPTIONS)?.to_vec()))
}
