//! Products that nobody has asked Amazon for: written to Redis in the gateway's own form, and read from there.

use std::{
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::{BufMut, Bytes};
use prost::Message;
use redis::aio::MultiplexedConnection;
use stockroom_proto::pb;

use super::{LOAD_CORE, process};

/// How many products one pipeline carries.
const AT_ONCE: usize = 500;

/// A Redis of this bench's own.
pub struct Redis {
    pub url: String,
    _process: process::Process,
}

impl Redis {
    pub async fn start() -> Self {
        let port = process::free_port().to_string();
        let arguments = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let mut command = process::pinned(LOAD_CORE, "redis-server");
        let process = process::Process::start(command.args(arguments).stdout(std::process::Stdio::null()));
        let redis = Self { url: format!("redis://127.0.0.1:{port}"), _process: process };
        while redis.connect().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        redis
    }

    async fn connect(&self) -> redis::RedisResult<MultiplexedConnection> {
        redis::Client::open(self.url.as_str())?.get_multiplexed_async_connection().await
    }

    /// Writes the products of these numbers, of this age, and returns the bytes of their messages.
    pub async fn fill(&self, numbers: std::ops::Range<usize>, age: Duration) -> usize {
        let mut connection = self.connect().await.unwrap();
        let (fetched_at, mut bytes) = (SystemTime::now() - age, 0);
        for start in numbers.clone().step_by(AT_ONCE) {
            let mut pipeline = redis::pipe();
            for number in start..numbers.end.min(start + AT_ONCE) {
                let message = product(number).encode_to_vec();
                bytes += message.len();
                pipeline.set(key(number), entry(&message, fetched_at)).ignore();
            }
            pipeline.query_async::<()>(&mut connection).await.unwrap();
        }
        bytes
    }
}

/// Configures a gateway in front of this Redis and of an Amazon at this address.
pub fn configure(command: &mut Command, redis_url: &str, endpoint: &str, memory: &str) {
    for (key, value) in [
        ("ACCOUNTS__BENCH__PROTOCOL", "paapi5"),
        ("ACCOUNTS__BENCH__ACCESS_KEY", amazon_sandbox::ACCESS_KEY),
        ("ACCOUNTS__BENCH__SECRET_KEY", amazon_sandbox::SECRET_KEY),
        ("ACCOUNTS__BENCH__PARTNER_TAGS__US", "bench-20"),
        ("ACCOUNTS__BENCH__ENDPOINT", endpoint),
        ("ACCOUNTS__BENCH__CALLS_PER_SECOND", "10"),
        ("ACCOUNTS__BENCH__CALLS_PER_DAY", "864000"),
        ("CACHE__MEMORY", memory),
    ] {
        command.env(format!("STOCKROOM_{key}"), value);
    }
    if !redis_url.is_empty() {
        command.env("STOCKROOM_REDIS__URL", redis_url);
    }
}

/// The ASIN of a product.
pub fn asin(number: usize) -> String {
    format!("B{number:09}")
}

/// The key of a product in Redis.
pub fn key(number: usize) -> String {
    format!("stockroom:v1:products:{{bench-20:US}}:en_US:USD:{}", asin(number))
}

/// The entry of a product in Redis: version, time in milliseconds, protocol, presence, message.
fn entry(message: &[u8], fetched_at: SystemTime) -> Vec<u8> {
    let mut entry = vec![1];
    entry.put_u64(fetched_at.duration_since(UNIX_EPOCH).unwrap().as_millis() as u64);
    entry.extend([pb::Protocol::Paapi5 as u8, 0]);
    entry.extend(message);
    entry
}

/// A product of about 2 KB.
fn product(number: usize) -> pb::Product {
    let image =
        |size: &str| pb::Image { url: format!("https://example.com/{number}/{size}.jpg"), ..Default::default() };
    let images = || pb::ImageSet {
        small: Some(image("small")),
        medium: Some(image("medium")),
        large: Some(image("large")),
        ..Default::default()
    };
    let feature =
        |line: usize| format!("Feature {line} of product {number}: {}", "light, quiet and strong. ".repeat(7));
    pb::Product {
        asin: asin(number),
        marketplace: "www.amazon.com".to_owned(),
        detail_page_url: format!("https://www.amazon.com/dp/{}?tag=bench-20", asin(number)),
        info: Some(pb::ProductInfo {
            title: format!("Product {number}, made by a generator for a bench"),
            brand: format!("Brand {}", number % 1000),
            features: (0..6).map(feature).collect(),
            ..Default::default()
        }),
        images: Some(pb::ProductImages { primary: Some(images()), variants: vec![images(), images()] }),
        offers: Some(pb::ProductOffers { listings: vec![pb::Offer::default(); 2], ..Default::default() }),
        ..Default::default()
    }
}

/// A request for some products.
pub fn get_products(numbers: impl Iterator<Item = usize>) -> Bytes {
    pb::GetProductsRequest { asins: numbers.map(asin).collect(), options: None }.encode_to_vec().into()
}

/// A request for one product.
pub fn get_product(number: usize) -> Bytes {
    pb::GetProductRequest { asin: asin(number), options: None }.encode_to_vec().into()
}
