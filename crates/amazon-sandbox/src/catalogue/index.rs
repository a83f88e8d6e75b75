//! An inverted index from words to products.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::catalogue::product::InventedProduct;

/// Stop words.
const SMALL_WORDS: [&str; 9] = ["a", "an", "and", "for", "in", "of", "the", "to", "with"];

/// Maps each word to the texts that contain it, and each text to the products that have it.
///
/// Dozens of products share the same feature and category texts; with two steps each text is split into words once.
#[derive(Debug, Default)]
pub(crate) struct WordIndex {
    texts: HashMap<String, Vec<usize>>,
    /// The places of the products, by text.
    places: Vec<Vec<usize>>,
}

impl WordIndex {
    /// Reads titles, brands, people, features and category names.
    pub(crate) fn of(products: &[InventedProduct]) -> Self {
        let mut index = Self::default();
        let mut known: HashMap<&str, usize> = HashMap::new();
        for (place, product) in products.iter().enumerate() {
            let people = product.contributors.iter().map(|person| person.name.as_str());
            let features = product.features.iter().map(String::as_str);
            for text in people.chain(features).chain(product.kind.names).chain([product.brand, &product.title]) {
                let text = *known.entry(text).or_insert_with(|| index.add(text));
                index.places.get_mut(text).into_iter().for_each(|places| places.push(place));
            }
        }
        index
    }

    /// The indices of the products that contain every word, ascending; `None` where `text` has only stop words.
    pub(crate) fn holding_all(&self, text: &str) -> Option<Vec<usize>> {
        let places = words_of(text).map(|word| self.holding(&word)).reduce(|left, right| &left & &right)?;
        Some(places.into_iter().collect())
    }

    fn holding(&self, word: &str) -> BTreeSet<usize> {
        let texts: Vec<usize> = if word.is_ascii() {
            self.texts.get(word).cloned().unwrap_or_default()
        } else {
            // Some scripts have no space between words, so a part of a run matches as well.
            let runs = self.texts.iter().filter(|(run, _)| run.contains(word));
            runs.flat_map(|(_, texts)| texts.iter().copied()).collect()
        };
        texts.into_iter().filter_map(|text| self.places.get(text)).flatten().copied().collect()
    }

    /// Adds a text that no product has yet.
    fn add(&mut self, text: &str) -> usize {
        let number = self.places.len();
        self.places.push(Vec::new());
        for word in words_of(text) {
            self.texts.entry(word).or_default().push(number);
        }
        number
    }
}

/// Whether `text` holds every word of `wanted`.
pub(crate) fn holds_all(text: &str, wanted: &str) -> bool {
    let words: HashSet<String> = words_of(text).collect();
    words_of(wanted).all(|word| words.contains(&word))
}

/// The words of a text in lower case and singular, without stop words.
pub(crate) fn words_of(text: &str) -> impl Iterator<Item = String> {
    let text = text.to_lowercase().replace(['\'', '’'], "");
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && !SMALL_WORDS.contains(word))
        .map(singular)
        .collect();
    words.into_iter()
}

fn singular(word: &str) -> String {
    for ending in ["ches", "shes", "sses", "xes"] {
        if word.ends_with(ending) {
            return word.strip_suffix("es").unwrap_or(word).to_owned();
        }
    }
    match word.strip_suffix("ies").filter(|stem| stem.len() > 1) {
        Some(stem) => format!("{stem}y"),
        None if word.len() > 3 && !word.ends_with("ss") => word.strip_suffix('s').unwrap_or(word).to_owned(),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_match_in_any_case_and_number() {
        let cases = [
            ("Over-Ear HEADPHONES", "headphone over ear"),
            ("Women's Dresses, Size 8", "womens dress"),
            ("Wrist Watches", "watch"),
            ("Car Batteries", "battery"),
            ("Glass", "glass"),
            ("The Clock of the Sea", "clocks and seas"),
        ];
        for (text, wanted) in cases {
            assert!(holds_all(text, wanted), "{text}: {wanted}");
        }
        assert!(!holds_all("Headset", "head"));
    }
}
