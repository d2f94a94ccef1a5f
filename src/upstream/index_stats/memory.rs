//! What is remembered of indexes from one look to the next: which there were, and when they were last scanned.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::model::activity::DroppedIndex;
use crate::model::catalog::Oid;

/// So long it is told that an index was dropped.
const TOLD_FOR: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

const HOUR: u64 = 3600;

/// The indexes of one database.
#[derive(Default)]
pub(super) struct Memory {
    known: HashMap<Oid, Remembered>,
    dropped: Vec<DroppedIndex>,
}

/// One index, as of the last look.
pub(super) struct Remembered {
    pub(super) table: Oid,
    pub(super) names: Names,
    pub(super) valid: bool,
    pub(super) bytes: Option<u64>,
    last_scan: Instant,
    scans: LastDay,
}

/// Schema, table and index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) schema: Box<str>,
    pub(super) table: Box<str>,
    pub(super) index: Box<str>,
}

/// An index at this look.
pub(super) struct Seen {
    pub(super) oid: Oid,
    pub(super) table: Oid,
    pub(super) names: Names,
    pub(super) valid: bool,
    pub(super) bytes: Option<u64>,
    pub(super) scans: u64,
}

impl Memory {
    /// Takes over what was seen; how long each has not been scanned, in the same order.
    pub(super) fn look(&mut self, seen: Vec<Seen>, has_table: impl Fn(Oid) -> bool, now: Moment) -> Vec<Duration> {
        let mut next = HashMap::with_capacity(seen.len());
        let mut unused = Vec::with_capacity(seen.len());
        for index in seen {
            let before = self.known.remove(&index.oid);
            let (mut last_scan, mut scans, bytes) =
                before.map_or((now.instant, LastDay::default(), None), |b| (b.last_scan, b.scans, b.bytes));
            if index.scans > 0 {
                last_scan = now.instant;
                scans.add(now.hour(), index.scans);
            }
            unused.push(now.instant.duration_since(last_scan));
            let Seen { oid, table, names, valid, .. } = index;
            let remembered = Remembered { table, names, valid, bytes: index.bytes.or(bytes), last_scan, scans };
            next.insert(oid, remembered);
        }
        self.dropped.iter_mut().for_each(|index| index.is_news = false);
        let gone = std::mem::replace(&mut self.known, next);
        // REINDEX CONCURRENTLY puts another index in the place of the one that it drops, under its name.
        let is_back = |known: &HashMap<Oid, Remembered>, names: &Names| known.values().any(|k| k.names == *names);
        for index in gone.into_values() {
            if index.valid && has_table(index.table) && !is_back(&self.known, &index.names) {
                self.dropped.push(index.dropped(now));
            }
        }
        let known = &self.known;
        self.dropped.retain(|index| {
            let names = Names { schema: index.schema.clone(), table: index.table.clone(), index: index.index.clone() };
            now.wall.duration_since(index.at) < TOLD_FOR && !is_back(known, &names)
        });
        unused
    }

    /// Those of the last day that have not come back.
    pub(super) fn dropped(&self) -> &[DroppedIndex] {
        &self.dropped
    }

    /// How large an index was when its size was last read.
    pub(super) fn bytes(&self, oid: Oid) -> Option<u64> {
        self.known.get(&oid)?.bytes
    }
}

impl Remembered {
    fn dropped(self, now: Moment) -> DroppedIndex {
        let Names { schema, table, index } = self.names;
        DroppedIndex {
            schema,
            table,
            index,
            at: now.wall,
            bytes: self.bytes,
            scans: self.scans.sum(now.hour()),
            is_news: true,
        }
    }
}

/// The time of a look, by both clocks.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) instant: Instant,
    pub(super) wall: Timestamp,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self { instant: Instant::now(), wall: Timestamp::now() }
    }

    /// Hours since 1970.
    fn hour(self) -> u64 {
        u64::try_from(self.wall.as_second()).unwrap_or(0) / HOUR
    }
}

/// Counts of the last 24 hours, by the hour.
#[derive(Default)]
struct LastDay(Vec<(u64, u64)>);

impl LastDay {
    fn add(&mut self, hour: u64, count: u64) {
        self.0.retain(|(at, _)| *at + 24 > hour);
        match self.0.last_mut() {
            Some((at, sum)) if *at == hour => *sum += count,
            _ => self.0.push((hour, count)),
        }
    }

    fn sum(&self, hour: u64) -> u64 {
        self.0.iter().filter(|(at, _)| *at + 24 > hour).map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(oid: u32, name: &str, scans: u64) -> Seen {
        let names = Names { schema: "public".into(), table: "t".into(), index: name.into() };
        Seen { oid: Oid(oid), table: Oid(1), names, valid: true, bytes: Some(8192), scans }
    }

    fn names(memory: &Memory) -> Vec<&str> {
        memory.dropped().iter().map(|index| &*index.index).collect()
    }

    #[test]
    fn a_dropped_index_is_told_with_what_was_known_of_it() {
        let mut memory = Memory::default();
        let now = Moment::now();
        memory.look(vec![seen(10, "a", 0), seen(11, "b", 7)], |_| true, now);
        memory.look(vec![seen(10, "a", 0)], |_| true, now);
        assert_eq!(names(&memory), ["b"]);
        assert_eq!((memory.dropped()[0].bytes, memory.dropped()[0].scans), (Some(8192), 7));
        let tomorrow = Moment { wall: now.wall + jiff::SignedDuration::from_hours(25), ..now };
        memory.look(vec![seen(10, "a", 0)], |_| true, tomorrow);
        assert!(memory.dropped().is_empty(), "after a day it is old news");
    }

    #[test]
    fn renamed_rebuilt_and_recreated_indexes_are_not_dropped() {
        let mut memory = Memory::default();
        let now = Moment::now();
        memory.look(vec![seen(10, "a", 0), seen(11, "b", 0)], |_| true, now);
        memory.look(vec![seen(10, "renamed", 0), seen(12, "b", 0)], |_| true, now);
        assert!(memory.dropped().is_empty(), "one has another name, the other was rebuilt");
        memory.look(vec![seen(12, "b", 0)], |_| true, now);
        assert_eq!(names(&memory), ["renamed"]);
        memory.look(vec![seen(12, "b", 0), seen(13, "renamed", 0)], |_| true, now);
        assert!(memory.dropped().is_empty(), "it is back");
    }

    #[test]
    fn the_indexes_of_a_dropped_table_go_with_it() {
        let mut memory = Memory::default();
        memory.look(vec![seen(10, "a", 0)], |_| true, Moment::now());
        memory.look(Vec::new(), |_| false, Moment::now());
        assert!(memory.dropped().is_empty());
    }

    #[test]
    fn an_index_is_unused_since_its_last_scan() {
        let mut memory = Memory::default();
        let now = Moment::now();
        memory.look(vec![seen(10, "a", 0)], |_| true, now);
        let later = Moment { instant: now.instant + Duration::from_secs(60), ..now };
        assert_eq!(memory.look(vec![seen(10, "a", 0)], |_| true, later), [Duration::from_secs(60)]);
        assert_eq!(memory.look(vec![seen(10, "a", 1)], |_| true, later), [Duration::ZERO]);
    }
}
