//! `pgcovenant test`: the tests inside policies, run by the engine itself over the databases that contracts promise.

use std::io::Write;
use std::process::ExitCode;

use super::input::{Input, snapshot};
use super::{PROBLEMS, Test};
use crate::engine::check::{Facts, Protocol, check};
use crate::engine::report::{Outcome, Report};
use crate::engine::verdict::Verdict;
use crate::model::catalog::{Catalog, ColumnId, Oid, Relation, RelationKind, SearchPath};
use crate::model::contract::Contract;
use crate::policy::rule::{Expectation, PolicyTest};
use crate::policy::snapshot::Snapshot;
use crate::policy::subject::Subject;
use crate::policy::view::{Effect, SubjectView};
use crate::sql::lineage::{self, Derivation, ViewLineage};

/// An oid that no relation of a contract's catalog has.
const PROBE: Oid = Oid(u32::MAX);

/// Runs every test of every policy.
///
/// # Errors
/// A file cannot be read, the files have errors, or the report cannot be written.
pub fn run(arguments: &Test) -> anyhow::Result<ExitCode> {
    let input = Input::read(arguments.source.config.as_deref().or(arguments.path.as_deref()))?;
    let mut out = std::io::stdout().lock();
    let bundle = input.usable()?;
    let snapshot = snapshot(bundle, arguments.on)?;
    let (mut passed, mut failed) = (0, 0);
    for (policy, contracts) in bundle.policies_with_contracts() {
        for test in &policy.tests {
            let line = 1 + policy.file.text.get(..test.span.start).unwrap_or("").matches('\n').count();
            match outcome(&snapshot, contracts, test) {
                Ok(()) => {
                    passed += 1;
                    writeln!(out, "ok    {}: {}", policy.name, test.name)?;
                }
                Err(why) => {
                    failed += 1;
                    writeln!(out, "FAIL  {}: {}\n      {}:{line}: {why}", policy.name, test.name, policy.file.path)?;
                }
            }
        }
    }
    writeln!(out, "{passed} passed, {failed} failed")?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(PROBLEMS) })
}

/// Whether what was expected came of one test, and what came instead.
fn outcome(snapshot: &Snapshot, contracts: &[Contract], test: &PolicyTest) -> Result<(), String> {
    let mut subject: Subject = test.subject.clone();
    if subject.database.is_empty() {
        let first = contracts.iter().flat_map(Contract::databases).next();
        subject.database = first.unwrap_or_default().into();
    }
    let Some(database) = snapshot.database(&subject.database) else {
        return Err(format!("no contract is about the database {}", subject.database));
    };
    let view = snapshot.view(&subject);
    let path = SearchPath::default();
    let facts =
        Facts { database: &subject.database, view: &view, search_path: Some(&path), protocol: Protocol::Extended };
    match (check(snapshot, &facts, &test.sql), &test.expect) {
        (Verdict::Refuse(refusal), Expectation::Refused(code)) if refusal.sqlstate.code() == &**code => Ok(()),
        (Verdict::Refuse(refusal), _) => {
            Err(format!("it is refused with {}: {}", refusal.sqlstate.code(), refusal.message))
        }
        (Verdict::Admit(_), Expectation::Refused(code)) => Err(format!("it is admitted, not refused with {code}")),
        (Verdict::Admit(admitted), Expectation::Admitted { masked, clear }) => {
            let outputs =
                Outputs { known: outputs(&database.catalog, &path, &test.sql), view: &view, report: &admitted.report };
            masked.iter().try_for_each(|name| outputs.expect_masked(name))?;
            clear.iter().try_for_each(|name| outputs.expect_clear(name))
        }
    }
}

/// The output columns of a query, as those of a view over it.
///
/// Queries of views have qualified names, and are resolved where nothing but `pg_catalog` is searched. What a session
/// would find along its path is therefore found there as well; numbers stay what they are.
fn outputs(catalog: &Catalog, path: &SearchPath, sql: &str) -> Option<Vec<Derivation>> {
    let mut probe = catalog.clone();
    for schema in path.schemas().iter().rev() {
        for relation in catalog.relations().filter(|relation| relation.schema == *schema) {
            probe.insert(Relation { schema: "pg_catalog".into(), ..(**relation).clone() });
        }
    }
    probe.insert(Relation {
        kind: RelationKind::View,
        definition: Some(sql.into()),
        ..Relation::table(PROBE, "public", "pgcovenant test", Vec::new())
    });
    match lineage::of_views(&probe).remove(&PROBE)? {
        ViewLineage::Known(lineage) => Some(lineage.outputs),
        ViewLineage::Unknown(_) => None,
    }
}

struct Outputs<'a> {
    known: Option<Vec<Derivation>>,
    view: &'a SubjectView,
    report: &'a Report,
}

impl Outputs<'_> {
    fn expect_masked(&self, name: &str) -> Result<(), String> {
        if self.masked(name)? { Ok(()) } else { Err(format!("the output column {name} is not masked")) }
    }

    fn expect_clear(&self, name: &str) -> Result<(), String> {
        if self.masked(name)? { Err(format!("the output column {name} is masked")) } else { Ok(()) }
    }

    fn masked(&self, name: &str) -> Result<bool, String> {
        let Some(known) = &self.known else { return self.masked_by_report(name) };
        let named: Vec<&Derivation> = known.iter().filter(|output| output.name == name).collect();
        if named.is_empty() {
            let names: Vec<&str> = known.iter().map(|output| output.name.as_str()).collect();
            return Err(format!("there is no output column {name}, only {}", names.join(", ")));
        }
        let protected = |source: &ColumnId| self.view.rule(*source).is_some_and(|rule| rule.effect != Effect::Allow);
        Ok(named.iter().flat_map(|output| &output.sources).any(protected))
    }

    /// Where the query is not one whose outputs can be traced, such as one with RETURNING: by the columns it names.
    fn masked_by_report(&self, name: &str) -> Result<bool, String> {
        let used: Vec<Outcome> = {
            let columns = self.report.statements.iter().flat_map(|statement| &statement.columns);
            columns.filter(|column| &*column.name == name).map(|column| column.outcome).collect()
        };
        if used.is_empty() && self.report.statements.iter().all(|statement| statement.relations.is_empty()) {
            return Err(format!("where the output column {name} comes from cannot be told"));
        }
        Ok(used.contains(&Outcome::Masked))
    }
}
