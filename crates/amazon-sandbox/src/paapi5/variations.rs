//! `GetVariations`: one page of a family of products.

use serde_json::{Value, json};

use crate::{
    catalogue::{
        Catalogue,
        product::{Dimension, InventedProduct},
    },
    paapi5::{
        AnswerContext,
        errors::{Paapi5Error, no_results, not_accessible, unknown_id},
        fields::Fields,
        item::ItemRenderer,
        json_object::JsonObject,
        offers::plain_price,
    },
};
use amazon_catalog::Asin;

/// The fields of a `GetVariations`.
#[derive(Debug)]
pub(crate) struct GetVariationsInput<'a> {
    id: &'a str,
    count: usize,
    page: usize,
}

impl<'a> GetVariationsInput<'a> {
    pub(crate) fn read(fields: &Fields<'a>) -> Result<Self, Paapi5Error> {
        let whole = |number: Option<u64>| number.and_then(|number| usize::try_from(number).ok());
        Ok(Self {
            id: fields.required_text("ASIN")?,
            count: whole(fields.number("VariationCount", 1..=10)?).unwrap_or(10),
            page: whole(fields.number("VariationPage", 1..=1_000_000)?).unwrap_or(1),
        })
    }

    /// The page with its summary. A product without a family and a page beyond the last are answered with `NoResults`.
    pub(crate) fn answer(&self, renderer: &ItemRenderer<'_>, context: AnswerContext<'_>) -> Result<Value, Paapi5Error> {
        let asin = Asin::parse(self.id).ok().filter(|asin| asin.as_str() == self.id);
        let Some(product) = asin.and_then(|asin| Catalogue::get().find(asin)) else {
            return Ok(json!({ "Errors": [unknown_id("ASIN", self.id)] }));
        };
        if !product.accessible {
            return Ok(json!({ "Errors": [not_accessible(self.id)] }));
        }
        if let Some(page) = context.scripted_page(self.page) {
            let items = renderer.scripted_items(page, |product| variation(product, renderer))?;
            let summary = JsonObject::new()
                .with_some("PageCount", page.page_count)
                .with_some("VariationCount", page.total)
                .unless_empty();
            let result = JsonObject::new().with("Items", items).with_some("VariationSummary", summary);
            return Ok(json!({ "VariationsResult": Value::from(result) }));
        }
        let Some((_, children)) = Catalogue::get().family(product.asin) else { return Ok(no_results()) };
        let page = children.iter().skip(context.window.start(self.page, self.count)).take(self.count);
        let items: Vec<Value> = page.map(|child| variation(child, renderer)).collect();
        if items.is_empty() {
            return Ok(no_results());
        }
        let summary = self.summary(&children, renderer);
        Ok(json!({ "VariationsResult": { "Items": items, "VariationSummary": summary } }))
    }

    fn summary(&self, children: &[&InventedProduct], renderer: &ItemRenderer<'_>) -> Value {
        let asked = |name: &str| renderer.resources.has(&format!("VariationSummary.{name}"));
        let prices = || children.iter().filter_map(|child| child.buy_box()?.price).map(|price| price.us_cents);
        let price = JsonObject::new()
            .with_asked(asked("Price.HighestPrice"), "HighestPrice", || Some(plain_price(prices().max()?, renderer)))
            .with_asked(asked("Price.LowestPrice"), "LowestPrice", || Some(plain_price(prices().min()?, renderer)));
        JsonObject::new()
            .with("PageCount", children.len().div_ceil(self.count))
            .with("VariationCount", children.len())
            .with_some("Price", price.unless_empty())
            // Amazon's resource name is singular, its field name plural.
            .with_asked(asked("VariationDimension"), "VariationDimensions", || Some(dimensions(children, renderer)))
            .into()
    }
}

fn variation(child: &InventedProduct, renderer: &ItemRenderer<'_>) -> Value {
    let attributes = child.attributes.iter();
    let attributes = attributes.map(|attribute| json!({ "Name": attribute.dimension.name, "Value": attribute.value }));
    renderer.item(child, "ogv").with("VariationAttributes", attributes.collect::<Vec<_>>()).into()
}

fn dimensions(children: &[&InventedProduct], renderer: &ItemRenderer<'_>) -> Value {
    let mut known: Vec<(&'static Dimension, Vec<&'static str>)> = Vec::new();
    for attribute in children.iter().flat_map(|child| &child.attributes) {
        match known.iter_mut().find(|(dimension, _)| *dimension == attribute.dimension) {
            Some((_, values)) if values.contains(&attribute.value) => {}
            Some((_, values)) => values.push(attribute.value),
            None => known.push((attribute.dimension, vec![attribute.value])),
        }
    }
    let answer = known.into_iter().map(|(dimension, values)| {
        json!({
            "DisplayName": dimension.display_name,
            "Locale": renderer.locale,
            "Name": dimension.name,
            "Values": values,
        })
    });
    answer.collect()
}
