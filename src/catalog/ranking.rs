//! What stands out in a category: what is popular, and what is reduced.
//!
//! Amazon can neither rank by popularity nor sort by saving. It is asked for candidates, with its own filters so that they
//! hold over the whole category, and the order is made here; `basis` says so in the answer.

use std::collections::HashSet;

use super::{
    Catalog, Category, CostCounter, Error, ReadContext,
    compare::{reviews, saving, stars},
    search::SearchPlan,
};
use crate::served;
use amazon_catalog::{ITEMS_PER_PAGE, Locale, SearchItems};
use stockroom_proto::pb;

/// Pages of candidates beyond what the limit needs.
const SPARE_PAGES: usize = 1;
/// A rating from few reviews is drawn towards four stars, as if this many more had given that.
const PRIOR_STARS: f64 = 4.0;
const PRIOR_REVIEWS: f64 = 50.0;

/// Products in an order made here.
#[derive(Clone, Debug, Default)]
pub struct RankedList {
    /// The products, best first.
    pub products: Vec<served::ProductEntry>,
    /// How the order was made, in words.
    pub basis: String,
    /// Why fewer candidates were seen than should be, where it is so.
    pub cut_short: Option<Error>,
}

/// What a product must satisfy to be listed as a deal.
#[derive(Clone, Copy, Debug)]
pub struct DealFilter {
    /// The highest price, in the smallest unit of the locale's currency.
    pub max_price_minor_units: Option<u64>,
    /// The least saving, 1 to 99 percent.
    pub min_saving_percent: u8,
    /// Whether only products with Prime delivery are listed.
    pub prime_only: bool,
}

struct Candidates {
    found: Vec<(super::CachedProduct, pb::Product)>,
    total_results: Option<i64>,
    cut_short: Option<Error>,
}

impl SearchPlan {
    /// The search whose results [`Catalog::trending`] ranks: four stars and up, best reviewed first.
    pub fn of_trending(locale: Locale, category: Category) -> Self {
        let all = everything_in(locale, category);
        let first_page = SearchItems { min_rating: Some(4), sort: pb::SortOrder::AverageReview, ..all };
        Self { first_page, min_rating: None }
    }

    /// The search whose results [`Catalog::deals`] ranks.
    pub fn of_deals(locale: Locale, category: Category, filter: DealFilter) -> Self {
        let first_page = SearchItems {
            max_price_minor_units: filter.max_price_minor_units,
            min_saving_percent: Some(filter.min_saving_percent),
            delivery_flags: filter.prime_only.then_some(pb::DeliveryFlag::Prime).into_iter().collect(),
            ..everything_in(locale, category)
        };
        Self { first_page, min_rating: None }
    }
}

impl Catalog {
    /// What is popular among a search's results: four stars and up, by rating and number of reviews.
    pub async fn trending(
        &self,
        read: &ReadContext,
        plan: &SearchPlan,
        limit: usize,
        cost: &mut CostCounter,
    ) -> Result<RankedList, Error> {
        let mut candidates = self.candidates(read, plan, limit, cost).await?;
        if candidates.found.iter().all(|(_, product)| stars(product).is_none()) {
            // The Creators API filters and sorts by ratings, and returns none.
            let basis = format!(
                "4 stars and up, best reviewed first in Amazon's own order, of {} that Amazon listed; it states no ratings",
                candidates.count_text()
            );
            return Ok(candidates.into_ranked_list(read, limit, basis));
        }
        let looked_at = candidates.found.len();
        candidates.found.retain(|(_, product)| stars(product).is_some_and(|stars| stars >= 4.0));
        candidates.found.sort_by(|(_, a), (_, b)| popularity(b).total_cmp(&popularity(a)).then(rank(a).cmp(&rank(b))));
        let basis = format!(
            "4 stars and up, by rating and number of reviews (few reviews count as {PRIOR_STARS:.1} stars in part), among the \
             {looked_at} best reviewed of {} that Amazon listed",
            candidates.count_text()
        );
        Ok(candidates.into_ranked_list(read, limit, basis))
    }

    /// What is reduced among a search's results, biggest saving first.
    pub async fn deals(
        &self,
        read: &ReadContext,
        plan: &SearchPlan,
        limit: usize,
        cost: &mut CostCounter,
    ) -> Result<RankedList, Error> {
        let mut candidates = self.candidates(read, plan, limit, cost).await?;
        let looked_at = candidates.found.len();
        let least = i32::from(plan.first_page.min_saving_percent.unwrap_or(1));
        candidates.found.retain(|(_, product)| saving(product).is_some_and(|percent| percent >= least));
        candidates.found.sort_by_key(|(_, product)| std::cmp::Reverse(saving(product)));
        let basis = format!(
            "at least {least}% off, biggest saving first, among the first {looked_at} of {} that Amazon listed",
            candidates.count_text()
        );
        Ok(candidates.into_ranked_list(read, limit, basis))
    }

    async fn candidates(
        &self,
        read: &ReadContext,
        plan: &SearchPlan,
        limit: usize,
        cost: &mut CostCounter,
    ) -> Result<Candidates, Error> {
        let pages = candidate_pages(limit);
        let mut all = Candidates { found: Vec::new(), total_results: None, cut_short: None };
        // Amazon repeats products on later pages; a list made here names each once.
        let mut seen = HashSet::new();
        for number in 1..=pages {
            match self.resolved_page(read, plan.page(number), cost).await {
                Ok(page) => {
                    let is_followed = page.is_followed();
                    let count = page.total_results.map(|count| page.extent.at_least(count));
                    all.total_results = all.total_results.max(count);
                    for known in page.places.into_iter().flatten().filter(|known| seen.insert(known.asin)) {
                        match known.into_listed() {
                            Ok(Some(found)) => {
                                let product = found.product()?;
                                all.found.push((found, product));
                            }
                            Ok(None) => {}
                            Err(error) if all.found.is_empty() => return Err(error),
                            Err(error) => all.cut_short = Some(error),
                        }
                    }
                    if all.cut_short.is_some() || !is_followed {
                        break;
                    }
                }
                Err(error) if number == 1 => return Err(error),
                Err(error) => {
                    all.cut_short = Some(error);
                    break;
                }
            }
        }
        Ok(all)
    }
}

impl Candidates {
    fn count_text(&self) -> String {
        self.total_results.map_or_else(|| "those".to_owned(), |count| count.to_string())
    }

    fn into_ranked_list(self, read: &ReadContext, limit: usize, basis: String) -> RankedList {
        let products = self.found.into_iter().take(limit).map(|(found, _)| found.entry(read.parts)).collect();
        RankedList { products, basis, cut_short: self.cut_short }
    }
}

/// A search of a whole category. Amazon requires words beside a search index, so the category's own words are sent.
fn everything_in(locale: Locale, category: Category) -> SearchItems {
    let keywords = Some(category.words).filter(|words| !words.is_empty());
    SearchItems { keywords, search_index: category.index, ..SearchItems::new(locale) }
}

fn candidate_pages(limit: usize) -> usize {
    limit.div_ceil(ITEMS_PER_PAGE) + SPARE_PAGES
}

/// A Bayesian mean: many good reviews beat a few perfect ones.
fn popularity(product: &pb::Product) -> f64 {
    let (stars, reviews) = (stars(product).unwrap_or(0.0), f64::from(reviews(product).unwrap_or(0)));
    (PRIOR_STARS * PRIOR_REVIEWS + stars * reviews) / (PRIOR_REVIEWS + reviews)
}

/// The sales rank, where Amazon gives it; those without come after those with.
fn rank(product: &pb::Product) -> i64 {
    let rank = product.categories.as_ref().and_then(|categories| categories.website_sales_rank.as_ref());
    rank.map_or(i64::MAX, |rank| rank.rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rated(stars: f64, reviews: i32) -> pb::Product {
        let reviews = pb::ProductReviews { star_rating: Some(stars), count: Some(reviews), in_words: String::new() };
        pb::Product { reviews: Some(reviews), ..Default::default() }
    }

    #[test]
    fn many_good_reviews_are_more_popular_than_a_few_perfect_ones() {
        assert!(popularity(&rated(4.6, 2000)) > popularity(&rated(5.0, 3)));
        assert!(popularity(&rated(4.6, 2000)) > popularity(&rated(4.2, 9000)));
        assert!(popularity(&rated(4.6, 300)) > popularity(&rated(4.6, 100)));
    }
}
