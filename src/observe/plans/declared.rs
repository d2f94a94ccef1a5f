//! Queries that contracts declare, and whether the plans that they really get are as declared.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::book::Entry;
use crate::model::contract::queries::QueryAccess;
use crate::model::plan::RelationAccess;
use crate::observe::labels::clean;
use crate::observe::metrics::Metrics;
use crate::observe::registry;

/// A query that a contract declares for one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredQuery {
    /// The database.
    pub database: Arc<str>,
    /// `id` of the contract.
    pub contract: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// The fingerprint of its normalised text.
    pub fingerprint: u64,
    /// How it is to be planned.
    pub wanted: Wanted,
}

/// How a relation is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The relations that count: the table, or its partitions; schema and name.
    pub relations: Vec<(Box<str>, Box<str>)>,
    /// By what.
    pub access: QueryAccess,
    /// Along which index, if that matters.
    pub index: Option<Box<str>>,
}

impl Wanted {
    /// Whether a plan reads the table as declared; none if it does not read it at all.
    fn holds(&self, accesses: &[RelationAccess]) -> Option<bool> {
        let is_meant = |access: &&RelationAccess| {
            self.relations.iter().any(|(schema, name)| *schema == access.schema && *name == access.relation)
        };
        let mut meant = accesses.iter().filter(is_meant).peekable();
        meant.peek()?;
        let has_index =
            |access: &RelationAccess| self.index.as_ref().is_none_or(|index| access.indexes.contains(index));
        Some(meant.all(|access| self.access.admits(access.path) && has_index(access)))
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Declared {
    pub(super) queries: Vec<DeclaredQuery>,
    /// What the log was told last, in the same order.
    told: Vec<Option<bool>>,
}

impl Declared {
    pub(super) fn replace(&mut self, queries: Vec<DeclaredQuery>) {
        if self.queries != queries {
            self.told = vec![None; queries.len()];
            self.queries = queries;
        }
    }

    /// Tells the log which queries have begun or ceased to be planned as declared.
    pub(super) fn tell(&mut self, entries: &HashMap<(Arc<str>, u64), Entry>) {
        for (query, told) in self.queries.iter().zip(&mut self.told) {
            let now = Self::satisfied(query, entries);
            if now.is_none() || now == *told {
                continue;
            }
            let plan = entries.get(&(Arc::clone(&query.database), query.fingerprint)).and_then(|e| e.last.as_ref());
            let plan = plan.map_or("", |seen| &seen.plan.text);
            let DeclaredQuery { database, contract, name, wanted, .. } = query;
            let (access, index) = (wanted.access.as_str(), wanted.index.as_deref());
            if now == Some(false) {
                tracing::warn!(%database, %contract, query = %name, access, index, plan, "a declared query is not planned as declared");
            } else if *told == Some(false) {
                tracing::info!(%database, %contract, query = %name, plan, "a declared query is planned as declared again");
            }
            *told = now;
        }
    }

    /// Whether the last plan of a query is as declared; none where no plan was seen.
    pub(super) fn satisfied(query: &DeclaredQuery, entries: &HashMap<(Arc<str>, u64), Entry>) -> Option<bool> {
        let entry = entries.get(&(Arc::clone(&query.database), query.fingerprint))?;
        query.wanted.holds(&entry.last.as_ref()?.plan.accesses)
    }

    pub(super) fn show(&self, metrics: &Metrics, entries: &HashMap<(Arc<str>, u64), Entry>) {
        let mut databases: BTreeMap<&str, Vec<(Vec<String>, f64)>> =
            entries.keys().map(|(database, _)| (&**database, Vec::new())).collect();
        for query in &self.queries {
            let Some(satisfied) = Self::satisfied(query, entries) else { continue };
            let database = Arc::clone(&metrics.database(&query.database).name);
            let labels = vec![database.to_string(), clean(&query.contract), clean(&query.name)];
            databases.entry(&query.database).or_default().push((labels, f64::from(u8::from(satisfied))));
        }
        for (database, series) in databases {
            metrics.gauges.set(&registry::DECLARED_QUERY, database, series, f64::min);
        }
    }
}
