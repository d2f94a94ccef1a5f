//! A first contract, written from what a database has.
//!
//! It promises what is there and nothing more, so that comparing the database with it finds no difference. What only looks
//! like personal data is marked, for a person to decide.

mod properties;
pub mod yaml;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::catalog::{Catalog, Relation, RelationKind};
use super::drift::view_digest;
use super::migrations::bookkeeping;
use super::structure::{QualifiedName, RelationStructure, Structure};

/// Where the database is and which part of it is described.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Host name or address.
    pub host: &'a str,
    /// Port.
    pub port: u16,
    /// The schemas, in the order in which they are named.
    pub schemas: &'a [String],
}

/// What a contract describes: tables and views of the scope, by their names in the contract.
#[derive(Debug)]
pub struct Described<'a> {
    /// The database.
    pub catalog: &'a Catalog,
    /// What else it has.
    pub structure: &'a Structure,
    names: BTreeMap<QualifiedName, String>,
    relations: Vec<&'a Relation>,
}

impl<'a> Described<'a> {
    /// The relations that people have made: no partitions, no parts of extensions, no tables of migration tools.
    pub fn new(catalog: &'a Catalog, structure: &'a Structure, schemas: &[String]) -> Self {
        let place = |relation: &Relation| schemas.iter().position(|schema| **schema == *relation.schema);
        let mut relations: Vec<&Relation> = catalog
            .relations()
            .map(|relation| &**relation)
            .filter(|relation| {
                let of_extension = structure
                    .relation(&relation.schema, &relation.name)
                    .is_some_and(|structure| structure.extension.is_some());
                place(relation).is_some()
                    && physical_type(relation.kind).is_some()
                    && !of_extension
                    && !is_partition(relation, catalog)
                    && !bookkeeping(catalog, relation)
            })
            .collect();
        relations.sort_by_key(|relation| (place(relation), relation.kind == RelationKind::View, &relation.name));
        let several = |name: &str| relations.iter().filter(|relation| &*relation.name == name).count() > 1;
        let names = relations
            .iter()
            .map(|relation| {
                let (schema, name) = (relation.schema.clone(), relation.name.clone());
                let called = if several(&name) { format!("{schema}_{name}") } else { name.to_string() };
                ((schema, name), called)
            })
            .collect();
        Self { catalog, structure, names, relations }
    }

    /// The relations, in the order of the contract.
    pub fn relations(&self) -> impl Iterator<Item = &'a Relation> {
        self.relations.iter().copied()
    }

    /// What the contract calls a relation.
    fn name(&self, schema: &str, name: &str) -> Option<&str> {
        self.names.get(&(schema.into(), name.into())).map(String::as_str)
    }
}

fn is_partition(relation: &Relation, catalog: &Catalog) -> bool {
    let mut parents = relation.parents.iter().filter_map(|parent| catalog.relation(*parent));
    parents.any(|parent| parent.kind == RelationKind::Partitioned)
}

/// `physicalType` of an object; none for what no contract describes.
fn physical_type(kind: RelationKind) -> Option<&'static str> {
    match kind {
        RelationKind::Table | RelationKind::Partitioned | RelationKind::Foreign => Some("table"),
        RelationKind::View => Some("view"),
        RelationKind::MaterializedView => Some("materialized view"),
        RelationKind::Sequence | RelationKind::Other => None,
    }
}

const HEAD: &str = "\
# A first contract, written from the database itself. It promises what is there today.
# Lines marked `review me` have names that look like personal data: a guess by name and type, no value was looked at.
# Decide for each of them, and look for what the guess has missed; then set the status to active.
";

/// The text of the contract.
pub fn contract(described: &Described<'_>, scope: &Scope<'_>) -> String {
    let database = &*described.catalog.database;
    let mut text = HEAD.to_owned();
    let word = yaml::scalar(database);
    // Writing to a String cannot fail.
    _ = write!(
        text,
        "apiVersion: v3.1.0\nkind: DataContract\nid: {word}\nname: {word}\nversion: 0.1.0\nstatus: draft\n"
    );
    text.push_str("servers:\n");
    for schema in scope.schemas {
        let (schema, host) = (yaml::scalar(schema), yaml::scalar(scope.host));
        let server = if scope.schemas.len() == 1 { word.clone() } else { schema.clone() };
        _ = write!(text, "  - server: {server}\n    type: postgresql\n    host: {host}\n    port: {}\n", scope.port);
        _ = write!(text, "    database: {word}\n    schema: {schema}\n");
    }
    for history in &described.structure.histories {
        let (tool, version) = (history.tool.as_str(), yaml::quoted(&history.version));
        _ = write!(
            text,
            "# {tool} is at this version. Take the comment away to be told when the database is at another one.\n\
             # customProperties:\n#   - property: pgcovenantSchemaVersion\n#     value: {{tool: {tool}, version: {version}}}\n"
        );
    }
    if described.relations.is_empty() {
        text.push_str("schema: []\n");
        return text;
    }
    text.push_str("schema:\n");
    for relation in described.relations() {
        object(&mut text, described, scope, relation);
    }
    text
}

fn object(text: &mut String, described: &Described<'_>, scope: &Scope<'_>, relation: &Relation) {
    let nothing = RelationStructure::default();
    let structure = described.structure.relation(&relation.schema, &relation.name).unwrap_or(&nothing);
    let name = described.name(&relation.schema, &relation.name).unwrap_or(&relation.name);
    _ = writeln!(text, "  - name: {}", yaml::scalar(name));
    if scope.schemas.len() > 1 || relation.name.contains('.') {
        let physical = format!("{}.{}", relation.schema, relation.name);
        _ = writeln!(text, "    physicalName: {}", yaml::scalar(&physical));
    }
    _ = writeln!(text, "    physicalType: {}", physical_type(relation.kind).unwrap_or("table"));
    if let Some(comment) = &structure.comment {
        _ = writeln!(text, "    description: {}", yaml::scalar(comment));
    }
    if let (RelationKind::View | RelationKind::MaterializedView, Some(definition)) =
        (relation.kind, &relation.definition)
    {
        let digest = yaml::quoted(&view_digest(definition));
        _ = writeln!(text, "    customProperties:\n      - {{property: pgcovenantViewDigest, value: {digest}}}");
    }
    if !relation.columns.is_empty() {
        text.push_str("    properties:\n");
    }
    for column in &relation.columns {
        properties::property(text, described, relation, structure, column);
    }
    properties::composite_keys(text, described, relation, structure);
}

#[cfg(test)]
mod tests;
