//! Data that WebAuthn defines: identifiers, entities, authenticator data, client data, PRF inputs and outputs
//! (Web Authentication Level 3, sections "Authenticator Data", "Client Data Used in WebAuthn Signatures", "Pseudo-random
//! function extension (prf)"). Values only; whoever decides anything sits on a higher floor.

mod attachment;
mod authenticator_data;
mod client_data;
mod entity;
mod id;
mod prf;

pub use attachment::{AuthenticatorAttachment, Transport};
pub use authenticator_data::{AttestedCredential, AuthenticatorData, AuthenticatorDataView, Flags};
pub use client_data::{ClientData, ClientDataType};
pub use entity::{CredentialDescriptor, RpEntity, UserEntity, truncate_name};
pub use id::{Aaguid, ClientDataHash, CredentialId, InvalidId, RpId, RpIdHash, UserHandle};
pub use prf::{PrfInputs, PrfOutputs, PrfRefused, PrfSalt, PrfSalts, UvPrfOutput};
