//! What the script answers.

use std::{sync::Arc, time::Duration};

/// An answer.
#[derive(Debug, PartialEq)]
pub(super) struct ScriptReply {
    /// Whether the call may leave.
    pub(super) goes: bool,
    /// The time, in milliseconds since 1970.
    pub(super) now_ms: u64,
    /// How long until leave may be asked for again.
    pub(super) wait: Duration,
    /// The calls a second that the account makes now.
    pub(super) rate: f64,
    /// The replica's number.
    pub(super) number: Option<u32>,
    /// The calls it may make if Redis goes away.
    pub(super) promise: u32,
    /// The calls of the past day.
    pub(super) spent: u32,
    /// Calls and their times, the oldest first.
    pub(super) calls: Vec<(u64, Arc<str>)>,
}

impl ScriptReply {
    /// Reads an answer; `None` where it is none, as when the question came too late.
    pub(super) fn parse(words: &[String]) -> Option<Self> {
        let [verdict, now, wait, rate, number, promise, spent, calls @ ..] = words else { return None };
        if verdict == "late" {
            return None;
        }
        let calls = calls.chunks_exact(2).map(|pair| match pair {
            [call, at] => Some((at.parse().ok()?, call.as_str().into())),
            _ => None,
        });
        Some(Self {
            goes: verdict == "go",
            now_ms: now.parse().ok()?,
            wait: Duration::from_millis(wait.parse().ok()?),
            rate: rate.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0)?,
            number: number.parse().ok(),
            promise: promise.parse().ok()?,
            spent: spent.parse().ok()?,
            calls: calls.collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<ScriptReply> {
        ScriptReply::parse(&text.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn an_answer_is_read_whole_or_not_at_all() {
        let answer = ScriptReply {
            goes: true,
            now_ms: 1_800_000_000_000,
            wait: Duration::from_millis(50),
            rate: 0.5,
            number: None,
            promise: 3,
            spent: 2,
            calls: vec![(1_799_999_999_999, "1 web".into())],
        };
        assert_eq!(parse("go,1800000000000,50,0.5,-1,3,2,1 web,1799999999999"), Some(answer));
        for bad in ["", "late,1800000000000,0,1,-1,0,0", "go,now,0,1,0,0,0", "go,1,0,0,0,0,0", "go,1,0,1,0,0,0,1 web,x"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
