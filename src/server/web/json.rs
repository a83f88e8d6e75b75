//! Messages of the contract as proto3 JSON, in both directions, by their descriptors.

use std::sync::LazyLock;

use bytes::Bytes;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor};
use serde::de::DeserializeSeed;

use super::super::error::ErrorDescriptor;
use stockroom_proto::pb::{self, ErrorReason};

/// The contract, health, and the details of errors.
static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let mut pool = DescriptorPool::new();
    for set in [pb::FILE_DESCRIPTOR_SET, tonic_health::pb::FILE_DESCRIPTOR_SET, tonic_types::pb::FILE_DESCRIPTOR_SET] {
        pool.decode_file_descriptor_set(set).expect("the descriptors were compiled with the program");
    }
    pool
});

/// The method of a path, as `/stockroom.v1.ProductService/GetProduct`.
pub(crate) fn method(path: &str) -> Option<MethodDescriptor> {
    let (service, name) = path.strip_prefix('/')?.split_once('/')?;
    POOL.get_service_by_name(service)?.methods().find(|method| method.name() == name)
}

/// The message of a type, as `google.rpc.ErrorInfo`.
pub(super) fn message(name: &str) -> Option<MessageDescriptor> {
    POOL.get_message_by_name(name)
}

/// Reads a message. A field that the message does not have is an error, or a misspelled one would be ignored. The error
/// names the field that is wrong, as the caller wrote it.
pub(crate) fn decode(descriptor: MessageDescriptor, json: &[u8]) -> Result<Bytes, ErrorDescriptor> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let mut track = serde_path_to_error::Track::new();
    let read = descriptor.deserialize(serde_path_to_error::Deserializer::new(&mut reader, &mut track));
    let read = read.and_then(|message| reader.end().map(|()| message));
    read.map(|message| message.encode_to_vec().into()).map_err(|error| {
        let (path, problem) = (track.path(), error.to_string());
        let descriptor = |message| ErrorDescriptor::new(ErrorReason::MalformedMessage, message);
        if path.iter().next().is_none() {
            return descriptor(format!("the request is no JSON of this method's message: {problem}"));
        }
        let message = format!("the request is no JSON of this method's message: {path}: {problem}");
        descriptor(message).fields(vec![(path.to_string(), problem)])
    })
}

/// Writes an encoded message. `None`: the message does not decode.
pub(crate) fn encode(descriptor: MessageDescriptor, message: &[u8]) -> Option<Vec<u8>> {
    serde_json::to_vec(&DynamicMessage::decode(descriptor, message).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_json_is_refused_with_its_field() {
        let input = |path| method(path).unwrap().input();
        let search = "/stockroom.v1.SearchService/SearchProducts";
        let cases = [
            (r#"{"query": {"keywords": 5}}"#, ": query.keywords: "),
            (r#"{"query": {"keyword": "x"}}"#, ": query: "),
            (r#"{"options": {"maxAge": "soon"}}"#, ": options.maxAge: "),
            ("", ": EOF "),
            ("{} {}", ": trailing characters "),
            ("[]", ": invalid type: "),
        ];
        for (json, part) in cases {
            let error = decode(input(search), json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        assert!(decode(input(search), br#"{"query": {"keywords": "x"}, "pageSize": 3}"#).is_ok());
    }

    #[test]
    fn a_message_that_does_not_decode_is_no_json() {
        let output = method("/stockroom.v1.ProductService/GetProduct").unwrap().output();
        assert_eq!(encode(output.clone(), b"").unwrap(), b"{}");
        assert!(encode(output, b"\xff").is_none());
    }
}
