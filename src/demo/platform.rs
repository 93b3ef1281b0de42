//! The platform as a whole: which services there are, over one store.

use std::{io, sync::Arc, time::Duration};

use pingora_core::services::ServiceWithDependents;

use super::{
    latency::Latency,
    place::Place,
    resource::Resource,
    service::App,
    sockets::{Socket, Sockets},
    store::Store,
};

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

impl Platform {
    /// A platform with the data of a seed, whose reads take about `latency`.
    pub fn new(seed: u64, latency: Duration) -> Self {
        Self { store: Arc::new(Store::new(seed)), latency: Latency(latency) }
    }

    /// The services, one for each socket, to be added to the server. They share the data.
    pub fn services(&self, sockets: Sockets) -> Vec<Box<dyn ServiceWithDependents>> {
        SERVICES
            .into_iter()
            .zip(sockets)
            .map(|((name, kind), socket)| self.service(name, kind, socket))
            .collect()
    }

    /// Only these services, where each is to listen. They share the data.
    ///
    /// # Errors
    /// The first address that cannot be had.
    pub fn services_at(&self, places: &[Place]) -> io::Result<Vec<Box<dyn ServiceWithDependents>>> {
        places
            .iter()
            .map(|place| {
                let socket = Socket::at(place.address)
                    .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", place.address)))?;
                Ok(self.service(place.name, place.resource, socket))
            })
            .collect()
    }

    fn service(
        &self,
        name: &'static str,
        resource: Resource,
        socket: Socket,
    ) -> Box<dyn ServiceWithDependents> {
        Box::new(App::new(name, resource, Arc::clone(&self.store), self.latency).listen(socket))
    }
}
