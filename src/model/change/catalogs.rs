//! What is different between two readings of a catalog: what somebody has done to the database, by whatever way.

use std::collections::HashMap;

use super::{Change, Kind};
use crate::model::catalog::{Catalog, Column, Oid, Relation};
use crate::model::ident::display_name;

/// Relations and their columns, outside the system's own schemas, in the order of their names. A relation or a column is the
/// same as before when it has the same number: so what was renamed is told as such, and what was made anew is told as well.
pub fn between(old: &Catalog, new: &Catalog) -> Vec<Change> {
    let (before, after) = (relations(old), relations(new));
    let mut found: Vec<Change> = Vec::new();
    for (oid, relation) in &after {
        match before.get(oid) {
            Some(known) => differences(known, relation, &mut found),
            None => found.push(told(relation, format!("{} was created", described(relation)))),
        }
    }
    let gone = before.iter().filter(|(oid, _)| !after.contains_key(oid));
    found.extend(gone.map(|(_, relation)| told(relation, format!("{} was dropped", described(relation)))));
    found.sort_by(|one, other| {
        (&one.schema, &one.relation, &one.what).cmp(&(&other.schema, &other.relation, &other.what))
    });
    found.into_iter().map(|change| change.of(&new.database)).collect()
}

fn relations(catalog: &Catalog) -> HashMap<Oid, &Relation> {
    let is_own = |relation: &Relation| relation.kind.has_rows() && !relation.is_system() && !relation.is_temporary();
    let own = catalog.relations().filter(|relation| is_own(relation));
    own.map(|relation| (relation.oid, &**relation)).collect()
}

fn differences(old: &Relation, new: &Relation, found: &mut Vec<Change>) {
    let mut tell = |what: String| found.push(told(new, what));
    if (&old.schema, &old.name) != (&new.schema, &new.name) {
        tell(format!("{} is called {} now", old.display(), new.display()));
    }
    for column in &new.columns {
        match old.column_by_number(column.attnum) {
            Some(known) => difference(known, column).into_iter().for_each(&mut tell),
            None => tell(format!("column {} {} was added", display_name(&column.name), column.ty.sql)),
        }
    }
    for gone in old.columns.iter().filter(|column| new.column_by_number(column.attnum).is_none()) {
        tell(format!("column {} was dropped", display_name(&gone.name)));
    }
    // A definition is missing where somebody's lock was in the way of reading it.
    if old.definition != new.definition && old.definition.is_some() && new.definition.is_some() {
        tell("the query of the view has changed".to_owned());
    }
    if old.parents != new.parents {
        tell("it inherits from other tables, or is a partition of others".to_owned());
    }
    if old.primary_key != new.primary_key {
        tell("the primary key has changed".to_owned());
    }
}

/// What has become of a column.
fn difference(old: &Column, new: &Column) -> Vec<String> {
    let name = display_name(&new.name);
    let mut found = Vec::new();
    if old.name != new.name {
        found.push(format!("column {} is called {name} now", display_name(&old.name)));
    }
    if old.ty.sql != new.ty.sql {
        found.push(format!("column {name} is {} now, it was {}", new.ty.sql, old.ty.sql));
    }
    if old.not_null != new.not_null {
        found.push(format!("column {name} {} null now", if new.not_null { "must not be" } else { "may be" }));
    }
    found
}

fn told(relation: &Relation, what: String) -> Change {
    Change::new(Kind::Structure, what).about(&relation.schema, &relation.name)
}

fn described(relation: &Relation) -> &'static str {
    use crate::model::catalog::RelationKind as K;
    match relation.kind {
        K::Table | K::Partitioned => "the table",
        K::View => "the view",
        K::MaterializedView => "the materialised view",
        K::Foreign => "the foreign table",
        K::Sequence | K::Other => "the relation",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::catalog::{BaseType, ColumnType, RelationKind};

    fn column(attnum: i16, name: &str, ty: &str) -> Column {
        let ty = ColumnType {
            oid: Oid(25),
            typmod: -1,
            sql: ty.into(),
            base: BaseType::Text,
            collation: None,
            masked_as: None,
        };
        Column::new(attnum, name, ty)
    }

    fn catalog(relations: Vec<Relation>) -> Catalog {
        let mut catalog = Catalog::new("shop", 150_000);
        relations.into_iter().for_each(|relation| catalog.insert(relation));
        catalog
    }

    fn words(old: Vec<Relation>, new: Vec<Relation>) -> Vec<String> {
        let found = between(&catalog(old), &catalog(new));
        assert!(found.iter().all(|change| &*change.database == "shop" && change.kind == Kind::Structure));
        found.into_iter().map(|change| format!("{}.{}: {}", change.schema, change.relation, change.what)).collect()
    }

    #[test]
    fn what_is_the_same_is_told_by_its_number_not_by_its_name() {
        let table = |oid, name, columns| Relation::table(Oid(oid), "public", name, columns);
        let before = vec![
            table(1, "orders", vec![column(1, "id", "bigint"), column(2, "eta", "date"), column(3, "old", "text")]),
            table(2, "gone", vec![]),
        ];
        let must = Column { not_null: true, ..column(4, "New", "text") };
        let after = vec![
            table(1, "orders", vec![column(1, "id", "integer"), column(2, "arrival", "date"), must]),
            table(3, "fresh", vec![]),
        ];
        assert_eq!(words(before.clone(), before.clone()), [""; 0]);
        assert_eq!(
            words(before, after),
            [
                "public.fresh: the table was created",
                "public.gone: the table was dropped",
                "public.orders: column \"New\" text was added",
                "public.orders: column eta is called arrival now",
                "public.orders: column id is integer now, it was bigint",
                "public.orders: column old was dropped",
            ]
        );
    }

    #[test]
    fn a_view_that_could_not_be_read_is_no_other_view() {
        let view = |definition: Option<&str>| Relation {
            kind: RelationKind::View,
            definition: definition.map(Into::into),
            ..Relation::table(Oid(9), "public", "recent", Vec::new())
        };
        assert_eq!(words(vec![view(Some("SELECT 1"))], vec![view(None)]), [""; 0]);
        let changed = words(vec![view(Some("SELECT 1"))], vec![view(Some("SELECT 2"))]);
        assert_eq!(changed, ["public.recent: the query of the view has changed"]);
    }

    #[test]
    fn what_only_one_session_has_is_no_change() {
        let own = Relation::table(Oid(7), "pg_temp", "mine", Vec::new());
        let theirs = Relation::table(Oid(8), "pg_catalog", "pg_new", Vec::new());
        assert_eq!(words(Vec::new(), vec![own, theirs]), [""; 0]);
    }
}
