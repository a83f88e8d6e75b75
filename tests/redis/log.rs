//! What is logged by all tests of this process.

use std::{
    io,
    sync::{Arc, LazyLock, Mutex},
};

use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

/// Begins with its first use. One for all threads, since tracing remembers for all of them whether anybody listens.
static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    tracing_subscriber::fmt().with_ansi(false).with_max_level(Level::WARN).with_writer(log.clone()).init();
    log
});

#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

/// The warnings so far that contain a text.
pub(crate) fn warnings(text: &str) -> Vec<String> {
    let log = String::from_utf8(LOG.0.lock().unwrap().clone()).unwrap();
    log.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
