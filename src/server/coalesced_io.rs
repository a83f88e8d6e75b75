//! Collects what a connection writes, and hands it to the socket once for each poll of the connection.
//!
//! h2 flushes after each data frame, and hyper once more for the trailers: a unary answer is two system calls, each of which
//! sends a packet. Between two polls of a connection nothing can be gained by sending earlier, so a flush here only notes
//! that there is something to send, and the task that polls the connection sends it afterwards with [`Sender::poll_send`].
//! Responses to calls that arrived together are written together.
//!
//! Little is copied: once [`DIRECT`] bytes have come together, they go out with the slices that follow in one vectored write.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The bytes that are collected before they are sent within a poll: four of HTTP/2's frames, and what the kernel sends over
/// loopback as one segment.
const DIRECT: usize = 64 * 1024;
/// The slices that one write hands to the kernel; h2 prepares as many.
const SLICES: usize = 64;

/// The connection's side: reads, and collects what is written.
#[derive(Debug)]
pub(crate) struct CoalescedIo<S>(Arc<Mutex<Collected<S>>>);

/// The side of the task that polls the connection.
#[derive(Debug)]
pub(crate) struct Sender<S>(Arc<Mutex<Collected<S>>>);

#[derive(Debug)]
struct Collected<S> {
    stream: S,
    unsent: BytesMut,
}

/// Splits a stream into the connection's side and that of its task.
pub(crate) fn coalesce<S>(stream: S) -> (CoalescedIo<S>, Sender<S>) {
    let collected = Arc::new(Mutex::new(Collected { stream, unsent: BytesMut::new() }));
    (CoalescedIo(Arc::clone(&collected)), Sender(collected))
}

impl<S: AsyncWrite + Unpin> Sender<S> {
    /// Sends what was collected.
    pub(crate) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.0).poll_send(cx)
    }
}

impl<S: AsyncWrite + Unpin> Collected<S> {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unsent.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while !self.unsent.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.unsent))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.advance(sent);
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Collects slices, or sends them behind what was collected. Returns how many of their bytes were taken.
    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let length = slices.iter().map(|slice| slice.len()).sum::<usize>();
        if self.unsent.len() + length < DIRECT {
            slices.iter().for_each(|slice| self.unsent.extend_from_slice(slice));
            return Poll::Ready(Ok(length));
        }
        let mut together = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        let collected = (!self.unsent.is_empty()).then(|| IoSlice::new(&self.unsent));
        for (place, slice) in together.iter_mut().zip(collected.into_iter().chain(slices.iter().copied())) {
            *place = slice;
            count += 1;
        }
        let sent =
            ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, together.get(..count).unwrap_or_default()))?;
        if sent == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        let of_collected = sent.min(self.unsent.len());
        self.unsent.advance(of_collected);
        match sent - of_collected {
            // All of it was collected earlier. Nothing may be reported yet, so the slices come again.
            0 if length > 0 => self.poll_write(cx, slices),
            taken => Poll::Ready(Ok(taken)),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for CoalescedIo<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut lock(&self.0).stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for CoalescedIo<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_write(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_write(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Sends nothing: the connection's task does, as soon as this poll has ended.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut collected = lock(&self.0);
        ready!(collected.poll_send(cx))?;
        Pin::new(&mut collected.stream).poll_shutdown(cx)
    }
}

/// Only one task uses both sides, so nobody ever waits here.
fn lock<S>(collected: &Mutex<Collected<S>>) -> MutexGuard<'_, Collected<S>> {
    collected.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn what_is_flushed_leaves_with_the_next_send() {
        let (near, mut far) = duplex(1024);
        let (mut io, sender) = coalesce(near);
        for part in ["one ", "two ", "three"] {
            io.write_all(part.as_bytes()).await.unwrap();
            io.flush().await.unwrap();
        }
        let mut read = [0; 32];
        let early = std::future::poll_fn(|cx| {
            let mut buffer = ReadBuf::new(&mut read);
            Poll::Ready(Pin::new(&mut far).poll_read(cx, &mut buffer).is_ready())
        });
        assert!(!early.await, "sent before its time");
        std::future::poll_fn(|cx| sender.poll_send(cx)).await.unwrap();
        let length = far.read(&mut read).await.unwrap();
        assert_eq!(&read[..length], b"one two three");
    }

    #[tokio::test]
    async fn any_sizes_arrive_whole_and_in_order_through_a_narrow_stream() {
        let (near, mut far) = duplex(1000);
        let (mut io, sender) = coalesce(near);
        let sent: Vec<u8> = (0..500_000_u32).map(|n| (n % 251) as u8).collect();
        let expected = sent.clone();
        let reading = tokio::spawn(async move {
            let mut read = Vec::new();
            far.read_to_end(&mut read).await.unwrap();
            read
        });
        let mut rest = &sent[..];
        for length in [1, 9, 2300, 16_384, 65_536, 100_000].into_iter().cycle() {
            let (now, later) = rest.split_at(length.min(rest.len()));
            io.write_all(now).await.unwrap();
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        std::future::poll_fn(|cx| sender.poll_send(cx)).await.unwrap();
        io.shutdown().await.unwrap();
        drop((io, sender));
        assert!(reading.await.unwrap() == expected);
    }
}
