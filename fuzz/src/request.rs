//! A CTAP2 request, out of any bytes: what is read says nothing that the message did not, and survives a round trip.

use countersign::ctap2::{Limits, Request, Status};

const LIMITS: Limits = Limits { max_message: 7609, max_list: 8 };

/// The body of the fuzz target.
pub fn request(data: &[u8]) {
    let Ok(request) = Request::decode(data, &LIMITS) else { return };
    assert!(data.len() <= LIMITS.max_message);
    let written = request.encode();
    assert!(written.len() <= data.len(), "more was written than was read");
    assert_eq!(Request::decode(&written, &LIMITS), Ok(as_written(request)));

    let shorter = Limits { max_message: data.len() - 1, ..LIMITS };
    assert_eq!(Request::decode(data, &shorter), Err(Status::RequestTooLarge));
}

/// A list that names only what cannot match has no written form.
fn as_written(mut request: Request) -> Request {
    if let Request::GetAssertion(request) = &mut request {
        request.allow_list.take_if(|list| list.is_empty());
        assert!(request.allow_list.as_ref().is_none_or(|list| list.len() <= LIMITS.max_list));
    }
    request
}
