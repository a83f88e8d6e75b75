//! The marketplaces, their search indices, and the locale of a request within one.
//!
//! The tables are `data/marketplaces.tsv` and `data/search-indices.tsv`, taken from Amazon's locale reference
//! (<https://affiliate-program.amazon.com/creatorsapi/docs/en-us/locale-reference>) in October 2026.

use std::{fmt, sync::LazyLock};

const MARKETPLACES: &str = include_str!("../data/marketplaces.tsv");
const SEARCH_INDICES: &str = include_str!("../data/search-indices.tsv");

/// One of Amazon's 22 marketplaces.
#[derive(Clone, Copy)]
pub struct Marketplace(&'static MarketplaceRow);

struct MarketplaceRow {
    name: &'static str,
    code: &'static str,
    country: &'static str,
    paapi5_host: &'static str,
    aws_region: &'static str,
    currency: Currency,
    currencies: Vec<Currency>,
    language: Language,
    languages: Vec<Language>,
    region_group: &'static str,
    search_indices: Vec<SearchIndex>,
}

/// A currency that a marketplace has, by its ISO 4217 code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Currency(&'static str);

/// A language that a marketplace has, as `de_DE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Language(&'static str);

/// A search index of a marketplace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SearchIndex {
    id: &'static str,
    display_name: &'static str,
}

/// Where and in what language and currency a request is asked. One locale never answers for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Locale {
    /// The marketplace.
    pub marketplace: Marketplace,
    /// The language of the answer.
    pub language: Language,
    /// The currency of its prices.
    pub currency: Currency,
}

static ROWS: LazyLock<Vec<MarketplaceRow>> =
    LazyLock::new(|| MARKETPLACES.lines().skip(1).filter_map(MarketplaceRow::parse).collect());

impl MarketplaceRow {
    fn parse(line: &'static str) -> Option<Self> {
        let mut cells = line.split('\t');
        let mut next = || cells.next();
        let (name, code, country, paapi5_host, aws_region) = (next()?, next()?, next()?, next()?, next()?);
        let (currency, currencies, language, languages, region_group) = (next()?, next()?, next()?, next()?, next()?);
        Some(Self {
            name,
            code,
            country,
            paapi5_host,
            aws_region,
            currency: Currency(currency),
            currencies: currencies.split(',').map(Currency).collect(),
            language: Language(language),
            languages: languages.split(',').map(Language).collect(),
            region_group,
            search_indices: SEARCH_INDICES.lines().filter_map(|line| SearchIndex::parse(line, code)).collect(),
        })
    }
}

impl Marketplace {
    /// All of them, the United States first.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        ROWS.iter().map(Self)
    }

    /// Finds one by its code (`UK`, or ISO's `GB`), its name (`www.amazon.co.uk`) or its domain (`amazon.co.uk`), in any case.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let text = if text == "gb" { "uk" } else { text.as_str() };
        Self::all().find(|m| m.name() == text || m.domain() == text || m.code().eq_ignore_ascii_case(text))
    }

    /// The name, as `www.amazon.co.uk`.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// The domain, as `amazon.co.uk`.
    pub fn domain(self) -> &'static str {
        self.0.name.trim_start_matches("www.")
    }

    /// The short name, as `UK`.
    pub fn code(self) -> &'static str {
        self.0.code
    }

    /// The country, in English.
    pub fn country(self) -> &'static str {
        self.0.country
    }

    /// The host of PA-API 5.0, as `webservices.amazon.co.uk`.
    pub fn paapi5_host(self) -> &'static str {
        self.0.paapi5_host
    }

    /// The AWS region that PA-API 5.0 requests are signed for.
    pub fn aws_region(self) -> &'static str {
        self.0.aws_region
    }

    /// The group of marketplaces that share Creators API credentials: `NA`, `EU` or `FE`.
    pub fn region_group(self) -> &'static str {
        self.0.region_group
    }

    /// Its own currency.
    pub fn currency(self) -> Currency {
        self.0.currency
    }

    /// The currencies that prices can be asked for in.
    pub fn currencies(self) -> &'static [Currency] {
        &self.0.currencies
    }

    /// Its own language.
    pub fn language(self) -> Language {
        self.0.language
    }

    /// The languages that answers can be asked for in.
    pub fn languages(self) -> &'static [Language] {
        &self.0.languages
    }

    /// Its search indices, `All` first.
    pub fn search_indices(self) -> &'static [SearchIndex] {
        &self.0.search_indices
    }

    /// The search index of everything, which every marketplace has.
    pub fn everything(self) -> SearchIndex {
        self.search_index(SearchIndex::EVERYTHING.id).unwrap_or(SearchIndex::EVERYTHING)
    }

    /// The search index with this id, in any case.
    pub fn search_index(self, id: &str) -> Option<SearchIndex> {
        self.search_indices().iter().copied().find(|index| index.id.eq_ignore_ascii_case(id))
    }

    /// The language with this code, in any case and with `-` or `_`.
    pub fn find_language(self, code: &str) -> Option<Language> {
        let code = code.replace('-', "_");
        self.languages().iter().copied().find(|language| language.0.eq_ignore_ascii_case(&code))
    }

    /// The currency with this code, in any case.
    pub fn find_currency(self, code: &str) -> Option<Currency> {
        self.currencies().iter().copied().find(|currency| currency.0.eq_ignore_ascii_case(code))
    }
}

impl PartialEq for Marketplace {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Marketplace {}

impl std::hash::Hash for Marketplace {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.code.hash(state);
    }
}

impl fmt::Debug for Marketplace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Marketplace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Currency {
    /// The ISO 4217 code.
    pub fn code(self) -> &'static str {
        self.0
    }

    /// How many decimal digits its smallest unit has: 2 for USD, 0 for JPY (ISO 4217, the currencies Amazon lists).
    pub fn decimals(self) -> u32 {
        match self.0 {
            "CLP" | "JPY" | "KRW" | "PYG" | "VND" => 0,
            _ => 2,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Language {
    /// The code, as `de_DE`.
    pub fn code(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl SearchIndex {
    const EVERYTHING: Self = Self { id: "All", display_name: "All" };

    fn parse(line: &'static str, code: &str) -> Option<Self> {
        let mut cells = line.split('\t');
        (cells.next()? == code).then_some(())?;
        Some(Self { id: cells.next()?, display_name: cells.next()? })
    }

    /// The identifier, as `HomeAndKitchen`.
    pub fn id(self) -> &'static str {
        self.id
    }

    /// Amazon's words for it, in the marketplace's language.
    pub fn display_name(self) -> &'static str {
        self.display_name
    }
}

impl Locale {
    /// The marketplace's own language and currency.
    pub fn of(marketplace: Marketplace) -> Self {
        Self { marketplace, language: marketplace.language(), currency: marketplace.currency() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_both_tables_is_read() {
        assert_eq!(Marketplace::all().len(), 22);
        assert_eq!(Marketplace::all().map(|m| m.search_indices().len()).sum::<usize>(), 637);
        for m in Marketplace::all() {
            assert_eq!(m.search_indices().first().map(|index| index.id()), Some("All"), "{m}");
            assert!(m.find_currency(m.currency().code()).is_some() && m.find_language(m.language().code()).is_some());
        }
    }

    #[test]
    fn a_marketplace_is_found_by_each_of_its_names() {
        for name in ["UK", "gb", "www.amazon.co.uk", "Amazon.co.uk"] {
            assert_eq!(Marketplace::parse(name).map(Marketplace::code), Some("UK"), "{name}");
        }
        assert_eq!(Marketplace::parse("www.amazon.test"), None);
    }

    #[test]
    fn yen_have_no_smaller_unit() {
        let decimals = |code| Marketplace::parse(code).unwrap().currency().decimals();
        assert_eq!((decimals("JP"), decimals("US"), decimals("IN")), (0, 2, 2));
    }
}
