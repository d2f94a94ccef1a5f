//! A catalog made of contracts, for `check`, `test` and `explain` without a server.

use super::{Contract, Entity, EntityKind, types};
use crate::model::catalog::{Catalog, Column, Oid, Relation, RelationKind};

/// The first oid that a server gives to what users create.
const FIRST_NORMAL_OID: u32 = 16_384;

/// The database that the contracts promise: every entity as a relation with its columns, types and primary key.
pub fn to_catalog<'a>(contracts: impl IntoIterator<Item = &'a Contract>, database: &str) -> Catalog {
    let mut catalog = Catalog::new(database, 0);
    let mut next = FIRST_NORMAL_OID;
    for contract in contracts {
        for (schema, entity) in contract.entities_in(database) {
            if catalog.find(schema, &entity.name).is_none() {
                catalog.insert(relation(schema, entity, next));
                // The row type takes the oid after the relation's, as on a server.
                next += 2;
            }
        }
    }
    catalog
}

fn relation(schema: &str, entity: &Entity, oid: u32) -> Relation {
    let columns: Vec<Column> = (1i16..)
        .zip(&entity.fields)
        .map(|(attnum, field)| Column {
            name: field.name.clone(),
            attnum,
            ty: types::column_type(field.physical_type.as_deref().unwrap_or("text")),
            not_null: field.required || field.primary_key.is_some(),
            generated_from: Vec::new(),
        })
        .collect();
    let mut key: Vec<(i64, i16)> =
        (1i16..).zip(&entity.fields).filter_map(|(attnum, field)| Some((field.primary_key?, attnum))).collect();
    key.sort_unstable();
    Relation {
        kind: match entity.kind {
            EntityKind::Table | EntityKind::View => RelationKind::Table,
        },
        primary_key: key.into_iter().map(|(_, attnum)| attnum).collect(),
        row_type: Oid(oid + 1),
        ..Relation::table(Oid(oid), schema, &entity.name, columns)
    }
}
