//! CTAP2 messages, one file per command: a strict reader, a canonical writer, status codes (CTAP 2.3 sections 6 and 8).
//!
//! Shapes are read here, in full and before anything is judged; what they mean is judged by the handlers of
//! `authenticator`, in the standard's order, since the order decides which status a peer sees. No policy here.

mod client_pin;
mod config;
mod credential_management;
mod entity;
mod extensions;
mod get_assertion;
mod get_info;
mod large_blobs;
mod make_credential;
mod options;
mod pin_uv_auth;
mod read;
mod request;
mod response;
mod status;
mod subcommand;
mod unprinted;
mod write;

pub use client_pin::{ClientPin, ClientPinResponse, KeyAgreementKey, PlatformKey};
pub use config::{Config, Configure, SetMinPinLength};
pub use credential_management::{
    CredentialManagement, CredentialManagementResponse, ManageCredentials, ManagedCredential,
};
pub use extensions::{
    GetAssertionExtensions, HmacSecretInput, LargeBlobInput, LargeBlobKey, LargeBlobOutput, LargeBlobSupport,
    MakeCredentialExtensions,
};
pub use get_assertion::{GetAssertion, GetAssertionResponse};
pub use get_info::GetInfoResponse;
pub use large_blobs::{LargeBlobs, LargeBlobsResponse};
pub use make_credential::{MakeCredential, MakeCredentialResponse};
pub use options::Options;
pub use pin_uv_auth::PinUvAuth;
pub use read::Limits;
pub use request::Request;
pub use response::Response;
pub use status::Status;
