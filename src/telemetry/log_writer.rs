//! Takes log lines without waiting for whoever reads them, and writes them in a thread of its own.
//!
//! A line is copied into a buffer under a lock; that is all that a call pays for it. The thread is woken when the buffer
//! ceases to be empty, waits [`GATHER_INTERVAL`] for more lines, and writes what there is at once. Where the reader of the
//! log stands still, the buffer fills to [`MAX_BUFFERED_BYTES`], and lines that do not fit are dropped and counted. The
//! number is logged once a second, as soon as lines fit again.

use std::{
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tracing_subscriber::fmt::MakeWriter;

/// What waits at most: some thousands of lines, which is a second of them under full load.
const MAX_BUFFERED_BYTES: usize = 4 << 20;
/// How long lines are gathered before they are written, so that a busy gateway makes few system calls for many lines.
const GATHER_INTERVAL: Duration = Duration::from_millis(5);
/// How often dropped lines are reported.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// How long the end of the process waits for the last lines to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// Where lines are handed in; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct LogWriter(Arc<Shared>);

/// Flushes the log when dropped, within a bound: a reader that stands still does not keep the process from ending.
#[derive(Debug)]
pub struct LogGuard(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Lines>,
    /// Something was buffered, or the log is to be flushed.
    buffered: Condvar,
    /// Everything has been written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    buffer: Vec<u8>,
    /// Whether lines that were taken out of the buffer are being written.
    is_writing: bool,
    is_flushing: bool,
    dropped: u64,
    reported: u64,
}

impl LogWriter {
    /// Starts the thread that writes lines to an output for as long as the process runs. `report` learns once a second how
    /// many lines were dropped.
    pub(super) fn start(
        output: impl Write + Send + 'static,
        report: impl Fn(u64) + Send + 'static,
    ) -> io::Result<(Self, LogGuard)> {
        let shared = Arc::new(Shared::default());
        let writing = Arc::clone(&shared);
        thread::Builder::new().name("log".to_owned()).spawn(move || writing.write_all(output, report))?;
        Ok((Self(Arc::clone(&shared)), LogGuard(shared)))
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let mut lines = self.0.lock();
        lines.is_flushing = true;
        self.0.buffered.notify_one();
        let is_unwritten = |lines: &mut Lines| lines.is_writing || !lines.buffer.is_empty();
        // Either all was written, or the bound has come.
        let _ = self.0.written.wait_timeout_while(lines, FLUSH_TIMEOUT, is_unwritten);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line in, or drops it where it does not fit.
    fn push(&self, line: &[u8]) {
        let mut lines = self.lock();
        if lines.buffer.len() + line.len() > MAX_BUFFERED_BYTES {
            lines.dropped += 1;
            return;
        }
        let was_empty = lines.buffer.is_empty();
        lines.buffer.extend_from_slice(line);
        drop(lines);
        if was_empty {
            self.buffered.notify_one();
        }
    }

    fn write_all(&self, mut output: impl Write, report: impl Fn(u64)) {
        let (mut batch, mut reported_at) = (Vec::new(), None::<Instant>);
        loop {
            if self.wait() {
                thread::sleep(GATHER_INTERVAL);
            }
            let mut lines = self.lock();
            std::mem::swap(&mut lines.buffer, &mut batch);
            lines.is_writing = true;
            drop(lines);
            // A log that cannot be written cannot report that.
            let _ = output.write_all(&batch);
            batch.clear();
            let mut lines = self.lock();
            lines.is_writing = false;
            let unreported = lines.dropped - lines.reported;
            let is_due = unreported > 0 && reported_at.is_none_or(|at| at.elapsed() >= REPORT_INTERVAL);
            if is_due {
                lines.reported = lines.dropped;
            }
            self.written.notify_all();
            drop(lines);
            if is_due {
                reported_at = Some(Instant::now());
                report(unreported);
            }
        }
    }

    /// Waits until there is something to write or to report. Returns whether there is time to gather more.
    fn wait(&self) -> bool {
        let is_idle = |lines: &mut Lines| lines.buffer.is_empty();
        let lines = self.lock();
        let lines = if lines.dropped > lines.reported {
            let waited = self.buffered.wait_timeout_while(lines, REPORT_INTERVAL, is_idle);
            waited.unwrap_or_else(PoisonError::into_inner).0
        } else {
            self.buffered.wait_while(lines, is_idle).unwrap_or_else(PoisonError::into_inner)
        };
        !lines.is_flushing
    }
}

/// One event, which the formatter writes with one call.
#[derive(Debug)]
pub(super) struct Line<'a>(&'a Shared);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    };

    use super::*;

    /// An output that hands on what is written, once it may.
    struct Gated {
        gate: mpsc::Receiver<()>,
        written: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Open for good once the test has dropped its side.
            let _ = self.gate.recv();
            let _ = self.written.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated(report: fn(u64)) -> (LogWriter, LogGuard, mpsc::Sender<()>, mpsc::Receiver<Vec<u8>>) {
        let ((open, gate), (written, read)) = (mpsc::channel(), mpsc::channel());
        let (writer, guard) = LogWriter::start(Gated { gate, written }, report).unwrap();
        (writer, guard, open, read)
    }

    #[test]
    fn lines_are_written_whole_and_in_order() {
        let (writer, _guard, open, read) = gated(|_| {});
        drop(open);
        for n in 0..1000 {
            writer.make_writer().write_all(format!("line {n}\n").as_bytes()).unwrap();
        }
        let expected: String = (0..1000).map(|n| format!("line {n}\n")).collect();
        let mut written = Vec::new();
        while written.len() < expected.len() {
            written.extend(read.recv_timeout(Duration::from_secs(20)).unwrap());
        }
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }

    #[test]
    fn a_reader_that_stands_still_costs_lines_and_no_time_and_hears_how_many() {
        static REPORTED: AtomicU64 = AtomicU64::new(0);
        let (writer, guard, open, read) = gated(|dropped| {
            REPORTED.fetch_add(dropped, Ordering::SeqCst);
        });
        let line = vec![b'x'; 64 * 1024];
        // One batch is being written at most, so three times the buffer cannot fit.
        for _ in 0..3 * MAX_BUFFERED_BYTES / line.len() {
            writer.make_writer().write_all(&line).unwrap();
        }
        let dropped = guard.0.lock().dropped;
        assert!(dropped > 0);
        drop(open);
        while REPORTED.load(Ordering::SeqCst) < dropped {
            read.recv_timeout(Duration::from_secs(20)).ok();
        }
        assert_eq!(REPORTED.load(Ordering::SeqCst), dropped);
    }
}
