//! What the observer is told of files: policies, contracts and certificates.

use std::sync::Arc;

use super::{Observer, seconds_now};
use crate::model::change::{Change, Kind};
use crate::observe::audit::PolicyVersion;
use crate::observe::shapes::versions::ContractVersion;
use crate::observe::{in_force, registry};
use crate::policy::compile::Bundle;

/// A column or, with an empty name of the column, a table on its way out, for `pgcovenant_deprecated_column_info`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeprecatedColumn {
    /// The database.
    pub database: String,
    /// The schema.
    pub schema: String,
    /// The relation.
    pub relation: String,
    /// The column.
    pub column: String,
    /// The phase that holds for everybody who is not told apart: `deprecated`, `sunset` …
    pub phase: &'static str,
    /// The planned date, empty if there is none.
    pub sunset: String,
}

impl Observer {
    /// Policies and contracts were loaded and are in force from `epoch` on.
    pub fn policy_loaded(&self, epoch: u64, policies: Vec<PolicyVersion>) {
        let pairs: Vec<_> = policies.iter().map(|policy| (policy.name.clone(), policy.version.clone())).collect();
        self.metrics.set_policies(&pairs);
        self.history.add(epoch, policies);
        self.metrics.counter(&registry::POLICY_RELOADS, &["success"]).increment(1);
        self.metrics.gauge(&registry::POLICY_RELOAD_SUCCESSFUL, &[]).set(1.0);
        self.metrics.gauge(&registry::POLICY_RELOAD_TIMESTAMP, &[]).set(seconds_now());
        // Exact up to 2^53 reloads.
        self.metrics.gauge(&registry::POLICY_EPOCH, &[]).set(epoch as f64);
    }

    /// Admits the names of contracts and policies, before traffic can take their places. To be called before they are in
    /// force, so that nothing is counted under another name.
    pub fn names_known(&self, bundle: &Bundle) {
        self.metrics.reserve(in_force::names(bundle));
    }

    /// Replaces what is said of the contracts in force and their tables.
    pub fn contracts_loaded(&self, bundle: &Bundle) {
        let (contracts, tables) = (in_force::contracts(bundle), in_force::tables(bundle));
        let digest = in_force::digest(bundle);
        self.metrics.set_contracts(digest.get(..12).unwrap_or_default(), &contracts, &tables);
    }

    /// These versions were loaded; told before [`Self::policy_loaded`].
    pub fn versions_loaded(&self, contracts: Vec<ContractVersion>, policies: &[PolicyVersion]) {
        self.shapes.in_force(contracts, policies);
    }

    /// These policies are in force from an epoch on, for the audit.
    pub fn audit_policies(&self, epoch: u64, bundle: &Bundle) {
        if let Some(audit) = &self.audit {
            let versions = self.history.at(epoch).as_deref().unwrap_or_default().to_vec();
            audit.policies(epoch, versions, Some(in_force::digest(bundle)));
        }
    }

    /// The files were refused; what was in force stays.
    pub fn policy_refused(&self) {
        self.changed(Change::new(Kind::Files, "contracts and policies were refused; what was in force stays"));
        self.metrics.counter(&registry::POLICY_RELOADS, &["failure"]).increment(1);
        self.metrics.gauge(&registry::POLICY_RELOAD_SUCCESSFUL, &[]).set(0.0);
    }

    /// The certificates of both hops were read; that of ours, if there is one, expires at this time.
    pub fn certificates_loaded(&self, expiry: Option<jiff::Timestamp>) {
        if let Some(expiry) = expiry {
            self.metrics.gauge(&registry::TLS_EXPIRY, &[]).set(expiry.as_second() as f64);
        }
        self.metrics.counter(&registry::TLS_RELOADS, &["success"]).increment(1);
        drop(self.metrics.counter(&registry::TLS_RELOADS, &["failure"]));
        self.metrics.gauge(&registry::TLS_RELOAD_SUCCESSFUL, &[]).set(1.0);
    }

    /// A certificate cannot be used; what was in force stays.
    pub fn certificates_refused(&self) {
        self.metrics.counter(&registry::TLS_RELOADS, &["failure"]).increment(1);
        self.metrics.gauge(&registry::TLS_RELOAD_SUCCESSFUL, &[]).set(0.0);
    }

    /// Replaces the list of columns on their way out.
    pub fn deprecated_columns(&self, columns: &[DeprecatedColumn]) {
        let values = |c: &DeprecatedColumn| {
            let [schema, relation, column] =
                self.metrics.column_labels(&c.database, [&c.schema, &c.relation, &c.column]);
            let database = Arc::clone(&self.metrics.database(&c.database).name);
            (database, schema, relation, column, c.phase, c.sunset.clone())
        };
        let mut rows: Vec<_> = columns.iter().map(values).collect();
        rows.sort();
        rows.dedup();
        let rows: Vec<_> = rows.iter().map(|(d, s, r, c, phase, sunset)| [&**d, s, r, c, phase, sunset]).collect();
        for [database, schema, relation, column, _, sunset] in &rows {
            if let Some(time) = beginning_of(sunset) {
                let labels = [*database, schema, relation, column];
                self.metrics.gauge(&registry::DEPRECATED_COLUMN_SUNSET, &labels).set(time.as_second() as f64);
            }
        }
        self.metrics.set_deprecated(&rows);
        self.changes.learn(&self.metrics, |known| known.retiring(columns));
    }
}

/// When a day begins in UTC; none for what is no date.
fn beginning_of(day: &str) -> Option<jiff::Timestamp> {
    let day: jiff::civil::Date = day.parse().ok()?;
    day.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}
