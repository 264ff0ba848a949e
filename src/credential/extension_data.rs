//! What extensions keep with a credential.

use alloc::boxed::Box;
use core::ops::{Deref, DerefMut};

use crate::secret::{Secret, SecretBytes};

/// [`ExtensionData`] on the heap, and only if there is any: most credentials have none, and a look-up may have many
/// records at hand. Reading goes through to the data; so does writing, which makes room for them.
#[derive(Default)]
pub struct BoxedExtensionData(Option<Box<ExtensionData>>);

/// What is read where nothing is kept.
static NOTHING: ExtensionData =
    ExtensionData { cred_blob: None, large_blob_key: None, third_party_payment: false, large_blob: None };

/// What extensions keep with a credential, beside what every credential has. [`Default`] is a credential that was made
/// without them.
#[derive(Default)]
pub struct ExtensionData {
    /// credBlob (CTAP 2.3 section 12.2).
    pub cred_blob: Option<SecretBytes>,
    /// largeBlobKey (section 12.3): the key under which the platform seals this credential's entry in the large-blob
    /// array.
    pub large_blob_key: Option<Secret<32>>,
    /// thirdPartyPayment (section 12.9): it may be used for payments that others than its relying party begin.
    pub third_party_payment: bool,
    /// largeBlob (section 12.4): what was written last.
    pub large_blob: Option<LargeBlob>,
}

/// A credential's large blob.
pub struct LargeBlob {
    /// As the platform wrote it: compressed (DEFLATE).
    pub data: SecretBytes,
    /// Its length before it was compressed, in bytes, as the platform said it.
    pub uncompressed_size: u64,
}

impl Deref for BoxedExtensionData {
    type Target = ExtensionData;

    fn deref(&self) -> &ExtensionData {
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl DerefMut for BoxedExtensionData {
    fn deref_mut(&mut self) -> &mut ExtensionData {
        self.0.get_or_insert_default()
    }
}

impl From<ExtensionData> for BoxedExtensionData {
    fn from(data: ExtensionData) -> Self {
        Self(data.is_some().then(|| Box::new(data)))
    }
}

impl BoxedExtensionData {
    /// A second copy.
    pub fn clone_secret(&self) -> Self {
        Self(self.0.as_ref().map(|data| Box::new(data.clone_secret())))
    }
}

impl ExtensionData {
    /// Whether anything is kept.
    fn is_some(&self) -> bool {
        let Self { cred_blob, large_blob_key, third_party_payment, large_blob } = self;
        cred_blob.is_some() || large_blob_key.is_some() || *third_party_payment || large_blob.is_some()
    }

    /// A second copy.
    pub fn clone_secret(&self) -> Self {
        Self {
            cred_blob: self.cred_blob.as_ref().map(SecretBytes::clone_secret),
            large_blob_key: self.large_blob_key.as_ref().map(Secret::clone_secret),
            third_party_payment: self.third_party_payment,
            large_blob: self.large_blob.as_ref().map(LargeBlob::clone_secret),
        }
    }
}

impl LargeBlob {
    /// A second copy.
    pub fn clone_secret(&self) -> Self {
        Self { data: self.data.clone_secret(), uncompressed_size: self.uncompressed_size }
    }
}
