//! Feeds and reports: invented lists, links that expire, and the files behind them.
//!
//! Amazon does not document names, times or contents of the files, so all of these are invented.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use hmac::Mac;
use md5::{Digest, Md5};
use serde_json::{Map, Value, json};

use crate::{
    catalogue::{Catalogue, money::PriceList, product::InventedProduct},
    creators::{
        errors::{CreatorsError, InvalidField},
        rules::given,
    },
    signature::{hex, hmac, unhex},
};
use amazon_catalog::Marketplace;

/// The path of the files.
const PATH: &str = "/files/";

/// The lifetime of a link in seconds; invented.
const LINK_SECONDS: i64 = 300;

/// The key that signs the links. It has no other use.
const LINK_KEY: &[u8] = b"sandbox-links";

/// How many products a feed has.
const PRODUCTS: usize = 100;

/// The two collections of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileCollection {
    Feeds,
    Reports,
}

/// Why a link is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileError {
    /// Its signature is wrong or expired.
    Forbidden,
    Unknown,
}

/// A file with its media type.
pub(crate) type Content = (&'static str, Vec<u8>);

/// Lists a marketplace's files.
pub(crate) fn list(collection: FileCollection, marketplace: Marketplace) -> Value {
    let listed = files(marketplace).into_iter().filter(|file| file.kind.collection() == collection).map(|file| {
        let (_, content) = file.content();
        let md5 = hex(&Md5::digest(&content));
        match collection {
            FileCollection::Feeds => json!({
                "feedName": file.name, "size": content.len(), "md5": md5,
                "lastUpdated": "2026-06-01T04:00:00Z", "feedType": file.kind.name(),
            }),
            FileCollection::Reports => json!({
                "filename": file.name, "md5": md5, "size": content.len(),
                "lastModified": "2026-06-02T00:00:00Z", "reportType": file.kind.name(),
            }),
        }
    });
    json!({ collection.list_name(): listed.collect::<Vec<_>>() })
}

/// A link below `base` to the file that a request names. `now` is in seconds of the Unix epoch.
pub(crate) fn link(
    collection: FileCollection,
    marketplace: Marketplace,
    body: &Map<String, Value>,
    base: &str,
    now: i64,
) -> Result<Value, CreatorsError> {
    let (name_field, kind_field, missing) = match collection {
        FileCollection::Feeds => ("feedName", "feedType", "Feed"),
        FileCollection::Reports => ("filename", "reportType", "Report"),
    };
    let Some(name) = given(body, name_field).and_then(Value::as_str).filter(|name| !name.is_empty()) else {
        return Err(CreatorsError::fields(vec![InvalidField::new(
            name_field,
            "must be a text of at least 1 character",
        )]));
    };
    let kind = given(body, kind_field);
    let kinds =
        InventedFileKind::ALL.into_iter().filter(|kind| kind.collection() == collection).map(InventedFileKind::name);
    if kind.is_some_and(|kind| !kinds.clone().any(|known| kind == known)) {
        let known = kinds.collect::<Vec<_>>().join(", ");
        return Err(CreatorsError::fields(vec![InvalidField::new(kind_field, format!("must be one of {known}"))]));
    }
    let fits = |file: &InventedFile| {
        file.name == name && file.kind.collection() == collection && kind.is_none_or(|kind| kind == file.kind.name())
    };
    if !files(marketplace).iter().any(fits) {
        return Err(CreatorsError::not_found(missing, name));
    }
    let expires = now + LINK_SECONDS;
    let signature = hex(&signed(name, expires).finalize().into_bytes());
    Ok(json!({ "url": format!("{base}{PATH}{name}?expires={expires}&signature={signature}") }))
}

/// Whether a path is a file's.
pub(crate) fn is_file(path: &str) -> bool {
    path.starts_with(PATH)
}

/// The file behind a link.
pub(crate) fn open(path: &str, query: &str, now: i64) -> Result<Content, FileError> {
    let name = path.strip_prefix(PATH).unwrap_or_default();
    let field = |wanted: &str| {
        form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    let expires: i64 = field("expires").and_then(|text| text.parse().ok()).ok_or(FileError::Forbidden)?;
    let signature = field("signature").and_then(|text| unhex(&text)).ok_or(FileError::Forbidden)?;
    if signed(name, expires).verify_slice(&signature).is_err() || expires <= now {
        return Err(FileError::Forbidden);
    }
    let file = Marketplace::all().flat_map(files).find(|file| file.name == name);
    file.map(|file| file.content()).ok_or(FileError::Unknown)
}

fn signed(name: &str, expires: i64) -> impl Mac {
    let mut text = hmac(LINK_KEY);
    text.update(format!("{name}\n{expires}").as_bytes());
    text
}

struct InventedFile {
    name: String,
    marketplace: Marketplace,
    kind: InventedFileKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InventedFileKind {
    Products,
    Deals,
    Earnings,
    Connections,
}

fn files(marketplace: Marketplace) -> Vec<InventedFile> {
    let code = marketplace.code().to_lowercase();
    let named = |kind| {
        let name = match kind {
            InventedFileKind::Products => format!("sandbox-{code}-products-20260601.jsonl.gz"),
            InventedFileKind::Deals => format!("sandbox-{code}-deals-20260601.jsonl.gz"),
            InventedFileKind::Earnings => format!("sandbox-{code}-earnings-2026-05.csv"),
            InventedFileKind::Connections => format!("sandbox-{code}-connections-2026-05.csv"),
        };
        InventedFile { name, marketplace, kind }
    };
    InventedFileKind::ALL.map(named).into()
}

impl FileCollection {
    fn list_name(self) -> &'static str {
        match self {
            Self::Feeds => "feeds",
            Self::Reports => "reports",
        }
    }
}

impl InventedFileKind {
    const ALL: [Self; 4] = [Self::Products, Self::Deals, Self::Earnings, Self::Connections];

    fn collection(self) -> FileCollection {
        match self {
            Self::Products | Self::Deals => FileCollection::Feeds,
            Self::Earnings | Self::Connections => FileCollection::Reports,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Products => "PRODUCT_FEEDS",
            Self::Deals => "DEALS_FEEDS",
            Self::Earnings => "CREATOR_CENTRAL",
            Self::Connections => "CREATOR_CONNECTIONS",
        }
    }
}

impl InventedFile {
    fn content(&self) -> Content {
        let on_deal = |product: &&InventedProduct| product.buy_box().is_some_and(|listing| listing.deal.is_some());
        match self.kind {
            InventedFileKind::Products => ("application/gzip", self.feed(|_| true)),
            InventedFileKind::Deals => ("application/gzip", self.feed(on_deal)),
            InventedFileKind::Earnings | InventedFileKind::Connections => ("text/csv", self.report()),
        }
    }

    /// The most popular products, one JSON object a line.
    fn feed(&self, wanted: impl Fn(&&InventedProduct) -> bool) -> Vec<u8> {
        let price_list = PriceList::of(self.marketplace);
        let products = Catalogue::get().products().iter().filter(|product| product.accessible).filter(wanted);
        let lines = products.filter_map(|product| {
            let price = price_list.price(product.buy_box()?.price?.us_cents);
            let money = json!({ "amount": price.in_units(), "currency": price.currency.code() });
            Some(format!("{}\n", json!({ "asin": product.asin.as_str(), "title": product.title, "price": money })))
        });
        gzip(lines.take(PRODUCTS).collect::<String>().as_bytes())
    }

    /// The clicks, orders and earnings of each day of a month.
    fn report(&self) -> Vec<u8> {
        let mut rng = fastrand::Rng::with_seed(self.name.bytes().map(u64::from).sum());
        let currency = self.marketplace.currency();
        let days = (1..=31).map(|day| {
            let (clicks, earnings) = (rng.u32(40..400), rng.u32(100..2000));
            format!("2026-05-{day:02},{clicks},{},{earnings},{currency}\n", clicks / 12)
        });
        ["date,clicks,ordered_items,earnings,currency\n".to_owned()].into_iter().chain(days).collect::<String>().into()
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory cannot fail.
    encoder.write_all(text).and_then(|()| encoder.finish()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_works_until_it_expires_and_for_its_own_file_only() {
        let marketplace = Marketplace::parse("DE").unwrap();
        let body = json!({ "feedName": "sandbox-de-deals-20260601.jsonl.gz" });
        let link = link(FileCollection::Feeds, marketplace, body.as_object().unwrap(), "", 1000).unwrap();
        let (path, query) = link["url"].as_str().unwrap().split_once('?').unwrap();
        assert!(open(path, query, 1299).is_ok_and(|(_, content)| content.starts_with(&[0x1f, 0x8b])));
        assert_eq!(open(path, query, 1300), Err(FileError::Forbidden));
        assert_eq!(open(&path.replace("deals", "products"), query, 1000), Err(FileError::Forbidden));
        assert_eq!(open(path, &query.replace("expires=1300", "expires=9999"), 1000), Err(FileError::Forbidden));
        assert_eq!(open(path, "", 1000), Err(FileError::Forbidden));
    }
}
