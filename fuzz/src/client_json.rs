//! Options of a relying party, out of any bytes: nothing panics, and what is prepared keeps the client's promises.

use countersign::{
    client::{AssertionResult, Caller, CreationOptions, Origin, RequestOptions, rp_id_allowed},
    ctap2::GetAssertionResponse,
    webauthn::{ClientData, CredentialId},
};

/// The body of the fuzz target.
pub fn client_json(data: &[u8]) {
    let origin = Origin::parse("https://login.example.org").expect("an origin");
    let caller = Caller::same_origin(origin.clone());
    if let Ok(prepared) = CreationOptions::from_json(data).and_then(|options| options.prepare(&caller)) {
        let request = &prepared.request;
        assert!(rp_id_allowed(&origin, request.rp.id.as_str()));
        assert!((1..=64).contains(&request.user.id.as_bytes().len()));
        assert!(!request.algorithms.is_empty());
        assert!(prepared.prf.is_none_or(|prf| prf.eval_by_credential.is_empty()));
        assert!(ClientData::hash(prepared.registration.client_data_json()) == request.client_data_hash);
    }
    if let Ok(prepared) = RequestOptions::from_json(data).and_then(|options| options.prepare(&caller)) {
        let request = &prepared.request;
        assert!(rp_id_allowed(&origin, request.rp_id.as_str()));
        assert!(ClientData::hash(prepared.authentication.client_data_json()) == request.client_data_hash);
        let allowed = request.allow_list.as_deref().unwrap_or_default();
        for (id, _) in prepared.prf.iter().flat_map(|prf| &prf.eval_by_credential) {
            assert!(allowed.iter().any(|descriptor| descriptor.id == *id));
        }
        // UP and UV are set; the counter is zero.
        let auth_data = [request.rp_id.hash().0.as_slice(), &[0x05, 0, 0, 0, 0]].concat();
        let response = GetAssertionResponse {
            credential: CredentialId::new(&[1; 16]).expect("an identifier"),
            auth_data,
            signature: vec![0; 70],
            user: None,
            number_of_credentials: None,
            user_selected: false,
            large_blob_key: None,
            large_blob: None,
        };
        let result = AssertionResult { response, attachment: None, prf: None };
        assert!(prepared.authentication.finish(result).is_ok());
    }
}
