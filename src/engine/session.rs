//! Statements that are not queries: what they do to the session, and which of them a governed session may send.

use super::calls;
use super::judge::Text;
use super::objection::Objection;
use super::report::Effects;
use super::settings::{self, denied};
use crate::model::catalog::{Catalog, SearchPath};
use crate::model::ident::Ident;
use crate::policy::view::SubjectView;
use crate::sql::lexer::{self, Token, TokenKind};
use crate::sql::second_opinion::{OutlineStatement, StatementKind, TableChange, TransactionKind};
use crate::sql::splice::Splicer;

/// What the session must keep track of once the server has executed the statement.
pub(super) fn effects(outline: &OutlineStatement, view: &SubjectView) -> Effects {
    let effects = effects_of_kind(&outline.kind, view);
    let set_config = outline.functions.iter().any(calls::changes_path);
    Effects { search_path_may_change: effects.search_path_may_change || set_config, ..effects }
}

fn effects_of_kind(kind: &StatementKind, view: &SubjectView) -> Effects {
    match kind {
        StatementKind::Set { name } | StatementKind::Reset { name } => {
            Effects { search_path_may_change: settings::changes_path(name), ..Effects::default() }
        }
        // What a transaction has changed that was prepared shows when somebody commits it.
        StatementKind::Transaction(TransactionKind::TwoPhase) => Effects { ddl: true, ..Effects::default() },
        StatementKind::ResetAll
        | StatementKind::Discard
        | StatementKind::Transaction(TransactionKind::RollbackTo)
        | StatementKind::Do
        | StatementKind::Call => Effects { search_path_may_change: true, ..Effects::default() },
        StatementKind::CreateTableAs { temporary: true }
        | StatementKind::SelectInto { temporary: true }
        | StatementKind::Table(TableChange::Create { temporary: true }) => {
            Effects { temporary_may_change: true, ..Effects::default() }
        }
        StatementKind::Table(change) if view.governed => Effects {
            temporary_may_change: matches!(change, TableChange::Drop | TableChange::Alter | TableChange::Rename),
            ..Effects::default()
        },
        StatementKind::Ddl
        | StatementKind::Table(_)
        | StatementKind::CreateTableAs { temporary: false }
        | StatementKind::SelectInto { temporary: false } => Effects { ddl: true, ..Effects::default() },
        _ => Effects::default(),
    }
}

/// Refuses what a governed session may not send, whatever it refers to.
pub(super) fn admit(text: &Text<'_>, outline: &OutlineStatement, tokens: &[Token]) -> Result<(), Objection> {
    match &outline.kind {
        kind if is_open(kind) => value(text, kind, tokens),
        StatementKind::Copy { filtered: true, .. } => Err(denied("COPY with a condition".to_owned())),
        StatementKind::Copy { .. } => Err(denied("COPY with a file or program".to_owned())),
        StatementKind::Listen => Err(denied("LISTEN".to_owned()).detail(
            "A policy protects columns from this user, and a notification carries what any other session puts into it.",
        )),
        other => Err(denied(other.as_str().to_owned())),
    }
}

/// Settings are open by name and value.
fn value(text: &Text<'_>, kind: &StatementKind, tokens: &[Token]) -> Result<(), Objection> {
    match kind {
        StatementKind::Set { name } => settings::set(name, value_of(text.sql, tokens).as_deref(), text.catalog),
        StatementKind::Reset { name } => settings::reset(name, text.catalog),
        StatementKind::Show { name } => settings::show(name),
        _ => Ok(()),
    }
}

/// The last word of SET, unless it is one of several.
fn value_of(sql: &str, tokens: &[Token]) -> Option<String> {
    let token = tokens.last().filter(|_| tokens.iter().all(|token| token.text(sql) != ","))?;
    let value = if token.kind == TokenKind::Word {
        token.text(sql).to_owned()
    } else {
        lexer::decode_string(sql, token).map_or_else(|| token.text(sql).to_owned(), |value| value.into_owned())
    };
    Some(value.to_ascii_lowercase())
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
        | StatementKind::CreateTableAs { temporary: true }
        | StatementKind::SelectInto { temporary: true }
        | StatementKind::Table(
            TableChange::Create { temporary: true }
            | TableChange::Drop
            | TableChange::DropIndex
            | TableChange::Alter
            | TableChange::Rename
            | TableChange::Index
            | TableChange::Truncate,
        )
        | StatementKind::Vacuum
        | StatementKind::Lock
        | StatementKind::Notify
        | StatementKind::Call
        | StatementKind::Transaction(_) => true,
        StatementKind::Copy { .. }
        | StatementKind::SelectInto { temporary: false }
        | StatementKind::CreateTableAs { temporary: false }
        | StatementKind::Table(TableChange::Create { temporary: false })
        | StatementKind::Listen
        | StatementKind::Do
        | StatementKind::Ddl
        | StatementKind::Other => false,
    }
}

/// LOCK TABLE: the schema is put before every name, so that it means what was found.
pub(super) fn lock(text: &Text<'_>, outline: &OutlineStatement, splicer: &mut Splicer<'_>) -> Result<(), Objection> {
    let empty = Catalog::default();
    let fallback = SearchPath::default();
    let path = text.search_path(&fallback)?;
    let catalog = text.catalog.unwrap_or(&empty);
    for named in &outline.relations {
        let found = catalog.named(path, named.schema.as_deref(), &named.name);
        let relation = found.ok_or_else(|| Objection::no_such_relation(&named.name).at(named.start))?;
        if named.schema.is_none() {
            let schema = format!("{}.", Ident::quoted(&relation.schema));
            splicer.insert_before(named.start, schema).map_err(|error| Objection::not_understood(error.to_string()))?;
        }
    }
    Ok(())
}
