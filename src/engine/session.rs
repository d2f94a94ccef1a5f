//! Statements that are not queries: what they do to the session, and which of them a governed session may send.

use super::judge::Text;
use super::objection::Objection;
use super::refusal::SqlState;
use super::report::Effects;
use crate::sql::lexer::{self, Token, TokenKind};
use crate::sql::second_opinion::{OutlineStatement, StatementKind, TransactionKind};

/// What a governed session may SET: nothing of it changes how a text is read, what a mask answers, or what the server tells.
const SETTABLE: &[&str] = &[
    "application_name",
    "bytea_output",
    "cursor_tuple_fraction",
    "datestyle",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "geqo",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "jit",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lock_timeout",
    "max_parallel_workers_per_gather",
    "plan_cache_mode",
    "random_page_cost",
    "row_security",
    "search_path",
    "seed",
    "statement_timeout",
    "synchronous_commit",
    "timezone",
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_read_only",
    "transaction_timeout",
    "work_mem",
    "xmloption",
];

/// Settings that a governed session may only set to these values: what lexing and error texts depend on.
const PINNED: &[(&str, &[&str])] = &[
    ("standard_conforming_strings", &["on", "true", "1", "yes"]),
    ("backslash_quote", &["safe_encoding"]),
    ("client_encoding", &["utf8", "utf-8", "unicode"]),
    ("names", &["utf8", "utf-8", "unicode"]),
    ("client_min_messages", &["notice", "warning", "error"]),
    ("escape_string_warning", &["on", "off", "true", "false"]),
];

/// Settings that may hold secrets of the server.
const SECRET: &[&str] = &["all", "primary_conninfo", "ssl_passphrase_command", "archive_command", "restore_command"];

/// What the session must keep track of once the server has executed the statement.
pub(super) fn effects(kind: &StatementKind) -> Effects {
    match kind {
        StatementKind::Set { name } | StatementKind::Reset { name } => Effects {
            search_path_may_change: matches!(name.as_str(), "search_path" | "role" | "session_authorization"),
            ..Effects::default()
        },
        StatementKind::ResetAll
        | StatementKind::Discard
        | StatementKind::Transaction(TransactionKind::RollbackTo)
        | StatementKind::Do
        | StatementKind::Call => Effects { search_path_may_change: true, ..Effects::default() },
        StatementKind::Ddl | StatementKind::CreateTableAs | StatementKind::SelectInto => {
            Effects { ddl: true, ..Effects::default() }
        }
        _ => Effects::default(),
    }
}

/// Refuses what a governed session may not send, whatever it refers to.
pub(super) fn admit(text: &Text<'_>, outline: &OutlineStatement, tokens: &[Token]) -> Result<(), Objection> {
    match &outline.kind {
        kind if is_open(kind) => value(text, kind, tokens),
        StatementKind::Copy { filtered: true, .. } => Err(denied("COPY with a condition".to_owned())),
        StatementKind::Copy { .. } => Err(denied("COPY with a file or program".to_owned())),
        other => Err(denied(other.as_str().to_owned())),
    }
}

/// Settings are open by name and value.
fn value(text: &Text<'_>, kind: &StatementKind, tokens: &[Token]) -> Result<(), Objection> {
    match kind {
        StatementKind::Set { name } => setting(text, name, tokens),
        StatementKind::Reset { name } => {
            let known = SETTABLE.contains(&name.as_str()) || PINNED.iter().any(|(pinned, _)| pinned == name);
            if known { Ok(()) } else { Err(denied(format!("setting {name}"))) }
        }
        StatementKind::Show { name } if SECRET.contains(&name.as_str()) => Err(denied(format!("setting {name}"))),
        _ => Ok(()),
    }
}

/// The kinds of statements that a governed session may send at all; asked of the original text and of the final one.
pub(super) fn is_open(kind: &StatementKind) -> bool {
    match kind {
        StatementKind::Select
        | StatementKind::Insert
        | StatementKind::Update
        | StatementKind::Delete
        | StatementKind::Merge
        | StatementKind::Copy { file: false, program: false, filtered: false }
        | StatementKind::Explain
        | StatementKind::Prepare
        | StatementKind::Execute
        | StatementKind::Deallocate
        | StatementKind::DeclareCursor
        | StatementKind::Fetch
        | StatementKind::ClosePortal
        | StatementKind::Set { .. }
        | StatementKind::Reset { .. }
        | StatementKind::ResetAll
        | StatementKind::Show { .. }
        | StatementKind::Discard
        | StatementKind::SetConstraints
        | StatementKind::Unlisten
        | StatementKind::Transaction(TransactionKind::Plain | TransactionKind::RollbackTo) => true,
        StatementKind::Copy { .. }
        | StatementKind::SelectInto
        | StatementKind::CreateTableAs
        | StatementKind::Transaction(TransactionKind::TwoPhase)
        | StatementKind::Listen
        | StatementKind::Notify
        | StatementKind::Lock
        | StatementKind::Call
        | StatementKind::Do
        | StatementKind::Vacuum
        | StatementKind::Ddl
        | StatementKind::Other => false,
    }
}

fn setting(text: &Text<'_>, name: &str, tokens: &[Token]) -> Result<(), Objection> {
    if SETTABLE.contains(&name) {
        return Ok(());
    }
    let Some((_, values)) = PINNED.iter().find(|(pinned, _)| *pinned == name) else {
        return Err(denied(format!("setting {name}")));
    };
    let value = tokens.last().map(|token| value_of(text.sql, token)).unwrap_or_default();
    let alone = tokens.iter().all(|token| token.text(text.sql) != ",");
    if alone && values.contains(&value.as_str()) {
        return Ok(());
    }
    Err(denied(format!("setting {name} to {value}")).hint(format!("Allowed values: {}.", values.join(", "))))
}

fn value_of(sql: &str, token: &Token) -> String {
    let value = if token.kind == TokenKind::Word {
        token.text(sql).to_owned()
    } else {
        lexer::decode_string(sql, token).map_or_else(|| token.text(sql).to_owned(), |value| value.into_owned())
    };
    value.to_ascii_lowercase()
}

fn denied(what: String) -> Objection {
    Objection::new(SqlState::InsufficientPrivilege, format!("permission denied for {what}"))
        .detail("A policy protects columns from this user, and this could reach around it.")
        .hint("Use a session of a user without protected columns, or ask the owner of the policy.")
}
