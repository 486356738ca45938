//! The one integration binary; each module below is one subject.

mod decode;
mod errors;
mod profile;
