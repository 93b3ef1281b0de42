//! The keys and the channel. Every key but the two that the nodes keep alive has a time to live.

use super::super::key::EntryKey;

/// Makes names with the prefix of the configuration.
#[derive(Clone, Debug)]
pub struct Names {
    prefix: String,
}

impl Names {
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// Of an entry.
    pub fn entry(&self, key: EntryKey) -> String {
        format!("{}:e:{key}", self.prefix)
    }

    /// Of the lease of an entry. In braces stands what a cluster hashes (the hash tag): the
    /// name of the entry, so that both are on one node and a script may use both.
    pub fn lease(&self, key: EntryKey) -> String {
        format!("{0}:l:{{{0}:e:{key}}}", self.prefix)
    }

    /// Of the stream of invalidations, and of the channel that tells of each.
    pub fn invalidations(&self) -> String {
        format!("{}:inv", self.prefix)
    }

    /// Of the list of nodes.
    pub fn nodes(&self) -> String {
        format!("{}:nodes", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_and_its_lease_are_on_one_node() {
        let (names, key) = (Names::new("gate"), EntryKey([0xab; 16]));
        assert_eq!(names.entry(key), format!("gate:e:{}", "ab".repeat(16)));
        let lease = names.lease(key);
        let tag = lease.split_once('{').unwrap().1.split_once('}').unwrap().0;
        assert_eq!(tag, names.entry(key));
    }
}
