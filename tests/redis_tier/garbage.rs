//! Values that are no response of ours: absent, counted, and dropped.

use nilegate::{cache::redis::Lookup, telemetry::cache::Corruption};

use crate::harness::{Node, RedisServer, entry, get_raw, key, name, redis::wait_reply, set_raw};

#[tokio::test]
async fn damaged_and_foreign_values_are_absent_and_dropped() {
    let redis = RedisServer::start().await;
    let node = Node::start(&format!("{{ url: '{}', timeout: 500ms, max_object: 4KiB }}", redis.url())).await;
    node.put(key(1), &entry(b"hello")).await;
    let good = get_raw(&redis, &name(key(1))).await;
    let mut flipped = good.clone();
    flipped[60] ^= 0x10;
    let cases = [
        (b"{\"some\": \"json\"}".to_vec(), Corruption::Foreign),
        (good[..20].to_vec(), Corruption::Truncated),
        (good[..good.len() - 3].to_vec(), Corruption::Checksum),
        (flipped, Corruption::Checksum),
        (vec![b'N'; 1 << 20], Corruption::TooLarge),
    ];
    for (value, corruption) in cases {
        let before = node.metrics.corruptions(corruption);
        set_raw::<String>(&redis, &name(key(1)), &value).await.unwrap();
        let lookup = node.tier.get(key(1)).await;
        assert!(matches!(lookup, Lookup::Absent), "{corruption}: {lookup:?}");
        assert_eq!(node.metrics.corruptions(corruption), before + 1, "{corruption}");
        wait_reply(&redis, &["EXISTS", &name(key(1))], |there: &i64| *there == 0).await;
    }
    // A good value of another key.
    set_raw::<String>(&redis, &name(key(2)), &good).await.unwrap();
    assert!(matches!(node.tier.get(key(2)).await, Lookup::Absent));
    assert_eq!(node.metrics.corruptions(Corruption::OtherKey), 1);
}
