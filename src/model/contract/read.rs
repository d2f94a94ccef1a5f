//! A valid document of the standard, read into plain values.
//!
//! Only what decides something here is read; the rest of the standard is the business of other tools. Our own
//! extension is read with strict keys, since the standard's schema lets any value pass there.

use super::lifecycle::{self, Of};
use super::{Contract, Entity, EntityKind, Field, Place, schema, types};
use crate::model::source::{Entry, Node, Problems, Value, list, nearest, non_empty, parse};

/// Names of `customProperties` with this beginning are ours; others belong to other tools.
const PREFIX: &str = "pgcovenant";
const LIFECYCLE: &str = "pgcovenantLifecycle";
const FUNCTIONS: &str = "pgcovenantFunctions";

/// The contract in a file; none if it has errors.
pub fn read(problems: &mut Problems<'_>) -> Option<Contract> {
    let file = problems.file();
    let document = parse(file, problems)?;
    schema::validate(&document, problems);
    let contract = Contract {
        id: text(&document, "id").unwrap_or_default(),
        version: text(&document, "version").unwrap_or_default(),
        file: file.clone(),
        places: places(&document, problems),
        entities: entities(&document, problems),
        functions: functions(&document, problems),
    };
    if contract.places.is_empty() {
        let at = document.entry("servers").map_or(0..1, |entry| entry.key_span.clone());
        let help = "Add a server of `type: postgresql` with `database` and `schema`.";
        problems.error_with(&at, "this contract is about no PostgreSQL database", help);
    }
    (!problems.failed()).then_some(contract)
}

fn text(node: &Node, key: &str) -> Option<Box<str>> {
    node.get(key).and_then(Node::as_str).map(Box::from)
}

fn places(document: &Node, problems: &mut Problems<'_>) -> Vec<Place> {
    let mut places = Vec::new();
    for server in document.get("servers").map_or(&[][..], Node::items) {
        if !matches!(server.get("type").and_then(Node::as_str), Some("postgresql" | "postgres")) {
            continue;
        }
        let (Some(database), Some(schema)) = (text(server, "database"), text(server, "schema")) else {
            problems.error(&server.span, "a PostgreSQL server needs the keys `database` and `schema`");
            continue;
        };
        places.push(Place { database, schema });
    }
    places.sort();
    places.dedup();
    places
}

fn entities(document: &Node, problems: &mut Problems<'_>) -> Vec<Entity> {
    let mut entities: Vec<Entity> = Vec::new();
    for node in document.get("schema").map_or(&[][..], Node::items) {
        let Some(written) = text(node, "physicalName").or_else(|| text(node, "name")) else { continue };
        let (schema, name) = match written.split_once('.') {
            Some((schema, name)) => (Some(schema.into()), name.into()),
            None => (None, written),
        };
        let kind = match text(node, "physicalType").as_deref() {
            Some("view" | "materialized view" | "materialized_view" | "VIEW") => EntityKind::View,
            Some(_) | None => EntityKind::Table,
        };
        let fields = fields(node, problems);
        let retirement = ours(node, &[LIFECYCLE], "an object", problems)
            .and_then(|entry| lifecycle::read(&entry.node, Of::Table, problems));
        if entities.iter().any(|other| other.schema == schema && other.name == name) {
            problems.error(&node.span, format!("the relation `{name}` is described twice"));
            continue;
        }
        entities.push(Entity { schema, name, kind, tags: tags(node), fields, retirement });
    }
    entities
}

fn tags(node: &Node) -> Vec<Box<str>> {
    node.get("tags").map_or(&[][..], Node::items).iter().filter_map(Node::as_str).map(Box::from).collect()
}

fn fields(object: &Node, problems: &mut Problems<'_>) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    let mut replacements = Vec::new();
    for node in object.get("properties").map_or(&[][..], Node::items) {
        let Some(name) = text(node, "physicalName").or_else(|| text(node, "name")) else { continue };
        let span = node.entry("name").map_or_else(|| node.span.clone(), |entry| entry.node.span.clone());
        if fields.iter().any(|other| other.name == name) {
            problems.error(&span, format!("the column `{name}` is described twice"));
            continue;
        }
        warn_of_nested(node, problems);
        let is_key = matches!(node.get("primaryKey").map(|node| &node.value), Some(Value::Boolean(true)));
        let position = match node.get("primaryKeyPosition").map(|node| &node.value) {
            Some(Value::Integer(position)) if *position > 0 => *position,
            _ => i64::try_from(fields.len()).unwrap_or(i64::MAX),
        };
        let logical = text(node, "logicalType").map(|logical| Box::from(types::of_logical(&logical)));
        let retirement = ours(node, &[LIFECYCLE], "a property", problems);
        fields.push(Field {
            name,
            physical_type: text(node, "physicalType").or(logical),
            required: matches!(node.get("required").map(|node| &node.value), Some(Value::Boolean(true))),
            primary_key: is_key.then_some(position),
            classification: node.get("classification").and_then(Node::as_str).map(Into::into),
            tags: tags(node),
            retirement: retirement.and_then(|entry| lifecycle::read(&entry.node, Of::Column, problems)),
            span,
        });
        replacements
            .extend(retirement.and_then(|entry| entry.node.get("replacedBy")).map(|node| (fields.len() - 1, node)));
    }
    redirects(&fields, &replacements, problems);
    fields
}

/// A redirected column leads to another column of the same object, which leads nowhere itself.
fn redirects(fields: &[Field], replacements: &[(usize, &Node)], problems: &mut Problems<'_>) {
    let redirect = |field: &Field| field.retirement.as_ref().and_then(|retirement| retirement.redirect.clone());
    for (at, node) in replacements {
        let Some((from, redirect_to)) = fields.get(*at).and_then(|field| Some((&field.name, redirect(field)?.to)))
        else {
            continue;
        };
        let to = fields.iter().find(|field| field.name == redirect_to);
        match to {
            _ if *from == redirect_to => problems.error(&node.span, format!("`{from}` is redirected to itself")),
            None => {
                let help = match nearest(&redirect_to, fields.iter().map(|field| &*field.name)) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "A redirection leads to another column of the same table.".to_owned(),
                };
                problems.error_with(&node.span, format!("there is no column `{redirect_to}` to redirect to"), help);
            }
            Some(to) if redirect(to).is_some() => {
                problems.error(
                    &node.span,
                    format!("`{redirect_to}` is redirected itself, and nothing can be redirected to it"),
                );
            }
            Some(_) => {}
        }
    }
}

/// Fields inside an object or array column are no columns: what is said of them protects nothing.
fn warn_of_nested(node: &Node, problems: &mut Problems<'_>) {
    let nested = node.get("properties").map_or(&[][..], Node::items).iter();
    for inner in nested.chain(node.get("items")) {
        if let Some(entry) = inner.entry("classification").or_else(|| inner.entry("tags")) {
            let help = "Put it on the column: protection works by column.";
            problems.warn(&entry.key_span, "this is inside a column, and protects nothing", help);
        }
        warn_of_nested(inner, problems);
    }
}

/// The value of our own custom property of a node. Reports one that has our prefix and does not belong here.
fn ours<'n>(node: &'n Node, known: &[&str], what: &str, problems: &mut Problems<'_>) -> Option<&'n Entry> {
    let mut found = None;
    for custom in node.get("customProperties").map_or(&[][..], Node::items) {
        let Some(name) = custom.get("property") else { continue };
        let Some(word) = name.as_str().filter(|word| word.to_lowercase().starts_with(PREFIX)) else { continue };
        if !known.contains(&word) {
            let help = match nearest(word, [LIFECYCLE, FUNCTIONS]) {
                Some(meant) if meant != word => format!("did you mean `{meant}`?"),
                _ => format!("{LIFECYCLE} belongs to a property or an object, {FUNCTIONS} to the contract."),
            };
            problems.error_with(&name.span, format!("{what} has no extension `{word}`"), help);
        } else if found.is_some() {
            problems.error(&name.span, format!("`{word}` stands here twice"));
        } else {
            found = custom.entry("value");
            if found.is_none() {
                problems.error(&name.span, format!("`{word}` needs a `value`"));
            }
        }
    }
    found
}

fn functions(document: &Node, problems: &mut Problems<'_>) -> Vec<(Box<str>, Box<str>)> {
    let Some(entry) = ours(document, &[FUNCTIONS], "a contract", problems) else { return Vec::new() };
    let mut functions = Vec::new();
    for item in list(&entry.node, problems) {
        let Some(written) = non_empty(item, problems) else { continue };
        match written.split_once('.') {
            Some((schema, name)) if !schema.is_empty() && !name.is_empty() => {
                functions.push((schema.into(), name.into()))
            }
            Some(_) | None => problems.error_with(&item.span, "a function needs its schema", "Write `schema.name`."),
        }
    }
    functions
}
