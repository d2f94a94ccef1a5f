//! What waits, as lines of the chain.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::chain::{self, Heading, Link, Sealer};
use super::log::Batch;
use super::record::{Note, Session, Statement};
use super::{Entry, PolicyHistory};

/// So many records are written at once.
pub(super) const BATCH: usize = 256;

/// The lines of what waits, as many as are written at once: what is to be said of the audit first.
pub(super) fn batch(
    link: &Link,
    sealer: &Sealer,
    (notes, entries): (&VecDeque<(Timestamp, Note)>, &VecDeque<Entry>),
    history: &PolicyHistory,
) -> Batch {
    let (mut link, mut batch) = (link.clone(), Batch::default());
    for (time, note) in notes {
        let heading = Heading { kind: note.kind(), time: *time };
        let added = chain::append(&mut link, sealer, heading, note, &mut batch.bytes);
        keep(added, &mut link, sealer, *time, &mut batch);
    }
    for entry in entries.iter().take(BATCH) {
        let time = entry.time();
        let added = match entry {
            Entry::Statement(_, event) => {
                let policies = history.at(event.epoch);
                let body = Statement::new(event, policies.as_deref().unwrap_or_default());
                chain::append(&mut link, sealer, Heading { kind: "statement", time }, &body, &mut batch.bytes)
            }
            Entry::Session { session, subject, began, .. } => {
                let heading = Heading { kind: if *began { "login" } else { "logout" }, time };
                chain::append(&mut link, sealer, heading, &Session::new(*session, subject), &mut batch.bytes)
            }
            Entry::Note(_, note) => {
                chain::append(&mut link, sealer, Heading { kind: note.kind(), time }, note, &mut batch.bytes)
            }
        };
        keep(added, &mut link, sealer, time, &mut batch);
    }
    batch
}

/// Every entry has a line: one that cannot be written, for whatever reason, is told to be lost.
fn keep(added: serde_json::Result<()>, link: &mut Link, sealer: &Sealer, time: Timestamp, batch: &mut Batch) {
    if let Err(error) = added {
        tracing::error!(%error, "a record of the audit cannot be written as JSON");
        let note = Note::lost(1, link.seq, (time, time));
        // This one holds nothing but numbers and times.
        _ = chain::append(link, sealer, Heading { kind: note.kind(), time }, &note, &mut batch.bytes);
    }
    batch.ends.push((batch.bytes.len(), link.clone()));
}
