//! How a change of the structure is told of, in PostgreSQL's style.

use jiff::{SignedDuration, Timestamp};

use super::case::Case;
use super::touched::{Found, Touched};
use crate::engine::objection::Objection;
use crate::engine::refusal::SqlState;
use crate::engine::report::{DdlChange, Notice};
use crate::model::catalog::{Catalog, Relation, RelationKind, SearchPath};
use crate::model::consumers::Consumer;
use crate::model::ident::display_name;
use crate::sql::second_opinion::{Action, Change, Named, Thing};

/// Consumers that are listed one by one.
const LISTED: usize = 10;

/// What is changed and how, for reports.
pub(super) fn change(change: &Change, found: &Found<'_>) -> DdlChange {
    let action = match &change.action {
        Action::Create { .. } => "create",
        Action::Drop { .. } => "drop",
        Action::Rename => "rename",
        Action::SetSchema => "set schema",
        Action::DropColumn { .. } => "drop column",
        Action::RenameColumn { .. } => "rename column",
        Action::AlterColumnType { .. } => "alter column type",
        Action::Other => "alter",
    };
    DdlChange { action, object: object(change, found) }
}

fn object(change: &Change, found: &Found<'_>) -> String {
    let written = |named: &Named| match &named.schema {
        Some(schema) => format!("{}.{}", display_name(schema), display_name(&named.name)),
        None => display_name(&named.name),
    };
    let name = match (&change.of, found) {
        (_, Found::Relation(relation)) => relation.display(),
        (Thing::Relation(named) | Thing::Index(named) | Thing::Type(named), _) => written(named),
        (Thing::Schema(name), _) => display_name(name),
        (Thing::OwnedBy(role), _) => role.as_deref().map_or_else(|| "current_user".to_owned(), display_name),
    };
    match column_of(&change.action) {
        Some(column) => format!("{name}.{}", display_name(column)),
        None => name,
    }
}

fn column_of(action: &Action) -> Option<&str> {
    match action {
        Action::DropColumn { column, .. } | Action::RenameColumn { column } | Action::AlterColumnType { column } => {
            Some(column)
        }
        Action::Create { .. } | Action::Drop { .. } | Action::Rename | Action::SetSchema | Action::Other => None,
    }
}

/// A change of something that is in use.
pub(super) struct InUse<'c, 'a> {
    pub case: &'c Case<'a>,
    pub change: &'c Change,
    pub found: &'c Found<'a>,
    /// What of it is in use.
    pub touched: &'c Touched<'a>,
    pub consumers: &'c [Consumer],
}

impl InUse<'_, '_> {
    pub(super) fn objection(&self) -> Objection {
        let why = if self.is_what_is_named() { "it".to_owned() } else { self.described(self.touched) };
        let message = format!("cannot {} because {why} is in use", self.act());
        Objection::new(SqlState::DependentObjectsStillExist, message).detail(self.detail()).hint(self.hint())
    }

    pub(super) fn caution(&self) -> Notice {
        Notice {
            fingerprint: 0,
            message: format!("{} is in use", self.described(self.touched)),
            detail: Some(self.detail()),
            hint: Some(self.hint()),
        }
    }

    fn is_what_is_named(&self) -> bool {
        matches!(self.found, Found::Relation(relation) if relation.oid == self.touched.relation.oid)
    }

    /// `drop column a of table t`.
    fn act(&self) -> String {
        let relation = match self.found {
            Found::Relation(relation) => Some(*relation),
            Found::Temporary | Found::Else => None,
        };
        let (named, column) = (relation.map(|it| self.relation(it)), column_of(&self.change.action));
        let thing = match (&self.change.of, named) {
            (_, Some(relation)) => match column {
                Some(column) => format!("column {} of {relation}", display_name(column)),
                None => relation,
            },
            (Thing::Schema(name), None) => format!("schema {}", display_name(name)),
            (Thing::Type(named), None) => format!("type {}", display_name(&named.name)),
            (Thing::OwnedBy(role), None) => {
                format!("objects owned by {}", display_name(role.as_deref().unwrap_or("current_user")))
            }
            (Thing::Relation(named) | Thing::Index(named), None) => display_name(&named.name),
        };
        match self.change.action {
            Action::Drop { .. } | Action::DropColumn { .. } => format!("drop {thing}"),
            Action::Rename | Action::RenameColumn { .. } => format!("rename {thing}"),
            Action::SetSchema => format!("move {thing} to another schema"),
            Action::AlterColumnType { .. } => format!("alter the type of {thing}"),
            Action::Create { .. } | Action::Other => format!("change {thing}"),
        }
    }

    fn described(&self, touched: &Touched<'_>) -> String {
        let relation = self.relation(touched.relation);
        match touched.column {
            Some(column) => format!("column {} of {relation}", display_name(column)),
            None => relation,
        }
    }

    fn relation(&self, relation: &Relation) -> String {
        format!("{} {}", kind(relation.kind), visible_name(relation, self.case.catalog, self.case.path))
    }

    /// A line for each consumer, as PostgreSQL lists what depends on something.
    fn detail(&self) -> String {
        let mut lines: Vec<String> = self.consumers.iter().take(LISTED).map(consumer).collect();
        let rest = self.consumers.len().saturating_sub(LISTED);
        if rest > 0 {
            lines.push(format!("and {rest} more"));
        }
        lines.join("\n")
    }

    fn hint(&self) -> String {
        let Touched { relation, column } = *self.touched;
        let column = column.map(|column| format!(".{}", display_name(column))).unwrap_or_default();
        format!(
            "Deprecate it, and try again when nobody has used it or tried to for {}. \"pgcovenant usage {}{column}\" shows who does.",
            time(self.case.rules.window),
            relation.display()
        )
    }
}

/// `application "billing", user shop_app: 3 shapes of statements, 812 uses, last seen 2026-11-20T10:11:12Z`.
fn consumer(consumer: &Consumer) -> String {
    let Consumer { application, user, shapes, uses, star_only, first_seen: _, last_seen } = consumer;
    let plural = |count: u64, one: &str, more: &str| format!("{count} {}", if count == 1 { one } else { more });
    let by_star = if *star_only { ", by * only" } else { "" };
    format!(
        "application \"{application}\", user {}: {}, {}, last seen {}{by_star}",
        display_name(user),
        plural(*shapes, "shape of statements", "shapes of statements"),
        plural(*uses, "use", "uses"),
        seconds(*last_seen),
    )
}

fn seconds(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

fn kind(kind: RelationKind) -> &'static str {
    match kind {
        RelationKind::Table | RelationKind::Partitioned | RelationKind::Other => "table",
        RelationKind::View => "view",
        RelationKind::MaterializedView => "materialized view",
        RelationKind::Foreign => "foreign table",
        RelationKind::Sequence => "sequence",
    }
}

/// As the server names relations: with the schema only where the path does not lead there.
fn visible_name(relation: &Relation, catalog: &Catalog, path: &SearchPath) -> String {
    let visible = catalog.resolve(path, &relation.name).is_some_and(|found| found.oid == relation.oid);
    if visible { display_name(&relation.name) } else { relation.display() }
}

/// A time span in the greatest unit that it is a multiple of.
fn time(span: SignedDuration) -> String {
    let milliseconds = span.as_millis();
    let units = [(86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1000, "second"), (1, "millisecond")];
    let fitting = units.into_iter().find(|(unit, _)| milliseconds % unit == 0);
    let (unit, word) = fitting.unwrap_or((1, "millisecond"));
    let count = milliseconds / unit;
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
