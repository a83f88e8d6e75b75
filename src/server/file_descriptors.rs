//! File descriptors: a process without any left can neither accept a connection nor call Amazon or Redis.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for everything that is no client's connection: Redis, Amazon, the log, files, the runtime, and connections
/// that are about to close.
const RESERVE: u64 = 128;

/// Raises the process's soft limit to its hard limit, and returns the number of connections that fits with a reserve.
pub(crate) fn fit(max_connections: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = if raised.is_ok() { maximum } else { current };
    let fitting = fitting(max_connections, limit);
    if fitting < max_connections {
        tracing::warn!(
            max_connections,
            file_descriptors = limit,
            fitting,
            "the limit of file descriptors is too low for server.max_connections; fewer connections are accepted"
        );
    }
    fitting
}

/// No limit is `None`. At least one connection is accepted, whatever the limit.
fn fitting(max_connections: usize, limit: Option<u64>) -> usize {
    let Some(limit) = limit else { return max_connections };
    let room = limit.saturating_sub(RESERVE.min(limit / 2));
    max_connections.min(usize::try_from(room).unwrap_or(usize::MAX)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_a_reserve_of_descriptors() {
        assert_eq!(fitting(1024, None), 1024);
        assert_eq!(fitting(1024, Some(65_536)), 1024);
        assert_eq!(fitting(1024, Some(1024)), 896);
        assert_eq!(fitting(1024, Some(100)), 50);
        assert_eq!(fitting(1024, Some(0)), 1);
    }
}
