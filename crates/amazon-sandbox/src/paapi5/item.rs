//! Renders a product as an item of PA-API 5.0.

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::{
    ListedPage,
    catalogue::{Catalogue, money::PriceList, product::InventedProduct},
    paapi5::{
        browse_nodes, errors::Paapi5Error, fields::Fields, info, json_object::JsonObject, offers, offers_v2,
        resources::Resources,
    },
    search::ConditionFilter,
};
use amazon_catalog::Marketplace;

const CONDITIONS: [(&str, ConditionFilter); 5] = [
    ("Any", ConditionFilter::Any),
    ("New", ConditionFilter::New),
    ("Used", ConditionFilter::Used),
    ("Collectible", ConditionFilter::Collectible),
    ("Refurbished", ConditionFilter::Refurbished),
];

/// For each image size: its resource, its name in the answer and its pixels. Only the Creators API has the last one.
const SIZES: [(&str, &str, u32); 4] =
    [("Small", "Small", 75), ("Medium", "Medium", 160), ("Large", "Large", 500), ("HighRes", "HiRes", 1500)];

/// Renders the items of one answer: marketplace, language, currency, resources and filters.
#[derive(Debug)]
pub(crate) struct ItemRenderer<'a> {
    pub(crate) marketplace: Marketplace,
    pub(crate) tag: &'a str,
    pub(crate) resources: &'a Resources<'a>,
    pub(crate) price_list: PriceList,
    /// The language, as `en_US`.
    pub(crate) locale: &'a str,
    /// Whether the request names the language.
    language_asked: bool,
    pub(crate) condition: ConditionFilter,
    pub(crate) from_amazon: bool,
    /// The most listings of Offers V1.
    pub(crate) offer_count: usize,
    pub(crate) now: OffsetDateTime,
}

impl<'a> ItemRenderer<'a> {
    /// Reads the fields that operations have in common.
    pub(crate) fn read(
        fields: &Fields<'a>,
        marketplace: Marketplace,
        tag: &'a str,
        resources: &'a Resources<'a>,
        now: OffsetDateTime,
    ) -> Result<Self, Paapi5Error> {
        let languages = fields.texts("LanguagesOfPreference")?;
        if languages.len() > 1 {
            return Err(Paapi5Error::invalid("LanguagesOfPreference", &languages.join(", ")));
        }
        // Amazon silently replaces a language that the marketplace lacks by the marketplace's own.
        let language = languages.first().and_then(|code| marketplace.find_language(code));
        let condition = fields.one_of("Condition", &CONDITIONS.map(|(name, _)| name))?;
        let condition = CONDITIONS.into_iter().find(|(name, _)| Some(*name) == condition);
        let offer_count = fields.number("OfferCount", 1..=100)?.and_then(|count| usize::try_from(count).ok());
        Ok(Self {
            marketplace,
            tag,
            resources,
            price_list: PriceList::preferring(marketplace, fields.text("CurrencyOfPreference")?),
            locale: language.unwrap_or(marketplace.language()).code(),
            language_asked: language.is_some(),
            condition: condition.map_or(ConditionFilter::Any, |(_, wanted)| wanted),
            from_amazon: fields.one_of("Merchant", &["All", "Amazon"])? == Some("Amazon"),
            offer_count: offer_count.unwrap_or(1),
            now,
        })
    }

    /// A product, with a link of this code: `osi`, `ogi` or `ogv`.
    pub(crate) fn item(&self, product: &InventedProduct, link_code: &str) -> JsonObject {
        JsonObject::new()
            .with("ASIN", product.asin.as_str())
            .with("DetailPageURL", self.page(product, link_code))
            .with_asked(self.resources.has("ParentASIN"), "ParentASIN", || {
                product.parent().map(|asin| asin.to_string())
            })
            .with_some("BrowseNodeInfo", browse_nodes::info(product, self.resources))
            .with_some("CustomerReviews", self.reviews(product))
            .with_some("Images", self.images(product))
            .with_some("ItemInfo", info::info(product, self))
            .with_some("Offers", offers::offers(product, self))
            .with_some("OffersV2", offers_v2::offers(product, self))
    }

    /// The items of a scripted page; null for one that cannot be read.
    pub(crate) fn scripted_items(
        &self,
        page: &ListedPage,
        render: impl Fn(&InventedProduct) -> Value,
    ) -> Result<Vec<Value>, Paapi5Error> {
        if let Some(error) = page.error {
            return Err(Paapi5Error::named(error));
        }
        let item = |place: &Option<usize>| {
            place.and_then(|place| Catalogue::get().offered(place)).map_or(Value::Null, &render)
        };
        Ok(page.places.iter().map(item).collect())
    }

    /// A text of one value, with its label and locale.
    pub(crate) fn labelled(&self, label: &str, value: impl Into<Value>) -> Value {
        json!({ "DisplayValue": value.into(), "Label": label, "Locale": self.locale })
    }

    /// A text of several values.
    pub(crate) fn labelled_all(&self, label: &str, values: impl Into<Value>) -> Value {
        json!({ "DisplayValues": values.into(), "Label": label, "Locale": self.locale })
    }

    fn page(&self, product: &InventedProduct, link_code: &str) -> String {
        let language = if self.language_asked { format!("&language={}", self.locale) } else { String::new() };
        let (site, asin, tag) = (self.marketplace.name(), product.asin, self.tag);
        format!("https://{site}/dp/{asin}?tag={tag}&linkCode={link_code}{language}&th=1&psc=1")
    }

    fn reviews(&self, product: &InventedProduct) -> Option<Value> {
        let rating = product.rating?;
        let stars = f64::from(rating.tenths_of_stars) / 10.0;
        JsonObject::new()
            .with_asked(self.resources.has("CustomerReviews.Count"), "Count", || Some(rating.reviews))
            .with_asked(self.resources.has("CustomerReviews.StarRating"), "StarRating", || {
                Some(json!({ "Value": stars }))
            })
            .unless_empty()
    }

    fn images(&self, product: &InventedProduct) -> Option<Value> {
        let image = |group: &str, which: char| {
            let asked = SIZES.into_iter().filter(|(size, ..)| self.resources.has(&format!("Images.{group}.{size}")));
            asked
                .fold(JsonObject::new(), |tree, (_, name, pixels)| tree.with(name, picture(product, which, pixels)))
                .unless_empty()
        };
        let variants: Vec<_> = ['b', 'c'].into_iter().filter_map(|which| image("Variants", which)).collect();
        JsonObject::new()
            .with_some("Primary", image("Primary", 'a'))
            .with_some("Variants", (!variants.is_empty()).then_some(variants))
            .unless_empty()
    }
}

/// The address of a picture that does not exist, at most so many pixels high.
fn picture(product: &InventedProduct, which: char, pixels: u32) -> Value {
    let width = pixels * (70 + product.popularity % 31) / 100;
    let url = format!("https://m.media-amazon.com/images/I/41{}{which}L._SL{pixels}_.jpg", product.asin);
    json!({ "URL": url, "Height": pixels, "Width": width })
}
