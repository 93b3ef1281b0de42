//! From what clients write to values of the schema's types: literals of a document, and
//! variables (October 2021, sections 3.4 to 3.12 "Input Coercion", 5.6, 6.1.2 and 6.4.1).
//!
//! Coerced values are JSON. An enum value is the text of its GraphQL name; templates turn it
//! into what sources write.

mod arguments;
mod literal;
mod scalar;
mod variables;

pub use arguments::Arguments;
pub(in crate::graphql) use literal::position;
pub use literal::{Usage, constant};
pub(in crate::graphql) use variables::type_ref;
pub use variables::variables;

#[cfg(test)]
mod tests;
