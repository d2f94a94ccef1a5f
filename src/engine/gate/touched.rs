//! What a change of the structure touches: the thing that it names, its parts, and what goes with it.

use std::collections::BTreeSet;

use super::case::Case;
use crate::model::catalog::{Catalog, Oid, Relation, RelationKind, SearchPath, is_system_schema};
use crate::policy::compile::Described;
use crate::sql::lineage::ViewLineage;
use crate::sql::second_opinion::{Action, Change, Named, Thing};

/// What the thing is that a change names.
pub(super) enum Found<'a> {
    /// It belongs to the session alone.
    Temporary,
    /// A relation that everybody knows.
    Relation(&'a Relation),
    /// Something else, or nothing that is known.
    Else,
}

/// A relation, or a column of one, that is no more what it was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Touched<'a> {
    pub relation: &'a Relation,
    /// None: the relation itself.
    pub column: Option<&'a str>,
}

/// What a change is of.
pub(super) fn find<'c>(change: &Change, catalog: &'c Catalog, path: &SearchPath, made: &[String]) -> Found<'c> {
    let (Thing::Relation(named) | Thing::Index(named)) = &change.of else { return Found::Else };
    let is_own = |schema: &str| schema == "pg_temp" || schema.starts_with("pg_temp_");
    let relation = match &named.schema {
        Some(schema) if is_own(schema) => return Found::Temporary,
        Some(schema) => catalog.find(schema, &named.name),
        None if is_made(&change.action) => {
            let mut schemas = path.lasting().filter(|schema| !is_system_schema(schema));
            schemas.next().and_then(|schema| catalog.find(schema, &named.name))
        }
        None if made.contains(&named.name) => return Found::Temporary,
        None => catalog.resolve(path, &named.name),
    };
    match relation {
        Some(relation) if relation.is_temporary() => Found::Temporary,
        Some(relation) => Found::Relation(relation),
        None => Found::Else,
    }
}

fn is_made(action: &Action) -> bool {
    matches!(action, Action::Create { .. })
}

/// It asks for something to be made that is there already, and does nothing.
pub(super) fn does_nothing(change: &Change, found: &Found<'_>) -> bool {
    matches!((&change.action, found), (Action::Create { unless_exists: true }, Found::Relation(_)))
}

/// Whether a change is of something that the contract describes although the catalog does not tell: a table yet to be made, an
/// index in the schema, the schema itself.
pub(super) fn is_meant(change: &Change, described: &Described<'_>, path: &SearchPath) -> bool {
    let schema_is = |named: &Named| match &named.schema {
        Some(schema) => schema == described.schema,
        None => path.lasting().any(|schema| schema == described.schema),
    };
    match &change.of {
        Thing::Relation(named) => named.name == *described.entity.name && schema_is(named),
        Thing::Index(named) => schema_is(named),
        Thing::Schema(name) => name == described.schema,
        Thing::Type(_) | Thing::OwnedBy(_) => false,
    }
}

/// What a change takes away, or changes under those who use it; the first of it is what it names.
pub(super) fn touched<'a>(change: &'a Change, found: &Found<'a>, case: &Case<'a>) -> Vec<Touched<'a>> {
    let everything = |relation| Touched { relation, column: None };
    let mut all: Vec<Touched<'a>> = match (&change.of, found) {
        (Thing::Relation(_), Found::Relation(relation)) => of_relation(&change.action, relation, case),
        (Thing::Schema(name), _) => {
            case.catalog.relations().filter(|it| *it.schema == **name).map(|it| everything(&**it)).collect()
        }
        (Thing::OwnedBy(role), _) => {
            let owner = role.as_deref();
            // Who it is that asks is not known here; nothing is owned by nobody.
            let owned = case.catalog.relations().filter(|it| owner == Some(&*it.reading.owner));
            owned.map(|it| everything(&**it)).collect()
        }
        (Thing::Type(named), _) if matches!(change.action, Action::Drop { cascade: true }) => of_type(named, case),
        (Thing::Relation(_) | Thing::Index(_) | Thing::Type(_), _) => Vec::new(),
    };
    all.retain(|touched| has_rows(touched.relation));
    all.sort_by(|one, other| order(found, one).cmp(&order(found, other)));
    all
}

/// What is named comes first, the rest in the order of names.
fn order<'t>(found: &Found<'_>, touched: &Touched<'t>) -> (bool, &'t str, &'t str, Option<&'t str>) {
    let is_named = matches!(found, Found::Relation(relation) if relation.oid == touched.relation.oid);
    (!is_named, &touched.relation.schema, &touched.relation.name, touched.column)
}

fn has_rows(relation: &Relation) -> bool {
    relation.kind.has_rows() && !relation.is_system() && !relation.is_temporary()
}

fn of_relation<'a>(action: &'a Action, relation: &'a Relation, case: &Case<'a>) -> Vec<Touched<'a>> {
    let itself = |column| vec![Touched { relation, column }];
    let parts = |column: Option<&'a str>| {
        parts(relation, case.catalog).into_iter().map(move |relation| Touched { relation, column })
    };
    match action {
        Action::Drop { cascade } => {
            let mut all = itself(None);
            if *cascade || relation.kind == RelationKind::Partitioned {
                all.extend(parts(None));
            }
            if *cascade {
                all.extend(views(relation, None, case));
            }
            all
        }
        Action::Rename | Action::SetSchema => itself(None),
        Action::DropColumn { column, cascade } => {
            let mut all = itself(Some(column));
            all.extend(parts(Some(column)));
            if *cascade {
                all.extend(views(relation, Some(column), case));
            }
            all
        }
        Action::RenameColumn { column } | Action::AlterColumnType { column } => {
            let mut all = itself(Some(column));
            all.extend(parts(Some(column)));
            all
        }
        // It loses nothing that its users name.
        Action::Create { .. } | Action::Other => Vec::new(),
    }
}

/// Partitions and tables that inherit from it, at every level.
fn parts<'a>(relation: &Relation, catalog: &'a Catalog) -> Vec<&'a Relation> {
    let mut found: Vec<&'a Relation> = Vec::new();
    let mut known = BTreeSet::from([relation.oid]);
    loop {
        let next: Vec<&'a Relation> = catalog
            .relations()
            .map(|it| &**it)
            .filter(|it| !known.contains(&it.oid) && it.parents.iter().any(|parent| known.contains(parent)))
            .collect();
        if next.is_empty() {
            return found;
        }
        known.extend(next.iter().map(|it| it.oid));
        found.extend(next);
    }
}

/// Views that go with the relation, or with the column of it, at every level.
fn views<'a>(relation: &Relation, column: Option<&str>, case: &Case<'a>) -> Vec<Touched<'a>> {
    let Some(database) = case.database else { return Vec::new() };
    let attnum = column.map(|name| relation.column(name).map(|column| column.attnum));
    let mut gone: BTreeSet<Oid> = BTreeSet::new();
    loop {
        let reads = |oid: &Oid, lineage: &ViewLineage| {
            let ViewLineage::Known(lineage) = lineage else { return false };
            let uses = || {
                let sources = lineage.outputs.iter().flat_map(|output| &output.sources);
                let mut columns = sources.chain(&lineage.indirect).chain(&lineage.nullness);
                columns.any(|id| id.relation == relation.oid && attnum == Some(Some(id.attnum)))
            };
            let of_this = if attnum.is_some() { uses() } else { lineage.relations.contains(&relation.oid) };
            !gone.contains(oid) && (of_this || lineage.relations.iter().any(|oid| gone.contains(oid)))
        };
        let next: Vec<Oid> =
            database.lineages.iter().filter(|(oid, lineage)| reads(oid, lineage)).map(|(oid, _)| *oid).collect();
        if next.is_empty() {
            let found = gone.iter().filter_map(|oid| case.catalog.relation(*oid));
            return found.map(|relation| Touched { relation, column: None }).collect();
        }
        gone.extend(next);
    }
}

fn of_type<'a>(named: &Named, case: &Case<'a>) -> Vec<Touched<'a>> {
    let is_it = |schema: &str| match &named.schema {
        Some(written) => written == schema,
        None => case.path.lasting().any(|searched| searched == schema),
    };
    let types: BTreeSet<Oid> = case
        .catalog
        .types
        .iter()
        .filter(|ty| *ty.name == *named.name && is_it(&ty.schema))
        .flat_map(|ty| [ty.oid, ty.array])
        .filter(|oid| oid.0 != 0)
        .collect();
    let of = |relation: &'a Relation| {
        let columns = relation.columns.iter().filter(|column| types.contains(&column.ty.oid));
        columns.map(|column| Touched { relation, column: Some(&*column.name) }).collect::<Vec<_>>()
    };
    case.catalog.relations().flat_map(|relation| of(relation)).collect()
}

/// A relation and the tables that it is a part of, at every level.
pub(super) fn wholes<'a>(relation: &'a Relation, catalog: &'a Catalog) -> Vec<&'a Relation> {
    follow(relation, catalog, &|relation| relation.parents.clone())
}

/// The same with what a view shows.
pub(super) fn sources<'a>(relation: &'a Relation, case: &Case<'a>) -> Vec<&'a Relation> {
    let lineages = case.database.map(|database| &database.lineages);
    follow(relation, case.catalog, &|relation| {
        let shown = match lineages.and_then(|lineages| lineages.get(&relation.oid)) {
            Some(ViewLineage::Known(lineage)) => Some(&lineage.relations),
            Some(ViewLineage::Unknown(_)) | None => None,
        };
        relation.parents.iter().chain(shown.into_iter().flatten()).copied().collect()
    })
}

fn follow<'a>(relation: &'a Relation, catalog: &'a Catalog, next: &dyn Fn(&Relation) -> Vec<Oid>) -> Vec<&'a Relation> {
    let mut found = vec![relation];
    let mut at = 0;
    while let Some(relation) = found.get(at).copied() {
        at += 1;
        for oid in next(relation) {
            let new = catalog.relation(oid).filter(|new| !found.iter().any(|known| known.oid == new.oid));
            found.extend(new.map(|new| &**new));
        }
    }
    found
}
