//! A listener that grants numbered tokens, returns scripted answers, and remembers what it saw. With a 429 it asks to
//! wait 100 seconds.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    sync::{RwLock, watch},
    time::timeout,
};

use super::PATIENCE;

/// A request that came in.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// The listener. Its tokens are `token-1`, `token-2` and so on.
pub(super) struct Fake {
    address: SocketAddr,
    state: Arc<State>,
}

type Answer = (u16, String);

struct State {
    seen: watch::Sender<Vec<Seen>>,
    /// What the token service says next; `None`: it grants one.
    token_answer: Mutex<Option<Answer>>,
    token_gate: RwLock<()>,
    call_gate: RwLock<()>,
    answer: Box<dyn Fn(&Seen) -> Answer + Send + Sync>,
}

impl Fake {
    pub(super) async fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            seen: watch::Sender::default(),
            token_answer: Mutex::default(),
            token_gate: RwLock::default(),
            call_gate: RwLock::default(),
            answer: Box::new(answer),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                let state = Arc::clone(&shared);
                let service = service_fn(move |request| Arc::clone(&state).serve(request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), service));
            }
        });
        Self { address, state }
    }

    pub(super) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.state.seen.borrow().clone()
    }

    /// The last call that was none for a token.
    pub(super) fn last_call(&self) -> Seen {
        self.seen().into_iter().rfind(|seen| !seen.is_token()).unwrap()
    }

    /// How many tokens were asked for.
    pub(super) fn tokens(&self) -> usize {
        count(&self.seen(), true)
    }

    /// How many other calls there were.
    pub(super) fn calls(&self) -> usize {
        count(&self.seen(), false)
    }

    /// Waits until that many tokens were asked for.
    pub(super) async fn reach_tokens(&self, expected: usize) {
        self.reach(|seen| count(seen, true) >= expected).await;
    }

    /// Waits until there were that many other calls.
    pub(super) async fn reach_calls(&self, expected: usize) {
        self.reach(|seen| count(seen, false) >= expected).await;
    }

    async fn reach(&self, is_reached: impl FnMut(&Vec<Seen>) -> bool) {
        let mut seen = self.state.seen.subscribe();
        timeout(PATIENCE, seen.wait_for(is_reached)).await.expect("it never came").unwrap();
    }

    /// What the token service says from now on; `None`: it grants tokens.
    pub(super) fn answer_tokens_with(&self, answer: Option<(u16, &str)>) {
        *self.state.token_answer.lock().unwrap() = answer.map(|(status, body)| (status, body.to_owned()));
    }

    /// Holds tokens back until the guard is dropped.
    pub(super) fn hold_tokens(&self) -> impl Drop + '_ {
        self.state.token_gate.try_write().unwrap()
    }

    /// Holds the answers to all other calls back until the guard is dropped.
    pub(super) fn hold_calls(&self) -> impl Drop + '_ {
        self.state.call_gate.try_write().unwrap()
    }
}

impl State {
    async fn serve(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let seen = Seen { path: head.uri.path().to_owned(), headers: head.headers, body };
        let mut number = 0;
        self.seen.send_modify(|all| {
            all.push(seen.clone());
            number = count(all, true);
        });
        let (status, body) = if seen.is_token() {
            let _open = self.token_gate.read().await;
            let scripted = self.token_answer.lock().unwrap().clone();
            scripted.unwrap_or_else(|| {
                let granted =
                    format!(r#"{{"access_token": "token-{number}", "token_type": "bearer", "expires_in": 3600}}"#);
                (200, granted)
            })
        } else {
            let _open = self.call_gate.read().await;
            (self.answer)(&seen)
        };
        let mut response = Response::builder().status(status);
        if status == 429 {
            response = response.header("retry-after", "100");
        }
        Ok(response.body(Full::from(body)).unwrap())
    }
}

impl Seen {
    /// A header's value; empty where there is none.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    fn is_token(&self) -> bool {
        self.path.ends_with("/token")
    }
}

fn count(seen: &[Seen], tokens: bool) -> usize {
    seen.iter().filter(|seen| seen.is_token() == tokens).count()
}
