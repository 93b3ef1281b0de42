//! Entries to bytes and back, as each tier of compression and encryption costs.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use http::StatusCode;
use nilegate::{
    cache::{
        codec::Codec,
        entry::{Parts, StoredEntry, Times},
        key::EntryKey,
    },
    config::cache::RedisConfig,
};

const KEY: EntryKey = EntryKey([7; 16]);

/// JSON of so many bytes, as compressible as lists of records are.
fn entry(len: usize) -> StoredEntry {
    let record =
        |n: usize| format!(r#"{{"id":{n},"name":"Patient {}","active":{}}},"#, n * 7919, n.is_multiple_of(3));
    let mut body: String = (0..).map(record).take(len / 40 + 1).collect();
    body.truncate(len);
    let parts = Parts {
        status: StatusCode::OK,
        fields: b"Content-Type: application/json\r\nETag: \"abc\"\r\nCache-Control: max-age=60\r\n",
        body: body.as_bytes(),
        target: b"example.org/patients",
        variance: None,
        tags: &[],
        times: Times::default(),
    };
    StoredEntry::new(&parts).unwrap()
}

fn codecs() -> [(&'static str, Codec); 4] {
    let compress = "compress: { above: 0, level: 1 }";
    let encrypt = "encrypt: { key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= }";
    let codec = |yaml: &str| {
        let config: RedisConfig = serde_yaml::from_str(yaml).unwrap();
        Codec::new(&config).unwrap()
    };
    [
        ("plain", codec("{}")),
        ("zstd", codec(compress)),
        ("encrypted", codec(encrypt)),
        ("zstd+encrypted", codec(&format!("{compress}\n{encrypt}"))),
    ]
}

fn bench(criterion: &mut Criterion) {
    for (size, len) in [("1 KB", 1_000), ("100 KB", 100_000)] {
        let entry = entry(len);
        let mut group = criterion.benchmark_group(format!("cache_codec/{size}"));
        group.throughput(Throughput::Bytes(len as u64));
        for (name, codec) in codecs() {
            group.bench_function(format!("encode/{name}"), |bench| {
                bench.iter(|| codec.encode(KEY, black_box(&entry)).unwrap());
            });
            let value = codec.encode(KEY, &entry).unwrap();
            group.bench_function(format!("decode/{name}"), |bench| {
                bench.iter_batched(
                    || value.clone(),
                    |value| codec.decode(KEY, value).unwrap(),
                    BatchSize::SmallInput,
                );
            });
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
