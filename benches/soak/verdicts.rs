//! Whether what must hold did hold.

use std::{fmt, time::Duration};

use super::{
    phase::{self, Phase, Recovery, millis},
    probe::Refusals,
    survivor::Survivor,
};

/// A hit may always take this long. One that waits for Redis takes the 50 ms after which the gateway goes on without it; half
/// of that is still the noise of a busy machine.
const ALWAYS_FAIR: Duration = Duration::from_millis(25);
/// Where Redis has lost what it knew, replicas make no calls for two seconds on purpose: by then each has told it what
/// was spent.
const WELL_AGAIN_WITHIN: Duration = Duration::from_secs(5);
/// The part of the admitted requests that may miss their deadline.
const MAX_LATE: f64 = 0.01;
/// The longest pause that Amazon can impose with one answer.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);
/// A refusal needs nobody, and takes a few milliseconds.
const AT_ONCE: Duration = Duration::from_millis(500);

/// Each with whether it holds.
pub(crate) struct Verdicts(Vec<(bool, String)>);

impl Verdicts {
    /// What must hold however Redis is made up.
    pub(crate) fn of_any(phases: &[Phase]) -> Self {
        Self(vec![
            nothing_fails_for_redis(phases),
            the_limits_are_kept(phases),
            all_is_soon_well(phases),
            one_gateway_stands_for_both(phases),
            what_is_admitted_is_in_time(phases),
            every_account_lives(phases),
        ])
    }

    /// The same, and what the other failures must not do.
    pub(crate) fn of_all(phases: &[Phase], away: &Refusals, poisoned: &Refusals) -> Self {
        let Self(mut verdicts) = Self::of_any(phases);
        verdicts.extend([
            hits_stay_fast(phases),
            what_is_kept_is_told(phases),
            the_rest_is_refused(away),
            no_pause_is_longer_than_the_bound(poisoned),
        ]);
        Self(verdicts)
    }

    /// What must hold of the gateway that is left.
    pub(crate) fn of_survivor(survivor: &Survivor) -> Self {
        let Survivor { recovered_in, over_the_limits, .. } = survivor;
        let took = recovered_in.map_or_else(|| "never".to_owned(), |took| format!("after {} s", took.as_secs()));
        Self(vec![
            (recovered_in.is_some(), format!("the one that is left makes nine in ten of the account's calls: {took}")),
            (
                *over_the_limits == 0,
                format!("Amazon never has to throttle: {over_the_limits} calls were over the limits"),
            ),
        ])
    }

    pub(crate) fn all_hold(&self) -> bool {
        self.0.iter().all(|(holds, _)| *holds)
    }
}

impl fmt::Display for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (holds, words) in &self.0 {
            writeln!(f, "{:<6} {words}", if *holds { "ok" } else { "FAILED" })?;
        }
        Ok(())
    }
}

fn nothing_fails_for_redis(phases: &[Phase]) -> (bool, String) {
    let phases = phases.iter().filter(|phase| phase.is_about_redis());
    let (failed, requests) =
        phases.fold((0, 0), |sum, phase| (sum.0 + phase.failed(None), sum.1 + phase.tally.requests));
    (failed == 0, format!("no request fails because of Redis: {failed} of {requests} did while it failed"))
}

fn hits_stay_fast(phases: &[Phase]) -> (bool, String) {
    let p99 = |phase: &Phase| phase.tally.hits_within(0.99);
    let calm = phases.iter().find(|phase| phase.name == phase::CALM).map(p99).unwrap_or_default();
    let most = (calm * 2).max(ALWAYS_FAIR);
    let after = phases.iter().skip_while(|phase| phase.name != phase::CALM).skip(1);
    let slowest = after.max_by_key(|phase| p99(phase));
    let (worst, name) = slowest.map(|phase| (p99(phase), phase.name)).unwrap_or_default();
    let (worst_ms, most_ms, calm) = (millis(worst), millis(most), millis(calm));
    (worst <= most, format!("the p99 of memory hits stays below {most_ms}: {worst_ms} ({name}), {calm} in calm"))
}

fn the_limits_are_kept(phases: &[Phase]) -> (bool, String) {
    let over: usize = phases.iter().map(|phase| phase.counts.over_the_limits).sum();
    let calls: usize = phases.iter().map(|phase| phase.counts.calls).sum();
    (over == 0, format!("Amazon never has to throttle: {over} of {calls} calls were over the limits"))
}

fn all_is_soon_well(phases: &[Phase]) -> (bool, String) {
    let wait = |phase: &Phase| match phase.recovery {
        Recovery::NotNeeded => Duration::ZERO,
        Recovery::After(wait) => wait,
        Recovery::Never => Duration::MAX,
    };
    // A gateway that was throttled halves its pace, and takes minutes to win it back: that is no illness.
    let phases = || phases.iter().filter(|phase| ![phase::THROTTLED, phase::POISONED].contains(&phase.name));
    let slowest = phases().max_by_key(|phase| wait(phase));
    let told = slowest.map_or_else(String::new, |phase| format!("{} ({})", phase.recovery, phase.name));
    let is_soon = phases().all(|phase| wait(phase) < WELL_AGAIN_WITHIN);
    (is_soon, format!("all is well within {} of the end of each: {told}", millis(WELL_AGAIN_WITHIN)))
}

fn one_gateway_stands_for_both(phases: &[Phase]) -> (bool, String) {
    let phases = phases.iter().filter(|phase| phase.name == phase::KILLED);
    let failed: usize = phases.map(|phase| phase.failed(Some(0))).sum();
    (failed == 0, format!("the other gateway does not mind that one is killed: {failed} of its requests failed"))
}

fn what_is_kept_is_told(phases: &[Phase]) -> (bool, String) {
    let phases = phases.iter().filter(|phase| [phase::AWAY, phase::POISONED].contains(&phase.name));
    let failed: usize = phases.map(|phase| phase.tally.hot_failed).sum();
    (failed == 0, format!("without Amazon what is kept is told: {failed} reads of it failed"))
}

fn the_rest_is_refused(refusals: &Refusals) -> (bool, String) {
    let Refusals { asked, with_a_time, slowest, .. } = *refusals;
    let holds = with_a_time == asked && slowest < AT_ONCE;
    let slowest = millis(slowest);
    (holds, format!("the rest is refused at once, with a time: {with_a_time} of {asked}, the slowest after {slowest}"))
}

fn what_is_admitted_is_in_time(phases: &[Phase]) -> (bool, String) {
    let (late, admitted) =
        phases.iter().fold((0, 0), |sum, phase| (sum.0 + phase.tally.late, sum.1 + phase.tally.admitted));
    let holds = late as f64 <= MAX_LATE * admitted as f64;
    (holds, format!("what is admitted is in time: {late} of {admitted} were not"))
}

fn every_account_lives(phases: &[Phase]) -> (bool, String) {
    let dead: Vec<&String> = phases.iter().flat_map(|phase| &phase.dead).collect();
    (dead.is_empty(), format!("every account lives and has never panicked: {dead:?}"))
}

fn no_pause_is_longer_than_the_bound(poisoned: &Refusals) -> (bool, String) {
    let Refusals { asked, with_a_time, longest, .. } = *poisoned;
    let holds = with_a_time == asked && longest <= MAX_RETRY_AFTER + WELL_AGAIN_WITHIN;
    (holds, format!("Amazon's longest pause is bounded: {with_a_time} of {asked} say so, at most {}", millis(longest)))
}
