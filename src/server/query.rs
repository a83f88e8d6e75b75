//! A search as a caller writes it becomes a plan that Amazon can be asked: parsed once, every fault named.

use super::{
    limits::{MAX_QUERY_CHARACTERS, MAX_SAVING_PERCENT, MAX_STARS, MIN_SAVING_PERCENT, MIN_STARS},
    violations::Violations,
};
use crate::{
    catalog::{SearchPlan, category},
    format,
};
use amazon_catalog::{BrowseNodeId, Locale, SearchItems, Unsupported, money};
use stockroom_proto::pb;

/// The finest rating that Amazon can filter by.
const MAX_STARS_AT_AMAZON: f64 = 4.0;

/// A plan and what it understood. With faults the result is of no use, and the request is refused.
pub(crate) fn parse(
    query: Option<pb::SearchQuery>,
    locale: Locale,
    unsupported: impl FnOnce(&SearchItems) -> Option<Unsupported>,
    violations: &mut Violations,
) -> (SearchPlan, pb::UnderstoodQuery) {
    let query = query.unwrap_or_default();
    let earlier_violations = violations.len();
    let mut filters = Vec::new();
    let mut words = |field: &str, value: &str| text(&format!("query.{field}"), value, violations);
    let [mut keywords, title, author, brand, actor, artist] = [
        words("keywords", &query.keywords),
        words("title", &query.title),
        words("author", &query.author),
        words("brand", &query.brand),
        words("actor", &query.actor),
        words("artist", &query.artist),
    ];
    let browse_node = (!query.browse_node_id.is_empty())
        .then(|| violations.parsed("query.browse_node_id", BrowseNodeId::parse(&query.browse_node_id)))
        .flatten();
    let category = category("query.category", &query.category, locale, violations);
    let search_index = category.as_ref().map(|category| category.index);

    let nothing_else =
        browse_node.is_none() && [&title, &author, &brand, &actor, &artist].iter().all(|text| text.is_none());
    if keywords.is_none() && nothing_else {
        // Amazon wants a word beside an index.
        keywords = category.filter(|category| !category.words.is_empty()).map(|category| category.words);
        let narrowed = query.min_rating.is_some() || query.min_saving_percent.is_some();
        // A field that names something, and is invalid, is reported once: as that field.
        let names_something = violations.len() > earlier_violations || violations.marketplace_is_unknown;
        if keywords.is_none() && !narrowed && !names_something {
            violations.add("query", "needs keywords, title, author, brand, actor, artist, category, browse_node_id, min_rating or min_saving_percent");
        }
    }

    let min_price = price("query.min_price", query.min_price.as_ref(), locale, violations);
    let max_price = price("query.max_price", query.max_price.as_ref(), locale, violations);
    if let (Some(min), Some(max)) = (min_price, max_price)
        && min > max
    {
        violations.add("query.min_price", "is above query.max_price");
    }
    for (bound, money) in [("from", &query.min_price), ("up to", &query.max_price)] {
        filters.extend(money.as_ref().map(|money| format!("price {bound} {} (by Amazon)", amount(money, locale))));
    }

    let (min_rating, rating_here) = match query.min_rating {
        Some(stars) if !(MIN_STARS..=MAX_STARS).contains(&stars) => {
            violations.add("query.min_rating", format!("must be between {MIN_STARS} and {MAX_STARS}; it is {stars}"));
            (None, None)
        }
        Some(stars) => {
            let whole = stars.floor().min(MAX_STARS_AT_AMAZON);
            let here = (stars > whole).then_some(stars);
            let by = if here.is_some() { "by Amazon as far as it can, then here" } else { "by Amazon" };
            filters.push(format!("{stars} stars and up ({by})"));
            // Between 1 and 4, as just checked.
            (Some(whole as u8), here)
        }
        None => (None, None),
    };
    let min_saving_percent =
        query.min_saving_percent.and_then(|percent| saving("query.min_saving_percent", percent, violations));
    filters.extend(min_saving_percent.map(|percent| format!("at least {percent}% off (by Amazon)")));

    let mut delivery_flags = Vec::new();
    for (n, flag) in query.delivery_flags.iter().enumerate() {
        let field = format!("query.delivery_flags[{n}]");
        match violations.enum_value(field.clone(), *flag) {
            Some(pb::DeliveryFlag::Unspecified) => violations.add(field, "names no flag"),
            flag => delivery_flags.extend(flag),
        }
    }
    delivery_flags.sort_unstable();
    delivery_flags.dedup();
    filters.extend(delivery_flags.iter().map(|flag| format!("{} (by Amazon)", delivery(*flag))));

    let condition = violations.enum_value("query.condition", query.condition).unwrap_or_default();
    let availability = violations.enum_value("query.availability", query.availability).unwrap_or_default();
    let merchant = violations.enum_value("query.merchant", query.merchant).unwrap_or_default();
    let sort = violations.enum_value("query.sort", query.sort).unwrap_or_default();

    let first_page = SearchItems {
        locale,
        keywords,
        title,
        author,
        brand,
        actor,
        artist,
        search_index: search_index.unwrap_or_else(|| locale.marketplace.everything()),
        browse_node,
        min_price_minor_units: min_price,
        max_price_minor_units: max_price,
        min_rating,
        min_saving_percent,
        delivery_flags,
        condition,
        availability,
        merchant,
        sort,
        page: 1,
    };
    if let Some(Unsupported::Filters(filters)) = unsupported(&first_page) {
        for filter in filters {
            let field = format!("query.{}", filter.field());
            violations.add(field, "the API of Amazon that this marketplace's account uses has no such filter");
        }
    }
    let understood = understood(&first_page, query, filters);
    (SearchPlan { first_page, min_rating: rating_here }, understood)
}

/// The category that a name stands for in the locale's marketplace. Without a known marketplace it is not checked.
pub(crate) fn category(
    field: &str,
    name: &str,
    locale: Locale,
    violations: &mut Violations,
) -> Option<category::Category> {
    if violations.marketplace_is_unknown {
        return None;
    }
    violations.parsed(field, category::find(locale.marketplace, name))
}

/// A whole number of percent that Amazon can filter by.
pub(crate) fn saving(field: &str, percent: i32, violations: &mut Violations) -> Option<u8> {
    let range = MIN_SAVING_PERCENT..=MAX_SAVING_PERCENT;
    let valid = u8::try_from(percent).ok().filter(|_| range.contains(&percent));
    let fault = || format!("must be between {MIN_SAVING_PERCENT} and {MAX_SAVING_PERCENT} percent; it is {percent}");
    violations.parsed(field, valid.ok_or_else(fault))
}

fn understood(search: &SearchItems, query: pb::SearchQuery, filters: Vec<String>) -> pb::UnderstoodQuery {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let query = pb::SearchQuery {
        keywords: text(&search.keywords),
        title: text(&search.title),
        author: text(&search.author),
        brand: text(&search.brand),
        actor: text(&search.actor),
        artist: text(&search.artist),
        category: query.category.trim().to_lowercase(),
        browse_node_id: search.browse_node.map(|id| id.to_string()).unwrap_or_default(),
        delivery_flags: search.delivery_flags.iter().map(|flag| (*flag).into()).collect(),
        ..query
    };
    pb::UnderstoodQuery {
        marketplace: search.locale.marketplace.name().to_owned(),
        language: search.locale.language.code().to_owned(),
        currency: search.locale.currency.code().to_owned(),
        search_index: search.search_index.id().to_owned(),
        query: Some(query),
        filters,
    }
}

/// A text with its white space folded; `None` where nothing is left.
fn text(field: &str, value: &str, violations: &mut Violations) -> Option<String> {
    let length = value.chars().count();
    if length > MAX_QUERY_CHARACTERS {
        violations.add(field, format!("is {length} characters long; at most {MAX_QUERY_CHARACTERS} are allowed"));
        return None;
    }
    let folded = value.split_whitespace().collect::<Vec<_>>().join(" ");
    if folded.chars().any(char::is_control) {
        violations.add(field, "holds control characters");
        return None;
    }
    (!folded.is_empty()).then_some(folded)
}

/// A price bound in the smallest unit of the locale's currency.
pub(crate) fn price(
    field: &str,
    money: Option<&pb::Money>,
    locale: Locale,
    violations: &mut Violations,
) -> Option<u64> {
    let money = money?;
    let currency = locale.currency;
    if !money.currency_code.is_empty() && !money.currency_code.eq_ignore_ascii_case(currency.code()) {
        let fault = format!("is in {:?}; this request's prices are in {currency}", money.currency_code);
        violations.add(format!("{field}.currency_code"), fault);
        return None;
    }
    match money::minor_units(money, currency) {
        Some(minor_units) if minor_units > 0 => Some(minor_units),
        _ => {
            let digits = currency.decimals();
            violations.add(field, format!("must be above zero, with at most {digits} decimals in {currency}"));
            None
        }
    }
}

/// An amount without a currency is in the currency of the request.
fn amount(money: &pb::Money, locale: Locale) -> String {
    let (currency_code, display) = (locale.currency.code().to_owned(), String::new());
    format::money(&pb::Money { currency_code, display, ..money.clone() })
}

fn delivery(flag: pb::DeliveryFlag) -> &'static str {
    match flag {
        pb::DeliveryFlag::Unspecified => "",
        pb::DeliveryFlag::AmazonGlobal => "ships to other countries",
        pb::DeliveryFlag::FreeShipping => "ships free",
        pb::DeliveryFlag::FulfilledByAmazon => "fulfilled by Amazon",
        pb::DeliveryFlag::Prime => "Prime",
    }
}
