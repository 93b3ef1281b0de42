//! What the outside touches beside the proxy itself: the front that accepts
//! connections for it, GraphQL, and the admin port.

pub mod admin;
pub mod front;
pub mod graphql;
pub mod until_end;
