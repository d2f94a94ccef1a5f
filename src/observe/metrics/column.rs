//! The series of a column that a rule, a lifecycle or a classification is about.

use std::sync::Arc;

use dashmap::DashMap;
use metrics::{Counter, Gauge};

use super::database::ApplicationSeries;
use super::guard::Guarded;
use super::{DatabaseSeries, Metrics};
use crate::engine::report::{Access, ColumnUse, Outcome};
use crate::model::catalog::ColumnId;
use crate::observe::labels::OTHER;
use crate::observe::registry;

/// The handles of the columns of one database.
pub(super) type Columns = DashMap<(ColumnId, Access, Outcome), Arc<ColumnSeries>, foldhash::fast::RandomState>;

/// The labels and the handle of one column with one outcome.
pub struct ColumnSeries {
    /// What the handles were made for: the same column after a rename or another policy gets new ones.
    made_for: ColumnUse,
    /// `schemaname`, `relname`, `column`.
    pub labels: [Arc<str>; 3],
    /// Access to it, if it is classified or protected.
    pub sensitive: Option<Counter>,
}

/// The handles of one column and one application.
pub struct ConsumerSeries {
    /// Access to it.
    pub access: Counter,
    /// The same, of a column on its way out: the count, and when it was last.
    pub deprecated: Option<(Counter, Gauge)>,
}

impl Metrics {
    /// The labels and the handle of a column.
    pub fn column(&self, database: &DatabaseSeries, used: &ColumnUse) -> Arc<ColumnSeries> {
        let key = (used.column, used.access, used.outcome);
        if let Some(series) = database.columns.get(&key)
            && series.made_for == *used
        {
            return Arc::clone(&series);
        }
        let labels = self.column_labels(&database.name, [&used.schema, &used.relation, &used.name]);
        let is_protected = used.outcome != Outcome::Clear && used.phase.is_none();
        let sensitive = (used.classification.is_some() || is_protected).then(|| {
            let classification = match &used.classification {
                Some(classification) => self.guard(Guarded::Classification, classification),
                None => "none".into(),
            };
            let [schema, relation, column] = &labels;
            let values = [&*database.name, schema, relation, column, &*classification, used.disclosure()];
            self.counter(&registry::SENSITIVE_ACCESS, &values)
        });
        let series = Arc::new(ColumnSeries { made_for: used.clone(), labels, sensitive });
        database.columns.insert(key, Arc::clone(&series));
        series
    }

    /// The handles of a column for an application. Beyond the limit of such pairs applications are not told apart.
    pub fn consumer(
        &self,
        database: &DatabaseSeries,
        application: &ApplicationSeries,
        used: &ColumnUse,
    ) -> ConsumerSeries {
        let series = self.column(database, used);
        let [schema, relation, column] = &series.labels;
        let whole = [&*database.name, schema, relation, column, &application.name].join("\0");
        let own = &*application.name == OTHER || self.admit(Guarded::Consumer, &whole).is_some();
        let application = if own { &*application.name } else { OTHER };
        let (name, access, outcome) = (&*database.name, used.access.as_str(), used.disclosure());
        let values = [name, schema, relation, column, application, access, outcome];
        let deprecated = used.phase.is_some().then(|| {
            let last = [name, schema, relation, column, application];
            (
                self.counter(&registry::DEPRECATED_ACCESS, &[name, schema, relation, column, access, application]),
                self.gauge(&registry::DEPRECATED_LAST_ACCESS, &last),
            )
        });
        ConsumerSeries { access: self.counter(&registry::COLUMN_ACCESS, &values), deprecated }
    }
}
