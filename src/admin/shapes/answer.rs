//! The answers of `/api/v1/shapes` as JSON. Programs rely on these names: fields are added, and never change.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::query::Query;
use crate::observe::audit::PolicyVersion;
use crate::observe::shapes::snapshot::{Overview, Snapshot};
use crate::observe::shapes::versions::InForce;

/// An answer: shapes, and what they are among.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The moment.
    pub at: Timestamp,
    /// When the process began: nothing is counted from before.
    pub started: Timestamp,
    /// The version of the program.
    pub version: String,
    /// The order of the shapes.
    pub order: String,
    /// Shapes that are remembered.
    pub remembered: u64,
    /// Of them, those that were asked for; `limit` may cut the list shorter.
    pub matched: u64,
    /// Shapes that had to make room for others.
    pub evicted: u64,
    /// Statements that belong to no shape, because they could not be cut into tokens.
    pub statements_without_shape: u64,
    /// Open sessions, of the database that was asked for or of all.
    pub sessions: u64,
    /// All shapes that were asked for together.
    pub totals: Totals,
    /// Upper bounds of the buckets but for the last one, which has none.
    pub bucket_bounds_seconds: Vec<f64>,
    /// What contracts are in force, by database.
    pub contracts: Vec<Contracts>,
    /// The shapes.
    pub shapes: Vec<Shape>,
}

/// What several shapes have counted together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Runs.
    pub calls: u64,
    /// Time at the server.
    pub total_seconds: f64,
    /// Rows.
    pub rows: u64,
    /// Runs that ended in an error of the server.
    pub errors: u64,
    /// Statements that the proxy refused.
    pub refusals: u64,
    /// Runs by time; not cumulative.
    pub buckets: Vec<u64>,
}

/// The contracts of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contracts {
    /// The database.
    pub database: String,
    /// When one of them last changed its version, or when the process began.
    pub changed: Timestamp,
    /// The versions in force.
    pub contracts: Vec<Version>,
}

/// A contract or policy, and its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The contract's `id`, the policy's name.
    pub name: String,
    /// The version.
    pub version: String,
}

/// One statement shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// 16 hexadecimal digits, as in the audit.
    pub fingerprint: String,
    /// The database.
    pub database: String,
    /// The verb, or `multiple` for several statements in one request.
    pub operation: String,
    /// The relations that it names.
    pub relations: Vec<Relation>,
    /// The text without literals and comments.
    pub text: String,
    /// Runs that are over, with or without an error.
    pub calls: u64,
    /// Time at the server.
    pub total_seconds: f64,
    /// On average.
    pub mean_seconds: Option<f64>,
    /// The shortest run.
    pub min_seconds: Option<f64>,
    /// The longest run.
    pub max_seconds: Option<f64>,
    /// Median, as `histogram_quantile` has it.
    pub p50_seconds: Option<f64>,
    /// 95th percentile.
    pub p95_seconds: Option<f64>,
    /// 99th percentile.
    pub p99_seconds: Option<f64>,
    /// Rows.
    pub rows: u64,
    /// Runs that ended in an error of the server.
    pub errors: u64,
    /// Statements that the proxy refused.
    pub refusals: u64,
    /// The last of either.
    pub last_error: Option<LastError>,
    /// Some run had masks.
    pub masked: bool,
    /// Runs with masks.
    pub masked_calls: u64,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was seen last.
    pub last_seen: Timestamp,
    /// It was first seen after the last change of a contract's version.
    pub new: bool,
    /// What was in force when it was first seen; null if that is not known any more.
    pub first_seen_under: Option<Under>,
    /// Who has used it.
    pub applications: Vec<Application>,
    /// The plan that was seen last.
    pub plan: Option<Plan>,
    /// Plans that were seen.
    pub plan_samples: u64,
    /// Of them, those with a sequential scan.
    pub plan_samples_seq: u64,
    /// Runs by time; not cumulative.
    pub buckets: Vec<u64>,
}

/// A relation that a statement names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// The schema.
    pub schema: String,
    /// The name.
    pub name: String,
    /// What is done to it.
    pub operation: String,
}

/// An error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// SQLSTATE.
    pub sqlstate: String,
    /// Its first two characters.
    pub class: String,
    /// `server` or `proxy`.
    pub origin: String,
}

/// What was in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Under {
    /// Contracts of the database.
    pub contracts: Vec<Version>,
    /// All policies.
    pub policies: Vec<Version>,
}

/// An application and what it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// `application_name`; `__other__` for those beyond the first sixteen.
    pub application: String,
    /// Runs.
    pub calls: u64,
    /// Refusals.
    pub refusals: u64,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// When it was seen.
    pub at: Timestamp,
    /// `index`, `index_only`, `bitmap`, `seq`, `tid` or `other`.
    pub access_path: String,
    /// The plan, without literals.
    pub text: String,
}

impl Answer {
    /// What is answered to a question; `only` leaves one fingerprint.
    pub fn of(overview: Overview, query: &Query, only: Option<u64>) -> Self {
        let remembered = overview.shapes.len() as u64;
        let wanted = |shape: &Snapshot| only.is_none_or(|only| shape.fingerprint == only) && query.admits(shape);
        let mut shapes: Vec<_> = overview.shapes.into_iter().filter(wanted).collect();
        query.sort(&mut shapes);
        let totals = Totals::of(&shapes, overview.bounds.len() + 1);
        let matched = shapes.len() as u64;
        shapes.truncate(query.limit);
        let of_database = |name: &str| query.database.as_deref().is_none_or(|wanted| wanted == name);
        Self {
            at: overview.at,
            started: overview.started,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            order: query.order.as_str().to_owned(),
            remembered,
            matched,
            evicted: overview.evicted,
            statements_without_shape: overview.shapeless,
            sessions: overview
                .sessions
                .iter()
                .filter(|(name, _)| of_database(name))
                .map(|(_, sessions)| sessions)
                .sum(),
            totals,
            bucket_bounds_seconds: overview.bounds,
            contracts: contracts(&overview.in_force, of_database),
            shapes: shapes.iter().map(Shape::of).collect(),
        }
    }
}

fn contracts(in_force: &InForce, wanted: impl Fn(&str) -> bool) -> Vec<Contracts> {
    let of = |(database, changed): (&str, Timestamp)| Contracts {
        database: database.to_owned(),
        changed,
        contracts: versions(in_force, database),
    };
    in_force.changes().filter(|(database, _)| wanted(database)).map(of).collect()
}

fn versions(in_force: &InForce, database: &str) -> Vec<Version> {
    let version = |(name, version): (&str, &str)| Version { name: name.to_owned(), version: version.to_owned() };
    in_force.contracts_of(database).into_iter().map(version).collect()
}

impl Totals {
    fn of(shapes: &[Snapshot], buckets: usize) -> Self {
        let mut totals = Self { buckets: vec![0; buckets], ..Self::default() };
        for shape in shapes {
            totals.calls += shape.calls;
            totals.total_seconds += shape.total;
            totals.rows += shape.rows;
            totals.errors += shape.errors;
            totals.refusals += shape.refusals;
            totals.buckets.iter_mut().zip(&shape.buckets).for_each(|(sum, count)| *sum += count);
        }
        totals
    }
}

impl Shape {
    fn of(shape: &Snapshot) -> Self {
        let [p50, p95, p99] = shape.percentiles.map_or([None; 3], |all| all.map(Some));
        let relations = shape.relations.iter().map(|named| Relation {
            schema: named.schema.to_string(),
            name: named.name.to_string(),
            operation: named.operation.as_str().to_owned(),
        });
        Self {
            fingerprint: format!("{:016x}", shape.fingerprint),
            database: shape.database.to_string(),
            operation: shape.operation.to_owned(),
            relations: relations.collect(),
            text: shape.text.to_string(),
            calls: shape.calls,
            total_seconds: shape.total,
            mean_seconds: shape.mean(),
            min_seconds: shape.extremes.map(|(shortest, _)| shortest),
            max_seconds: shape.extremes.map(|(_, longest)| longest),
            p50_seconds: p50,
            p95_seconds: p95,
            p99_seconds: p99,
            rows: shape.rows,
            errors: shape.errors,
            refusals: shape.refusals,
            last_error: shape.last_error.map(LastError::of),
            masked: shape.masked > 0,
            masked_calls: shape.masked,
            first_seen: shape.first_seen,
            last_seen: shape.last_seen,
            new: shape.is_new,
            first_seen_under: shape.first_seen_under.as_ref().map(|under| Under::of(under, &shape.database)),
            applications: shape.applications.iter().map(Application::of).collect(),
            plan: shape.plan.as_ref().map(|plan| Plan {
                at: plan.at,
                access_path: plan.access_path.to_string(),
                text: plan.text.to_string(),
            }),
            plan_samples: shape.plan_samples.0,
            plan_samples_seq: shape.plan_samples.1,
            buckets: shape.buckets.clone(),
        }
    }
}

impl LastError {
    fn of(error: crate::observe::shapes::LastError) -> Self {
        let sqlstate = String::from_utf8_lossy(&error.sqlstate).into_owned();
        let origin = if error.refused { "proxy" } else { "server" };
        Self { class: sqlstate.chars().take(2).collect(), sqlstate, origin: origin.to_owned() }
    }
}

impl Under {
    fn of(under: &InForce, database: &str) -> Self {
        let policy = |policy: &PolicyVersion| Version { name: policy.name.clone(), version: policy.version.clone() };
        Self { contracts: versions(under, database), policies: under.policies().iter().map(policy).collect() }
    }
}

impl Application {
    fn of((name, used): &(Box<str>, crate::observe::shapes::Used)) -> Self {
        Self { application: name.to_string(), calls: used.calls, refusals: used.refusals }
    }
}
