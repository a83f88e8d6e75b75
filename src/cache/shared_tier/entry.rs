//! The form of an answer in Redis: eleven bytes of our own, then the encoded message.
//!
//! | byte | holds |
//! | --- | --- |
//! | 0 | the version of this form, 1 |
//! | 1 to 8 | when its call was sent: milliseconds since 1970, most significant byte first |
//! | 9 | the protocol, by its number in the contract |
//! | 10 | 0: a message follows; 1: not found; 2: not accessible |
//!
//! Anything that does not read as this is a miss, so that replicas of two versions can share a Redis.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use amazon_catalog::{Missing, Snapshot};
use stockroom_proto::pb;

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 11;
/// How far the clocks of replicas may differ. An answer from further in the future has no age that can be trusted.
const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(60);

pub(super) fn encode(snapshot: &Snapshot) -> Bytes {
    let message: &[u8] = snapshot.content.as_ref().map_or(&[], |message| message);
    let fetched_at = snapshot.fetched_at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut bytes = BytesMut::with_capacity(HEADER_BYTES + message.len());
    bytes.put_u8(VERSION);
    bytes.put_u64(u64::try_from(fetched_at.as_millis()).unwrap_or(u64::MAX));
    // The numbers of the contract are few.
    bytes.put_u8(u8::try_from(i32::from(snapshot.protocol)).unwrap_or(u8::MAX));
    bytes.put_u8(match snapshot.content {
        Ok(_) => 0,
        Err(Missing::NotFound) => 1,
        Err(Missing::NotAccessible) => 2,
    });
    bytes.put_slice(message);
    bytes.freeze()
}

pub(super) fn decode(mut bytes: Bytes, now: SystemTime) -> Option<Snapshot> {
    if bytes.len() < HEADER_BYTES || bytes.get_u8() != VERSION {
        return None;
    }
    let fetched_at = UNIX_EPOCH.checked_add(Duration::from_millis(bytes.get_u64()))?;
    let protocol = pb::Protocol::try_from(i32::from(bytes.get_u8())).ok()?;
    let content = match (bytes.get_u8(), bytes.is_empty()) {
        (0, _) => Ok(bytes),
        (1, true) => Err(Missing::NotFound),
        (2, true) => Err(Missing::NotAccessible),
        _ => return None,
    };
    (fetched_at <= now + CLOCKS_DIFFER_BY).then_some(Snapshot { fetched_at, protocol, content })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(content: Result<Bytes, Missing>) -> Snapshot {
        let fetched_at = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        Snapshot { fetched_at, protocol: pb::Protocol::Paapi5, content }
    }

    fn read(bytes: &[u8]) -> Option<Snapshot> {
        decode(Bytes::copy_from_slice(bytes), SystemTime::now())
    }

    #[test]
    fn what_is_written_is_read_back_with_its_time() {
        let contents =
            [Ok(Bytes::from_static(b"message")), Ok(Bytes::new()), Err(Missing::NotFound), Err(Missing::NotAccessible)];
        for content in contents {
            assert_eq!(read(&encode(&snapshot(content.clone()))), Some(snapshot(content)));
        }
    }

    #[test]
    fn the_form_stays_as_it_is_for_the_replicas_that_know_it() {
        let bytes = encode(&snapshot(Ok(Bytes::from_static(b"m"))));
        assert_eq!(&*bytes, [1, 0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 0x7b, 1, 0, b'm']);
    }

    #[test]
    fn anything_else_is_a_miss() {
        let whole = encode(&snapshot(Err(Missing::NotFound)));
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), None, "{length} bytes");
        }
        // Another version, a time that is to come, a protocol and a kind nobody knows, absence with a message.
        for (place, byte) in [(0, 0), (0, 2), (1, 0xff), (3, 0xff), (9, 200), (10, 3)] {
            let mut bytes = whole.to_vec();
            bytes[place] = byte;
            assert_eq!(read(&bytes), None, "{byte} at {place}");
        }
        assert_eq!(read(&[&whole[..], b"m"].concat()), None);
        assert_eq!(read(b"a text that somebody else keeps under the key"), None);
    }
}
