//! What backends are built with and data comes by: libtorch, nvcc, a C++ compiler, published files. Each is found, or
//! fetched into the cache whole or not at all; nothing is installed.

// `modality_protocol::words` bears a reader that goes away.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod cache;
pub mod child;
pub mod compiler;
mod error;
pub mod fetch;
mod kept;
pub mod libtorch;
pub mod nvcc;
pub mod progress;
mod world;

pub use error::{NotReachable, UserError, check_unicode, sentence};
pub use world::World;
