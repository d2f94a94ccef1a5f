//! Relations that one session has made for itself and that go with it.
//!
//! A catalog is shared by all sessions and does not know them. A session learns its own from the server, and has a copy of
//! the catalog in which they stand before everything else. Little is known of their columns: they hold what the session could see when it filled them, so nothing of them is ever protected.

use std::sync::Arc;

use super::catalog::{BaseType, Column, ColumnType, Oid, Relation, RelationKind};

/// The schema of temporary relations, by the name that every session can call its own by.
pub const SCHEMA: &str = "pg_temp";

/// One relation in the temporary schema of a session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TemporaryRelation {
    /// `relname`.
    pub name: Box<str>,
    /// A sequence, rather than a table.
    pub sequence: bool,
    /// The columns in their order.
    pub columns: Vec<TemporaryColumn>,
}

/// One column of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TemporaryColumn {
    /// `attname`.
    pub name: Box<str>,
    /// `atttypid`: the server may call functions for values of some types.
    pub ty: Oid,
}

/// As relations of a catalog. Their numbers count down from the last there is, where no server gets to: two sessions with
/// tables of the same form share verdicts.
pub(super) fn relations(found: &[TemporaryRelation]) -> Vec<Arc<Relation>> {
    let numbers = (0..=u32::MAX).rev();
    found.iter().zip(numbers).map(|(relation, number)| Arc::new(described(relation, Oid(number)))).collect()
}

fn described(found: &TemporaryRelation, oid: Oid) -> Relation {
    Relation {
        kind: if found.sequence { RelationKind::Sequence } else { RelationKind::Table },
        ..Relation::table(
            oid,
            SCHEMA,
            &found.name,
            found.columns.iter().zip(1..).map(|(found, attnum)| column(found, attnum)).collect(),
        )
    }
}

fn column(found: &TemporaryColumn, attnum: i16) -> Column {
    let ty = ColumnType {
        oid: found.ty,
        typmod: -1,
        sql: "".into(),
        base: BaseType::Other,
        collation: None,
        masked_as: None,
    };
    Column::new(attnum, &found.name, ty)
}
