//! The friendly category names, and the search index that each stands for in a marketplace.
//!
//! Indices differ by marketplace: toys are `ToysAndGames` in the United States and `Toys` in Japan. Each name lists its
//! indices in order of preference, and the first that the marketplace has is taken. A name with none is not one there.

use amazon_catalog::{Marketplace, SearchIndex};

/// Friendly names in alphabetical order, the indices each may stand for, and the words it stands for in a search
/// without any.
const FRIENDLY: [(&str, &[&str], &str); 36] = [
    ("appliances", &["Appliances", "HomeAndKitchen", "Home"], "appliance"),
    ("audio", &["Electronics"], "audio"),
    ("automotive", &["Automotive"], "car"),
    ("baby", &["Baby"], "baby"),
    ("beauty", &["Beauty"], "beauty"),
    ("books", &["Books"], "book"),
    ("cameras", &["Photo", "Electronics"], "camera"),
    ("clothing", &["Apparel", "Fashion"], "clothing"),
    ("computers", &["Computers", "Electronics"], "computer"),
    ("electronics", &["Electronics"], "electronics"),
    ("fashion", &["Fashion", "Apparel"], "fashion"),
    ("fitness", &["SportsAndOutdoors"], "fitness"),
    ("furniture", &["Furniture", "HomeAndKitchen", "Home"], "furniture"),
    ("games", &["VideoGames"], "game"),
    ("grocery", &["GroceryAndGourmetFood", "Grocery"], "grocery"),
    ("gym", &["SportsAndOutdoors"], "gym"),
    ("headphones", &["Electronics"], "headphones"),
    ("health", &["HealthPersonalCare"], "health"),
    ("home", &["HomeAndKitchen", "Home"], "home"),
    ("jewelry", &["Jewelry", "Fashion", "Apparel"], "jewelry"),
    ("kitchen", &["HomeAndKitchen", "Home"], "kitchen"),
    ("laptops", &["Computers", "Electronics"], "laptop"),
    ("mobile", &["MobileAndAccessories", "Electronics"], "phone"),
    ("movies", &["MoviesAndTV"], "movie"),
    ("music", &["Music", "DigitalMusic"], "music"),
    ("pet", &["PetSupplies"], "pet"),
    ("phones", &["MobileAndAccessories", "Electronics"], "phone"),
    ("shoes", &["Shoes", "Fashion", "Apparel"], "shoes"),
    ("skincare", &["Beauty"], "skin care"),
    ("sports", &["SportsAndOutdoors"], "sports"),
    ("supplements", &["HealthPersonalCare"], "supplement"),
    ("tech", &["Electronics"], "electronics"),
    ("toys", &["ToysAndGames", "Toys"], "toy"),
    ("watches", &["Watches", "Fashion", "Apparel"], "watch"),
    ("all", &["All"], ""),
    ("everything", &["All"], ""),
];

/// How alike two names are for one to be meant by the other (Jaro-Winkler, 0 to 1).
const ALIKE: f64 = 0.75;

/// A category that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    /// The name it was found by, in lower case for a friendly one.
    pub name: String,
    /// The search index.
    pub index: SearchIndex,
    /// Words that stand for it in a search without any; empty for everything.
    pub words: String,
}

/// No category of the marketplace has the name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{marketplace} has no category {name:?}; {}", match .nearest.as_slice() {
    [] => "ListCategories names them all".to_owned(),
    nearest => format!("did you mean {}?", nearest.join(", ")),
})]
pub struct Unknown {
    marketplace: Marketplace,
    name: String,
    nearest: Vec<&'static str>,
}

/// Finds a category by its friendly name or its search index, in any case. Empty means everything.
pub fn find(marketplace: Marketplace, name: &str) -> Result<Category, Unknown> {
    let wanted = name.trim().to_lowercase();
    let wanted = if wanted.is_empty() { "all" } else { wanted.as_str() };
    let friendly = FRIENDLY.iter().find(|(friendly, ..)| *friendly == wanted);
    if let Some((name, indices, words)) = friendly
        && let Some(index) = first_of(marketplace, indices)
    {
        return Ok(Category { name: (*name).to_owned(), index, words: (*words).to_owned() });
    }
    if let Some(index) = marketplace.search_index(wanted) {
        return Ok(Category { name: index.id().to_owned(), index, words: index.display_name().to_owned() });
    }
    Err(Unknown { marketplace, name: name.trim().chars().take(64).collect(), nearest: nearest(marketplace, wanted) })
}

/// Every friendly name, in alphabetical order. Not every marketplace has each of them.
pub fn names() -> impl Iterator<Item = &'static str> {
    FRIENDLY.iter().filter(|(_, indices, _)| *indices != ["All"]).map(|(name, ..)| *name)
}

/// The friendly names of a marketplace in alphabetical order.
pub fn list(marketplace: Marketplace) -> impl Iterator<Item = Category> {
    let named = FRIENDLY.iter().filter(|(_, indices, _)| *indices != ["All"]);
    named.filter_map(move |(name, indices, words)| {
        let index = first_of(marketplace, indices)?;
        Some(Category { name: (*name).to_owned(), index, words: (*words).to_owned() })
    })
}

fn first_of(marketplace: Marketplace, indices: &[&str]) -> Option<SearchIndex> {
    indices.iter().find_map(|id| marketplace.search_index(id))
}

fn nearest(marketplace: Marketplace, wanted: &str) -> Vec<&'static str> {
    let friendly =
        FRIENDLY.iter().filter(|(_, indices, _)| first_of(marketplace, indices).is_some()).map(|(name, ..)| *name);
    let names = friendly.chain(marketplace.search_indices().iter().map(|index| index.id()));
    let mut by_likeness: Vec<_> = names
        .map(|name| (strsim::jaro_winkler(wanted, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    by_likeness.sort_by(|a, b| b.0.total_cmp(&a.0));
    // A friendly name and an index may be the same word; the friendly one comes first.
    by_likeness.dedup_by(|later, first| later.1.eq_ignore_ascii_case(first.1));
    by_likeness.into_iter().take(3).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &str, name: &str) -> Result<&'static str, Unknown> {
        find(Marketplace::parse(code).unwrap(), name).map(|category| category.index.id())
    }

    #[test]
    fn names_are_found_in_any_case_and_by_what_the_marketplace_has() {
        let cases = [
            ("US", "Headphones", "Electronics"),
            ("US", " LAPTOPS ", "Computers"),
            ("US", "cameras", "Photo"),
            ("UK", "cameras", "Electronics"),
            ("US", "toys", "ToysAndGames"),
            ("JP", "toys", "Toys"),
            ("IN", "furniture", "Furniture"),
            ("US", "furniture", "HomeAndKitchen"),
            ("BE", "grocery", "Grocery"),
            ("US", "homeandkitchen", "HomeAndKitchen"),
            ("US", "", "All"),
        ];
        for (code, name, index) in cases {
            assert_eq!(found(code, name), Ok(index), "{code} {name}");
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest_ones_and_never_means_everything() {
        let error = found("US", "hedphones").unwrap_err();
        assert!(error.to_string().contains("headphones"), "{error}");
        assert!(found("SG", "fashion").is_err(), "Singapore has no such department");
    }

    #[test]
    fn every_name_stands_for_something_in_the_united_states() {
        let us = Marketplace::parse("US").unwrap();
        assert_eq!(list(us).count(), FRIENDLY.len() - 2);
        assert!(list(us).map(|category| category.name).is_sorted());
    }
}
