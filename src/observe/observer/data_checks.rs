//! What the observer is told of the data: rows without a partner, the age of the newest row, and who follows the changes.

use std::sync::Arc;

use super::Observer;
use crate::model::data_checks::{Age, Measured, OrphanCount, Orphans, Slot, TableFreshness};
use crate::observe::gauges::Series;
use crate::observe::labels;
use crate::observe::metrics::Guarded;
use crate::observe::registry::{self, Metric};

/// Slots are of the server: none of its databases owns their series.
const SERVER: &str = "";

impl Observer {
    /// The data of a database was measured.
    pub fn data_measured(&self, found: &Measured) {
        let database = Arc::clone(&self.metrics.database(&found.database).name);
        let relation = |schema: &str, relation: &str| {
            let [schema, relation] = self.metrics.relation(Guarded::Relation, &found.database, schema, relation);
            vec![database.to_string(), schema.to_string(), relation.to_string()]
        };
        let orphans = |value: fn(&OrphanCount) -> f64| -> Vec<Series> {
            let series =
                found.orphans.iter().filter_map(|Orphans { schema, relation: name, relationship, counted }| {
                    let mut labels = relation(schema, name);
                    // Contracts bound their number.
                    labels.push(labels::clean(relationship));
                    Some((labels, value(counted.as_ref()?)))
                });
            series.collect()
        };
        let set = |metric: &Metric, series, join| self.metrics.gauges.set(metric, &found.database, series, join);
        // Exact up to 2^53 rows.
        set(&registry::ORPHAN_ROWS, orphans(|count| count.rows as f64), |one, other| one + other);
        set(&registry::ORPHAN_SHARE, orphans(|count| count.share), f64::min);
        set(&registry::ORPHAN_LAST_CHECK, orphans(|count| seconds(count.at)), f64::min);
        let freshness = |value: &dyn Fn(&TableFreshness) -> Option<f64>| -> Vec<Series> {
            let tables = found.freshness.iter();
            tables.filter_map(|table| Some((relation(&table.schema, &table.relation), value(table)?))).collect()
        };
        let newest = |value: fn(&Age) -> f64| freshness(&|table| table.newest.as_ref().map(value));
        set(&registry::DATA_FRESHNESS, newest(|age| age.seconds), f64::max);
        set(&registry::DATA_FRESHNESS_LAST_CHECK, newest(|age| seconds(age.at)), f64::min);
        set(&registry::DATA_FRESHNESS_TARGET, freshness(&|table| Some(table.at_most.as_secs_f64())), f64::min);
    }

    /// The replication slots there are now.
    pub fn replication_slots(&self, slots: &[Slot]) {
        let labels = |slot: &Slot| {
            let database = match &*slot.database {
                "" => String::new(),
                name => self.metrics.guard(Guarded::Database, name).to_string(),
            };
            vec![database, self.metrics.guard(Guarded::Slot, &slot.name).to_string()]
        };
        let lag = slots.iter().filter_map(|slot| Some((labels(slot), slot.lag? as f64)));
        let active = slots.iter().map(|slot| (labels(slot), f64::from(u8::from(slot.active))));
        self.metrics.gauges.set(&registry::SLOT_LAG, SERVER, lag.collect(), f64::max);
        self.metrics.gauges.set(&registry::SLOT_ACTIVE, SERVER, active.collect(), f64::min);
    }
}

fn seconds(at: jiff::Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}
