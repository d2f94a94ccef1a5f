//! Verdicts by statement shape, bounded in bytes.
//!
//! The key is the normalised text: literals and comments out, so that `WHERE id = 17` and `= 18` share a verdict. It
//! goes with everything else that a verdict depends on: the snapshot's epoch, the subject's rules, the search path and the
//! protocol. A remembered rewrite is a list of splices by token index, which fit every text of the same shape.
//! Refusals are not remembered: their position depends on the text, and they are not what a busy application sends.

use std::cell::RefCell;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::check::{self, Facts, Plan, Protocol};
use super::verdict::Verdict;
use crate::policy::snapshot::Snapshot;
use crate::sql::lexer::{self, Token};

/// Remembers verdicts, so that a text seen before costs one look-up.
#[derive(Debug)]
pub struct VerdictCache {
    plans: Cache<Key, Arc<Plan>, ByBytes, foldhash::quality::RandomState>,
    hasher: foldhash::quality::RandomState,
}

/// What a verdict depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    epoch: u64,
    rules: u64,
    path: u64,
    protocol: Protocol,
    text: Box<[u8]>,
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
        }
    }

    /// What `check::check` answers, from memory where the same was asked before under the same snapshot and rules.
    pub fn check(&self, snapshot: &Snapshot, facts: &Facts<'_>, sql: &str) -> Verdict {
        SCRATCH.with_borrow_mut(|(tokens, key)| {
            if lexer::lex_into(sql, tokens).is_err() {
                return check::check(snapshot, facts, sql);
            }
            key.clear();
            lexer::shape(sql, tokens, key);
            let verdict = self.remembered(snapshot, facts, sql, tokens, key);
            tokens.shrink_to(SCRATCH_TOKENS);
            key.shrink_to(SCRATCH_BYTES);
            verdict
        })
    }

    fn remembered(&self, snapshot: &Snapshot, facts: &Facts<'_>, sql: &str, tokens: &[Token], text: &[u8]) -> Verdict {
        let key = Key {
            epoch: snapshot.epoch,
            rules: facts.view.fingerprint,
            path: self.path_of(facts),
            protocol: facts.protocol,
            text: text.into(),
        };
        let plan = match self.plans.get(&key) {
            Some(plan) => plan,
            None => match check::plan(snapshot, facts, sql, tokens) {
                Ok(plan) => {
                    let plan = Arc::new(plan);
                    self.plans.insert(key, Arc::clone(&plan));
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
