//! What the tests share.
#![allow(dead_code, reason = "every test program takes its part of it")]

pub(crate) mod attesters;
pub(crate) mod client;
pub(crate) mod commands;
pub(crate) mod hid;
pub(crate) mod platform;
pub(crate) mod scripted_rng;
pub(crate) mod seeded_rng;
pub(crate) mod shared_storage;
pub(crate) mod vault;
pub(crate) mod vectors;
pub(crate) mod world;
