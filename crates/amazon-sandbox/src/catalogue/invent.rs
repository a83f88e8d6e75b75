//! Invents the products of a kind, alone or as families.

use std::iter;

use fastrand::Rng;

use crate::catalogue::{
    categories::{Largest, NamingStyle, ProductKind},
    dimensions, offers,
    product::{Book, Dimension, InventedContributor, InventedProduct, Physique, Rating, Role, VariationValue},
    words,
};
use amazon_catalog::Asin;

/// Where ASINs and random numbers come from.
#[derive(Debug)]
pub(crate) struct Inventor {
    pub(crate) rng: Rng,
    asins: u64,
}

impl Inventor {
    /// Creates an inventor with a fixed seed: every process gets the same products.
    pub(crate) fn new() -> Self {
        Self { rng: Rng::with_seed(0x5_70C4_2004), asins: 0 }
    }

    /// A product by itself, or a parent with its children.
    pub(crate) fn product_or_family(&mut self, kind: &'static ProductKind) -> Vec<InventedProduct> {
        let dimensions: Vec<_> = kind.dimensions.iter().filter_map(|key| dimensions::find(key)).collect();
        if dimensions.is_empty() || self.rng.u8(0..100) >= 18 {
            let attributes = dimensions.into_iter().map(|dimension| self.attribute(dimension)).collect();
            return vec![self.product(kind, attributes)];
        }
        let values: Vec<Vec<VariationValue>> =
            dimensions.into_iter().map(|dimension| self.some_values(dimension)).collect();
        let asin = self.next_asin(kind.style);
        let model = self.product(kind, Vec::new());
        family(model, asin, iter::repeat_with(|| self.next_asin(kind.style)), &values)
    }

    /// A product by itself.
    pub(crate) fn product(&mut self, kind: &'static ProductKind, attributes: Vec<VariationValue>) -> InventedProduct {
        let asin = self.next_asin(kind.style);
        let rng = &mut self.rng;
        let brand = words::brand(rng, kind.names[0]);
        let model = (kind.style == NamingStyle::Device).then(|| model(rng));
        let (title, contributors) = title(rng, kind, brand, model.as_deref());
        let mut features: Vec<String> =
            words::pick_some(rng, &kind.features, 4).into_iter().map(str::to_owned).collect();
        features.extend(words::pick_some(rng, &kind.extras, 2).into_iter().map(str::to_owned));
        let popularity = rng.u32(1000..);
        let mut product = InventedProduct {
            asin,
            kind,
            role: Role::Alone,
            accessible: true,
            title,
            brand,
            contributors,
            features,
            attributes: Vec::new(),
            rating: rating(rng, popularity),
            popularity,
            ranks: (0, 0),
            released: released(rng, kind.style),
            model,
            physique: kind.largest.map(|largest| physique(rng, largest)),
            energy_class: has_energy_class(kind).then(|| words::pick(rng, &["A", "B", "C", "D", "E", "F"])),
            book: book(rng, kind),
            unit_count: 1,
            listings: Vec::new(),
        };
        let worth = worth(rng, kind);
        product.listings = offers::invent(rng, worth);
        dress(&mut product, attributes);
        product
    }

    fn attribute(&mut self, dimension: &'static Dimension) -> VariationValue {
        VariationValue { dimension, value: words::pick(&mut self.rng, dimension.values) }
    }

    fn some_values(&mut self, dimension: &'static Dimension) -> Vec<VariationValue> {
        let count = self.rng.usize(2..=4);
        let values = words::pick_some(&mut self.rng, dimension.values, count);
        values.into_iter().map(|value| VariationValue { dimension, value }).collect()
    }

    /// The next ASIN: an ISBN-10 for a book, otherwise `B0C` and seven more. Neither series repeats within the catalogue.
    fn next_asin(&mut self, style: NamingStyle) -> Asin {
        self.asins += 1;
        let text = match style {
            // No publisher has the prefix 000. A factor coprime to the range visits all of the range before it repeats.
            NamingStyle::Book => isbn(10_000 + self.asins * 7919 % 90_000),
            _ => format!("B0C{}", base36(self.asins * 2_654_435_761 % 36_u64.pow(7))),
        };
        Asin::parse(&text).expect("both forms are ten letters and digits")
    }
}

/// A parent and one child for each combination of `values`, all made after `model`.
pub(crate) fn family(
    model: InventedProduct,
    parent: Asin,
    asins: impl Iterator<Item = Asin>,
    values: &[Vec<VariationValue>],
) -> Vec<InventedProduct> {
    let combinations = values.iter().fold(vec![Vec::new()], |all, dimension| {
        let with = |some: &Vec<VariationValue>, value: &VariationValue| {
            [some.as_slice(), std::slice::from_ref(value)].concat()
        };
        all.iter().flat_map(|some| dimension.iter().map(move |value| with(some, value))).collect()
    });
    let children: Vec<_> = (combinations.into_iter().zip(asins).zip(0..))
        .map(|((attributes, asin), index)| {
            let popularity = model.popularity + index;
            let mut child = InventedProduct { asin, role: Role::Child { parent }, popularity, ..model.clone() };
            dress(&mut child, attributes);
            child
        })
        .collect();
    let role = Role::Parent { children: children.iter().map(|child| child.asin).collect() };
    let parent = InventedProduct { asin: parent, role, listings: Vec::new(), ..model };
    iter::once(parent).chain(children).collect()
}

/// Applies the variation values to a product's title, prices and unit count.
fn dress(product: &mut InventedProduct, attributes: Vec<VariationValue>) {
    for attribute in &attributes {
        product.title = format!("{}, {}", product.title, attribute.value);
        let step =
            attribute.dimension.values.iter().position(|value| *value == attribute.value).unwrap_or_default() as u64;
        let dearer = |cents: u64| offers::ending(cents * (100 + attribute.dimension.step_percent * step) / 100);
        if attribute.dimension.step_percent > 0 {
            for price in product.listings.iter_mut().filter_map(|listing| listing.price.as_mut()) {
                price.us_cents = dearer(price.us_cents);
                price.basis = price.basis.map(|(cents, basis)| (dearer(cents), basis));
            }
        }
        if let Some(count) = attribute.value.strip_prefix("Pack of ") {
            product.unit_count = count.parse().unwrap_or(1);
        }
    }
    product.attributes = attributes;
}

fn title(rng: &mut Rng, kind: &ProductKind, brand: &str, model: Option<&str>) -> (String, Vec<InventedContributor>) {
    let noun = words::pick(rng, &kind.nouns);
    let extras = words::pick_some(rng, &kind.extras, 2).join(", ");
    let by = |rng: &mut Rng, role| InventedContributor { name: words::person(rng), role };
    let work = |rng: &mut Rng| {
        let (adjective, thing) = (words::word(rng, "adjectives"), words::word(rng, "things"));
        format!("The {adjective} {thing} {}", words::word(rng, "places"))
    };
    match kind.style {
        NamingStyle::Device => (format!("{brand} {} {noun}, {extras}", model.unwrap_or_default()), Vec::new()),
        NamingStyle::Plain => (format!("{brand} {noun}, {extras}"), Vec::new()),
        NamingStyle::Title => {
            let (adjective, thing) = (words::word(rng, "adjectives"), words::word(rng, "things"));
            (format!("{adjective} {thing}: {noun}, {extras}"), Vec::new())
        }
        NamingStyle::Book => {
            let mut people = vec![by(rng, "Author")];
            people.extend((rng.u8(0..4) == 0).then(|| by(rng, "Illustrator")));
            let kind = match kind.names[1] {
                "Cookbooks" => "Eighty Recipes",
                "Children" => "A Picture Book",
                _ => "A Novel",
            };
            (format!("{}: {kind}", work(rng)), people)
        }
        NamingStyle::Ebook => {
            let number = rng.u8(1..9);
            (format!("{} (Harbour Mysteries Book {number})", work(rng)), vec![by(rng, "Author")])
        }
        NamingStyle::Movie => {
            let people = vec![by(rng, "Director"), by(rng, "Actor"), by(rng, "Actor")];
            (format!("{} [{}]", work(rng), words::pick(rng, &["Blu-ray", "DVD", "4K UHD"])), people)
        }
        NamingStyle::Music => {
            (format!("{} [{}]", work(rng), words::pick(rng, &["Vinyl", "CD"])), vec![by(rng, "Artist")])
        }
    }
}

fn model(rng: &mut Rng) -> String {
    let number = rng.choice([5, 7, 10, 12, 20, 25, 30, 40, 45, 50, 60, 75, 80, 90, 100, 200, 300, 500]).unwrap_or(1);
    let suffix = words::pick(rng, &["", "", "", " Pro", " Lite", " Mk II", "S", "X"]);
    format!("{}{number}{suffix}", rng.uppercase())
}

/// A price within the kind's range, more often near its lower end.
fn worth(rng: &mut Rng, kind: &ProductKind) -> u64 {
    let (low, high) = kind.dollars;
    let (a, b) = (rng.u64(0..=100), rng.u64(0..=100));
    let cents = low * 100 + (high - low) * a * b / 100;
    match low {
        0 if rng.u8(0..3) == 0 => 0,
        _ => offers::ending(cents.max(99)),
    }
}

/// Most are rated near 4.3; one in sixteen has no rating.
fn rating(rng: &mut Rng, popularity: u32) -> Option<Rating> {
    let tenths = [28, 33, 36, 38, 39, 40, 41, 42, 42, 43, 43, 44, 44, 45, 46, 47, 48, 49];
    let tenths_of_stars = rng.choice(tenths)?;
    let most = 40_000_000 / (popularity / 100_000 + 1);
    (rng.u8(0..16) > 0).then(|| Rating { tenths_of_stars, reviews: rng.u32(1..=most.clamp(40, 90_000)) })
}

/// A date, for books in all the forms that Amazon has.
fn released(rng: &mut Rng, style: NamingStyle) -> String {
    let (year, month, day) = (rng.u16(2019..=2026), rng.u8(1..=9), rng.u8(1..=28));
    let full = format!("{year}-{month:02}-{day:02}T00:00:01Z");
    match (style, rng.u8(0..8)) {
        (NamingStyle::Book, 0) => format!("{}T", rng.u16(1979..=2018)),
        (NamingStyle::Book, 1) => format!("{year}-{month:02}T"),
        (NamingStyle::Book, 2) => format!("{year}-{month:02}-{day:02}"),
        _ => full,
    }
}

/// A body near the largest that its kind has: long, less wide, and flat.
fn physique(rng: &mut Rng, largest: Largest) -> Physique {
    let mut between = |least: u16, most: u16| rng.u16(least.max(1)..=most.max(1));
    let Largest { tenths_of_inches: side, tenths_of_pounds: weight } = largest;
    let [height, length, width] =
        [between(side / 8, side / 2), between(side * 4 / 5, side), between(side / 2, side * 3 / 4)];
    Physique { tenths_of_inches: [height, length, width], tenths_of_pounds: between(weight * 3 / 5, weight) }
}

fn has_energy_class(kind: &ProductKind) -> bool {
    kind.names[0] == "Appliances" || ["Televisions", "Computer Monitors", "Desk Lamps"].contains(&kind.names[2])
}

fn book(rng: &mut Rng, kind: &ProductKind) -> Option<Book> {
    let binding = match kind.style {
        NamingStyle::Book => words::pick(rng, &["Paperback", "Hardcover"]),
        NamingStyle::Ebook => "Kindle Edition",
        _ => return None,
    };
    let audience = (kind.names[1] == "Children").then_some("Grades Preschool-3");
    let edition = (rng.u8(0..4) == 0).then(|| words::pick(rng, &["2nd", "3rd", "Illustrated"]));
    Some(Book { pages: rng.u32(32..640), edition, audience, binding })
}

/// Five digits as an ISBN-10 with its check digit (ISO 2108).
fn isbn(number: u64) -> String {
    let body = format!("0000{number:05}");
    let sum: u32 = body.bytes().zip((2..=10).rev()).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    match (11 - sum % 11) % 11 {
        10 => format!("{body}X"),
        check => format!("{body}{check}"),
    }
}

fn base36(mut number: u64) -> String {
    let mut digits = [b'0'; 7];
    for digit in digits.iter_mut().rev() {
        let value = u8::try_from(number % 36).unwrap_or_default();
        *digit = if value < 10 { b'0' + value } else { b'A' + value - 10 };
        number /= 36;
    }
    digits.map(char::from).iter().collect()
}
