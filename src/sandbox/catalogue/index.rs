//! Which words stand in which products, so that a search reads lists and not texts.

use std::collections::{HashMap, HashSet};

use crate::sandbox::catalogue::product::Product;

/// Words that say nothing.
const SMALL_WORDS: [&str; 9] = ["a", "an", "and", "for", "in", "of", "the", "to", "with"];

/// For each word, the places of the products that hold it, in their order.
#[derive(Debug, Default)]
pub(crate) struct WordIndex {
    places: HashMap<String, Vec<usize>>,
}

impl WordIndex {
    /// Reads titles, brands, people, features and category names.
    pub(crate) fn of(products: &[Product]) -> Self {
        let mut index = Self::default();
        // Features and category names are shared by many products and cut only once.
        let mut cut: HashMap<&str, Vec<String>> = HashMap::new();
        for (place, product) in products.iter().enumerate() {
            let people = product.contributors.iter().map(|person| person.name.as_str());
            let shared = product.features.iter().map(String::as_str).chain(product.kind.names).chain([product.brand]);
            for text in people.chain(shared).chain([product.title.as_str()]) {
                for word in cut.entry(text).or_insert_with(|| words_of(text).collect()) {
                    index.note(word, place);
                }
            }
        }
        index
    }

    /// The places of the products that hold every word, in their order; `None` where `text` has no words that say anything.
    pub(crate) fn holding_all(&self, text: &str) -> Option<Vec<usize>> {
        let mut lists = words_of(text).map(|word| self.holding(&word));
        let first = lists.next()?;
        Some(lists.fold(first, |left, right| {
            let right: HashSet<usize> = right.into_iter().collect();
            left.into_iter().filter(|place| right.contains(place)).collect()
        }))
    }

    fn holding(&self, word: &str) -> Vec<usize> {
        if word.is_ascii() {
            return self.places.get(word).cloned().unwrap_or_default();
        }
        // Some scripts put no space between words, so part of a run is a match too.
        let runs = self.places.iter().filter(|(run, _)| run.contains(word));
        let mut places: Vec<usize> = runs.flat_map(|(_, places)| places.iter().copied()).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    fn note(&mut self, word: &str, place: usize) {
        if let Some(places) = self.places.get_mut(word) {
            if places.last() != Some(&place) {
                places.push(place);
            }
        } else {
            self.places.insert(word.to_owned(), vec![place]);
        }
    }
}

/// Whether `text` holds every word of `wanted`.
pub(crate) fn holds_all(text: &str, wanted: &str) -> bool {
    let words: HashSet<String> = words_of(text).collect();
    words_of(wanted).all(|word| words.contains(&word))
}

/// The words of a text: lower case, singular, without those that say nothing.
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
