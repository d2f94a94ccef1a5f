//! Verdicts by statement shape, bounded in bytes.
//!
//! The key is the normalised text: literals and comments out, so that `WHERE id = 17` and `= 18` share a verdict. It
//! goes with everything else that a verdict depends on: the snapshot's epoch, the subject's rules, the search path and the
//! protocol. A remembered rewrite is a list of splices by token index, which fit every text of the same shape.
//! Refusals are not remembered: their position depends on the text, and they are not what a busy application sends.
//! Nor are verdicts on changes of the structure: they depend on who uses what at the moment.
//! In front of it, each thread knows the exact texts that it has seen last: `recent`.

use std::cell::RefCell;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

use super::check::{self, Facts, Moment, Plan, Protocol};
use super::recent;
use super::verdict::Verdict;
use crate::policy::snapshot::Snapshot;
use crate::sql::lexer::{self, Token};

/// Remembers verdicts, so that a text seen before costs one look-up.
#[derive(Debug)]
pub struct VerdictCache {
    plans: Cache<Key, Arc<Plan>, ByBytes, foldhash::quality::RandomState>,
    hasher: foldhash::quality::RandomState,
    /// Tells caches apart where threads remember for several.
    number: u64,
}

/// What a verdict depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    circumstances: Circumstances,
    text: Box<[u8]>,
}

/// All of it but the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Circumstances {
    epoch: u64,
    rules: u64,
    path: u64,
    protocol: Protocol,
}

/// A key to look up with: its hash is that of [`Key`], field by field.
#[derive(Hash)]
struct Borrowed<'a> {
    circumstances: Circumstances,
    text: &'a [u8],
}

impl Equivalent<Key> for Borrowed<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.circumstances == key.circumstances && *self.text == *key.text
    }
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<Key, Arc<Plan>> for ByBytes {
    fn weight(&self, key: &Key, plan: &Arc<Plan>) -> u64 {
        (key.text.len() + plan.bytes() + ENTRY_OVERHEAD) as u64
    }
}

/// What an entry costs beside its texts.
const ENTRY_OVERHEAD: usize = 256;

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Tokens and key of the text at hand: cleared, not freed, between texts.
    static SCRATCH: RefCell<(Vec<Token>, Vec<u8>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

impl VerdictCache {
    /// A cache that takes at most about this many bytes.
    pub fn new(bytes: u64) -> Self {
        let expected = usize::try_from(bytes / 2048).unwrap_or(usize::MAX).max(16);
        Self {
            plans: Cache::with(
                expected,
                bytes,
                ByBytes,
                foldhash::quality::RandomState::default(),
                quick_cache::sync::DefaultLifecycle::default(),
            ),
            hasher: foldhash::quality::RandomState::default(),
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// What `check::check` answers, from memory where the same was asked before under the same snapshot and rules.
    pub fn check(&self, snapshot: &Snapshot, facts: &Facts<'_>, sql: &str) -> Verdict {
        if let Some(admitted) = recent::find(self.number, snapshot, facts, sql) {
            return Verdict::Admit(admitted);
        }
        SCRATCH.with_borrow_mut(|(tokens, key)| {
            if lexer::lex_into(sql, tokens).is_err() {
                return check::check(snapshot, facts, sql);
            }
            lexer::write_key(sql, tokens, key);
            let verdict = self.remembered(snapshot, facts, sql, tokens, key);
            if let Verdict::Admit(admitted) = &verdict
                && !tokens.iter().any(|token| token.kind.is_literal())
                && !admitted.report.effects.judged_anew
            {
                recent::keep(self.number, snapshot, facts, sql, admitted);
            }
            tokens.shrink_to(SCRATCH_TOKENS);
            key.shrink_to(SCRATCH_BYTES);
            verdict
        })
    }

    fn remembered(&self, snapshot: &Snapshot, facts: &Facts<'_>, sql: &str, tokens: &[Token], text: &[u8]) -> Verdict {
        let circumstances = Circumstances {
            epoch: snapshot.epoch,
            rules: facts.view.fingerprint,
            path: self.path_of(facts),
            protocol: facts.protocol,
        };
        let plan = match self.plans.get(&Borrowed { circumstances, text }) {
            Some(plan) => plan,
            None => match check::plan((snapshot, Moment::of(snapshot)), facts, sql, tokens) {
                Ok(plan) => {
                    let plan = Arc::new(plan);
                    if plan.lasts() {
                        self.plans.insert(Key { circumstances, text: text.into() }, Arc::clone(&plan));
                    }
                    plan
                }
                Err(refusal) => return Verdict::Refuse(*refusal),
            },
        };
        plan.carry_out(sql, tokens)
    }

    /// Database and search path as one number: equal ones are equal, and a seeded hash keeps unequal ones apart.
    fn path_of(&self, facts: &Facts<'_>) -> u64 {
        let mut hasher = std::hash::BuildHasher::build_hasher(&self.hasher);
        facts.database.hash(&mut hasher);
        facts.search_path.hash(&mut hasher);
        hasher.finish()
    }
}

/// Kept of the scratch space between texts.
const SCRATCH_TOKENS: usize = 4096;
const SCRATCH_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::BuildHasher;

    #[test]
    fn a_borrowed_key_finds_what_an_owned_one_stored() {
        let circumstances = Circumstances { epoch: 1, rules: 2, path: 3, protocol: Protocol::Simple };
        let key = Key { circumstances, text: (*b"select").into() };
        let borrowed = Borrowed { circumstances, text: b"select" };
        let hasher = foldhash::quality::RandomState::default();
        assert_eq!(hasher.hash_one(&key), hasher.hash_one(&borrowed));
        assert!(borrowed.equivalent(&key));
        let other = Circumstances { epoch: 2, ..circumstances };
        assert!(!Borrowed { circumstances: other, text: b"select" }.equivalent(&key));
    }
}
