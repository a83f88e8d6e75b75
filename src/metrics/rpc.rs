//! RPC metrics of gRFC A66: a counter a method, and a histogram of durations a method and status.

use std::{
    array,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The methods that have series of their own, and `other`.
pub const METHODS: [&str; 21] = [
    "stockroom.v1.SearchService/SearchProducts",
    "stockroom.v1.SearchService/StreamSearch",
    "stockroom.v1.ProductService/GetProduct",
    "stockroom.v1.ProductService/GetProducts",
    "stockroom.v1.ProductService/GetVariations",
    "stockroom.v1.ProductService/CompareProducts",
    "stockroom.v1.BrowseService/GetBrowseNodes",
    "stockroom.v1.BrowseService/ListCategories",
    "stockroom.v1.BrowseService/ListTrending",
    "stockroom.v1.BrowseService/ListDeals",
    "stockroom.v1.BrowseService/ListMarketplaces",
    "stockroom.v1.AdminService/GetStatus",
    "stockroom.v1.AdminService/PurgeCache",
    "stockroom.v1.AdminService/Reload",
    "stockroom.v1.AdminService/ListFeeds",
    "stockroom.v1.AdminService/GetFeedLink",
    "stockroom.v1.AdminService/ListReports",
    "stockroom.v1.AdminService/GetReportLink",
    "grpc.health.v1.Health/Check",
    "grpc.health.v1.Health/Watch",
    "other",
];

/// The gRPC codes by number.
pub(super) const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Upper bounds of the buckets in microseconds: those that gRFC A66 recommends.
pub(super) const BOUNDS_MICROS: [u64; 40] = [
    10,
    50,
    100,
    300,
    600,
    800,
    1000,
    2000,
    3000,
    4000,
    5000,
    6000,
    8000,
    10_000,
    13_000,
    16_000,
    20_000,
    25_000,
    30_000,
    40_000,
    50_000,
    65_000,
    80_000,
    100_000,
    130_000,
    160_000,
    200_000,
    250_000,
    300_000,
    400_000,
    500_000,
    650_000,
    800_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
];

/// A method by its place in [`METHODS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RpcSeries(u8);

/// A histogram; its last bucket has no upper bound.
#[derive(Debug)]
pub(super) struct Durations {
    pub(super) buckets: [AtomicU64; BOUNDS_MICROS.len() + 1],
    pub(super) sum_micros: AtomicU64,
}

/// The series of all methods.
#[derive(Debug)]
pub(super) struct RpcMetrics {
    pub(super) started: [AtomicU64; METHODS.len()],
    pub(super) durations: Box<[[Durations; CODES.len()]]>,
}

impl RpcSeries {
    /// The method of a path, as `/stockroom.v1.SearchService/SearchProducts`, with or without the first `/`.
    pub fn from_path(path: &str) -> Self {
        let path = path.strip_prefix('/').unwrap_or(path);
        let place = METHODS.iter().position(|method| *method == path).unwrap_or(METHODS.len() - 1);
        Self(u8::try_from(place).unwrap_or_default())
    }
}

impl RpcSeries {
    /// The method's name; `None` for the series of all others.
    pub fn method(self) -> Option<&'static str> {
        METHODS.get(usize::from(self.0)).copied().filter(|_| usize::from(self.0) < METHODS.len() - 1)
    }
}

impl RpcMetrics {
    pub(super) fn started(&self, method: RpcSeries) {
        if let Some(counter) = self.started.get(usize::from(method.0)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn ended(&self, method: RpcSeries, code: i32, duration: Duration) {
        let series = self.durations.get(usize::from(method.0)).zip(usize::try_from(code).ok());
        if let Some(durations) = series.and_then(|(codes, code)| codes.get(code)) {
            durations.record(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
        }
    }
}

impl Durations {
    fn record(&self, micros: u64) {
        let bucket = BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Default for RpcMetrics {
    fn default() -> Self {
        Self {
            started: array::from_fn(|_| AtomicU64::new(0)),
            durations: (0..METHODS.len()).map(|_| array::from_fn(|_| Durations::default())).collect(),
        }
    }
}

impl Default for Durations {
    fn default() -> Self {
        Self { buckets: array::from_fn(|_| AtomicU64::new(0)), sum_micros: AtomicU64::new(0) }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use stockroom_proto::pb;

    use super::*;

    #[test]
    fn every_method_of_the_contract_has_a_series_and_any_other_counts_as_other() {
        let files = prost_types::FileDescriptorSet::decode(pb::FILE_DESCRIPTOR_SET).unwrap();
        for file in files.file.iter().filter(|file| file.package() == "stockroom.v1") {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/stockroom.v1.{}/{}", service.name(), method.name());
                    assert_ne!(RpcSeries::from_path(&path), RpcSeries::from_path("other"), "{path}");
                }
            }
        }
        assert_eq!(RpcSeries::from_path("/unknown.Service/RpcSeries"), RpcSeries::from_path("other"));
    }

    #[test]
    fn a_duration_is_counted_in_the_bucket_that_ends_at_or_above_it() {
        let durations = Durations::default();
        for micros in [0, 10, 11, 100_000_000, 100_000_001] {
            durations.record(micros);
        }
        let counts: Vec<u64> = durations.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        assert_eq!((counts[0], counts[1], counts[39], counts[40]), (2, 1, 1, 1));
        assert_eq!(durations.sum_micros.load(Ordering::Relaxed), 200_000_022);
    }
}
