//! The words that names and titles are made of, from `data/words.txt` and `data/brands.txt`.

use std::{collections::HashMap, sync::LazyLock};

use fastrand::Rng;

type Lists = HashMap<&'static str, Vec<&'static str>>;

static WORDS: LazyLock<Lists> = LazyLock::new(|| read(include_str!("../../data/words.txt")));
static BRANDS: LazyLock<Lists> = LazyLock::new(|| read(include_str!("../../data/brands.txt")));

/// One word of the list of that name.
pub(crate) fn word(rng: &mut Rng, list: &str) -> &'static str {
    WORDS.get(list).map_or("", |words| pick(rng, words))
}

/// The brand of this department that a title begins with, if any.
pub(crate) fn brand_of(title: &str, department: &str) -> Option<&'static str> {
    BRANDS.get(department)?.iter().copied().find(|brand| title.starts_with(brand))
}

/// A brand of a department.
pub(crate) fn brand(rng: &mut Rng, department: &str) -> &'static str {
    BRANDS.get(department).map_or("", |brands| pick(rng, brands))
}

/// A person.
pub(crate) fn person(rng: &mut Rng) -> String {
    format!("{} {}", word(rng, "given"), word(rng, "family"))
}

/// One of `words`; nothing where there is none.
pub(crate) fn pick(rng: &mut Rng, words: &[&'static str]) -> &'static str {
    rng.choice(words).copied().unwrap_or_default()
}

/// Up to `count` of `words`, none twice, in their order.
pub(crate) fn pick_some(rng: &mut Rng, words: &[&'static str], count: usize) -> Vec<&'static str> {
    let mut places: Vec<usize> = (0..words.len()).collect();
    rng.shuffle(&mut places);
    places.truncate(count);
    places.sort_unstable();
    places.into_iter().filter_map(|place| words.get(place).copied()).collect()
}

fn read(text: &'static str) -> Lists {
    text.lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, list)| (name, list.split(", ").collect()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::categories::Departments;

    #[test]
    fn every_department_has_its_brands_and_every_list_its_words() {
        for kind in Departments::get().kinds() {
            assert!(BRANDS.get(kind.names[0]).is_some_and(|brands| !brands.is_empty()), "{}", kind.names[0]);
        }
        for list in ["given", "family", "adjectives", "things", "places"] {
            assert!(WORDS.contains_key(list), "{list}");
        }
    }
}
