//! The contract of the Stockroom gateway: the messages of `stockroom.v1`, its file descriptors and, with the feature
//! `client`, the client stubs.
//!
//! Everything here is generated from `proto/stockroom/v1`. For a client with deadlines and typed errors see
//! `stockroom-client`.

/// The messages of `stockroom.v1` and, with the feature `client`, a module with a stub for each service.
#[allow(missing_docs, clippy::all, reason = "generated; its comments are the proto files' own")]
pub mod pb {
    include!(concat!(env!("OUT_DIR"), "/stockroom.v1.rs"));

    /// The serialized `FileDescriptorSet` of the contract with its comments, for reflection and JSON.
    pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/stockroom_descriptor.bin"));
}
