//! The terms of contracts: what their model holds, and what else their documents say.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::finding::Spot;
use super::terms::{Column, Document, Keys, Sla, Table, Terms};
use crate::model::contract::{Contract, Entity, EntityKind, Field, types};
use crate::model::source::{Node, Problems, SourceFile, Value, parse};

/// The terms of these contracts.
pub fn terms<'a>(contracts: impl IntoIterator<Item = &'a Contract>) -> Terms {
    Terms { documents: contracts.into_iter().map(document).collect(), is_live: false }
}

fn document(contract: &Contract) -> Document {
    let file = Places::new(&contract.file);
    // It has been parsed once without a problem, so it will be again.
    let nothing = Node { value: Value::Null, span: 0..0 };
    let node = parse(&contract.file, &mut Problems::new(&contract.file)).unwrap_or(nothing);
    Document {
        id: contract.id.clone(),
        name: text(&node, "name").map_or_else(|| contract.id.clone(), Into::into),
        version: Some(contract.version.clone()),
        databases: contract.databases().map(Box::from).collect(),
        tables: tables(contract, &node, &file),
        description: node.get("description").map(|node| words(node).join("\n")),
        sla: levels(&node, &file),
        keys: file.keys(&node, node.entry("id").map(|entry| &entry.key_span)),
    }
}

fn tables(contract: &Contract, document: &Node, file: &Places) -> Vec<Table> {
    let mut found: BTreeMap<(&str, &str), Table> = BTreeMap::new();
    for database in contract.databases() {
        for (schema, entity) in contract.entities_in(database) {
            let entry = found.entry((schema, &entity.name));
            entry.or_insert_with(|| table(schema, entity, document, file)).databases.insert(database.into());
        }
    }
    found.into_values().collect()
}

fn table(schema: &str, entity: &Entity, document: &Node, file: &Places) -> Table {
    let written =
        entity.schema.as_ref().map_or_else(|| entity.name.to_string(), |own| format!("{own}.{}", entity.name));
    let nothing = Node { value: Value::Null, span: 0..0 };
    let items = document.get("schema").map_or(&[][..], Node::items);
    let node = items.iter().find(|node| physical_name(node) == Some(&written)).unwrap_or(&nothing);
    let properties = node.get("properties").map_or(&[][..], Node::items);
    let mut relationships = relationships(node, None, file);
    let columns = entity.fields.iter().map(|field| {
        let node = properties.iter().find(|node| physical_name(node) == Some(&field.name)).unwrap_or(&nothing);
        relationships.extend(self::relationships(node, Some(&field.name), file));
        column(field, node, file)
    });
    let columns = columns.collect();
    let mut key: Vec<(i64, &str)> =
        entity.fields.iter().filter_map(|field| Some((field.primary_key?, &*field.name))).collect();
    key.sort_unstable();
    Table {
        schema: schema.into(),
        name: entity.name.clone(),
        is_view: entity.kind == EntityKind::View,
        is_part: false,
        databases: BTreeSet::new(),
        columns,
        key: key.into_iter().map(|(_, name)| name.into()).collect(),
        description: text(node, "description").map(str::to_owned),
        retirement: entity.retirement.clone(),
        relationships,
        keys: file.keys(node, name_span(node)),
    }
}

fn column(field: &Field, node: &Node, file: &Places) -> Column {
    let physical = field.physical_type.as_deref().unwrap_or("text");
    let options = node.get("logicalTypeOptions").map_or(&[][..], Node::entries);
    Column {
        name: field.name.clone(),
        ty: types::column_type(physical),
        required: field.required || field.primary_key.is_some(),
        unique: is_true(node, "unique"),
        has_default: has_default(node, physical),
        classification: field.classification.as_deref().map(Box::from),
        description: text(node, "description").map(str::to_owned),
        retirement: field.retirement.clone(),
        values: values(node),
        options: options.iter().map(|entry| (entry.key.clone(), scalar(&entry.node))).collect(),
        keys: file.keys(node, name_span(node)),
    }
}

/// The standard has no key for a default; what gives a column its value is written in several ways.
fn has_default(node: &Node, physical: &str) -> bool {
    let custom = node.get("customProperties").map_or(&[][..], Node::items).iter();
    let is_default = |node: &Node| matches!(text(node, "property"), Some("default" | "defaultValue"));
    let physical = physical.trim().to_lowercase();
    physical.ends_with("serial")
        || physical.contains("generated ")
        || physical.contains(" default ")
        || node.get("transformLogic").is_some()
        || custom.into_iter().any(is_default)
}

/// The values that a quality rule, or `enum` of later versions of the standard, allows.
fn values(node: &Node) -> Option<BTreeSet<String>> {
    let of_list = |node: &Node| node.items().iter().map(|item| scalar(item.get("value").unwrap_or(item))).collect();
    if let Some(listed) = node.get("enum") {
        return Some(of_list(listed));
    }
    let rules = node.get("quality").map_or(&[][..], Node::items).iter();
    let mut valid = rules.filter(|rule| {
        let metric = text(rule, "metric").or_else(|| text(rule, "rule"));
        matches!(metric, Some("invalidValues" | "validValues"))
    });
    let listed = |rule: &Node| {
        let arguments = rule.get("arguments").and_then(|arguments| arguments.get("validValues"));
        arguments.or_else(|| rule.get("validValues")).map(of_list)
    };
    valid.find_map(listed)
}

fn relationships(node: &Node, column: Option<&str>, file: &Places) -> BTreeMap<String, Spot> {
    let side = |node: &Node| match &node.value {
        Value::List(items) => items.iter().map(scalar).collect::<Vec<_>>().join(", "),
        _ => scalar(node),
    };
    let mut found = BTreeMap::new();
    for item in node.get("relationships").map_or(&[][..], Node::items) {
        let Some(to) = item.get("to") else { continue };
        let from = item.get("from").map(side).or_else(|| column.map(str::to_owned)).unwrap_or_default();
        found.insert(format!("{from} -> {}", side(to)), file.spot(&item.span));
    }
    found
}

fn levels(document: &Node, file: &Places) -> BTreeMap<(String, String), Sla> {
    let items = document.get("slaProperties").map_or(&[][..], Node::items).iter();
    let level = |node: &Node| {
        let property = text(node, "property")?.to_owned();
        let element = text(node, "element").unwrap_or_default().to_owned();
        let value = node.get("value").map(scalar).unwrap_or_default();
        let unit = text(node, "unit").unwrap_or_default().to_owned();
        Some(((property, element), Sla { value, unit, spot: file.spot(&node.span) }))
    };
    items.filter_map(level).collect()
}

fn physical_name(node: &Node) -> Option<&str> {
    text(node, "physicalName").or_else(|| text(node, "name"))
}

fn name_span(node: &Node) -> Option<&Range<usize>> {
    node.get("name").map(|node| &node.span)
}

fn text<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    node.get(key).and_then(Node::as_str)
}

fn is_true(node: &Node, key: &str) -> bool {
    matches!(node.get(key).map(|node| &node.value), Some(Value::Boolean(true)))
}

/// A value as people write it.
fn scalar(node: &Node) -> String {
    match &node.value {
        Value::String(text) => text.clone(),
        Value::Float(_, written) => written.clone(),
        Value::Null => String::new(),
        Value::Boolean(_) | Value::Integer(_) | Value::List(_) | Value::Map(_) => node.to_json().to_string(),
    }
}

/// Every text in a node, in its order.
fn words(node: &Node) -> Vec<String> {
    match &node.value {
        Value::List(items) => items.iter().flat_map(words).collect(),
        Value::Map(entries) => entries.iter().flat_map(|entry| words(&entry.node)).collect(),
        Value::Null => Vec::new(),
        Value::Boolean(_) | Value::Integer(_) | Value::Float(..) | Value::String(_) => vec![scalar(node)],
    }
}

/// From bytes of one file to lines and columns, for many places.
pub(crate) struct Places<'f> {
    file: &'f SourceFile,
    starts: Vec<usize>,
}

impl<'f> Places<'f> {
    pub(crate) fn new(file: &'f SourceFile) -> Self {
        let starts = std::iter::once(0).chain(file.text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { file, starts }
    }

    /// Where these bytes begin.
    pub(crate) fn spot(&self, span: &Range<usize>) -> Spot {
        let line = self.starts.partition_point(|start| *start <= span.start).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let before = self.file.text.get(start..span.start).unwrap_or_default().chars().count();
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Spot { file: Arc::clone(&self.file.path), line: number(line), column: number(before + 1) }
    }

    fn keys(&self, node: &Node, head: Option<&Range<usize>>) -> Keys {
        let keys = node.entries().iter().map(|entry| (entry.key.clone(), self.spot(&entry.key_span))).collect();
        Keys { head: head.map(|span| self.spot(span)), keys }
    }
}
