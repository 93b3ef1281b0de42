//! Which route takes a request, and what becomes of its target.
//!
//! [`RouteTable`] is compiled once per snapshot and immutable afterwards; a
//! lookup takes no lock, and allocates only when a query condition meets a
//! value with escapes. Nothing here knows a Pingora session: a request is
//! plain [`RequestParts`], so the proxy and the offline `explain` cannot differ.
//!
//! # Precedence
//!
//! Of all routes that take a request, one is chosen by these rules, in order:
//!
//! 1. **Host**: an exact name, then the longest `*.` wildcard, then no host at
//!    all. When no route of the best host takes the request, the next is asked.
//! 2. **Path**, segment by segment from the left: literal, then `{capture}`,
//!    then `**`. A path that ends beats `**` at the same place, so `/a` comes
//!    before `/a/**`. A more specific path whose conditions fail gives way to
//!    the next one.
//! 3. **Conditions**: the route with more of them. A method list counts as one;
//!    each header and each query parameter counts as one.
//! 4. **Order** in the file.
//!
//! Two routes between which only rule 4 decides, and where the earlier takes
//! everything the later would, are a mistake that [`RouteTable::build`] reports.
//!
//! # What the matchers mean
//!
//! - A host is compared without case, port and trailing dot. `*.example.com`
//!   takes any number of labels below `example.com`, and not the name itself.
//! - A path is compared byte for byte, and `/a` is not `/a/`. Before a route is
//!   looked for, the [`PathPolicy`] undoes escapes that say nothing (`%61`), and
//!   refuses or normalises paths whose meaning depends on who reads them.
//! - `/a/**` takes `/a`, `/a/` and everything below, never `/ab`. A `{capture}`
//!   takes one segment that is not empty. `{rest}` stands for what `**` took,
//!   without the slash before it: empty for both `/a` and `/a/`.
//! - A route that lists `GET` also takes `HEAD` (RFC 9110 section 9.3.2).
//! - A header condition holds when any one field line passes; a query condition
//!   looks at the first occurrence, decoded as a form would be.

mod condition;
pub mod host;
mod path;
mod pattern;
mod redirect;
mod request;
mod rewrite;
mod split;
mod table;
mod template;
mod tree;

pub use path::PathPolicy;
pub use pattern::{Captures, PathPattern, captures_of};
pub use redirect::Redirect;
pub use request::RequestParts;
pub use rewrite::Rewrite;
pub use split::WeightedSplit;
pub use table::{Considered, Entry, Matched, Outcome, RouteTable};
