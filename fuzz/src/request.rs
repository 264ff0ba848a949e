//! A CTAP2 request, out of any bytes: what is read says nothing that the message did not, and survives a round trip.

use countersign::ctap2::{Config, CredentialManagement, Limits, ManageCredentials, Request, Status};

const LIMITS: Limits = Limits { max_message: 7609, max_list: 8 };

/// The body of the fuzz target.
pub fn request(data: &[u8]) {
    let Ok(request) = Request::decode(data, &LIMITS) else { return };
    assert!(data.len() <= LIMITS.max_message);
    check_signed(data, &request);
    let written = request.encode();
    assert!(written.len() <= data.len(), "more was written than was read");
    assert_eq!(Request::decode(&written, &LIMITS), as_written(request));

    let shorter = Limits { max_message: data.len() - 1, ..LIMITS };
    assert_eq!(Request::decode(data, &shorter), Err(Status::RequestTooLarge));
}

/// What a pinUvAuthParam is made over was received as it is: the parameters stand in the message, after the sub-command.
fn check_signed(data: &[u8], request: &Request) {
    let signed = match request {
        Request::CredentialManagement(request) => &request.signed,
        Request::Config(request) => &request.signed,
        _ => return,
    };
    let (number, parameters) = signed.split_first().expect("a sub-command");
    assert!(data.contains(number));
    assert!(parameters.is_empty() || data.windows(parameters.len()).any(|part| part == parameters));
}

/// What has no written form: a list that names only what cannot match, a credential that cannot be, and parameters that no
/// sub-command has.
fn as_written(mut request: Request) -> Result<Request, Status> {
    match &mut request {
        Request::GetAssertion(request) => {
            request.allow_list.take_if(|list| list.is_empty());
            assert!(request.allow_list.as_ref().is_none_or(|list| list.len() <= LIMITS.max_list));
        }
        Request::CredentialManagement(request) => match &request.subcommand {
            ManageCredentials::Delete { credential: None }
            | ManageCredentials::UpdateUser { credential: None, .. } => return Err(Status::MissingParameter),
            subcommand => request.signed = CredentialManagement::new(subcommand.clone()).signed,
        },
        Request::Config(request) => request.signed = Config::new(request.subcommand.clone()).signed,
        _ => {}
    }
    Ok(request)
}
