//! Invents what is on sale for a product: sellers, conditions, stock, savings and deals.

use fastrand::Rng;

use crate::catalogue::product::{Basis, Deal, Delivery, InventedListing, InventedPrice, OfferCondition, Seller, Stock};

const SELLERS: &[Seller] = &[
    seller("A0SANDBOXMER01", "Quillmere Direct", 4120, 48),
    seller("A0SANDBOXMER02", "Second Pour", 371, 46),
    seller("A0SANDBOXMER03", "Norrbeck Möbel", 18_204, 44),
    seller("A0SANDBOXMER04", "Harbour Street Goods", 96, 49),
    seller("A0SANDBOXMER06", "Lantern & Larch", 1208, 47),
    seller("A0SANDBOXMER07", "Northgate Outlet", 7, 35),
];

const WAREHOUSE: &Seller = &seller("A0SANDBOXMER05", "Twice Loved Warehouse", 52_871, 43);

/// New and in stock, sold by Amazon.
pub(crate) fn plain(price: InventedPrice) -> InventedListing {
    InventedListing {
        seller: None,
        condition: OfferCondition::New,
        note: "",
        price: Some(price),
        stock: Stock::Plenty,
        buy_box: true,
        deal: None,
        violates_map: false,
        delivery: Delivery { amazon_global: true, free_shipping: true, fulfilled_by_amazon: true, prime: true },
    }
}

/// A used one, from the warehouse, outside the buy box.
pub(crate) fn used(us_cents: u64) -> InventedListing {
    InventedListing {
        seller: Some(WAREHOUSE),
        condition: OfferCondition::Used("VeryGood"),
        note: "Box opened, the product itself unused.",
        stock: Stock::Scarce(1),
        buy_box: false,
        ..plain(InventedPrice { us_cents, basis: None })
    }
}

/// A deal that runs from yesterday until the end of tomorrow.
pub(crate) const LIMITED_TIME_DEAL: Deal = Deal {
    badge: "Limited time deal",
    access: "ALL",
    began_days_ago: 1,
    ends_in_days: Some(2),
    percent_claimed: None,
    lightning: false,
};

/// The listings of one product that is worth `us_cents`: of a hundred, three have none, three are out of stock, two not out yet.
pub(crate) fn invent(rng: &mut Rng, us_cents: u64) -> Vec<InventedListing> {
    let main = main_listing(rng, us_cents);
    match rng.u8(0..100) {
        0..3 => return Vec::new(),
        3..6 => return vec![InventedListing { stock: Stock::Gone, price: None, deal: None, ..main }],
        6 => return vec![InventedListing { stock: Stock::PreOrder, deal: None, ..main }],
        7 => return vec![InventedListing { stock: Stock::PreOrder, price: None, deal: None, ..main }],
        8..10 => return vec![InventedListing { violates_map: true, deal: None, ..main }],
        _ => {}
    }
    let mut listings = vec![main];
    let paid = listings.first().and_then(|listing| listing.price).map_or(us_cents, |price| price.us_cents);
    if paid > 1000 && rng.u8(0..100) < 15 {
        // A cheaper new listing that did not win the buy box; half of the time it is listed first.
        let price = InventedPrice { us_cents: ending(paid * rng.u64(88..99) / 100), basis: None };
        let delivery = Delivery { free_shipping: rng.bool(), ..Delivery::default() };
        let rival = InventedListing { seller: Some(any_seller(rng)), buy_box: false, delivery, ..plain(price) };
        listings.insert(rng.usize(0..=1), rival);
    }
    if paid > 1000 && rng.u8(0..100) < 25 {
        let condition = match rng.u8(0..5) {
            0 => OfferCondition::Used("LikeNew"),
            1 => OfferCondition::Used("VeryGood"),
            2 => OfferCondition::Used("Good"),
            3 => OfferCondition::Used("Acceptable"),
            _ => OfferCondition::Refurbished,
        };
        listings.push(InventedListing { condition, ..used(ending(paid * rng.u64(50..85) / 100)) });
    }
    listings
}

/// Pulls a price to an ending that shops use: 33.99, 7.49, 349.00.
pub(crate) fn ending(us_cents: u64) -> u64 {
    match us_cents {
        0..50 => us_cents,
        50..1000 => us_cents / 50 * 50 + 49,
        1000..20_000 => us_cents / 100 * 100 + 99,
        _ => us_cents / 500 * 500 + 499,
    }
}

fn main_listing(rng: &mut Rng, us_cents: u64) -> InventedListing {
    let seller = (rng.u8(0..100) < 40).then(|| any_seller(rng));
    let by_amazon = seller.is_none() || rng.u8(0..100) < 60;
    let delivery = Delivery {
        amazon_global: by_amazon && rng.bool(),
        free_shipping: by_amazon || rng.bool(),
        fulfilled_by_amazon: by_amazon,
        prime: by_amazon,
    };
    let stock = if rng.u8(0..100) < 8 { Stock::Scarce(rng.u32(1..=9)) } else { Stock::Plenty };
    let listing = InventedListing { seller, stock, delivery, ..plain(InventedPrice { us_cents, basis: None }) };
    if us_cents == 0 || rng.u8(0..100) >= 35 {
        return listing;
    }
    let off = if rng.bool() { rng.u64(5..=20) } else { rng.u64(15..=60) };
    let basis = if rng.u8(0..4) == 0 { Basis::WasPrice } else { Basis::ListPrice };
    let price = InventedPrice { us_cents: ending(us_cents * (100 - off) / 100), basis: Some((us_cents, basis)) };
    let deal = rng.bool().then(|| any_deal(rng));
    InventedListing { price: Some(price), deal, ..listing }
}

fn any_deal(rng: &mut Rng) -> Deal {
    let until = Some(rng.u8(1..=9));
    match rng.u8(0..10) {
        0..5 => Deal { ends_in_days: until, began_days_ago: rng.u8(1..=6), ..LIMITED_TIME_DEAL },
        5..7 => Deal { badge: "With Prime", access: "PRIME_EXCLUSIVE", ends_in_days: until, ..LIMITED_TIME_DEAL },
        7 => Deal { badge: "Ends soon", access: "PRIME_EARLY_ACCESS", ..LIMITED_TIME_DEAL },
        8 => Deal { ends_in_days: None, ..LIMITED_TIME_DEAL },
        _ => Deal {
            badge: "Lightning Deal",
            percent_claimed: Some(rng.u8(1..=96)),
            lightning: true,
            ends_in_days: Some(1),
            ..LIMITED_TIME_DEAL
        },
    }
}

fn any_seller(rng: &mut Rng) -> &'static Seller {
    rng.choice(SELLERS).unwrap_or(WAREHOUSE)
}

const fn seller(id: &'static str, name: &'static str, feedback_count: u32, tenths_of_feedback: u8) -> Seller {
    Seller { id, name, feedback_count, tenths_of_feedback }
}
