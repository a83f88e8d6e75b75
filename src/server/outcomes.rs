//! The outcomes of a `GetProducts`, put together in the order of its request.

use super::error::ErrorDescriptor;
use crate::served::{ProductOutcome, product_outcome::Result as Outcome};
use amazon_catalog::{Asin, NotAnAsin};
use stockroom_proto::pb::ErrorReason;

/// An outcome for each ASIN of a request, as far as it is known.
#[derive(Debug)]
pub(crate) struct OutcomeSlots {
    slots: Vec<Slot>,
    /// The slot after the one that was set last. What memory has is known in the order of the request.
    next: usize,
}

#[derive(Debug)]
struct Slot {
    asin: Option<Asin>,
    outcome: ProductOutcome,
}

impl OutcomeSlots {
    /// The outcomes for the ASINs of a request: so far only those that are none are known.
    pub(crate) fn new(asins: Vec<String>) -> Self {
        let slot = |text: String| match Asin::parse(&text) {
            Ok(asin) => Slot { asin: Some(asin), outcome: ProductOutcome { asin: text, result: None } },
            Err(error) => Slot { asin: None, outcome: ProductOutcome { asin: text, result: Some(invalid(error)) } },
        };
        Self { slots: asins.into_iter().map(slot).collect(), next: 0 }
    }

    /// The ASINs of the request, in its order.
    pub(crate) fn asins(&self) -> impl Iterator<Item = Asin> {
        self.slots.iter().filter_map(|slot| slot.asin)
    }

    /// Sets the outcome of an ASIN, in one of the places that name it.
    pub(crate) fn set(&mut self, asin: Asin, result: Outcome) {
        let is_of = |slot: &Slot| slot.asin == Some(asin);
        let place = match self.slots.get(self.next) {
            Some(slot) if is_of(slot) => Some(self.next),
            _ => self.slots.iter().position(is_of),
        };
        if let Some(slot) = place.and_then(|place| self.slots.get_mut(place)) {
            slot.outcome.result = Some(result);
        }
        self.next = place.map_or(self.next, |place| place + 1);
    }

    /// All outcomes. An ASIN that is named more than once has the same outcome in each place.
    pub(crate) fn finish(mut self) -> Vec<ProductOutcome> {
        for place in 0..self.slots.len() {
            let Some(empty) = self.slots.get(place).filter(|slot| slot.outcome.result.is_none()) else { continue };
            let mut same = self.slots.iter().filter(|slot| slot.asin == empty.asin);
            let result = same.find_map(|slot| slot.outcome.result.clone());
            if let Some(slot) = self.slots.get_mut(place) {
                slot.outcome.result = result;
            }
        }
        self.slots.into_iter().map(|slot| slot.outcome).collect()
    }
}

fn invalid(error: NotAnAsin) -> Outcome {
    Outcome::Absence(ErrorDescriptor::new(ErrorReason::InvalidRequest, error.to_string()).absence())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::served::ProductEntry;
    use stockroom_proto::pb;

    #[test]
    fn outcomes_are_in_the_order_of_the_request_whatever_the_order_they_become_known_in() {
        let texts = ["B000000001", "?", "b000000002", "B000000001", "B000000003"];
        let entry = |text: &str| Outcome::Entry(ProductEntry { product: text.to_owned().into(), freshness: None });
        let orders = [
            ["B000000003", "B000000001", "B000000002"],
            // The second place of the repeated ASIN follows the place that was set last.
            ["B000000002", "B000000001", "B000000003"],
        ];
        for order in orders {
            let mut outcomes = OutcomeSlots::new(texts.map(str::to_owned).to_vec());
            assert_eq!(outcomes.asins().count(), 4, "all but the one that is none");
            for text in order {
                outcomes.set(Asin::parse(text).unwrap(), entry(text));
            }
            let outcomes = outcomes.finish();
            assert_eq!(outcomes.iter().map(|outcome| outcome.asin.as_str()).collect::<Vec<_>>(), texts);
            let results: Vec<_> = outcomes.into_iter().map(|outcome| outcome.result.unwrap()).collect();
            assert!(matches!(&results[1], Outcome::Absence(absence) if absence.reason() == pb::AbsenceReason::Invalid));
            for (place, text) in [(0, "B000000001"), (2, "B000000002"), (3, "B000000001"), (4, "B000000003")] {
                assert_eq!(results[place], entry(text));
            }
        }
    }
}
