//! Where a list of Amazon's ends, as far as its counts can be believed.
//!
//! # Why
//!
//! Amazon's counts are estimates: they are missing, too low or too high. A list that trusts them loses products or never
//! ends.
//!
//! # Rule
//!
//! - Places are Amazon's: page × 10 + index, whatever could be read on a page.
//! - An empty page is the end of the list.
//! - A count is believed unless the page itself contradicts it. The highest that is believed counts.
//! - Without a count, and beside one that the page contradicts, the list goes on while pages are full.
//!
//! # Edge cases
//!
//! An Amazon that repeats its pages for ever is ended by a bound on the number of pages, which the caller has.

use amazon_catalog::ITEMS_PER_PAGE;

/// What is known of one page of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageExtent {
    /// The number of the page, from 1.
    pub number: usize,
    /// How many places the page has, also those that cannot be read.
    pub places: usize,
}

impl PageExtent {
    /// The number of places up to the end of the page.
    pub(super) fn end(self) -> usize {
        (self.number - 1) * ITEMS_PER_PAGE + self.places
    }

    /// A count of all places as far as it can be believed: at least what the page brought.
    pub(super) fn at_least(self, count: i64) -> i64 {
        if self.places == 0 { count } else { count.max(i64::try_from(self.end()).unwrap_or(i64::MAX)) }
    }

    /// Whether there is a page after this one, by these counts of all places in the list.
    pub(super) fn is_followed(self, counts: impl IntoIterator<Item = Option<usize>>) -> bool {
        let (believed, contradicted): (Vec<usize>, Vec<usize>) =
            counts.into_iter().flatten().partition(|count| *count >= self.end());
        let is_uncounted = believed.is_empty() || !contradicted.is_empty();
        let says_more = believed.iter().any(|count| *count > self.number * ITEMS_PER_PAGE);
        self.places > 0 && (says_more || is_uncounted && self.places >= ITEMS_PER_PAGE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_goes_on_by_counts_that_can_be_believed_and_else_while_pages_are_full() {
        let cases = [
            // number, places, counts, followed
            (1, 10, vec![Some(30)], true),
            (3, 10, vec![Some(30)], false),
            (1, 10, vec![None], true),
            (1, 7, vec![None], false),
            (1, 7, vec![Some(30)], true),
            (1, 10, vec![Some(8)], true),
            (1, 8, vec![Some(8)], false),
            (2, 3, vec![Some(13)], false),
            (2, 3, vec![Some(5)], false),
            (2, 0, vec![Some(1000)], false),
            (1, 10, vec![None, Some(23)], true),
            (1, 10, vec![Some(10), Some(23)], true),
            (1, 10, vec![Some(10), Some(1)], true),
            (1, 7, vec![Some(10), Some(1)], false),
        ];
        for (number, places, counts, followed) in cases {
            let page = PageExtent { number, places };
            assert_eq!(page.is_followed(counts.clone()), followed, "{page:?} {counts:?}");
        }
    }
}
