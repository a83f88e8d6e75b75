//! `GetItems`: products by their ids.

use serde_json::{Value, json};

use crate::{
    catalogue::Catalogue,
    paapi5::{
        errors::{Paapi5Error, not_accessible, unknown_id},
        fields::Fields,
        item::ItemRenderer,
        json_object::JsonObject,
    },
};
use amazon_catalog::Asin;

/// One to ten ids, not all of them well formed.
#[derive(Debug)]
pub(crate) struct GetItemsInput<'a> {
    ids: Vec<&'a str>,
}

impl<'a> GetItemsInput<'a> {
    pub(crate) fn read(fields: &Fields<'a>) -> Result<Self, Paapi5Error> {
        fields.one_of("ItemIdType", &["ASIN"])?;
        Ok(Self { ids: fields.ids("ItemIds")? })
    }

    /// The products with these ids, and an error for each unknown id. The items are in the reverse order of the ids, because Amazon
    /// guarantees no order and clients must not rely on one.
    pub(crate) fn answer(&self, renderer: &ItemRenderer<'_>, hide_first: bool) -> Value {
        let (mut items, mut errors) = (Vec::new(), Vec::new());
        for (place, id) in self.ids.iter().enumerate() {
            match Asin::parse(id).ok().filter(|asin| asin.as_str() == *id).and_then(|asin| Catalogue::get().find(asin))
            {
                Some(product) if !product.accessible || hide_first && place == 0 => errors.push(not_accessible(id)),
                Some(product) => items.push(Value::from(renderer.item(product, "ogi"))),
                None => errors.push(unknown_id("ItemId", id)),
            }
        }
        items.reverse();
        JsonObject::new()
            .with_some("Errors", (!errors.is_empty()).then_some(errors))
            .with_some("ItemsResult", (!items.is_empty()).then(|| json!({ "Items": items })))
            .into()
    }
}
