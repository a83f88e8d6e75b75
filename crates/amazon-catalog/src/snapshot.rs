//! What Amazon said of one thing at one moment.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::Missing;
use stockroom_proto::pb;

/// What Amazon said of one thing at one moment: the form in which answers are kept and handed on, cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// When the call that brought it was sent. Copying a snapshot never changes this.
    pub fetched_at: SystemTime,
    /// Which API said it.
    pub protocol: pb::Protocol,
    /// An encoded protobuf message, or that there is none.
    pub content: Result<Bytes, Missing>,
}

impl Snapshot {
    /// How old it is; a time in the future, after a clock was set back, counts as just now.
    pub fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.fetched_at).unwrap_or_default()
    }
}
