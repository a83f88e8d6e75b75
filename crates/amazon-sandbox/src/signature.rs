//! Verifies AWS Signature Version 4 on a received request, independently of the library that clients sign with.
//!
//! The rules are AWS's (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>). The
//! service is `ProductAdvertisingAPI`. Any list of signed headers that contains `host` and `x-amz-date` is accepted.

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha2::{Digest, Sha256};
use time::{
    Duration, OffsetDateTime, PrimitiveDateTime, format_description::BorrowedFormatItem, macros::format_description,
};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "ProductAdvertisingAPI";
const AMZ_DATE: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]T[hour][minute][second]Z");

/// The largest accepted clock difference in either direction: the general rule of Signature Version 4.
const MAX_SKEW: Duration = Duration::minutes(15);

/// A request as it was received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceivedRequest<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// The key pair of the one account.
#[derive(Clone, Copy)]
pub(crate) struct KeyPair<'a> {
    pub(crate) access_key: &'a str,
    pub(crate) secret_key: &'a str,
}

/// Why a signature is rejected, in the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureError {
    /// The `Authorization` header, or a header that it requires, is absent or malformed.
    Incomplete,
    /// The access key is unknown.
    UnknownKey,
    /// The signing time differs from the sandbox's clock by more than [`MAX_SKEW`].
    Expired,
    /// The signature does not match the request and the key.
    Mismatch,
}

/// Checks the signature of a request received at `now`. Where `region` is given, it must have been signed for that one.
pub(crate) fn verify(
    request: ReceivedRequest<'_>,
    keys: KeyPair<'_>,
    region: Option<&str>,
    now: OffsetDateTime,
) -> Result<(), SignatureError> {
    let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
    let claim = header("authorization").and_then(Claim::parse).ok_or(SignatureError::Incomplete)?;
    let amz_date = header("x-amz-date").ok_or(SignatureError::Incomplete)?;
    let signed_at = PrimitiveDateTime::parse(amz_date, AMZ_DATE).map_err(|_| SignatureError::Incomplete)?.assume_utc();
    if claim.access_key != keys.access_key {
        return Err(SignatureError::UnknownKey);
    }
    if (now - signed_at).abs() > MAX_SKEW {
        return Err(SignatureError::Expired);
    }
    let in_scope = amz_date.starts_with(claim.date)
        && claim.service == SERVICE
        && region.is_none_or(|region| region == claim.region);
    let canonical = canonical_request(request, claim.signed_headers).ok_or(SignatureError::Mismatch)?;
    let scope = format!("{}/{}/{}/aws4_request", claim.date, claim.region, claim.service);
    let to_sign = format!("{ALGORITHM}\n{amz_date}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let mut key = hmac(format!("AWS4{}", keys.secret_key).as_bytes());
    for part in [claim.date, claim.region, claim.service, "aws4_request"] {
        key.update(part.as_bytes());
        key = hmac(&key.finalize().into_bytes());
    }
    key.update(to_sign.as_bytes());
    // Compared in constant time.
    match unhex(claim.signature) {
        Some(signature) if in_scope && key.verify_slice(&signature).is_ok() => Ok(()),
        _ => Err(SignatureError::Mismatch),
    }
}

/// What the `Authorization` header claims.
struct Claim<'a> {
    access_key: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Claim<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in header.strip_prefix(ALGORITHM)?.split(',') {
            match part.trim().split_once('=')? {
                ("Credential", value) => credential = Some(value),
                ("SignedHeaders", value) => signed_headers = Some(value),
                ("Signature", value) => signature = Some(value),
                _ => return None,
            }
        }
        let mut scope = credential?.split('/');
        let (access_key, date, region, service) = (scope.next()?, scope.next()?, scope.next()?, scope.next()?);
        let signed_headers = signed_headers?;
        let names = |wanted| signed_headers.split(';').any(|name| name == wanted);
        let whole = scope.eq(["aws4_request"]) && names("host") && names("x-amz-date");
        whole.then_some(Self { access_key, date, region, service, signed_headers, signature: signature? })
    }
}

/// The canonical request, which both sides hash; `None` where a header in the list of signed headers is absent.
fn canonical_request(request: ReceivedRequest<'_>, signed_headers: &str) -> Option<String> {
    let mut text = format!("{}\n{}\n\n", request.method, request.path);
    for name in signed_headers.split(';') {
        let values: Option<Vec<_>> = request.headers.get_all(name).iter().map(|value| value.to_str().ok()).collect();
        let values = values.filter(|values| !values.is_empty())?;
        let trimmed = values.into_iter().map(|value| value.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
        text.push_str(&format!("{name}:{}\n", trimmed.collect::<Vec<_>>().join(",")));
    }
    Some(format!("{text}\n{signed_headers}\n{}", hex(&Sha256::digest(request.body))))
}

/// An HMAC-SHA256 with this key, ready for input.
pub(crate) fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `None` where it is not hexadecimal.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())).collect()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use serde_json::Value;

    use super::*;

    /// Requests signed by Amazon's own SDK, with keys of no account.
    const VECTORS: &str = include_str!("../../amazon-catalog/tests/data/paapi5-signing-vectors.json");

    struct SignedExample {
        json: Value,
        headers: HeaderMap,
    }

    impl SignedExample {
        fn all() -> Vec<Self> {
            let vectors: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
            vectors.into_iter().map(Self::read).collect()
        }

        fn read(json: Value) -> Self {
            let mut headers = HeaderMap::new();
            for (name, value) in json["headers"].as_object().unwrap() {
                headers.insert(
                    HeaderName::try_from(name).unwrap(),
                    HeaderValue::try_from(value.as_str().unwrap()).unwrap(),
                );
            }
            let mut vector = Self { json, headers };
            let whole = vector.text("expected_authorization").to_owned();
            vector.authorize(&whole);
            vector
        }

        fn text(&self, key: &str) -> &str {
            self.json[key].as_str().unwrap()
        }

        fn authorize(&mut self, value: &str) {
            self.headers.insert("authorization", HeaderValue::try_from(value).unwrap());
        }

        /// Verifies it this long after it was signed.
        fn verify(&self, body: &str, later: Duration) -> Result<(), SignatureError> {
            let headers = &self.headers;
            let request = ReceivedRequest { method: "POST", path: self.text("path"), headers, body: body.as_bytes() };
            let keys = KeyPair { access_key: self.text("access_key"), secret_key: self.text("secret_key") };
            let signed_at = PrimitiveDateTime::parse(self.text("amz_date"), AMZ_DATE).unwrap().assume_utc();
            verify(request, keys, Some(self.text("region")), signed_at + later)
        }
    }

    #[test]
    fn what_amazon_s_own_sdk_signed_is_believed() {
        let vectors = SignedExample::all();
        assert_eq!(vectors.len(), 5);
        for vector in vectors {
            assert_eq!(vector.verify(vector.text("payload"), Duration::ZERO), Ok(()), "{}", vector.text("name"));
        }
    }

    #[test]
    fn no_white_space_is_needed_after_commas() {
        for mut vector in SignedExample::all() {
            vector.authorize(&vector.text("expected_authorization").replace(", ", ","));
            assert_eq!(vector.verify(vector.text("payload"), Duration::ZERO), Ok(()));
        }
    }

    #[test]
    fn a_clock_may_be_off_by_a_quarter_of_an_hour_and_no_more() {
        for vector in SignedExample::all() {
            for (minutes, verdict) in
                [(15, Ok(())), (-15, Ok(())), (16, Err(SignatureError::Expired)), (-16, Err(SignatureError::Expired))]
            {
                assert_eq!(vector.verify(vector.text("payload"), Duration::minutes(minutes)), verdict, "{minutes}");
            }
        }
    }

    #[test]
    fn a_changed_body_or_header_is_noticed() {
        for mut vector in SignedExample::all() {
            assert_eq!(vector.verify("{}", Duration::ZERO), Err(SignatureError::Mismatch));
            vector.headers.insert("host", HeaderValue::from_static("localhost:1"));
            assert_eq!(vector.verify(vector.text("payload"), Duration::ZERO), Err(SignatureError::Mismatch));
        }
    }

    #[test]
    fn an_authorization_that_lacks_a_part_is_incomplete() {
        for mut vector in SignedExample::all() {
            let whole = vector.text("expected_authorization").to_owned();
            let broken = [
                String::new(),
                "Bearer abc".to_owned(),
                whole.replace(", Signature=", ", Signet="),
                whole.replace("/aws4_request", ""),
                whole.replace(";host", ""),
                whole.replace("x-amz-date", "x-amz-day"),
            ];
            for header in broken {
                vector.authorize(&header);
                let verdict = vector.verify(vector.text("payload"), Duration::ZERO);
                assert_eq!(verdict, Err(SignatureError::Incomplete), "{header}");
            }
        }
    }
}
