//! The client that behaves: paced calls over a connection of its own, and a health probe over another.

use std::time::Duration;

use amazon_sandbox::examples;
use stockroom_proto::pb::{self, product_service_client::ProductServiceClient};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tonic::{Code, Request, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::process::{CLIENT_TOKEN, Gateway};

const PACE: Duration = Duration::from_millis(5);
const PROBE_INTERVAL: Duration = Duration::from_millis(100);
const DEADLINE: Duration = Duration::from_secs(5);

pub(crate) struct Client {
    products: ProductServiceClient<Channel>,
    health: HealthClient<Channel>,
}

/// What one phase brought.
#[derive(Default)]
pub(crate) struct Phase {
    pub(crate) calls: usize,
    /// Failed for another reason than overload.
    pub(crate) lost: usize,
    /// Refused because too many calls were in progress.
    pub(crate) busy: usize,
    pub(crate) slowest_health: Duration,
    took: Vec<Duration>,
}

impl Phase {
    pub(crate) fn p99_ms(&self) -> f64 {
        let mut took = self.took.clone();
        took.sort_unstable();
        let place = (took.len() * 99 / 100).min(took.len().saturating_sub(1));
        took.get(place).map_or(f64::INFINITY, |took| took.as_secs_f64() * 1000.0)
    }
}

impl Client {
    pub(crate) async fn connect(gateway: &Gateway) -> Self {
        let connect =
            async || Channel::from_shared(format!("http://{}", gateway.address)).unwrap().connect().await.unwrap();
        let client =
            Self { products: ProductServiceClient::new(connect().await), health: HealthClient::new(connect().await) };
        // The product is cached from here on.
        client.call().await.0.unwrap();
        client
    }

    /// Calls and probes for so long.
    pub(crate) async fn phase(&self, lasts: Duration) -> Phase {
        let end = Instant::now() + lasts;
        let (mut phase, slowest_health) = tokio::join!(self.calls(end), self.probes(end));
        phase.slowest_health = slowest_health;
        phase
    }

    async fn calls(&self, end: Instant) -> Phase {
        let mut phase = Phase::default();
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while Instant::now() < end {
            pace.tick().await;
            let (outcome, took) = self.call().await;
            phase.calls += 1;
            match outcome {
                Ok(()) => phase.took.push(took),
                Err(status) if status.code() == Code::Unavailable && status.message().contains("in progress") => {
                    phase.busy += 1;
                    phase.took.push(took);
                }
                Err(status) => {
                    phase.lost += 1;
                    if phase.lost == 1 {
                        println!("  lost: {status:?}");
                    }
                }
            }
        }
        phase
    }

    async fn probes(&self, end: Instant) -> Duration {
        let mut slowest = Duration::ZERO;
        while Instant::now() < end {
            let asked = Instant::now();
            let mut request = Request::new(HealthCheckRequest::default());
            request.set_timeout(DEADLINE);
            let is_healthy = self.health.clone().check(request).await.is_ok();
            slowest = slowest.max(if is_healthy { asked.elapsed() } else { DEADLINE });
            sleep(PROBE_INTERVAL).await;
        }
        slowest
    }

    async fn call(&self) -> (Result<(), tonic::Status>, Duration) {
        let asin = examples::HEADPHONES[0].to_owned();
        let mut request = Request::new(pb::GetProductRequest { asin, options: None });
        request.set_timeout(DEADLINE);
        request.metadata_mut().insert("authorization", format!("Bearer {CLIENT_TOKEN}").parse().unwrap());
        let asked = Instant::now();
        let outcome = self.products.clone().get_product(request).await;
        (outcome.map(drop), asked.elapsed())
    }
}
