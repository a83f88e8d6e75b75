//! A way to a server that can be cut.

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::server::RedisServer;

/// Passes bytes on to a server until it is cut.
pub(crate) struct Relay {
    port: u16,
    target: u16,
    task: JoinHandle<()>,
}

impl Relay {
    /// A way to a server that has no password.
    pub(crate) async fn to(server: &RedisServer) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", crate::server::free_port())).await.unwrap();
        let (port, target) = (listener.local_addr().unwrap().port(), server.port());
        Self { port, target, task: tokio::spawn(pass(listener, target)) }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends all connections and takes no more.
    pub(crate) fn cut(&mut self) {
        self.task.abort();
    }

    /// Takes connections again.
    pub(crate) async fn reconnect(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.task = tokio::spawn(pass(listener, self.target));
    }
}

async fn pass(listener: TcpListener, target: u16) {
    let mut connections = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        connections.spawn(async move {
            if let Ok(mut far) = TcpStream::connect(("127.0.0.1", target)).await {
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
        });
    }
}
