use http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::cache::{
    entry::{Parts, Stamp, Times},
    key::Tag,
};

const KEY: EntryKey = EntryKey([7; 16]);
const FIRST: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const SECOND: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

fn codec(yaml: &str) -> Codec {
    let config: RedisConfig = serde_yaml::from_str(yaml).unwrap();
    Codec::new(&config).unwrap()
}

/// One codec for each way a value can look.
fn codecs() -> Vec<Codec> {
    let compress = "compress: { above: 64B, level: 3 }";
    let encrypt = format!("encrypt: {{ key: {FIRST} }}");
    let all = ["{}".to_owned(), compress.to_owned(), encrypt.clone(), format!("{compress}\n{encrypt}")];
    all.iter().map(|yaml| codec(yaml)).collect()
}

fn times() -> Times {
    Times {
        requested: Stamp(1),
        created: Stamp(2),
        provenance: Stamp(3),
        born: Stamp(4),
        fresh_until: Stamp(5),
        stale_while_revalidate: 6,
        stale_if_error: 7,
        useless_at: Stamp(u64::MAX),
    }
}

fn entry(body: &[u8]) -> StoredEntry {
    let parts = Parts {
        status: StatusCode::NOT_FOUND,
        fields: b"ETag: \"1\"\r\nContent-Type: text/plain\r\n",
        body,
        target: b"example.org/a",
        variance: Some([9; 16]),
        tags: &[Tag(3), Tag(u64::MAX)],
        times: times(),
    };
    StoredEntry::new(&parts).unwrap()
}

#[track_caller]
fn assert_same(a: &StoredEntry, b: &StoredEntry) {
    assert_eq!(
        (a.status(), a.fields(), a.body(), a.target()),
        (b.status(), b.fields(), b.body(), b.target())
    );
    assert_eq!((a.blob(), a.times()), (b.blob(), b.times()));
}

#[test]
fn entries_come_back_as_they_were() {
    let body = b"abcdefgh".repeat(4_000);
    for codec in codecs() {
        for entry in [entry(b""), entry(b"x"), entry(&body)] {
            let value = codec.encode(KEY, &entry).unwrap();
            assert_same(&codec.decode(KEY, value).unwrap(), &entry);
        }
    }
}

#[test]
fn what_is_neither_compressed_nor_encrypted_is_not_copied() {
    let codec = codec("{}");
    let value = codec.encode(KEY, &entry(&[5; 1_000])).unwrap();
    let place = value.as_ptr_range();
    let decoded = codec.decode(KEY, value).unwrap();
    assert!(place.contains(&decoded.body().as_ptr()), "the body is a slice of the value");
}

#[test]
fn compression_is_used_above_the_size_and_only_if_it_helps() {
    let codec = codec("compress: { above: 1KiB, level: 1 }");
    let (small, large) = (entry(&[0; 500]), entry(&[0; 100_000]));
    assert!(codec.encode(KEY, &small).unwrap().len() > 500);
    assert!(codec.encode(KEY, &large).unwrap().len() < 2_000);
    let mut noise = vec![0; 10_000];
    rand::RngCore::fill_bytes(&mut rand::rng(), &mut noise);
    let value = codec.encode(KEY, &entry(&noise)).unwrap();
    assert_eq!(value[5], 0, "noise stays as it is");
    // A node that does not compress reads those of one that does.
    let value = codec.encode(KEY, &large).unwrap();
    assert_same(&self::codec("{}").decode(KEY, value).unwrap(), &large);
}

#[test]
fn an_encrypted_value_shows_nothing_and_is_never_the_same_twice() {
    let codec = codec(&format!("encrypt: {{ key: {FIRST} }}"));
    let entry = entry(b"a secret of somebody");
    let (one, other) = (codec.encode(KEY, &entry).unwrap(), codec.encode(KEY, &entry).unwrap());
    assert!(!one.windows(6).any(|window| window == b"secret"));
    assert_ne!(one[36..], other[36..]);
}

#[test]
fn keys_can_be_changed() {
    let old = codec(&format!("encrypt: {{ key: {FIRST} }}"));
    let new = codec(&format!("encrypt: {{ key: {SECOND}, previous: [{FIRST}] }}"));
    let entry = entry(b"x");
    assert_same(&new.decode(KEY, old.encode(KEY, &entry).unwrap()).unwrap(), &entry);
    let refused = old.decode(KEY, new.encode(KEY, &entry).unwrap());
    assert_eq!(refused.unwrap_err(), Corruption::KeyUnknown);
    let plain = codec("{}");
    let refused = plain.decode(KEY, new.encode(KEY, &entry).unwrap());
    assert_eq!(refused.unwrap_err(), Corruption::KeyUnknown);
    let refused = new.decode(KEY, plain.encode(KEY, &entry).unwrap());
    assert_eq!(refused.unwrap_err(), Corruption::KeyUnknown, "anybody could have written it");
}

#[test]
fn a_value_under_another_key_is_refused() {
    for codec in codecs() {
        let mut value = codec.encode(KEY, &entry(b"x")).unwrap();
        assert_eq!(codec.decode(EntryKey([8; 16]), value.clone()).unwrap_err(), Corruption::OtherKey);
        // Even if its header is made to fit, checksum and all.
        let mut header = Header::read(&value).unwrap();
        header.entry_key = EntryKey([8; 16]);
        header.write(&mut value).unwrap();
        let decoded = codec.decode(EntryKey([8; 16]), value);
        if header.flags.encrypted {
            assert_eq!(decoded.unwrap_err(), Corruption::Decrypt);
        }
    }
}

#[test]
fn each_kind_of_damage_has_its_name() {
    let codec = codec("{ max_object: 4KiB, compress: { above: 64B } }");
    let value = codec.encode(KEY, &entry(b"x")).unwrap();
    let check = |value: &[u8], expected| {
        assert_eq!(codec.decode(KEY, value.to_vec()).unwrap_err(), expected);
    };
    let changed = |at: usize, byte: u8| {
        let mut changed = value.clone();
        changed[at] = byte;
        changed
    };
    check(b"", Corruption::Foreign);
    check(b"{\"json\": true}", Corruption::Foreign);
    check(b"NLG", Corruption::Truncated);
    check(&value[..35], Corruption::Truncated);
    check(&value[..value.len() - 1], Corruption::Checksum);
    check(&changed(40, 0xff), Corruption::Checksum);
    check(&changed(4, 9), Corruption::Version);
    check(&changed(5, 4), Corruption::Version);
    check(&vec![0; 5_000], Corruption::TooLarge);
    // With a checksum that fits, as an enemy would write it.
    let forged = |change: &dyn Fn(&mut Header, &mut Vec<u8>)| {
        let mut forged = value.clone();
        let mut header = Header::read(&forged).unwrap();
        change(&mut header, &mut forged);
        header.write(&mut forged).unwrap();
        forged
    };
    check(&forged(&|header, _| header.plain_len = u32::MAX), Corruption::TooLarge);
    check(&forged(&|header, _| header.plain_len += 1), Corruption::Decompress);
    check(&forged(&|_, value| value.truncate(40)), Corruption::Decompress);
    check(
        &forged(&|header, value| {
            header.flags.compressed = false;
            header.plain_len = 4;
            value.truncate(HEADER);
            value.extend_from_slice(&[200, 0, 0, 0]);
        }),
        Corruption::Malformed,
    );
}

#[test]
fn contradictions_inside_are_malformed() {
    let codec = codec("{}");
    let value = codec.encode(KEY, &entry(b"x")).unwrap();
    for (at, bytes) in [(0, &[1, 0][..]), (2, &[2, 0]), (64, &[255; 4]), (68, &[255; 4])] {
        let mut value = value.clone();
        value[HEADER + at..HEADER + at + bytes.len()].copy_from_slice(bytes);
        Header::read(&codec.encode(KEY, &entry(b"x")).unwrap()).unwrap().write(&mut value).unwrap();
        assert_eq!(codec.decode(KEY, value).unwrap_err(), Corruption::Malformed, "at {at}");
    }
    let mut value = value.clone();
    value[HEADER + 4..HEADER + 8].copy_from_slice(&u32::MAX.to_le_bytes());
    let header = Header::read(&codec.encode(KEY, &entry(b"x")).unwrap()).unwrap();
    header.write(&mut value).unwrap();
    assert_eq!(codec.decode(KEY, value).unwrap_err(), Corruption::Malformed, "tags without end");
}

#[test]
fn a_bomb_does_not_go_off() {
    let codec = codec("max_object: 4KiB");
    let packed = zstd::bulk::compress(&vec![0; 30 << 20], 19).unwrap();
    assert!(packed.len() < 4_000, "{} bytes", packed.len());
    for plain_len in [30 << 20, 16 * 4096] {
        let mut value = vec![0; HEADER];
        value.extend_from_slice(&packed);
        let flags = Flags { compressed: true, encrypted: false };
        Header { flags, key_id: [0; 4], plain_len, entry_key: KEY }.write(&mut value).unwrap();
        let refused = codec.decode(KEY, value).unwrap_err();
        assert!(matches!(refused, Corruption::TooLarge | Corruption::Decompress), "{refused}");
    }
}

#[test]
fn what_is_too_large_is_not_written() {
    let plain = codec("max_object: 1KiB");
    assert_eq!(plain.encode(KEY, &entry(&[0; 1_024])).unwrap_err(), Corruption::TooLarge);
    let compress = codec("{ max_object: 1KiB, compress: { above: 64B } }");
    assert!(compress.encode(KEY, &entry(&[0; 8_000])).is_ok());
    assert_eq!(compress.encode(KEY, &entry(&[0; 20_000])).unwrap_err(), Corruption::TooLarge);
}

proptest! {
    #[test]
    fn any_bytes_decode_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for codec in codecs() {
            prop_assert!(codec.decode(KEY, bytes.clone()).is_err());
            // Behind a header that fits they come further.
            for flags in 0..4 {
                let mut value = vec![0; HEADER];
                value.extend_from_slice(&bytes);
                let flags = Flags { compressed: flags & 1 != 0, encrypted: flags & 2 != 0 };
                let plain_len = u32::try_from(bytes.len()).unwrap();
                let key_id = codec.keys.as_ref().map(Keyring::current_id).unwrap_or_default();
                Header { flags, key_id, plain_len, entry_key: KEY }.write(&mut value).unwrap();
                if let Ok(entry) = codec.decode(KEY, value) {
                    prop_assert!(entry.blob().len() <= bytes.len());
                }
            }
        }
    }

    #[test]
    fn no_part_of_a_value_passes_for_it(cut in any::<prop::sample::Index>(), body in 0..200_usize) {
        for codec in codecs() {
            let value = codec.encode(KEY, &entry(&vec![7; body])).unwrap();
            let cut = cut.index(value.len());
            prop_assert!(codec.decode(KEY, value[..cut].to_vec()).is_err());
        }
    }

    #[test]
    fn no_flipped_bit_goes_unnoticed(at in any::<prop::sample::Index>(), bit in 0..8_u8, body in 0..200_usize) {
        for codec in codecs() {
            let mut value = codec.encode(KEY, &entry(&vec![7; body])).unwrap();
            let at = at.index(value.len());
            value[at] ^= 1 << bit;
            prop_assert!(codec.decode(KEY, value).is_err());
        }
    }
}
