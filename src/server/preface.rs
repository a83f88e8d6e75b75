//! The first bytes of a connection: HTTP/2's preface, or the method of an HTTP/1.1 request.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// What every HTTP/2 connection begins with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The version of HTTP that a peer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HttpVersion {
    Http1,
    Http2,
}

/// A stream whose first bytes were read already.
#[derive(Debug)]
pub(crate) struct Prefaced<S> {
    read: Bytes,
    stream: S,
}

/// Reads the preface. `None` where the peer speaks neither version.
///
/// The caller bounds the time. Dropping the future closes the stream.
pub(crate) async fn read<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<Option<(HttpVersion, Prefaced<S>)>> {
    let mut read = BytesMut::with_capacity(1024);
    while read.len() < PREFACE.len() {
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(None);
        }
        let length = read.len().min(PREFACE.len());
        if read.get(..length) != PREFACE.get(..length) {
            let is_method = read.first().is_some_and(u8::is_ascii_uppercase);
            return Ok(is_method.then(|| (HttpVersion::Http1, Prefaced { read: read.freeze(), stream })));
        }
    }
    Ok(Some((HttpVersion::Http2, Prefaced { read: read.freeze(), stream })))
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
    use tokio::io::{AsyncWriteExt, duplex};

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
        let (version, mut stream) = read(near).await.unwrap().unwrap();
        assert_eq!(version, HttpVersion::Http2);
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, [PREFACE, b"and more"].concat());
    }

    #[tokio::test]
    async fn an_http_1_request_is_handed_on_and_anything_else_is_closed() {
        for (sent, is_http) in
            [("POST / HTTP/1.1\r\n", true), ("PUT / HTTP/1.1\r\n", true), ("\u{16}\u{3}\u{1}", false)]
        {
            let (near, mut far) = duplex(4096);
            far.write_all(sent.as_bytes()).await.unwrap();
            drop(far);
            let read = read(near).await.unwrap();
            assert_eq!(read.is_some(), is_http, "{sent:?}");
            if let Some((version, mut stream)) = read {
                let mut all = String::new();
                stream.read_to_string(&mut all).await.unwrap();
                assert_eq!((version, &*all), (HttpVersion::Http1, sent));
            }
        }
    }
}
