//! `ItemInfo`: title, people, features, sizes and identifiers of a product.

use serde_json::{Value, json};

use crate::{
    catalogue::{
        categories::NamingStyle,
        product::{Book, InventedProduct, Physique},
    },
    paapi5::{item::ItemRenderer, json_object::JsonObject},
};

/// The requested parts; `None` where the product has none of them.
pub(crate) fn info(product: &InventedProduct, renderer: &ItemRenderer<'_>) -> Option<Value> {
    let asked = |name: &str| renderer.resources.has(&format!("ItemInfo.{name}"));
    let text = |label: &str, value: &str| renderer.labelled(label, value);
    let book = product.book.as_ref();
    JsonObject::new()
        .with_asked(asked("Title"), "Title", || Some(text("Title", &product.title)))
        .with_asked(asked("ByLineInfo"), "ByLineInfo", || Some(by_line(product, renderer)))
        .with_asked(asked("Classifications"), "Classifications", || {
            let binding = book.map_or(product.kind.names[1], |book| book.binding);
            let group = product.kind.names[0];
            Some(
                JsonObject::new().with("Binding", text("Binding", binding)).with("ProductGroup", text("ProductGroup", group)),
            )
        })
        .with_asked(asked("ContentInfo"), "ContentInfo", || Some(content(product, book?, renderer)))
        .with_asked(asked("ContentRating"), "ContentRating", || {
            Some(json!({ "AudienceRating": text("AudienceRating", audience(product)?) }))
        })
        .with_asked(asked("ExternalIds"), "ExternalIds", || Some(external_ids(product, renderer)))
        .with_asked(asked("Features"), "Features", || {
            (!product.features.is_empty()).then(|| renderer.labelled_all("Features", product.features.clone()))
        })
        .with_asked(asked("ManufactureInfo"), "ManufactureInfo", || {
            let model = product.model.as_deref()?;
            let part = format!("{}-{}", product.asin.as_str().get(4..).unwrap_or_default(), model.replace(' ', ""));
            let tree =
                JsonObject::new().with("ItemPartNumber", text("PartNumber", &part)).with("Model", text("Model", model));
            Some(tree.with("Warranty", text("Warranty", "2 years")))
        })
        .with_asked(asked("ProductInfo"), "ProductInfo", || Some(product_info(product, renderer)))
        .with_asked(asked("TechnicalInfo"), "TechnicalInfo", || {
            let class = product.energy_class.map(|class| text("EnergyEfficiencyClass", class));
            let formats = format_of(product).map(|format| renderer.labelled_all("Format", vec![format]));
            JsonObject::new().with_some("EnergyEfficiencyClass", class).with_some("Formats", formats).unless_empty()
        })
        .with_asked(asked("TradeInInfo"), "TradeInInfo", || {
            let price = product.buy_box()?.price.filter(|_| product.kind.style == NamingStyle::Device)?;
            Some(
                json!({ "IsEligibleForTradeIn": true, "Price": renderer.money(renderer.price_list.price(price.us_cents / 5)) }),
            )
        })
        .unless_empty()
}

fn by_line(product: &InventedProduct, renderer: &ItemRenderer<'_>) -> Value {
    // A book has a publisher and no brand.
    let brand = product.book.is_none().then(|| renderer.labelled("Brand", product.brand));
    let people: Vec<_> = (product.contributors.iter())
        .map(|person| {
            let (first, last) = person.name.split_once(' ').unwrap_or(("", &person.name));
            let name = if product.book.is_some() { format!("{last}, {first}") } else { person.name.clone() };
            let kind = person.role.to_lowercase();
            json!({ "Locale": renderer.locale, "Name": name, "Role": person.role, "RoleType": kind })
        })
        .collect();
    JsonObject::new()
        .with_some("Brand", brand)
        .with("Manufacturer", renderer.labelled("Manufacturer", product.brand))
        .with_some("Contributors", (!people.is_empty()).then_some(people))
        .into()
}

fn content(product: &InventedProduct, book: &Book, renderer: &ItemRenderer<'_>) -> Value {
    let spoken = ["Published", "Original Language"].map(|kind| json!({ "DisplayValue": "English", "Type": kind }));
    JsonObject::new()
        .with_some("Edition", book.edition.map(|edition| renderer.labelled("Edition", edition)))
        .with("Languages", renderer.labelled_all("Language", spoken.to_vec()))
        .with("PagesCount", renderer.labelled("NumberOfPages", book.pages))
        .with("PublicationDate", renderer.labelled("PublicationDate", product.released.as_str()))
        .into()
}

fn audience(product: &InventedProduct) -> Option<&'static str> {
    match product.kind.style {
        NamingStyle::Movie => Some("PG-13"),
        NamingStyle::Book
        | NamingStyle::Ebook
        | NamingStyle::Device
        | NamingStyle::Plain
        | NamingStyle::Title
        | NamingStyle::Music => product.book.as_ref().and_then(|book| book.audience),
    }
}

fn external_ids(product: &InventedProduct, renderer: &ItemRenderer<'_>) -> Value {
    // GS1 reserves prefix 2 for numbers inside a shop, so no real product has these.
    let number = format!("2{:011}", product.popularity);
    let ids = JsonObject::new().with("EANs", renderer.labelled_all("EAN", vec![with_check_digit(&number)]));
    match product.kind.style {
        NamingStyle::Book => ids.with("ISBNs", renderer.labelled_all("ISBN", vec![product.asin.to_string()])).into(),
        NamingStyle::Device
        | NamingStyle::Plain
        | NamingStyle::Title
        | NamingStyle::Ebook
        | NamingStyle::Movie
        | NamingStyle::Music => {
            let upc = with_check_digit(number.get(1..).unwrap_or_default());
            ids.with("UPCs", renderer.labelled_all("UPC", vec![upc])).into()
        }
    }
}

/// Appends GS1's check digit. The weights from the right are 3, 1, 3 …
fn with_check_digit(digits: &str) -> String {
    let weights = [3, 1].into_iter().cycle();
    let sum: u32 = digits.bytes().rev().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

fn product_info(product: &InventedProduct, renderer: &ItemRenderer<'_>) -> Value {
    let value_of = |wanted: &str| {
        let named = |name: &str| if wanted == "Color" { name == "color_name" } else { name == "size_name" };
        let attribute = product.attributes.iter().find(|attribute| named(attribute.dimension.name))?;
        Some(renderer.labelled(wanted, attribute.value))
    };
    let released = product.book.is_none().then(|| renderer.labelled("ReleaseDate", product.released.as_str()));
    JsonObject::new()
        .with_some("Color", value_of("Color"))
        .with("IsAdultProduct", renderer.labelled("IsAdultProduct", false))
        .with_some("ItemDimensions", product.physique.map(|physique| dimensions(physique, renderer)))
        .with_some("ReleaseDate", released)
        .with_some("Size", value_of("Size"))
        .with("UnitCount", renderer.labelled("NumberOfItems", product.unit_count))
        .into()
}

fn dimensions(physique: Physique, renderer: &ItemRenderer<'_>) -> Value {
    let measure = |label: &str, tenths: u16, unit: &str| {
        let value = f64::from(tenths) / 10.0;
        json!({ "DisplayValue": value, "Label": label, "Locale": renderer.locale, "Unit": unit })
    };
    let [height, length, width] = physique.tenths_of_inches;
    json!({
        "Height": measure("Height", height, "Inches"),
        "Length": measure("Length", length, "Inches"),
        "Weight": measure("Weight", physique.tenths_of_pounds, "Pounds"),
        "Width": measure("Width", width, "Inches"),
    })
}

fn format_of(product: &InventedProduct) -> Option<&str> {
    match product.kind.style {
        NamingStyle::Movie | NamingStyle::Music => {
            product.title.rsplit_once('[').map(|(_, format)| format.trim_end_matches(']'))
        }
        NamingStyle::Ebook => Some("Kindle Edition"),
        NamingStyle::Device | NamingStyle::Plain | NamingStyle::Title | NamingStyle::Book => None,
    }
}
