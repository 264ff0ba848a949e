//! Identifiers of the vault: 16 random bytes each, never used again. None of them is secret.

use core::fmt;

use rand_core::CryptoRng;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// A new identifier; draws 16 bytes.
            pub fn make(rng: &mut dyn CryptoRng) -> Self {
                let mut id = [0; 16];
                rng.fill_bytes(&mut id);
                Self(id)
            }

            /// The bytes.
            pub fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            /// 32 lower-case hexadecimal digits.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

id! {
    /// A vault.
    VaultId
}
id! {
    /// A slot of a vault: one way to open it.
    SlotId
}
id! {
    /// An item of a vault.
    ItemId
}
