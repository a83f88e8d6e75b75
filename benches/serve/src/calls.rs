//! The calls that are compared: requests, and the answers that the gateway gives to them from memory.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::{BufMut, Bytes};
use prost::Message;
use stockroom_proto::pb::{self, product_outcome::Result as Outcome};
use tempfile::TempDir;
use tonic::transport::Channel;

use super::{bare, wire};

/// The most products that a call here asks for.
const PRODUCTS: usize = 50;

pub const GET_PRODUCT: &str = "/stockroom.v1.ProductService/GetProduct";
pub const GET_PRODUCTS: &str = "/stockroom.v1.ProductService/GetProducts";
pub const PURGE_CACHE: &str = "/stockroom.v1.AdminService/PurgeCache";
const COMPARE_PRODUCTS: &str = "/stockroom.v1.ProductService/CompareProducts";
const SEARCH_PRODUCTS: &str = "/stockroom.v1.SearchService/SearchProducts";

/// One call and its answer.
pub struct Call {
    pub name: &'static str,
    pub path: &'static str,
    /// The calls that take a second or two.
    pub in_a_round: usize,
    /// What h2load sends: the request with its gRPC frame.
    pub file: PathBuf,
    request: Bytes,
    messages: Vec<Bytes>,
}

/// The calls, and what the bare server reads.
pub struct Calls {
    pub all: Vec<Call>,
    pub answers: PathBuf,
    _folder: TempDir,
}

impl Calls {
    /// Fills the memory of a gateway in front of a sandbox, and records what it answers.
    pub async fn record(address: &str) -> Self {
        let channel = wire::connect(address).await.unwrap();
        let query = Some(pb::SearchQuery { keywords: "headphones".to_owned(), ..Default::default() });
        let page = pb::SearchProductsRequest { query, page_size: 10, ..Default::default() };
        let asins = found(&channel, &page).await;
        let get = |count: usize| pb::GetProductsRequest { asins: asins[..count].to_vec(), options: None };
        let one = pb::GetProductRequest { asin: asins[0].clone(), options: None };
        let compare = pb::CompareProductsRequest { asins: asins[..10].to_vec(), options: None };

        let folder = TempDir::new().unwrap();
        let mut all = Vec::new();
        for (name, path, request, in_a_round) in [
            ("N=1", GET_PRODUCT, one.encode_to_vec(), 60_000),
            ("N=10", GET_PRODUCTS, get(10).encode_to_vec(), 30_000),
            ("N=50", GET_PRODUCTS, get(PRODUCTS).encode_to_vec(), 10_000),
            ("search", SEARCH_PRODUCTS, page.encode_to_vec(), 20_000),
            ("compare", COMPARE_PRODUCTS, compare.encode_to_vec(), 6000),
        ] {
            let request = Bytes::from(request);
            let file = frame(folder.path(), name, &request);
            // The first answer may come from Amazon.
            let _ = wire::call(&channel, path, request.clone()).await.unwrap();
            let messages = wire::call(&channel, path, request.clone()).await.unwrap();
            all.push(Call { name, path, in_a_round, file, request, messages });
        }
        check_products(&all[2].messages[0], PRODUCTS);
        let answers = folder.path().join("answers");
        let recorded = all.iter().map(|call| (bare::path(call.name), &call.messages[..]));
        std::fs::write(&answers, bare::write(recorded)).unwrap();
        Self { all, answers, _folder: folder }
    }
}

impl Call {
    /// The bytes in the data frames of one answer.
    pub fn answer_bytes(&self) -> usize {
        self.messages.iter().map(|message| 5 + message.len()).sum()
    }

    /// Checks that a server still answers with the recorded bytes. A comparison may tell its products in any order.
    pub async fn check(&self, channel: &Channel, path: &str) {
        let sorted = |messages: &[Bytes]| {
            let mut messages = messages.to_vec();
            messages.sort();
            messages
        };
        let messages = wire::call(channel, path, self.request.clone()).await.unwrap();
        assert!(sorted(&messages) == sorted(&self.messages), "{path} answers with other bytes than before");
    }
}

/// A request in its gRPC frame, in a file of its own.
pub fn frame(folder: &Path, name: &str, request: &[u8]) -> PathBuf {
    let mut framed = vec![0];
    framed.put_u32(request.len() as u32);
    framed.extend(request);
    let file = folder.join(name);
    std::fs::write(&file, framed).unwrap();
    file
}

/// The ASINs of enough products that a search finds.
async fn found(channel: &Channel, page: &pb::SearchProductsRequest) -> Vec<String> {
    let request = pb::SearchProductsRequest { page_size: PRODUCTS as i32, ..page.clone() };
    // A gateway that has just started has its account's pace to keep.
    for _ in 0..20 {
        let messages = wire::call(channel, SEARCH_PRODUCTS, request.encode_to_vec().into()).await.unwrap();
        let page = pb::SearchProductsResponse::decode(messages[0].clone()).unwrap();
        let asins: Vec<_> = page.products.into_iter().filter_map(|entry| Some(entry.product?.asin)).collect();
        if asins.len() == PRODUCTS {
            return asins;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("no {PRODUCTS} products found");
}

/// Checks that an answer of `GetProducts` has all products.
pub fn check_products(message: &Bytes, count: usize) {
    let response = pb::GetProductsResponse::decode(message.clone()).unwrap();
    let found = response.outcomes.iter().filter(|outcome| matches!(&outcome.result, Some(Outcome::Entry(_)))).count();
    assert_eq!(found, count, "products in an answer");
}
