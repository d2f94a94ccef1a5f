//! What is asked of `/api/v1/shapes`.

use std::cmp::Ordering;
use std::str::FromStr;

use jiff::Timestamp;

use crate::admin::parameters::{self, BadParameter, Unfit, each};
use crate::observe::shapes::snapshot::Snapshot;

/// Shapes of one answer unless another number is asked for, and at most.
const LIMIT: usize = 100;
const HIGHEST_LIMIT: usize = 5000;

/// The words of parameters, in the order of the documentation.
const PARAMETERS: &str = "database, table, application, operation, order, limit, new, since";

const OPERATIONS: &[&str] = &[
    "select",
    "insert",
    "update",
    "delete",
    "merge",
    "copy",
    "transaction",
    "session",
    "ddl",
    "cursor",
    "prepare",
    "explain",
    "utility",
    "empty",
    "multiple",
];

/// By what shapes are ordered: the most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Time at the server, all runs together.
    #[default]
    Time,
    /// Runs.
    Calls,
    /// Time of one run on average.
    Mean,
    /// 95th percentile.
    P95,
    /// Rows.
    Rows,
    /// Runs that ended in an error of the server.
    Errors,
    /// Refusals of the proxy.
    Refusals,
    /// The latest first.
    FirstSeen,
    /// The latest first.
    LastSeen,
    /// Plans with a sequential scan.
    Seq,
}

impl Order {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Time,
        Self::Calls,
        Self::Mean,
        Self::P95,
        Self::Rows,
        Self::Errors,
        Self::Refusals,
        Self::FirstSeen,
        Self::LastSeen,
        Self::Seq,
    ];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Calls => "calls",
            Self::Mean => "mean",
            Self::P95 => "p95",
            Self::Rows => "rows",
            Self::Errors => "errors",
            Self::Refusals => "refusals",
            Self::FirstSeen => "first_seen",
            Self::LastSeen => "last_seen",
            Self::Seq => "seq",
        }
    }

    /// All words, for people.
    pub fn words() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    fn compare(self, a: &Snapshot, b: &Snapshot) -> Ordering {
        let p95 = |shape: &Snapshot| shape.percentiles.map_or(-1.0, |[_, p95, _]| p95);
        let mean = |shape: &Snapshot| shape.mean().unwrap_or(-1.0);
        let most_first = match self {
            Self::Time => b.total.total_cmp(&a.total),
            Self::Calls => b.calls.cmp(&a.calls),
            Self::Mean => mean(b).total_cmp(&mean(a)),
            Self::P95 => p95(b).total_cmp(&p95(a)),
            Self::Rows => b.rows.cmp(&a.rows),
            Self::Errors => b.errors.cmp(&a.errors),
            Self::Refusals => b.refusals.cmp(&a.refusals),
            Self::FirstSeen => b.first_seen.cmp(&a.first_seen),
            Self::LastSeen => b.last_seen.cmp(&a.last_seen),
            Self::Seq => b.plan_samples.1.cmp(&a.plan_samples.1),
        };
        // Equal ones must not change places from one answer to the next.
        most_first
            .then_with(|| b.total.total_cmp(&a.total))
            .then_with(|| a.database.cmp(&b.database))
            .then_with(|| a.fingerprint.cmp(&b.fingerprint))
    }
}

impl FromStr for Order {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|order| order.as_str() == word);
        found.ok_or_else(|| format!("one of {}", Self::words()))
    }
}

/// What is asked for; an absent part stands for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The database.
    pub database: Option<String>,
    /// The relation, with or without its schema.
    pub table: Option<String>,
    /// The application that has used it.
    pub application: Option<String>,
    /// The verb.
    pub operation: Option<String>,
    /// The order.
    pub order: Order,
    /// How many at most.
    pub limit: usize,
    /// Only those first seen after the last change of a contract's version.
    pub new: bool,
    /// Only those first seen at that moment or later.
    pub since: Option<Timestamp>,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            database: None,
            table: None,
            application: None,
            operation: None,
            order: Order::default(),
            limit: LIMIT,
            new: false,
            since: None,
        }
    }
}

impl Query {
    /// From the parameters of an address.
    ///
    /// # Errors
    /// One is not known, is given twice, or has a value that it cannot have.
    pub fn of(parameters: &[(String, String)]) -> Result<Self, BadParameter> {
        let mut query = Self::default();
        each(parameters, PARAMETERS, |name, value| query.set(name, value))?;
        Ok(query)
    }

    /// Fails with what was expected, or with nothing if there is no such parameter.
    fn set(&mut self, name: &str, value: &str) -> Result<(), Unfit> {
        let named = || parameters::named(value).map(Some);
        match name {
            "database" => self.database = named()?,
            "table" => self.table = named()?,
            "application" => self.application = Some(value.to_owned()),
            "operation" if OPERATIONS.contains(&value) => self.operation = Some(value.to_owned()),
            "operation" => return Err(Some(format!("one of {}", OPERATIONS.join(", ")))),
            "order" => self.order = value.parse().map_err(Some)?,
            "limit" => self.limit = parameters::number(value, HIGHEST_LIMIT)?,
            "new" => self.new = value.parse().map_err(|_| Some("true or false".to_owned()))?,
            "since" => self.since = Some(parameters::moment(value)?),
            _ => return Err(None),
        }
        Ok(())
    }

    /// Whether a shape is asked for.
    pub fn admits(&self, shape: &Snapshot) -> bool {
        let names = |wanted: &str| {
            shape.relations.iter().any(|named| match wanted.split_once('.') {
                Some((schema, name)) => *named.schema == *schema && *named.name == *name,
                None => *named.name == *wanted,
            })
        };
        self.database.as_deref().is_none_or(|database| *shape.database == *database)
            && self.operation.as_deref().is_none_or(|operation| shape.operation == operation)
            && self.table.as_deref().is_none_or(names)
            && self
                .application
                .as_deref()
                .is_none_or(|wanted| shape.applications.iter().any(|(name, _)| **name == *wanted))
            && (!self.new || shape.is_new)
            && self.since.is_none_or(|since| shape.first_seen >= since)
    }

    /// Brings shapes into the order that is asked for.
    pub fn sort(&self, shapes: &mut [Snapshot]) {
        shapes.sort_by(|a, b| self.order.compare(a, b));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parameters: &[(&str, &str)]) -> Result<Query, BadParameter> {
        let owned: Vec<_> = parameters.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Query::of(&owned)
    }

    #[test]
    fn every_parameter_is_understood() {
        let query = of(&[
            ("database", "shop"),
            ("table", "public.orders"),
            ("application", ""),
            ("operation", "select"),
            ("order", "first_seen"),
            ("limit", "5000"),
            ("new", "true"),
            ("since", "2026-11-01"),
        ]);
        let query = query.unwrap();
        assert_eq!((query.order, query.limit, query.new), (Order::FirstSeen, 5000, true));
        assert_eq!(query.since, Some("2026-11-01T00:00:00Z".parse().unwrap()));
        assert_eq!(query.application.as_deref(), Some(""), "an application that has no name");
    }

    #[test]
    fn a_bad_parameter_is_told_with_what_was_expected() {
        let expected = |name, value| of(&[(name, value)]).unwrap_err();
        assert!(expected("order", "size").expected.contains("time, calls, mean, p95"));
        assert!(expected("limit", "0").expected.contains("from 1 to 5000"));
        assert!(expected("limit", "5001").error.contains("\"5001\""));
        assert!(expected("new", "yes").expected.contains("true or false"));
        assert!(expected("since", "yesterday").expected.contains("2026-11-01T00:00:00Z"));
        assert!(expected("operation", "SELECT").expected.contains("select, insert"));
        assert!(expected("database", "").expected.contains("a name"));
        assert!(expected("sort", "time").expected.contains(PARAMETERS));
        let twice = of(&[("limit", "1"), ("limit", "2")]).unwrap_err();
        assert!(twice.error.contains("given twice"), "{twice:?}");
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_asked_is_understood_or_told_by_its_name(name in "[a-z]{0,12}|order|limit|since|new|operation", value in ".{0,40}") {
            match of(&[(&name, &value)]) {
                Ok(_) => proptest::prop_assert!(PARAMETERS.contains(&*name)),
                Err(bad) => {
                    proptest::prop_assert_eq!(bad.parameter, name);
                    proptest::prop_assert!(!bad.expected.is_empty() && !bad.error.is_empty());
                }
            }
        }
    }
}
