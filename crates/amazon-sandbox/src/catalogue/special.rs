//! The products that [`examples`] documents, and titles in scripts that the word lists lack.

use crate::{
    catalogue::{
        categories::{Departments, ProductKind},
        dimensions,
        invent::{Inventor, family},
        offers,
        product::{
            Basis, InventedContributor, InventedListing, InventedPrice, InventedProduct, Rating, Stock, VariationValue,
        },
        words,
    },
    examples,
};
use amazon_catalog::Asin;

/// Title, price and list price in cents, tenths of stars, reviews.
const HEADPHONES: [(&str, u64, u64, u8, u32); 6] = [
    (
        "Marlowe Q20 Wireless Over-Ear Headphones with Active Noise Cancelling, 40-Hour Battery, Midnight Blue",
        8999,
        11_999,
        46,
        12_843,
    ),
    ("Audelisk Drift 3 Wireless Over-Ear Headphones with Multipoint Pairing, Graphite", 5999, 0, 44, 8210),
    ("Sonvarre Lull Wireless Over-Ear Headphones with Memory Foam Ear Pads, Ivory", 12_999, 14_999, 48, 3127),
    ("Halvorne H7 Wireless Studio Headphones with Replaceable Cable, Matte Black", 14_499, 0, 47, 1954),
    ("Oakwire Fold 2 Wireless On-Ear Headphones with USB-C Fast Charging, Sage Green", 3949, 4999, 42, 21_406),
    ("Brightmoor Kids' Wireless Headphones with Volume Limit at 85 dB, Dusty Rose", 2499, 0, 43, 640),
];

/// Kind, title and price of products in other scripts.
const TITLES: [(&str, &str, u64); 7] = [
    ("Tea", "京都のお茶 抹茶 Café Ensoleilla 🍵 שלום Édition Spéciale, 100 g", 2499),
    ("Tea", "Café Ensoleilla Thé à la Menthe « Été », Fleur d’Oranger", 1299),
    ("Notebooks & Journals", "ノート A5 ドット方眼 Inkhallow 200ページ", 1899),
    ("Novels", "Der Garten der Brückenwächterin: Erzählungen über Öl, Süßes und Straßen", 1699),
    ("Novels", "حكايات المنارة: رواية", 1499),
    ("Whole Bean Coffee", "Copperbean Café Torréfié ☕ Grains Entiers, Douceur d’Açaí", 1849),
    ("Acoustic Guitars", "Fretwillow «Соловей» Акустическая Гитара, Ель", 24_999),
];

/// All special products.
pub(crate) fn products(inventor: &mut Inventor) -> Vec<InventedProduct> {
    let mut products = headphones(inventor);
    products.extend(oddities(inventor));
    products.extend(other_scripts(inventor));
    products.extend(shirt_family(inventor));
    products
}

fn headphones(inventor: &mut Inventor) -> Vec<InventedProduct> {
    let rows = HEADPHONES.into_iter().zip(examples::HEADPHONES).zip(1..);
    rows.map(|(((title, us_cents, list, tenths_of_stars, reviews), asin), popularity)| {
        let mut product = ordinary(inventor, "Over-Ear Headphones", asin, title, us_cents);
        product.popularity = popularity;
        product.rating = Some(Rating { tenths_of_stars, reviews });
        if let Some(price) = product.listings.iter_mut().find_map(|listing| listing.price.as_mut()) {
            price.basis = (list > 0).then_some((list, Basis::ListPrice));
        }
        product
    })
    .collect()
}

fn oddities(inventor: &mut Inventor) -> Vec<InventedProduct> {
    let mut make = |kind, asin, title, us_cents| ordinary(inventor, kind, asin, title, us_cents);
    let offer = |us_cents| offers::plain(InventedPrice { us_cents, basis: None });

    let mut hidden = make("Desk Lamps", examples::NOT_ACCESSIBLE, "Quillmere Prototype Lamp, Not for Sale", 4999);
    hidden.accessible = false;
    let mut restricted =
        make("Digital Pianos", examples::MAP_RESTRICTED, "Keysmoor K88 Digital Piano with Weighted Keys", 79_999);
    restricted.listings = vec![InventedListing { violates_map: true, ..offer(79_999) }];
    let free = make("Mobile Apps", examples::FREE, "Small Weather: A Forecast in One Line, Ad Free", 0);
    let mut no_price =
        make("Collectible Figures", examples::NO_PRICE, "Figmentarium Retired Lighthouse Keeper Figure", 0);
    no_price.listings.clear();
    let mut unrated = make("Multimeters", examples::UNRATED, "Ohmsford M12 Digital Multimeter, True RMS", 5999);
    unrated.rating = None;
    let mut out_of_stock =
        make("Electric Kettles", examples::OUT_OF_STOCK, "Brindlefold Gooseneck Kettle, 0.8 L, Matte White", 4800);
    out_of_stock.listings = vec![InventedListing { stock: Stock::Gone, price: None, ..offer(0) }];
    let mut used =
        make("Espresso Machines", examples::USED_CHEAPER, "Ostrelle E50 Espresso Machine with Milk Frother", 29_999);
    used.listings = vec![offers::used(20_499), offer(29_999)];
    let mut book = make("Novels", examples::BOOK, "The Salt Clock: A Shoreline Almanac", 1240);
    book.released = "1997T".to_owned();
    book.contributors = vec![
        InventedContributor { name: "Ilse Ferro".to_owned(), role: "Author" },
        InventedContributor { name: "Tam Okoye".to_owned(), role: "Illustrator" },
    ];
    let mut thorough = make("Tool Sets", examples::MANY_FEATURES, "Hexley Forge 148-Piece Tool Set, Carry Case", 8999);
    thorough.features =
        (1..=40).map(|n| format!("Piece {n} of the set has its own place in the case, cut to fit.")).collect();
    let mut deal = make("Air Fryers", examples::DEAL, "Emberlund A6 Air Fryer with Viewing Window, 6 Quart", 5999);
    let price = InventedPrice { us_cents: 5999, basis: Some((9999, Basis::ListPrice)) };
    deal.listings = vec![InventedListing { deal: Some(offers::LIMITED_TIME_DEAL), ..offers::plain(price) }];

    vec![hidden, restricted, free, no_price, unrated, out_of_stock, used, book, thorough, deal]
}

fn other_scripts(inventor: &mut Inventor) -> Vec<InventedProduct> {
    let rows = TITLES.into_iter().enumerate();
    rows.map(|(index, (kind, title, us_cents))| {
        let asin = if index == 0 { examples::UNICODE.to_owned() } else { format!("B0SBUNIC{index:02}") };
        ordinary(inventor, kind, &asin, title, us_cents)
    })
    .collect()
}

fn shirt_family(inventor: &mut Inventor) -> Vec<InventedProduct> {
    let title = "Tarnholm Merino T-Shirt, Regular Fit";
    let model = ordinary(inventor, "Men's T-Shirts", examples::VARIATION_PARENT, title, 2999);
    let values = [("color", 5), ("apparel", 3)].map(|(key, count)| {
        let dimension = dimensions::find(key).expect("both are in the table, as a test of it proves");
        dimension.values.iter().take(count).map(|value| VariationValue { dimension, value }).collect::<Vec<_>>()
    });
    let children = (1..).map(|number| asin(&format!("B0SBCHLD{number:02}")));
    let parent = model.asin;
    let mut products = family(model, parent, children, &values);
    for (product, dearer) in products.iter_mut().skip(1).zip(0..) {
        // So that the family has a lowest and a highest price: 29.99 and 43.99.
        for price in product.listings.iter_mut().filter_map(|listing| listing.price.as_mut()) {
            price.us_cents += dearer * 100;
        }
    }
    products
}

/// A rated product, new and in stock from Amazon.
fn ordinary(inventor: &mut Inventor, kind: &str, id: &str, title: &str, us_cents: u64) -> InventedProduct {
    let mut product = inventor.product(kind_named(kind), Vec::new());
    product.asin = asin(id);
    product.title = title.to_owned();
    product.brand = words::brand_of(title, product.kind.names[0]).unwrap_or(product.brand);
    product.rating = product.rating.or(Some(Rating { tenths_of_stars: 43, reviews: 210 }));
    product.listings = vec![offers::plain(InventedPrice { us_cents, basis: None })];
    product
}

fn kind_named(leaf: &str) -> &'static ProductKind {
    let mut kinds = Departments::get().kinds().iter();
    kinds.find(|kind| kind.names[2] == leaf).expect("every leaf named here is in kinds.txt, as the tests prove")
}

fn asin(text: &str) -> Asin {
    Asin::parse(text).expect("every id written here is ten letters and digits, as the tests prove")
}
