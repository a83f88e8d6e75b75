//! The first bytes of a connection: HTTP/2's preface, or an answer in words for a peer that speaks something else.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

/// What every HTTP/2 connection begins with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const ANSWER: &str = "This port speaks gRPC over HTTP/2.\n\
    Call it with a gRPC client, as grpcurl; the stockroom command line is one too.\n";
/// What is read of an HTTP/1.1 request before the connection closes, so that the close does not overtake the answer.
const MAX_DISCARDED_BYTES: usize = 16 * 1024;

/// A stream whose first bytes were read already.
#[derive(Debug)]
pub(crate) struct Prefaced<S> {
    read: Bytes,
    stream: S,
}

/// Reads the preface. `None` where the peer speaks something else; an HTTP/1.1 client has got its answer then.
///
/// The caller bounds the time. Dropping the future closes the stream.
pub(crate) async fn read<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> io::Result<Option<Prefaced<S>>> {
    let mut read = BytesMut::with_capacity(1024);
    while read.len() < PREFACE.len() {
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(None);
        }
        let length = read.len().min(PREFACE.len());
        if read.get(..length) != PREFACE.get(..length) {
            if read.first().is_some_and(u8::is_ascii_uppercase) {
                answer(&mut stream).await?;
            }
            return Ok(None);
        }
    }
    Ok(Some(Prefaced { read: read.freeze(), stream }))
}

async fn answer(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    let head = "HTTP/1.1 426 Upgrade Required\r\nupgrade: HTTP/2.0\r\nconnection: upgrade, close\r\n\
        content-type: text/plain; charset=utf-8\r\n";
    let text = format!("{head}content-length: {}\r\n\r\n{ANSWER}", ANSWER.len());
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await?;
    let mut discarded = [0; 1024];
    for _ in 0..MAX_DISCARDED_BYTES / discarded.len() {
        if stream.read(&mut discarded).await? == 0 {
            break;
        }
    }
    Ok(())
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefaced<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let length = self.read.len().min(buffer.remaining());
        buffer.put_slice(self.read.get(..length).unwrap_or_default());
        self.read.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefaced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    #[tokio::test]
    async fn a_preface_in_any_pieces_is_read_and_handed_on() {
        let (near, mut far) = duplex(1024);
        tokio::spawn(async move {
            for byte in PREFACE {
                far.write_all(&[*byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            far.write_all(b"and more").await.unwrap();
        });
        let mut all = Vec::new();
        read(near).await.unwrap().expect("it is HTTP/2").read_to_end(&mut all).await.unwrap();
        assert_eq!(all, [PREFACE, b"and more"].concat());
    }

    #[tokio::test]
    async fn an_http_1_client_is_answered_in_words_and_anything_else_is_closed() {
        for (sent, words) in
            [("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n", "gRPC over HTTP/2"), ("\u{16}\u{3}\u{1}", "")]
        {
            let (near, mut far) = duplex(4096);
            far.write_all(sent.as_bytes()).await.unwrap();
            let reading = tokio::spawn(read(near));
            let mut answer = String::new();
            if words.is_empty() {
                assert!(reading.await.unwrap().unwrap().is_none());
            } else {
                far.read_to_string(&mut answer).await.unwrap();
                assert!(answer.starts_with("HTTP/1.1 426 ") && answer.contains(words), "{answer}");
            }
        }
    }
}
