//! What the errors of a response say of the ids that it has no product for.

use std::fmt::Display;

use crate::{
    Missing,
    error_body::{ErrorEntry, Meaning},
};

/// The ids of a request that have no product, each in one list.
pub(super) struct Outcomes<'a, Id> {
    /// The ids that do not exist, by Amazon's word.
    pub(super) missing: Vec<(Id, Missing)>,
    /// The ids that Amazon failed to answer, with the error that explains it where there is one.
    pub(super) failed: Vec<(Id, Option<&'a ErrorEntry>)>,
    /// The ids that Amazon did not look at, because it rejected another id of the call.
    pub(super) unprocessed: Vec<Id>,
}

impl<'a, Id: Copy + PartialEq + Display> Outcomes<'a, Id> {
    /// The ids of a call that was answered in part. `found` are those with a product.
    pub(super) fn beside(asked: &[Id], found: &[Id], errors: &'a [ErrorEntry]) -> Self {
        let named = |error: &ErrorEntry| asked.iter().any(|id| names(error, *id));
        let (about_ids, anonymous): (Vec<_>, Vec<_>) = errors.iter().partition(|error| named(error));
        let open: Vec<Id> = asked.iter().copied().filter(|id| !found.contains(id)).collect();
        let silent = |id: &&Id| !about_ids.iter().any(|error| names(error, **id));
        let unexplained = open.iter().filter(silent).count();

        let passing = anonymous.iter().copied().find(|error| !is_absence(error));
        let absences: Vec<_> = anonymous.iter().copied().filter(|error| is_absence(error)).collect();
        let nothing_at_all = found.is_empty() && !absences.is_empty();
        let absence =
            absences.first().filter(|_| passing.is_none() && (nothing_at_all || absences.len() >= unexplained));

        let mut outcomes = Self { missing: Vec::new(), failed: Vec::new(), unprocessed: Vec::new() };
        for id in open {
            let own = about_ids.iter().copied().find(|error| names(error, id));
            match own {
                Some(error) => match absence_of_named(error) {
                    Some(missing) => outcomes.missing.push((id, missing)),
                    None => outcomes.failed.push((id, Some(error))),
                },
                None => match absence {
                    Some(error) => outcomes.missing.push((id, absence_of_named(error).unwrap_or(Missing::NotFound))),
                    None => outcomes.failed.push((id, passing)),
                },
            }
        }
        outcomes
    }

    /// The ids of a call that was rejected as a whole, where the errors name some of them, or say of all that they do not
    /// exist.
    pub(super) fn rejected(asked: &[Id], errors: &'a [ErrorEntry]) -> Option<Self> {
        let mut outcomes = Self { missing: Vec::new(), failed: Vec::new(), unprocessed: Vec::new() };
        for id in asked {
            let Some(error) = errors.iter().find(|error| names(error, *id)) else {
                outcomes.unprocessed.push(*id);
                continue;
            };
            match absence_of_named(error) {
                Some(missing) => outcomes.missing.push((*id, missing)),
                None => outcomes.failed.push((*id, Some(error))),
            }
        }
        if outcomes.unprocessed.len() < asked.len() {
            return Some(outcomes);
        }
        (!errors.is_empty() && errors.iter().all(is_absence)).then(|| Self::beside(asked, &[], errors))
    }

    /// Whether the response says nothing of any id.
    pub(super) fn nothing_is_known(&self, found: usize) -> bool {
        found == 0 && self.missing.is_empty()
    }
}

fn names(error: &ErrorEntry, id: impl Display) -> bool {
    error.names_id(&id.to_string())
}

/// Whether an error that names no id is about the existence of items.
fn is_absence(error: &ErrorEntry) -> bool {
    matches!(error.meaning(), Some(Meaning::NotFound | Meaning::NotAccessible))
}

/// What an error that names an id says of the existence of the item; `None` where it is about something else.
fn absence_of_named(error: &ErrorEntry) -> Option<Missing> {
    match error.meaning()? {
        Meaning::NotFound | Meaning::InvalidValue => Some(Missing::NotFound),
        Meaning::NotAccessible => Some(Missing::NotAccessible),
        Meaning::Throttled | Meaning::Failed | Meaning::Refused(_) => None,
    }
}
