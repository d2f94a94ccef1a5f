//! What a thread has admitted last, by the exact text: found again without cutting the text into tokens.
//!
//! Drivers send a parameterised text again and again, byte for byte. Only texts without literals are kept, so that
//! those which differ each time do not push out those which do not. A slot holds one text; a newer one replaces it.

use std::cell::RefCell;
use std::hash::BuildHasher;

use super::check::Facts;
use super::verdict::Admitted;
use crate::model::catalog::SearchPath;
use crate::policy::snapshot::Snapshot;

/// Texts that a thread remembers, at most.
const SLOTS: usize = 256;

/// Longer texts are not worth the place: cutting them is little beside sending them.
const MAX_TEXT: usize = 4096;

#[derive(Debug)]
struct Recent {
    cache: u64,
    epoch: u64,
    rules: u64,
    protocol: super::check::Protocol,
    database: Box<str>,
    path: Option<SearchPath>,
    text: Box<str>,
    admitted: Admitted,
}

thread_local! {
    static RECENT: RefCell<Vec<Option<Recent>>> = const { RefCell::new(Vec::new()) };
    static HASHER: foldhash::fast::RandomState = foldhash::fast::RandomState::default();
}

fn slot(sql: &str) -> usize {
    HASHER.with(|hasher| hasher.hash_one(sql.as_bytes())) as usize % SLOTS
}

impl Recent {
    fn answers(&self, cache: u64, snapshot: &Snapshot, facts: &Facts<'_>, sql: &str) -> bool {
        *self.text == *sql
            && self.cache == cache
            && self.epoch == snapshot.epoch
            && self.rules == facts.view.fingerprint
            && self.protocol == facts.protocol
            && *self.database == *facts.database
            && self.path.as_ref() == facts.search_path
    }
}

/// What the cache of that number admitted for this text under the same circumstances, if that was not long ago.
pub(super) fn find(cache: u64, snapshot: &Snapshot, facts: &Facts<'_>, sql: &str) -> Option<Admitted> {
    if sql.len() > MAX_TEXT {
        return None;
    }
    RECENT.with_borrow(|recent| {
        let found = recent.get(slot(sql))?.as_ref()?;
        found.answers(cache, snapshot, facts, sql).then(|| found.admitted.clone())
    })
}

/// Keeps what was admitted for a text without literals.
pub(super) fn keep(cache: u64, snapshot: &Snapshot, facts: &Facts<'_>, sql: &str, admitted: &Admitted) {
    if sql.len() > MAX_TEXT {
        return;
    }
    RECENT.with_borrow_mut(|recent| {
        if recent.is_empty() {
            recent.resize_with(SLOTS, || None);
        }
        if let Some(place) = recent.get_mut(slot(sql)) {
            *place = Some(Recent {
                cache,
                epoch: snapshot.epoch,
                rules: facts.view.fingerprint,
                protocol: facts.protocol,
                database: facts.database.into(),
                path: facts.search_path.cloned(),
                text: sql.into(),
                admitted: admitted.clone(),
            });
        }
    });
}
