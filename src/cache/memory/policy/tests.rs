use std::sync::Arc;

use http::StatusCode;

use super::*;
use crate::cache::{
    entry::{Parts, Stamp, StoredEntry, Times},
    key::EntryKey,
    memory::slots::Slot,
};

/// Entries named by letters, each of 100 bytes, in an order under test.
struct Order {
    slots: Slots,
    policy: Policy,
}

impl Order {
    fn of(eviction: Eviction, capacity: usize) -> Self {
        let mut policy = Policy::new(eviction, capacity);
        policy.resize(64);
        Self { slots: Slots::default(), policy }
    }

    fn add(&mut self, names: &str) {
        names.bytes().for_each(|name| self.add_until(name, 0));
    }

    fn add_until(&mut self, name: u8, fresh_until: u64) {
        let at = self.slots.push(Slot::new(EntryKey([name; 16]), entry(fresh_until), 100));
        self.policy.added(&mut self.slots, at);
    }

    fn hit(&mut self, names: &str) {
        for name in names.bytes() {
            let at = self.find(name);
            self.policy.used_in_order(&mut self.slots, at);
        }
    }

    fn replace(&mut self, name: u8, fresh_until: u64) {
        let at = self.find(name);
        self.slots[at].entry = entry(fresh_until);
        self.policy.replaced(&mut self.slots, at, 100);
    }

    fn remove(&mut self, name: u8) {
        let at = self.find(name);
        self.take(at);
    }

    /// The names of the next so many to go.
    fn evict(&mut self, count: usize) -> String {
        let mut names = String::new();
        for _ in 0..count {
            let Some(at) = self.policy.victim(&mut self.slots) else { break };
            names.push(self.slots[at].key.0[0].into());
            self.take(at);
        }
        names
    }

    fn take(&mut self, at: u32) {
        self.policy.unlink(&mut self.slots, at);
        self.slots.swap_remove(at);
        if (at as usize) < self.slots.len() {
            self.policy.moved(&mut self.slots, at);
        }
    }

    fn find(&self, name: u8) -> u32 {
        (0..self.slots.len() as u32).find(|at| self.slots[*at].key.0[0] == name).unwrap()
    }
}

/// Fresh until so many times two seconds: `ttl` knows one moment from another by a second.
fn entry(fresh_until: u64) -> Arc<StoredEntry> {
    let times = Times { fresh_until: Stamp(2000 * fresh_until), ..Times::default() };
    let status = StatusCode::OK;
    let parts = Parts { status, fields: b"", body: b"", target: b"", variance: None, tags: &[], times };
    Arc::new(StoredEntry::new(&parts).unwrap())
}

#[test]
fn lru_goes_by_the_last_use() {
    let mut order = Order::of(Eviction::Lru, 1000);
    order.add("abcde");
    order.hit("abb");
    order.replace(b'c', 0);
    order.remove(b'e');
    assert_eq!(order.evict(9), "dabc");
}

#[test]
fn fifo_goes_by_the_moment_of_storing() {
    let mut order = Order::of(Eviction::Fifo, 1000);
    order.add("abcde");
    order.hit("aab");
    order.replace(b'b', 0);
    order.remove(b'c');
    assert_eq!(order.evict(9), "adeb");
}

#[test]
fn ttl_goes_by_the_end_of_freshness() {
    let mut order = Order::of(Eviction::Ttl, 1000);
    for (name, fresh_until) in [(b'a', 50), (b'b', 20), (b'c', 40), (b'd', 10), (b'e', 30), (b'f', 60)] {
        order.add_until(name, fresh_until);
    }
    order.hit("dd");
    order.replace(b'b', 55);
    order.replace(b'f', 5);
    order.remove(b'e');
    assert_eq!(order.evict(9), "fdcab");
}

#[test]
fn ttl_keeps_its_order_over_many_comings_and_goings() {
    let mut order = Order::of(Eviction::Ttl, 1000);
    // 7 generates the residues of 101: every one comes once, far from sorted.
    let mut until = 1;
    for name in 1..=100 {
        until = until * 7 % 101;
        order.add_until(name, until);
    }
    (1..=100).step_by(3).for_each(|name| order.remove(name));
    let mut last = Stamp(0);
    while let Some(at) = order.policy.victim(&mut order.slots) {
        let next = order.slots[at].entry.times().fresh_until;
        assert!(next > last);
        last = next;
        order.take(at);
    }
    assert_eq!(order.slots.len(), 0);
}

#[test]
fn s3_fifo_drops_what_was_never_asked_for() {
    let mut order = Order::of(Eviction::S3Fifo, 1000);
    order.add("abcde");
    order.hit("b");
    order.hit("dd");
    // The small queue holds one: the rest of it goes first, b and d move on.
    assert_eq!(order.evict(2), "ac");
    // Only e is left in the small queue, which is not over its share; b came to main first.
    assert_eq!(order.evict(9), "bde");
}

#[test]
fn s3_fifo_gives_main_entries_a_round_for_each_use() {
    let mut order = Order::of(Eviction::S3Fifo, 1000);
    order.add("abcxy");
    order.hit("abc");
    assert_eq!(order.evict(1), "x");
    order.hit("aaaaab");
    assert_eq!(order.evict(9), "cbay");
}

#[test]
fn s3_fifo_lets_a_scan_pass() {
    let mut order = Order::of(Eviction::S3Fifo, 1000);
    order.add("abc");
    order.hit("abc");
    for name in b'd'..=b'z' {
        order.add_until(name, 0);
        if order.slots.len() > 5 {
            let gone = order.evict(1);
            assert!(&*gone > "c", "{gone} is not of the scan");
        }
    }
}

#[test]
fn s3_fifo_takes_who_comes_back_to_the_main_queue() {
    let mut order = Order::of(Eviction::S3Fifo, 1000);
    order.add("abcd");
    assert_eq!(order.evict(2), "ab");
    order.add("aef");
    // In the small queue a would go before e and f.
    assert_eq!(order.evict(3), "cde");
    assert_eq!(order.evict(2), "af");
}

#[test]
fn s3_fifo_counts_the_bytes_of_a_replaced_entry() {
    let mut order = Order::of(Eviction::S3Fifo, 1000);
    order.add("ab");
    order.hit("a");
    let at = order.find(b'b');
    order.slots[at].weight = 10;
    order.policy.replaced(&mut order.slots, at, 100);
    // 110 bytes are over a tenth: a moves on; then b alone is not.
    assert_eq!(order.evict(2), "ab");
    assert_eq!(order.evict(1), "");
}
