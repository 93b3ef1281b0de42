//! Small grammars that several capabilities read in the same way: text with `{name}` in it,
//! queries, cookies, names of fields, hashes, hexadecimal digits, and tests of one value.
//!
//! Pure functions and plain data. What a text means is said by the capability that reads it.

mod cookie;
mod field;
mod hex;
pub mod query;
pub mod sha256;
pub mod template;
mod value_test;

pub use cookie::cookies;
pub use field::is_connection_field;
pub use hex::unhex;
pub use value_test::ValueTest;
