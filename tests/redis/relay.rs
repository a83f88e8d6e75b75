//! A way to a server that can be cut, and that counts round trips.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::server::RedisServer;

/// Passes bytes on to a server until it is cut.
pub(crate) struct Relay {
    port: u16,
    target: u16,
    round_trips: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Relay {
    /// A way to a server that has no password.
    pub(crate) async fn to(server: &RedisServer) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", crate::server::free_port())).await.unwrap();
        let (port, target) = (listener.local_addr().unwrap().port(), server.port());
        let round_trips = Arc::default();
        let task = tokio::spawn(pass(listener, target, Arc::clone(&round_trips)));
        Self { port, target, round_trips, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// How often something was sent to the server after it had answered what was sent before.
    pub(crate) fn round_trips(&self) -> usize {
        self.round_trips.load(Ordering::SeqCst)
    }

    /// Ends all connections and takes no more.
    pub(crate) fn cut(&mut self) {
        self.task.abort();
    }

    /// Takes connections again.
    pub(crate) async fn reconnect(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.task = tokio::spawn(pass(listener, self.target, Arc::clone(&self.round_trips)));
    }
}

async fn pass(listener: TcpListener, target: u16, round_trips: Arc<AtomicUsize>) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        let round_trips = Arc::clone(&round_trips);
        connections.spawn(async move {
            if let Ok(far) = TcpStream::connect(("127.0.0.1", target)).await {
                // Either end may close it.
                let _ = exchange(near, far, &round_trips).await;
            }
        });
    }
}

async fn exchange(mut near: TcpStream, mut far: TcpStream, round_trips: &AtomicUsize) -> io::Result<()> {
    let (mut question, mut answer, mut is_answered) = (BytesMut::new(), BytesMut::new(), true);
    loop {
        tokio::select! {
            read = near.read_buf(&mut question) => {
                if read? == 0 {
                    return Ok(());
                }
                round_trips.fetch_add(usize::from(is_answered), Ordering::SeqCst);
                is_answered = false;
                far.write_all_buf(&mut question).await?;
            }
            read = far.read_buf(&mut answer) => {
                if read? == 0 {
                    return Ok(());
                }
                is_answered = true;
                near.write_all_buf(&mut answer).await?;
            }
        }
    }
}
