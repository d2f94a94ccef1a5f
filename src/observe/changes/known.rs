//! What was last told of things that are told as a whole, to see what is different the next time. What is told for the first
//! time is no change.

use std::collections::{BTreeMap, HashMap};

use crate::model::activity::{Activity, IndexActivity};
use crate::model::change::{Change, Kind};
use crate::model::ident::display_name;
use crate::model::migrations::History;
use crate::observe::observer::DeprecatedColumn;

/// Database, schema, relation, column.
type ColumnPath = [String; 4];

/// Of each index, by schema and name, its table and whether it is usable.
type Indexes = BTreeMap<(Box<str>, Box<str>), (Box<str>, bool)>;

#[derive(Debug, Default)]
pub(in crate::observe) struct Known {
    retiring: Option<BTreeMap<ColumnPath, &'static str>>,
    is_reachable: Option<bool>,
    /// By database.
    indexes: HashMap<Box<str>, Indexes>,
    migrations: HashMap<Box<str>, Vec<History>>,
}

impl Known {
    /// Columns and tables on their way out.
    pub(in crate::observe) fn retiring(&mut self, columns: &[DeprecatedColumn]) -> Vec<Change> {
        let path = |c: &DeprecatedColumn| [&c.database, &c.schema, &c.relation, &c.column].map(Clone::clone);
        let now: BTreeMap<_, _> = columns.iter().map(|column| (path(column), column.phase)).collect();
        let Some(before) = self.retiring.replace(now.clone()) else { return Vec::new() };
        let gone = before.keys().filter(|path| !now.contains_key(*path)).map(|path| (path, "active"));
        let moved =
            now.iter().filter(|(path, phase)| before.get(*path) != Some(phase)).map(|(path, phase)| (path, *phase));
        moved
            .chain(gone)
            .map(|(path @ [database, schema, relation, column], phase)| {
                let what =
                    if column.is_empty() { "the table".to_owned() } else { format!("column {}", display_name(column)) };
                let earlier = before.get(path).copied().unwrap_or("active");
                Change::new(Kind::Lifecycle, format!("{what} is {phase} now, it was {earlier}"))
                    .of(database)
                    .about(schema, relation)
            })
            .collect()
    }

    /// Whether the server answers.
    pub(in crate::observe) fn reachable(&mut self, is_reachable: bool) -> Vec<Change> {
        let before = self.is_reachable.replace(is_reachable);
        let what = match (before, is_reachable) {
            (Some(true), false) => "the server cannot be reached",
            (Some(false), true) => "the server can be reached again",
            (Some(_), _) | (None, true) => return Vec::new(),
            (None, false) => "the server cannot be reached since the start",
        };
        vec![Change::new(Kind::Upstream, what)]
    }

    /// Indexes of a database. Those that went are told by themselves: an index goes with its table, too, and a restart of the
    /// watching must not make one of it.
    pub(in crate::observe) fn indexes(&mut self, activity: &Activity) -> Vec<Change> {
        let key = |index: &IndexActivity| (index.schema.clone(), index.index.clone());
        let now: Indexes =
            activity.indexes.iter().map(|index| (key(index), (index.table.clone(), index.valid))).collect();
        let before = self.indexes.insert(activity.database.clone(), now.clone());
        let index = |name: &str| format!("index {}", display_name(name));
        let mut found = Vec::new();
        for gone in activity.dropped.iter().filter(|gone| gone.is_news) {
            found.push((&*gone.schema, &*gone.table, format!("{} is gone", index(&gone.index))));
        }
        for ((schema, name), (table, is_valid)) in before.as_ref().map(|_| &now).into_iter().flatten() {
            let earlier = before.as_ref().and_then(|before| before.get(&(schema.clone(), name.clone())));
            let what = match (earlier.map(|(_, was_valid)| *was_valid), *is_valid) {
                (None, true) => "is new",
                (None, false) => "is new, and not usable yet",
                (Some(false), true) => "is usable now",
                (Some(true), false) => "is not usable any more",
                (Some(_), _) => continue,
            };
            found.push((schema, table, format!("{} {what}", index(name))));
        }
        found
            .into_iter()
            .map(|(schema, table, what)| Change::new(Kind::Index, what).of(&activity.database).about(schema, table))
            .collect()
    }

    /// What the tools say of migrations of a database.
    pub(in crate::observe) fn migrations(&mut self, database: &str, histories: &[History]) -> Vec<Change> {
        let Some(before) = self.migrations.insert(database.into(), histories.to_vec()) else { return Vec::new() };
        let said = |history: &History| {
            let version = if history.version.is_empty() { "none" } else { &*history.version };
            format!("version {}, {}", version, history.state.as_str())
        };
        let changed = histories.iter().filter_map(|history| {
            let tool = history.tool.as_str();
            let earlier = before.iter().find(|known| (known.tool, &known.table) == (history.tool, &history.table));
            let what = match earlier.map(said) {
                Some(earlier) if earlier == said(history) => return None,
                Some(earlier) => format!("{tool}: {}; it was {earlier}", said(history)),
                None => format!("{tool}: {}", said(history)),
            };
            Some(Change::new(Kind::Migration, what).of(database))
        });
        changed.collect()
    }
}
