//! Extension inputs as they stand in requests, and the outputs that stand in responses beside authenticator data (CTAP 2.3
//! section 12). Unknown extensions are passed over.

mod hmac_secret;
mod inputs;
mod large_blob;
mod large_blob_key;

pub use hmac_secret::HmacSecretInput;
pub use inputs::{GetAssertionExtensions, MakeCredentialExtensions};
pub use large_blob::{LargeBlobInput, LargeBlobOutput, LargeBlobSupport};
pub use large_blob_key::LargeBlobKey;

pub(super) use large_blob::write_supported;
