//! The platform as a whole: which services there are, over one store.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use pingora_core::services::ServiceWithDependents;

use super::{addresses::Addresses, latency::Latency, resource::Resource, service::App, store::Store};

/// The seed of the data that examples and documentation show.
pub const SEED: u64 = 2026;

/// How long a read takes when nothing is said.
pub const DEFAULT_LATENCY: Duration = Duration::from_millis(60);

/// The services by name. Two share the patients, so that there is something to
/// balance; one is a canary, so that there is something to split.
pub const SERVICES: [(&str, Resource); 7] = [
    ("patients-1", Resource::Patients),
    ("patients-2", Resource::Patients),
    ("appointments", Resource::Appointments),
    ("appointments-canary", Resource::Appointments),
    ("medications", Resource::Medications),
    ("lab-orders", Resource::LabOrders),
    ("auth", Resource::Auth),
];

/// The data and the manners of all services.
#[derive(Debug)]
pub struct Platform {
    store: Arc<Store>,
    latency: Latency,
}

/// A service to be added to the server.
pub struct EmbeddedService {
    /// Its name, also in the `X-Served-By` field of what it answers.
    pub name: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
    /// The service itself.
    pub service: Box<dyn ServiceWithDependents>,
}

impl Platform {
    /// A platform with the data of a seed, whose reads take about `latency`.
    pub fn new(seed: u64, latency: Duration) -> Self {
        Self { store: Arc::new(Store::new(seed)), latency: Latency(latency) }
    }

    /// The services, one for each address. They share the data.
    pub fn services(&self, addresses: &Addresses) -> Vec<EmbeddedService> {
        let embed = |((name, resource), address): ((&'static str, Resource), SocketAddr)| {
            let app = App::new(name, resource, Arc::clone(&self.store), self.latency);
            EmbeddedService { name, address, service: Box::new(app.listen(address)) }
        };
        SERVICES.into_iter().zip(addresses.iter()).map(embed).collect()
    }
}
