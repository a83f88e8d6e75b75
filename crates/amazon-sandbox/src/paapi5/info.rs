//! `ItemInfo`: what a product is.

use serde_json::{Value, json};

use crate::{
    catalogue::{
        categories::Style,
        product::{Book, Physique, Product},
    },
    paapi5::{item::Showing, tree::Tree},
};

/// The parts that were asked for; `None` where there are none.
pub(crate) fn info(product: &Product, showing: &Showing<'_>) -> Option<Value> {
    let asked = |name: &str| showing.resources.has(&format!("ItemInfo.{name}"));
    let text = |label: &str, value: &str| showing.labelled(label, value);
    let book = product.book.as_ref();
    Tree::new()
        .with_asked(asked("Title"), "Title", || Some(text("Title", &product.title)))
        .with_asked(asked("ByLineInfo"), "ByLineInfo", || Some(by_line(product, showing)))
        .with_asked(asked("Classifications"), "Classifications", || {
            let binding = book.map_or(product.kind.names[1], |book| book.binding);
            let group = product.kind.names[0];
            Some(
                Tree::new().with("Binding", text("Binding", binding)).with("ProductGroup", text("ProductGroup", group)),
            )
        })
        .with_asked(asked("ContentInfo"), "ContentInfo", || Some(content(product, book?, showing)))
        .with_asked(asked("ContentRating"), "ContentRating", || {
            Some(json!({ "AudienceRating": text("AudienceRating", audience(product)?) }))
        })
        .with_asked(asked("ExternalIds"), "ExternalIds", || Some(external_ids(product, showing)))
        .with_asked(asked("Features"), "Features", || {
            (!product.features.is_empty()).then(|| showing.labelled_all("Features", product.features.clone()))
        })
        .with_asked(asked("ManufactureInfo"), "ManufactureInfo", || {
            let model = product.model.as_deref()?;
            let part = format!("{}-{}", product.asin.as_str().get(4..).unwrap_or_default(), model.replace(' ', ""));
            let tree =
                Tree::new().with("ItemPartNumber", text("PartNumber", &part)).with("Model", text("Model", model));
            Some(tree.with("Warranty", text("Warranty", "2 years")))
        })
        .with_asked(asked("ProductInfo"), "ProductInfo", || Some(product_info(product, showing)))
        .with_asked(asked("TechnicalInfo"), "TechnicalInfo", || {
            let class = product.energy_class.map(|class| text("EnergyEfficiencyClass", class));
            let formats = format_of(product).map(|format| showing.labelled_all("Format", vec![format]));
            Tree::new().with_some("EnergyEfficiencyClass", class).with_some("Formats", formats).unless_empty()
        })
        .with_asked(asked("TradeInInfo"), "TradeInInfo", || {
            let price = product.buy_box()?.price.filter(|_| product.kind.style == Style::Device)?;
            Some(
                json!({ "IsEligibleForTradeIn": true, "Price": showing.money(showing.till.price(price.us_cents / 5)) }),
            )
        })
        .unless_empty()
}

fn by_line(product: &Product, showing: &Showing<'_>) -> Value {
    // Makers of books are publishers and no brands.
    let brand = product.book.is_none().then(|| showing.labelled("Brand", product.brand));
    let people: Vec<_> = (product.contributors.iter())
        .map(|person| {
            let (first, last) = person.name.split_once(' ').unwrap_or(("", &person.name));
            let name = if product.book.is_some() { format!("{last}, {first}") } else { person.name.clone() };
            let kind = person.role.to_lowercase();
            json!({ "Locale": showing.locale, "Name": name, "Role": person.role, "RoleType": kind })
        })
        .collect();
    Tree::new()
        .with_some("Brand", brand)
        .with("Manufacturer", showing.labelled("Manufacturer", product.brand))
        .with_some("Contributors", (!people.is_empty()).then_some(people))
        .into()
}

fn content(product: &Product, book: &Book, showing: &Showing<'_>) -> Value {
    let spoken = ["Published", "Original Language"].map(|kind| json!({ "DisplayValue": "English", "Type": kind }));
    Tree::new()
        .with_some("Edition", book.edition.map(|edition| showing.labelled("Edition", edition)))
        .with("Languages", showing.labelled_all("Language", spoken.to_vec()))
        .with("PagesCount", showing.labelled("NumberOfPages", book.pages))
        .with("PublicationDate", showing.labelled("PublicationDate", product.released.as_str()))
        .into()
}

fn audience(product: &Product) -> Option<&'static str> {
    match product.kind.style {
        Style::Movie => Some("PG-13"),
        Style::Book | Style::Ebook | Style::Device | Style::Plain | Style::Title | Style::Music => {
            product.book.as_ref().and_then(|book| book.audience)
        }
    }
}

fn external_ids(product: &Product, showing: &Showing<'_>) -> Value {
    // Prefix 2 is set aside for shops' own numbers (GS1), so no product in the world has these.
    let number = format!("2{:011}", product.popularity);
    let ids = Tree::new().with("EANs", showing.labelled_all("EAN", vec![with_check_digit(&number)]));
    match product.kind.style {
        Style::Book => ids.with("ISBNs", showing.labelled_all("ISBN", vec![product.asin.to_string()])).into(),
        Style::Device | Style::Plain | Style::Title | Style::Ebook | Style::Movie | Style::Music => {
            let upc = with_check_digit(number.get(1..).unwrap_or_default());
            ids.with("UPCs", showing.labelled_all("UPC", vec![upc])).into()
        }
    }
}

/// Digits with the check digit of GS1's numbers, which weighs from the right: 3, 1, 3 …
fn with_check_digit(digits: &str) -> String {
    let weights = [3, 1].into_iter().cycle();
    let sum: u32 = digits.bytes().rev().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

fn product_info(product: &Product, showing: &Showing<'_>) -> Value {
    let value_of = |wanted: &str| {
        let named = |name: &str| if wanted == "Color" { name == "color_name" } else { name == "size_name" };
        let attribute = product.attributes.iter().find(|attribute| named(attribute.dimension.name))?;
        Some(showing.labelled(wanted, attribute.value))
    };
    let released = product.book.is_none().then(|| showing.labelled("ReleaseDate", product.released.as_str()));
    Tree::new()
        .with_some("Color", value_of("Color"))
        .with("IsAdultProduct", showing.labelled("IsAdultProduct", false))
        .with_some("ItemDimensions", product.physique.map(|physique| dimensions(physique, showing)))
        .with_some("ReleaseDate", released)
        .with_some("Size", value_of("Size"))
        .with("UnitCount", showing.labelled("NumberOfItems", product.unit_count))
        .into()
}

fn dimensions(physique: Physique, showing: &Showing<'_>) -> Value {
    let measure = |label: &str, tenths: u16, unit: &str| {
        let value = f64::from(tenths) / 10.0;
        json!({ "DisplayValue": value, "Label": label, "Locale": showing.locale, "Unit": unit })
    };
    let [height, length, width] = physique.tenths_of_inches;
    json!({
        "Height": measure("Height", height, "Inches"),
        "Length": measure("Length", length, "Inches"),
        "Weight": measure("Weight", physique.tenths_of_pounds, "Pounds"),
        "Width": measure("Width", width, "Inches"),
    })
}

fn format_of(product: &Product) -> Option<&str> {
    match product.kind.style {
        Style::Movie | Style::Music => product.title.rsplit_once('[').map(|(_, format)| format.trim_end_matches(']')),
        Style::Ebook => Some("Kindle Edition"),
        Style::Device | Style::Plain | Style::Title | Style::Book => None,
    }
}
