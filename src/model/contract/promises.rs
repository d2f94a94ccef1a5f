//! What a contract promises beyond columns and their types: keys that refer, indexes, the query of a view, and the version
//! of the schema that it describes.

use std::collections::HashMap;
use std::ops::Range;

use super::{ExpectedVersion, Relationship};
use crate::model::migrations::Tool;
use crate::model::source::{Fields, Node, Problems, list, nearest, non_empty, string_or_list};

/// From the names that a contract gives its objects and properties to the names that they have in the database.
pub(super) struct Names<'n> {
    objects: Vec<Object<'n>>,
}

struct Object<'n> {
    words: Vec<&'n str>,
    physical: &'n str,
    properties: HashMap<&'n str, &'n str>,
}

impl<'n> Names<'n> {
    pub(super) fn of(document: &'n Node) -> Self {
        let objects = document.get("schema").map_or(&[][..], Node::items).iter().filter_map(|object| {
            let mut properties = HashMap::new();
            for property in object.get("properties").map_or(&[][..], Node::items) {
                let Some(physical) = physical(property) else { continue };
                properties.extend(words(property).into_iter().map(|word| (word, physical)));
            }
            Some(Object { words: words(object), physical: physical(object)?, properties })
        });
        Self { objects: objects.collect() }
    }

    /// `orders.id`, or `schema/orders/properties/id`, as table and column; none where it names something in another file.
    ///
    /// A table that the contract does not describe may be described by another contract of the same database, unless its
    /// name looks like a slip of the pen.
    fn resolve(&self, written: &(String, Range<usize>), problems: &mut Problems<'_>) -> Option<(String, Box<str>)> {
        let (reference, at) = written;
        let parts: Vec<&str> = reference.trim_start_matches('/').split('/').collect();
        let (table, column) = match parts.as_slice() {
            ["schema", object, "properties", property, ..] => (*object, *property),
            [one] => one.rsplit_once('.')?,
            _ => return None,
        };
        let Some(object) = self.objects.iter().find(|object| object.words.contains(&table)) else {
            let help = match nearest(table, self.objects.iter().flat_map(|object| object.words.iter().copied())) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if parts.len() == 1 => return Some((table.to_owned(), column.into())),
                None => "Name an object of the contract by its `id`.".to_owned(),
            };
            problems.error_with(at, format!("the contract has no object `{table}`"), help);
            return None;
        };
        let known = object.properties.get(column).copied();
        if known.is_none() && !object.properties.is_empty() {
            let help = match nearest(column, object.properties.keys().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "Name a property of that object.".to_owned(),
            };
            problems.error_with(at, format!("the object `{table}` has no property `{column}`"), help);
            return None;
        }
        Some((object.physical.to_owned(), known.unwrap_or(column).into()))
    }

    /// What columns refer to, of an object and of its properties.
    pub(super) fn relationships(&self, object: &Node, problems: &mut Problems<'_>) -> Vec<Relationship> {
        let mut found = Vec::new();
        for node in object.get("relationships").map_or(&[][..], Node::items) {
            let from = node.get("from").map(|from| string_or_list(from, problems)).unwrap_or_default();
            let columns: Option<Vec<_>> = from.iter().map(|from| self.own_column(object, from, problems)).collect();
            found.extend(columns.and_then(|columns| self.relationship(columns, node, problems)));
        }
        for property in object.get("properties").map_or(&[][..], Node::items) {
            let Some(column) = physical(property) else { continue };
            for node in property.get("relationships").map_or(&[][..], Node::items) {
                found.extend(self.relationship(vec![column.into()], node, problems));
            }
        }
        found
    }

    /// A column that refers: it must be one of the object at which the relationship stands.
    fn own_column(
        &self,
        object: &Node,
        written: &(String, Range<usize>),
        problems: &mut Problems<'_>,
    ) -> Option<Box<str>> {
        let (table, column) = self.resolve(written, problems)?;
        if physical(object) != Some(&*table) {
            let message = format!("`{}` is no property of this object", written.0);
            problems.error_with(&written.1, message, "`from` names what refers, `to` what is referred to.");
            return None;
        }
        Some(column)
    }

    fn relationship(&self, columns: Vec<Box<str>>, node: &Node, problems: &mut Problems<'_>) -> Option<Relationship> {
        let to = string_or_list(node.get("to")?, problems);
        let resolved: Option<Vec<_>> = to.iter().map(|to| self.resolve(to, problems)).collect();
        let resolved = resolved?;
        let (table, _) = resolved.first()?;
        if resolved.iter().any(|(other, _)| other != table) {
            problems.error(&node.span, "all columns of a key that is referred to belong to one object");
            return None;
        }
        let (schema, table) = match table.split_once('.') {
            Some((schema, table)) => (Some(schema.into()), table.into()),
            None => (None, table.as_str().into()),
        };
        let to_columns: Vec<_> = resolved.into_iter().map(|(_, column)| column).collect();
        if columns.len() != to_columns.len() {
            problems.error(&node.span, "as many columns must refer as are referred to");
            return None;
        }
        Some(Relationship { columns, schema, table, to_columns })
    }
}

fn physical(node: &Node) -> Option<&str> {
    node.get("physicalName").or_else(|| node.get("name")).and_then(Node::as_str)
}

/// Everything that a reference may call it.
fn words(node: &Node) -> Vec<&str> {
    ["name", "physicalName", "id"].into_iter().filter_map(|key| node.get(key).and_then(Node::as_str)).collect()
}

/// `pgcovenantIndexes`: the keys of the indexes that there must be.
pub(super) fn indexes(node: &Node, problems: &mut Problems<'_>) -> Vec<Vec<Box<str>>> {
    let keys = list(node, problems).iter().map(|item| {
        string_or_list(item, problems).into_iter().map(|(column, _)| column.into()).collect::<Vec<Box<str>>>()
    });
    keys.filter(|key| !key.is_empty()).collect()
}

/// `pgcovenantSchemaVersion`: how far migrations must have come.
pub(super) fn schema_version(node: &Node, problems: &mut Problems<'_>) -> Option<ExpectedVersion> {
    let mut fields = Fields::of(node, "pgcovenantSchemaVersion", problems)?;
    let tool = fields.optional("tool").and_then(|node| {
        let word = non_empty(node, problems)?;
        let tool = Tool::of(&word);
        if tool.is_none() {
            let known = Tool::ALL.map(Tool::as_str);
            let help = match nearest(&word, known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known: {}", known.join(", ")),
            };
            problems.error_with(&node.span, format!("there is no migration tool `{word}`"), help);
        }
        tool
    });
    let version = fields.required("version", problems).and_then(|node| non_empty(node, problems));
    let digest = fields.optional("digest").and_then(|node| non_empty(node, problems)).map(Into::into);
    fields.finish(problems);
    Some(ExpectedVersion { tool, version: version?.into(), digest })
}
