//! What the lines say. No literal and no value is ever among it, and no name that only the statement at hand has made up:
//! what is written comes from the catalog, the policies and the session's login, never from the text.

use jiff::Timestamp;
use serde::Serialize;

use super::PolicyVersion;
use super::chain::{Link, written};
use crate::engine::report::{ColumnUse, DdlReport, Outcome};
use crate::observe::event::Event;
use crate::policy::subject::Subject;

/// One judged request: `statement`.
#[derive(Debug, Serialize)]
pub(super) struct Statement<'a> {
    session: u64,
    user: &'a str,
    roles: Vec<&'a str>,
    database: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<&'a str>,
    application: &'a str,
    epoch: u64,
    policies: &'a [PolicyVersion],
    rules: Vec<&'a str>,
    decision: &'static str,
    operations: Vec<&'static str>,
    relations: Vec<String>,
    columns: Vec<Column<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ddl: Vec<Ddl<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unanalysed: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sqlstate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    fingerprints: Vec<String>,
    rows: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_seconds: Option<f64>,
    checked_in_seconds: f64,
}

/// One statement that changes the structure.
#[derive(Debug, Serialize)]
struct Ddl<'a> {
    command: &'a str,
    changes: Vec<Change<'a>>,
}

#[derive(Debug, Serialize)]
struct Change<'a> {
    action: &'a str,
    object: &'a str,
}

impl<'a> Ddl<'a> {
    fn new(ddl: &'a DdlReport) -> Self {
        let changes = ddl.changes.iter().map(|change| Change { action: change.action, object: &change.object });
        Self { command: ddl.command, changes: changes.collect() }
    }
}

#[derive(Debug, Serialize)]
struct Column<'a> {
    schema: &'a str,
    relation: &'a str,
    column: &'a str,
    access: &'static str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    classification: Option<&'a str>,
}

impl<'a> Column<'a> {
    fn new(used: &'a ColumnUse) -> Self {
        Self {
            schema: &used.schema,
            relation: &used.relation,
            column: &used.name,
            access: used.access.as_str(),
            outcome: used.outcome.as_str(),
            rule: used.rule.as_deref(),
            phase: used.phase,
            classification: used.classification.as_deref(),
        }
    }
}

impl<'a> Statement<'a> {
    pub(super) fn new(event: &'a Event, policies: &'a [PolicyVersion]) -> Self {
        let statements = &event.report.statements;
        let used = || statements.iter().flat_map(|statement| &statement.columns);
        let named = statements.iter().flat_map(|statement| &statement.relations);
        let refused = event.refusal.is_some();
        Self {
            session: event.session,
            user: &event.subject.user,
            roles: event.subject.roles.iter().map(|role| &**role).collect(),
            database: &event.subject.database,
            client_address: event.subject.address.map(|address| address.to_string()),
            certificate: event.subject.certificate.as_deref(),
            application: &event.subject.application,
            epoch: event.epoch,
            policies,
            rules: distinct(used().filter_map(|column| column.rule.as_deref())),
            decision: event.decision.as_str(),
            operations: statements.iter().map(|statement| statement.operation.as_str()).collect(),
            relations: distinct(named.map(|relation| format!("{}.{}", relation.schema, relation.name))),
            columns: used().map(Column::new).collect(),
            ddl: event.report.ddl.iter().map(Ddl::new).collect(),
            unanalysed: statements.iter().filter_map(|statement| statement.unanalysed).collect(),
            sqlstate: event.sqlstate.map(|code| String::from_utf8_lossy(&code).into_owned()),
            message: refused.then(|| message(event)),
            fingerprints: statements.iter().map(|statement| format!("{:016x}", statement.fingerprint)).collect(),
            rows: event.rows,
            duration_seconds: event.duration.map(|duration| duration.as_secs_f64()),
            checked_in_seconds: event.checked_in.as_secs_f64(),
        }
    }
}

/// What the client was told may quote its own text: a literal near a syntax error, a name that is none. The audit says it in words
/// of its own, with the columns that the catalog has.
fn message(event: &Event) -> String {
    let words = match event.sqlstate.as_ref().map(|code| code.as_slice()) {
        Some(b"42501") => "permission denied",
        Some(b"0A000") => "not supported while a policy protects columns",
        Some(b"42601") => "syntax error",
        Some(b"42703") => "column does not exist",
        Some(b"42P01") => "relation does not exist",
        Some(b"42702") => "column reference is ambiguous",
        Some(b"54000" | b"54001") => "statement is too large or too complex",
        Some(b"55000") => "not possible in the present state",
        Some(b"2BP01") => "still in use",
        _ => "refused",
    };
    let used = event.report.statements.iter().flat_map(|statement| &statement.columns);
    let denied = used.filter(|used| used.outcome == Outcome::Denied);
    let denied = distinct(denied.map(|used| format!("{}.{}.{}", used.schema, used.relation, used.name)));
    if denied.is_empty() { words.to_owned() } else { format!("{words}: {}", denied.join(", ")) }
}

/// The beginning or the end of a session: `login`, `logout`.
#[derive(Debug, Serialize)]
pub(super) struct Session<'a> {
    session: u64,
    user: &'a str,
    database: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<&'a str>,
    application: &'a str,
}

impl<'a> Session<'a> {
    pub(super) fn new(session: u64, subject: &'a Subject) -> Self {
        Self {
            session,
            user: &subject.user,
            database: &subject.database,
            client_address: subject.address.map(|address| address.to_string()),
            certificate: subject.certificate.as_deref(),
            application: &subject.application,
        }
    }
}

/// Where a file goes on from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Continues {
    /// The file with the line before, by the name that it had or has.
    pub file: String,
    /// The line before.
    #[serde(flatten)]
    pub link: Link,
}

/// What happened to the audit itself, or to the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Note {
    /// `start`: the process records from now on.
    Start {
        /// Of the program.
        version: &'static str,
    },
    /// `stop`: the process has stopped in the ordinary way.
    Stop {},
    /// `policies`: these are in force.
    Policies {
        /// From which epoch on.
        epoch: u64,
        /// Names and versions.
        policies: Vec<PolicyVersion>,
        /// Of all files of contracts and policies.
        #[serde(skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
    },
    /// `opened`: a file is written from here on.
    Opened {
        /// Its name.
        file: String,
        /// How hashes are made.
        algorithm: &'static str,
        /// The line before, if there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        continues: Option<Continues>,
    },
    /// `rotated`: the file ends here, and has this name from now on.
    Rotated {
        /// The name.
        file: String,
    },
    /// `removed`: an old file was deleted, as `keep` says.
    Removed {
        /// Its name.
        file: String,
        /// Its last line.
        last: Link,
    },
    /// `torn`: the file ended in the middle of a line; what there was of it is kept elsewhere.
    Torn {
        /// Where.
        file: String,
        /// How much.
        bytes: u64,
    },
    /// `set_aside`: a file does not end with a line of this chain; it was renamed.
    SetAside {
        /// Its name now.
        file: String,
    },
    /// `truncated`: lines that had been written are not there any more.
    Truncated {
        /// The last line that there must be.
        expected: Link,
        /// The last line that there is, if there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        found: Option<Link>,
    },
    /// `lost`: records that were never written.
    Lost {
        /// How many.
        records: u64,
        /// The last line before the loss became known.
        after: u64,
        /// The first of them.
        from: String,
        /// The last of them.
        until: String,
    },
    /// `unwritable`: nothing could be written for a while.
    Unwritable {
        /// What the system said first.
        error: String,
        /// Since when.
        from: String,
        /// Until when.
        until: String,
        /// Statements that were refused for that reason since it was last told.
        refused: u64,
    },
}

impl Note {
    /// The value of `type`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Stop { .. } => "stop",
            Self::Policies { .. } => "policies",
            Self::Opened { .. } => "opened",
            Self::Rotated { .. } => "rotated",
            Self::Removed { .. } => "removed",
            Self::Torn { .. } => "torn",
            Self::SetAside { .. } => "set_aside",
            Self::Truncated { .. } => "truncated",
            Self::Lost { .. } => "lost",
            Self::Unwritable { .. } => "unwritable",
        }
    }

    /// Of records that were lost between two moments.
    pub(super) fn lost(records: u64, after: u64, (from, until): (Timestamp, Timestamp)) -> Self {
        Self::Lost { records, after, from: written(from), until: written(until) }
    }
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort();
    values.dedup();
    values
}
