//! The terms of a database as it is.

use std::collections::BTreeMap;

use super::terms::{Column, Document, Keys, Table, Terms};
use crate::model::catalog::{Catalog, Relation, RelationKind};

/// The terms of a database: its tables and views, with names, types, nullability and primary keys.
pub fn terms(catalog: &Catalog) -> Terms {
    let mut tables: Vec<Table> = catalog
        .relations()
        .filter(|relation| is_offered(relation))
        .map(|relation| table(relation, &catalog.database))
        .collect();
    tables.sort_by(|one, other| (&one.schema, &one.name).cmp(&(&other.schema, &other.name)));
    let document = Document {
        id: catalog.database.clone(),
        name: format!("database {}", catalog.database).into(),
        version: None,
        databases: [catalog.database.clone()].into(),
        tables,
        description: None,
        sla: BTreeMap::new(),
        keys: Keys::default(),
    };
    Terms { documents: vec![document], is_live: true }
}

fn is_offered(relation: &Relation) -> bool {
    relation.kind.has_rows() && !relation.is_system() && !relation.is_temporary()
}

fn table(relation: &Relation, database: &str) -> Table {
    let column = |column: &crate::model::catalog::Column| Column {
        name: column.name.clone(),
        ty: column.ty.clone(),
        required: column.not_null,
        unique: false,
        // The catalog does not tell: nobody is accused of what is not known.
        has_default: true,
        classification: None,
        description: None,
        retirement: None,
        values: None,
        options: BTreeMap::new(),
        keys: Keys::default(),
    };
    let name = |attnum: &i16| relation.column_by_number(*attnum).map(|column| column.name.clone());
    Table {
        schema: relation.schema.clone(),
        name: relation.name.clone(),
        is_part: !relation.parents.is_empty(),
        is_view: matches!(relation.kind, RelationKind::View | RelationKind::MaterializedView),
        databases: [database.into()].into(),
        columns: relation.columns.iter().map(column).collect(),
        key: relation.primary_key.iter().filter_map(name).collect(),
        description: None,
        retirement: None,
        relationships: BTreeMap::new(),
        keys: Keys::default(),
    }
}
