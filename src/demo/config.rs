//! The gateway's configuration in the demo.

use std::net::SocketAddr;

use super::{platform::SERVICES, sockets::Sockets};

/// The file as an operator would write it, with the usual ports as defaults.
const TEMPLATE: &str = include_str!("../../conf/demo/nilegate.yaml");

/// The schema of its GraphQL, which goes into a file beside it.
pub const SCHEMA: &str = include_str!("../../conf/demo/nilecare.graphql");

/// The text of a configuration that puts the platform behind a gateway.
///
/// Every `${NAME:-default}` is replaced by the address in use, so that the text
/// depends on no environment. `schema` is the file that [`SCHEMA`] is in.
pub fn config_text(gateway: SocketAddr, admin: SocketAddr, services: &Sockets, schema: &str) -> String {
    let names = SERVICES.iter().map(|(name, _)| name.replace('-', "_").to_uppercase());
    let fixed = [("GATEWAY".to_owned(), gateway), ("ADMIN".to_owned(), admin)];
    fixed
        .into_iter()
        .chain(names.zip(services.addresses()))
        .fold(fill(TEMPLATE, "SCHEMA", schema), |text, (name, address)| {
            fill(&text, &name, &address.to_string())
        })
}

/// Puts a value in place of `${NAME:-…}`.
fn fill(text: &str, name: &str, value: &str) -> String {
    let marker = format!("${{{name}:-");
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(&marker) {
        filled.push_str(before);
        filled.push_str(value);
        rest = after.split_once('}').map_or("", |(_default, rest)| rest);
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, upstream::BackendConfig};

    fn config() -> (Config, Sockets) {
        let services = Sockets::free().unwrap();
        let text = config_text(
            "127.0.0.1:18080".parse().unwrap(),
            "127.0.0.1:19900".parse().unwrap(),
            &services,
            "a.graphql",
        );
        assert!(!text.contains("${"), "{text}");
        (serde_yaml::from_str(&text).unwrap(), services)
    }

    #[test]
    fn the_gateway_knows_where_every_service_is() {
        let (config, services) = config();
        assert_eq!(config.process.listeners[0].address.port(), 18080);
        assert_eq!(config.process.admin.unwrap().address.port(), 19900);
        let backends: std::collections::BTreeSet<&str> =
            config.traffic.upstreams.values().flat_map(|u| &u.backends).map(BackendConfig::address).collect();
        let addresses: Vec<String> = services.addresses().map(|address| address.to_string()).collect();
        assert_eq!(backends, addresses.iter().map(String::as_str).collect());
    }

    #[test]
    fn every_route_names_an_upstream_that_is_there() {
        let (config, _) = config();
        for route in &config.traffic.routes {
            let split = route.split.iter().flatten().map(|part| &part.upstream);
            for upstream in route.upstream.iter().chain(split) {
                assert!(config.traffic.upstreams.contains_key(upstream), "{upstream}");
            }
        }
    }
}
