//! Whose claim a recorded one is, where those who claimed at the same time got each other's tasks.

use std::collections::{BTreeMap, HashMap, HashSet};

use runstore_core::ClaimToken;
use serde_json::Value;

use crate::trace::Outcome;

/// The claims of the recording and of the replay.
///
/// A recorded claim is the replay's claim on the same task wherever there is one, whichever call got it: then what is
/// reported of a task is what was reported of it in the recording. Where there is none when the recorded claim is
/// first used, it is the claim that the same call got in the replay, or else any that is left; and it stays that.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// What the replay got, with a number in that order.
    made: HashMap<ClaimToken, u64>,
    /// Those that no recorded claim is yet.
    free: BTreeMap<u64, ClaimToken>,
    /// What the recording got.
    recorded: HashSet<ClaimToken>,
    /// What the same call got in the recording and in the replay.
    same_call: HashMap<ClaimToken, ClaimToken>,
    settled: HashMap<ClaimToken, ClaimToken>,
}

impl Claims {
    /// The replay got these.
    pub(super) fn made(&mut self, tokens: &[ClaimToken]) {
        for token in tokens {
            let number = self.made.len() as u64;
            if self.made.insert(*token, number).is_none() {
                self.free.insert(number, *token);
            }
        }
    }

    /// The same call got these in the recording and those in the replay.
    pub(super) fn got(&mut self, recorded: &[ClaimToken], replayed: &[ClaimToken]) {
        self.recorded.extend(recorded);
        let pairs = recorded.iter().copied().zip(replayed.iter().copied());
        self.same_call.extend(pairs);
    }

    /// The replay's claim in the place of a recorded one. `same` is the one on the same task.
    pub(super) fn resolve(&mut self, recorded: ClaimToken, same: ClaimToken) -> ClaimToken {
        if let Some(settled) = self.settled.get(&recorded) {
            return *settled;
        }
        if !self.recorded.contains(&recorded) {
            // It is from before the recording, or made up.
            return same;
        }
        let is_free = |token: &ClaimToken| {
            let number = self.made.get(token);
            number.is_some_and(|number| self.free.contains_key(number))
        };
        let of_call = || self.same_call.get(&recorded).copied().filter(is_free);
        // Best one that no recorded claim was on.
        let any = || {
            let mut free = self.free.values();
            let unwanted = free.find(|token| !self.recorded.contains(*token));
            unwanted.or_else(|| self.free.values().next()).copied()
        };
        let found = Some(same).filter(is_free).or_else(of_call);
        let Some(found) = found.or_else(any) else {
            // Perhaps there is one later; until then, the store refuses it.
            return same;
        };
        if let Some(number) = self.made.get(&found) {
            self.free.remove(number);
        }
        self.settled.insert(recorded, found);
        found
    }
}

/// The tokens of the claims that an answer holds.
pub(super) fn tokens(outcome: &Outcome) -> Vec<ClaimToken> {
    let Outcome::Answer(answer) = outcome else {
        return Vec::new();
    };
    let claims = match answer {
        Value::Array(claims) => claims.as_slice(),
        claim => std::slice::from_ref(claim),
    };
    let token = |claim: &Value| {
        let task = claim.get("task")?;
        Some(ClaimToken {
            task_id: task.get("id")?.as_str()?.parse().ok()?,
            attempt_number: u32::try_from(task.get("attemptCount")?.as_u64()?).ok()?,
        })
    };
    claims.iter().filter_map(token).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(task: u128) -> ClaimToken {
        ClaimToken {
            task_id: runstore_core::Uuid::from_u128(task).into(),
            attempt_number: 1,
        }
    }

    #[test]
    fn claims_that_were_swapped_keep_their_tasks() {
        let (a, b) = (token(1), token(2));
        let mut claims = Claims::default();
        claims.made(&[a, b]);
        claims.got(&[a], &[b]);
        claims.got(&[b], &[a]);
        assert_eq!([claims.resolve(a, a), claims.resolve(b, b)], [a, b]);
    }

    #[test]
    fn a_task_that_was_not_claimed_yet_stands_back_for_the_one_that_was() {
        let (a, b) = (token(1), token(2));
        let mut claims = Claims::default();
        claims.made(&[b]);
        claims.got(&[a], &[b]);
        assert_eq!(claims.resolve(a, a), b);
        claims.made(&[a]);
        claims.got(&[b], &[a]);
        assert_eq!(claims.resolve(b, b), a);
        assert_eq!(claims.resolve(a, a), b, "it stays that");
    }

    #[test]
    fn a_claim_of_a_call_that_had_none_is_used_where_the_recorded_one_is_missing() {
        let (a, b) = (token(1), token(2));
        let mut claims = Claims::default();
        claims.got(&[a], &[]);
        assert_eq!(claims.resolve(a, a), a, "there is none yet");
        claims.made(&[b]);
        claims.got(&[], &[b]);
        assert_eq!(claims.resolve(a, a), b);
        assert_eq!(
            claims.resolve(token(3), token(3)),
            token(3),
            "not of the recording"
        );
    }
}
