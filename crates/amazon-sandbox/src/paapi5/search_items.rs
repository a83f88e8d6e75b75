//! `SearchItems`: one page of a search.

use serde_json::{Value, json};

use crate::{
    catalogue::{Catalogue, categories::Departments, product::Delivery},
    paapi5::{
        AnswerContext,
        errors::{Paapi5Error, no_results},
        fields::Fields,
        item::ItemRenderer,
        json_object::JsonObject,
    },
    search::{self, ConditionFilter, Facets, Query, SortOrder},
};
use amazon_catalog::{BrowseNodeId, Marketplace};

const SORTS: [(&str, SortOrder); 6] = [
    ("AvgCustomerReviews", SortOrder::Rating),
    ("Featured", SortOrder::Relevance),
    ("NewestArrivals", SortOrder::Newest),
    ("Price:HighToLow", SortOrder::PriceFalling),
    ("Price:LowToHigh", SortOrder::PriceRising),
    ("Relevance", SortOrder::Relevance),
];

const DELIVERY_FLAGS: [&str; 4] = ["AmazonGlobal", "FreeShipping", "FulfilledByAmazon", "Prime"];

/// The fields of a `SearchItems`.
#[derive(Debug)]
pub(crate) struct SearchItemsInput<'a> {
    query: Query<'a>,
    count: usize,
    page: usize,
}

impl<'a> SearchItemsInput<'a> {
    /// Reads and checks the fields. A search index or a browse node without keywords is accepted; public clients rely on this.
    pub(crate) fn read(fields: &Fields<'a>, marketplace: Marketplace) -> Result<Self, Paapi5Error> {
        let index = fields.text("SearchIndex")?;
        if let Some(unknown) = index.filter(|id| !marketplace.search_indices().iter().any(|known| known.id() == *id)) {
            return Err(Paapi5Error::invalid("SearchIndex", unknown));
        }
        let sort = fields.one_of("SortBy", &SORTS.map(|(name, _)| name))?;
        let availability = fields.one_of("Availability", &["Available", "IncludeOutOfStock"])?;
        let whole = |number: Option<u64>| number.and_then(|number| usize::try_from(number).ok());
        let small = |number: Option<u64>| number.and_then(|number| u8::try_from(number).ok());
        let query = Query {
            marketplace,
            keywords: fields.text("Keywords")?,
            title: fields.text("Title")?,
            author: fields.text("Author")?,
            artist: fields.text("Artist")?,
            actor: fields.text("Actor")?,
            brand: fields.text("Brand")?,
            index: index.filter(|id| *id != "All"),
            node: node(fields)?,
            min_price: fields.number("MinPrice", 1..=u64::MAX)?,
            max_price: fields.number("MaxPrice", 1..=u64::MAX)?,
            min_rating: small(fields.number("MinReviewsRating", 1..=4)?),
            min_saving: small(fields.number("MinSavingPercent", 1..=99)?),
            delivery: delivery(fields)?,
            // `ItemRenderer` reads both, because all operations share them.
            condition: ConditionFilter::Any,
            from_amazon: false,
            include_out_of_stock: availability == Some("IncludeOutOfStock"),
            sort: SORTS.into_iter().find(|(name, _)| Some(*name) == sort).map(|(_, sort)| sort).unwrap_or_default(),
        };
        let words = [query.keywords, query.title, query.author, query.artist, query.actor, query.brand];
        if words.iter().all(Option::is_none) && index.is_none() && query.node.is_none() {
            return Err(Paapi5Error::missing("Keywords"));
        }
        Ok(Self {
            query,
            count: whole(fields.number("ItemCount", 1..=10)?).unwrap_or(10),
            page: whole(fields.number("ItemPage", 1..=10)?).unwrap_or(1),
        })
    }

    /// The page, with the count of all matches. No match and a page beyond the last are answered with `NoResults`.
    pub(crate) fn answer(self, renderer: &ItemRenderer<'_>, context: AnswerContext<'_>) -> Result<Value, Paapi5Error> {
        let query = Query { condition: renderer.condition, from_amazon: renderer.from_amazon, ..self.query };
        if let Some(page) = context.scripted_page(self.page) {
            let items = renderer.scripted_items(page, |product| renderer.item(product, "osi").into())?;
            let result = JsonObject::new().with("Items", items).with_some("TotalResultCount", page.total);
            return Ok(json!({ "SearchResult": Value::from(result) }));
        }
        let found = search::search(Catalogue::get(), &query);
        let page = found.iter().skip(context.window.start(self.page, self.count)).take(self.count);
        let items: Vec<Value> = page.map(|hit| renderer.item(hit.product, "osi").into()).collect();
        if items.is_empty() {
            return Ok(no_results());
        }
        let asked = renderer.resources.has("SearchRefinements");
        let refinements = || Some(refinements(query.marketplace, &search::facets(query.marketplace, &found)));
        let result = JsonObject::new()
            .with("Items", items)
            .with_asked(asked, "SearchRefinements", refinements)
            .with("SearchURL", search_url(&query, renderer.tag))
            .with("TotalResultCount", found.len());
        Ok(json!({ "SearchResult": Value::from(result) }))
    }
}

fn node(fields: &Fields<'_>) -> Result<Option<u64>, Paapi5Error> {
    let Some(text) = fields.text("BrowseNodeId")? else { return Ok(None) };
    let id = BrowseNodeId::parse(text).map_err(|_| Paapi5Error::invalid("BrowseNodeId", text))?;
    Ok(id.to_string().parse().ok())
}

fn delivery(fields: &Fields<'_>) -> Result<Delivery, Paapi5Error> {
    let flags = fields.texts("DeliveryFlags")?;
    if let Some(unknown) = flags.iter().find(|flag| !DELIVERY_FLAGS.contains(flag)) {
        return Err(Paapi5Error::invalid("DeliveryFlags", unknown));
    }
    let has = |flag| flags.contains(&flag);
    Ok(Delivery {
        amazon_global: has("AmazonGlobal"),
        free_shipping: has("FreeShipping"),
        fulfilled_by_amazon: has("FulfilledByAmazon"),
        prime: has("Prime"),
    })
}

fn search_url(query: &Query<'_>, tag: &str) -> String {
    let words = [query.keywords, query.title, query.author, query.artist, query.actor, query.brand];
    let words = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let alias = query.index.map_or_else(|| "aps".to_owned(), str::to_lowercase);
    let site = query.marketplace.name();
    format!("https://{site}/s/?field-keywords={}&search-alias={alias}&tag={tag}&linkCode=osi", url_encoded(&words))
}

/// Form encoding: a space becomes a plus sign.
fn url_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

fn refinements(marketplace: Marketplace, facets: &Facets) -> Value {
    let bin = |id: &str, name: &str| json!({ "DisplayName": name, "Id": id });
    let group = |id: &str, name: &str, bins: Vec<Value>| json!({ "Bins": bins, "DisplayName": name, "Id": id });
    let indices = facets.indices.iter().filter_map(|id| marketplace.search_index(id));
    let nodes = facets.nodes.iter().filter_map(|id| Departments::get().node(*id));
    let brands: Vec<_> = facets.brands.iter().map(|brand| bin(brand, brand)).collect();
    json!({
        "BrowseNode": group("BrowseNodeId", "Category", nodes.map(|node| bin(&node.id.to_string(), node.name)).collect()),
        "OtherRefinements": [group("Brand", "Brand", brands)],
        "SearchIndex": group(
            "SearchIndex", "Department", indices.map(|index| bin(index.id(), index.display_name())).collect(),
        ),
    })
}
