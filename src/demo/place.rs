//! Where a service of the platform is to listen, as the command line says it.

use std::{net::SocketAddr, str::FromStr};

use super::{platform::SERVICES, resource::Resource};

/// A service and its address, from `NAME=ADDRESS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The name of the service.
    pub name: &'static str,
    /// What it offers.
    pub resource: Resource,
    /// Where it listens.
    pub address: SocketAddr,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, address) =
            text.split_once('=').ok_or("write NAME=ADDRESS, such as auth=127.0.0.1:7007")?;
        let known = SERVICES.into_iter().find(|(known, _)| *known == name);
        let (name, resource) = known.ok_or_else(|| {
            let names = SERVICES.map(|(name, _)| name).join(", ");
            format!("the platform has no `{name}`, only {names}")
        })?;
        let address =
            address.parse().map_err(|_| format!("`{address}` is not an address such as 127.0.0.1:7007"))?;
        Ok(Self { name, resource, address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_known_name_and_an_address() {
        let place: Place = "lab-orders=[::1]:7006".parse().unwrap();
        assert_eq!((place.name, place.resource), ("lab-orders", Resource::LabOrders));
        assert_eq!(place.address, "[::1]:7006".parse().unwrap());
        for (text, expected) in [
            ("auth", "NAME=ADDRESS"),
            ("pharmacy=127.0.0.1:1", "no `pharmacy`, only patients-1, patients-2"),
            ("auth=localhost", "`localhost` is not an address"),
        ] {
            let refused = text.parse::<Place>().unwrap_err();
            assert!(refused.contains(expected), "{text}: {refused}");
        }
    }
}
