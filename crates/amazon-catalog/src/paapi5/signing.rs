//! AWS Signature Version 4, as PA-API 5.0 wants it.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningError, SigningParams, SigningSettings, sign},
    sign::v4,
};

/// Amazon's documentation also prints `ProductAdvertisingAPIv1`; its own SDKs sign with this.
const SERVICE: &str = "ProductAdvertisingAPI";

/// An account's keys, ready to sign.
pub(super) struct SigningKeys(Credentials);

/// A request as it will be sent, all but what the signature adds.
pub(super) struct Unsigned<'a> {
    /// The AWS region of the marketplace.
    pub(super) region: &'a str,
    /// The path, as `/paapi5/getitems`.
    pub(super) path: &'a str,
    /// The headers to sign, the host among them, in any order.
    pub(super) headers: &'a [(&'a str, String)],
    /// The very bytes of the body.
    pub(super) body: &'a [u8],
}

impl SigningKeys {
    pub(super) fn new(access_key: &str, secret_key: &str) -> Self {
        Self(Credentials::new(access_key, secret_key, None, None, "configuration"))
    }

    /// The headers that sign a request sent at `time`: its date and its authorization.
    pub(super) fn sign(
        &self,
        request: &Unsigned<'_>,
        time: SystemTime,
    ) -> Result<Vec<(&'static str, String)>, SigningError> {
        let identity = self.0.clone().into();
        let mut settings = SigningSettings::default();
        // What is handed in is signed, all of it.
        settings.excluded_headers = None;
        let params: SigningParams<'_> = v4::SigningParams::builder()
            .identity(&identity)
            .region(request.region)
            .name(SERVICE)
            .time(time)
            .settings(settings)
            .build()
            .expect("every required parameter is set above")
            .into();
        let headers = request.headers.iter().map(|(name, value)| (*name, value.as_str()));
        let request = SignableRequest::new("POST", request.path, headers, SignableBody::Bytes(request.body))?;
        let (added, _) = sign(request, &params)?.into_parts().0.into_parts();
        Ok(added.into_iter().map(|header| (header.name(), header.value().to_owned())).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use time::{PrimitiveDateTime, macros::format_description};

    use super::*;

    /// Signatures computed with Amazon's own SDK, for keys that do not exist.
    const VECTORS: &str = include_str!("../../tests/data/paapi5-signing-vectors.json");

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        access_key: String,
        secret_key: String,
        region: String,
        path: String,
        amz_date: String,
        payload: String,
        headers: BTreeMap<String, String>,
        expected_authorization: String,
    }

    #[test]
    fn every_vector_is_signed_byte_for_byte() {
        let vectors: Vec<Vector> = serde_json::from_str(VECTORS).unwrap();
        assert_eq!(vectors.len(), 5);
        for vector in vectors {
            let headers: Vec<_> = vector.headers.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
            let format = format_description!("[year][month][day]T[hour][minute][second]Z");
            let time = PrimitiveDateTime::parse(&vector.amz_date, format).unwrap().assume_utc();
            let request = Unsigned {
                region: &vector.region,
                path: &vector.path,
                headers: &headers,
                body: vector.payload.as_bytes(),
            };
            let added = SigningKeys::new(&vector.access_key, &vector.secret_key).sign(&request, time.into()).unwrap();
            let expected = [("x-amz-date", vector.amz_date), ("authorization", vector.expected_authorization)];
            assert_eq!(added, expected, "{}", vector.name);
        }
    }
}
