//! What the fuzz targets do, as plain functions. `tests/fuzz_corpus.rs` takes this file in as a module and replays the
//! seeds on stable; `cargo run --bin seed` writes them to where cargo-fuzz looks for them.
//!
//! A new target `x` is `src/x.rs` with its function, a line in [`TARGETS`] with its seeds, `fuzz_targets/x.rs`, and an
//! entry in `Cargo.toml`.

mod backup;
mod cbor;
mod client_json;
pub mod ctaphid;
mod quick_crypto;
mod request;
#[path = "../../tests/common/seeded_rng.rs"]
mod seeded_rng;
mod seeds;
pub mod session;
mod vault_open;
mod vault_parts;
mod vault_text;
mod wrapped_id;

pub use backup::backup;
pub use cbor::cbor;
pub use client_json::client_json;
pub use ctaphid::ctaphid;
pub use request::request;
pub use seeds::Seed;
pub use session::session;
pub use vault_open::vault_open;
pub use vault_parts::vault_parts;
pub use vault_text::vault_text;
pub use wrapped_id::wrapped_id;

/// A fuzz target.
pub struct Target {
    /// The name of its program.
    pub name: &'static str,
    /// Panics when an invariant is broken.
    pub run: fn(&[u8]),
    /// What to start from.
    pub seeds: fn() -> Vec<Seed>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "backup", run: backup, seeds: backup::seeds },
    Target { name: "cbor", run: cbor, seeds: seeds::cbor },
    Target { name: "client_json", run: client_json, seeds: seeds::client_json },
    Target { name: "ctaphid", run: ctaphid, seeds: seeds::ctaphid },
    Target { name: "request", run: request, seeds: seeds::request },
    Target { name: "session", run: session, seeds: seeds::session },
    Target { name: "vault_open", run: vault_open, seeds: seeds::vault_open },
    Target { name: "vault_parts", run: vault_parts, seeds: vault_parts::seeds },
    Target { name: "vault_text", run: vault_text, seeds: vault_text::seeds },
    Target { name: "wrapped_id", run: wrapped_id, seeds: wrapped_id::seeds },
];
