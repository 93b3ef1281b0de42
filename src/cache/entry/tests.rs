use super::*;

fn entry() -> StoredEntry {
    let times = Times {
        requested: Stamp(1),
        created: Stamp(2),
        provenance: Stamp(3),
        born: Stamp(4),
        fresh_until: Stamp(5),
        stale_while_revalidate: 6,
        stale_if_error: 7,
        useless_at: Stamp(u64::MAX),
    };
    let parts = Parts {
        status: StatusCode::NOT_FOUND,
        fields: b"ETag: \"1\"\r\n",
        body: b"hello",
        target: b"h/p",
        variance: Some([9; 16]),
        tags: &[Tag(1 << 40), Tag(u64::MAX), Tag(1)],
        times,
    };
    let entry = StoredEntry::new(&parts).unwrap();
    assert_eq!((entry.status(), entry.variance(), entry.times()), (parts.status, parts.variance, times));
    assert_eq!((entry.fields(), &entry.body()[..], entry.target()), (parts.fields, parts.body, parts.target));
    assert_eq!(entry.body_len(), 5);
    entry
}

#[test]
fn the_parts_come_back_as_they_were_and_tags_in_order() {
    assert_eq!(entry().tags().collect::<Vec<_>>(), [Tag(1), Tag(1 << 40), Tag(u64::MAX)]);
    let parts = Parts {
        status: StatusCode::OK,
        fields: b"",
        body: b"",
        target: b"",
        variance: None,
        tags: &[],
        times: Times::default(),
    };
    let empty = StoredEntry::new(&parts).unwrap();
    assert_eq!((empty.fields(), empty.body_len(), empty.target()), (&b""[..], 0, &b""[..]));
    assert_eq!((empty.variance(), empty.tags().len()), (None, 0));
}

#[test]
fn it_weighs_what_is_allocated() {
    let entry = entry();
    let data = HEAD + 12 - 1 + 5 + 3 + 3 * 8;
    assert_eq!(entry.blob().len(), data);
    assert_eq!(entry.weight(), data + size_of::<StoredEntry>() + 40);
    assert!(size_of::<StoredEntry>() <= 40);
}

#[test]
fn a_blob_is_taken_as_it_is_and_anything_else_refused() {
    let blob = entry().blob().clone();
    let same = StoredEntry::from_blob(blob.clone()).unwrap();
    assert_eq!(same.blob().as_ptr(), blob.as_ptr());
    for len in [0, 1, HEAD - 1, HEAD, blob.len() - 4] {
        assert!(StoredEntry::from_blob(blob.slice(..len)).is_none(), "{len} bytes");
    }
    for (at, wrong) in [
        (0, &[1, 0][..]),
        (2, &[2]),
        (3, &[1]),
        (4, &[4]),
        (4, &[255; 4]),
        (64, &[255; 4]),
        (64, &[255; 8]),
        (68, &[9, 0, 0, 0]),
    ] {
        let mut bytes = blob.to_vec();
        bytes[at..at + wrong.len()].copy_from_slice(wrong);
        assert!(StoredEntry::from_blob(bytes.into()).is_none(), "{wrong:?} at {at}");
    }
}

#[test]
fn stamps_neither_wrap_nor_go_below_the_epoch() {
    assert_eq!(Stamp(u64::MAX).plus(Duration::from_secs(1)), Stamp(u64::MAX));
    assert_eq!(Stamp(5).minus(Duration::from_secs(1)), Stamp(0));
    assert_eq!(Stamp(5).since(Stamp(9)), Duration::ZERO);
}
