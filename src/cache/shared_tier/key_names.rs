//! The names of things in Redis.
//!
//! An answer is under `{prefix}:v1:{namespace}:{tag:marketplace}:{language}:{currency}:{id}`, where the braces around tag and
//! marketplace are really there: they make a cluster keep all that one request asks for in one place, so that it is one
//! MGET. The partner tag is part of it because Amazon's links carry it, and another account's must not be handed out. The
//! id is an ASIN, or the SHA-256 of a normalised request, which may be long and holds what people search for.

use std::{collections::HashMap, fmt::Write};

use sha2::{Digest, Sha256};

use crate::cache::Key;
use amazon_catalog::Marketplace;

/// Changes when keys of the old form must not be read any more; the form of entries has a version of its own.
const VERSION: &str = "v1";

#[derive(Debug)]
pub(super) struct KeyNames {
    prefix: String,
    tags: HashMap<Marketplace, String>,
}

impl KeyNames {
    pub(super) fn new(prefix: &str, tags: HashMap<Marketplace, String>) -> Self {
        Self { prefix: format!("{prefix}:{VERSION}"), tags }
    }

    /// The name of an answer.
    pub(super) fn of(&self, key: &Key) -> String {
        let (locale, id) = match key {
            Key::Product(locale, asin) => (locale, asin.to_string()),
            Key::Page { locale, request, .. } => (locale, digest(request)),
        };
        // Nothing is asked or kept for a marketplace that has no tag.
        let tag = self.tags.get(&locale.marketplace).map_or("", String::as_str);
        let namespace = key.namespace().code();
        let (marketplace, language, currency) =
            (locale.marketplace.code(), locale.language.code(), locale.currency.code());
        format!("{}:{namespace}:{{{tag}:{marketplace}}}:{language}:{currency}:{id}", self.prefix)
    }

    /// The name of the journal of purges.
    pub(super) fn journal(&self) -> String {
        format!("{}:purges", self.prefix)
    }
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::cache::Namespace;
    use amazon_catalog::{Asin, Locale};

    fn names(tag: &str) -> KeyNames {
        let tagged = |code| (Marketplace::parse(code).unwrap(), tag.to_owned());
        KeyNames::new("shop", HashMap::from([tagged("US"), tagged("UK")]))
    }

    fn locale(marketplace: &str) -> Locale {
        Locale::of(Marketplace::parse(marketplace).unwrap())
    }

    fn product(marketplace: &str, asin: &str) -> Key {
        Key::Product(locale(marketplace), Asin::parse(asin).unwrap())
    }

    fn page(namespace: Namespace, request: &str) -> Key {
        Key::Page { namespace, locale: locale("US"), request: request.into() }
    }

    #[test]
    fn a_name_says_what_it_holds() {
        assert_eq!(
            names("tag-20").of(&product("US", "B000000001")),
            "shop:v1:products:{tag-20:US}:en_US:USD:B000000001"
        );
        assert_eq!(
            names("tag-20").of(&page(Namespace::Searches, "abc")),
            "shop:v1:searches:{tag-20:US}:en_US:USD:\
             ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn whatever_differs_has_another_name() {
        let spanish = Locale { language: locale("US").marketplace.find_language("es_US").unwrap(), ..locale("US") };
        let keys = [
            product("US", "B000000001"),
            product("US", "B000000002"),
            product("UK", "B000000001"),
            Key::Product(spanish, Asin::parse("B000000001").unwrap()),
            page(Namespace::Searches, "B000000001"),
            page(Namespace::Variations, "B000000001"),
            page(Namespace::Searches, "lamp"),
        ];
        let all = keys.iter().flat_map(|key| [names("one-20").of(key), names("two-20").of(key)]);
        assert_eq!(all.collect::<HashSet<_>>().len(), 2 * keys.len());
    }
}
