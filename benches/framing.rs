//! The cost of the strict check for a request as browsers send it, and for one that is refused.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nilegate::framing::{Body, Head, HeadLimits, Reason, check};
use std::hint::black_box;

const BROWSER: &str = "GET /api/v1/patients/8b7e?fields=name,born HTTP/1.1\r\n\
    Host: www.nilecare.example\r\n\
    Connection: keep-alive\r\n\
    sec-ch-ua: \"Chromium\";v=\"128\", \"Not;A=Brand\";v=\"24\"\r\n\
    sec-ch-ua-mobile: ?0\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Referer: https://www.nilecare.example/patients\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en;q=0.9,ar;q=0.8\r\n\
    Cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark\r\n\r\n";

const SMUGGLED: &str =
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n";

fn framing(c: &mut Criterion) {
    let limits = HeadLimits { headers: 100, header_bytes: 64 * 1024, uri_bytes: 8 * 1024 };
    assert_eq!(check(BROWSER.as_bytes(), &limits), Head::Complete { len: BROWSER.len(), body: Body::None });
    assert_eq!(check(SMUGGLED.as_bytes(), &limits), Head::Refused(Reason::AmbiguousLength));

    let mut group = c.benchmark_group("framing");
    group.throughput(Throughput::Bytes(BROWSER.len() as u64));
    group.bench_function("browser_12_fields", |b| b.iter(|| check(black_box(BROWSER.as_bytes()), &limits)));
    group.throughput(Throughput::Bytes(SMUGGLED.len() as u64));
    group.bench_function("smuggled", |b| b.iter(|| check(black_box(SMUGGLED.as_bytes()), &limits)));
    group.finish();
}

criterion_group!(benches, framing);
criterion_main!(benches);
