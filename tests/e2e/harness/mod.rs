//! What the stories are told with: a gateway, scripted origins, clients, load.

pub mod client;
pub mod collector;
pub mod gate;
pub mod gateway;
pub mod h2_frame;
pub mod h2_origin;
pub mod load;
pub mod metrics;
pub mod origin;
pub mod ports;
pub mod raw;
pub mod redis;
pub mod redis_cluster;
pub mod redis_sentinel;
pub mod refusing;
pub mod relay;
pub mod script;
pub mod tls;
pub mod tokens;
pub mod wait;

pub use client::{Client, Response};
pub use collector::Collector;
pub use gate::Gate;
pub use gateway::Gateway;
pub use load::Load;
pub use origin::Origin;
pub use raw::RawClient;
pub use script::Answer;
pub use wait::{in_time, wait_for, wait_until};
