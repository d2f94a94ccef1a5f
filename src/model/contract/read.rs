//! A valid document of the standard, read into plain values.
//!
//! Only what decides something here is read; the rest of the standard is the business of other tools. Our own
//! extension is read with strict keys, since the standard's schema lets any value pass there.

use super::freshness::Freshnesses;
use super::lifecycle::{self, Of};
use super::promises::{self, Names};
use super::queries;
use super::service::{self, Targets};
use super::{Contract, Entity, EntityKind, Field, Place, schema, types};
use crate::model::source::{Entry, Node, Problems, Value, list, nearest, non_empty, parse};

/// Names of `customProperties` with this beginning are ours; others belong to other tools.
const PREFIX: &str = "pgcovenant";
const LIFECYCLE: &str = "pgcovenantLifecycle";
const FUNCTIONS: &str = "pgcovenantFunctions";
const SCHEMA_VERSION: &str = "pgcovenantSchemaVersion";
const INDEXES: &str = "pgcovenantIndexes";
const TEAM: &str = "pgcovenantTeam";
const CRITICALITY: &str = "pgcovenantCriticality";
const VIEW_DIGEST: &str = "pgcovenantViewDigest";
const QUERIES: &str = "pgcovenantQueries";

/// The contract in a file; none if it has errors.
pub fn read(problems: &mut Problems<'_>) -> Option<Contract> {
    let file = problems.file();
    let document = parse(file, problems)?;
    schema::validate(&document, problems);
    let own = Extensions::of(&document, &[FUNCTIONS, SCHEMA_VERSION, TEAM, CRITICALITY], "a contract", problems);
    let criticality = service::criticality(own.get(CRITICALITY), problems);
    let contract = Contract {
        id: text(&document, "id").unwrap_or_default(),
        given_name: text(&document, "name").filter(|name| !name.is_empty()),
        version: text(&document, "version").unwrap_or_default(),
        status: text(&document, "status").unwrap_or_default(),
        team: service::team(&document, own.get(TEAM), problems),
        file: file.clone(),
        places: places(&document, problems),
        entities: entities(&document, criticality.as_deref(), problems),
        functions: functions(own.get(FUNCTIONS), problems),
        schema_version: own.get(SCHEMA_VERSION).and_then(|entry| promises::schema_version(&entry.node, problems)),
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

fn entities(document: &Node, general: Option<&str>, problems: &mut Problems<'_>) -> Vec<Entity> {
    let mut entities: Vec<Entity> = Vec::new();
    let targets = Targets::of(document, problems);
    let freshness = Freshnesses::of(document, problems);
    let names = Names::of(document);
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
        let own = Extensions::of(node, &[LIFECYCLE, INDEXES, VIEW_DIGEST, CRITICALITY, QUERIES], "an object", problems);
        let retirement = own.get(LIFECYCLE).and_then(|entry| lifecycle::read(&entry.node, Of::Table, problems));
        let relationships = names.relationships(node, problems);
        let indexes = own.get(INDEXES).map(|entry| promises::indexes(&entry.node, problems));
        let view_digest = own.get(VIEW_DIGEST).and_then(|entry| non_empty(&entry.node, problems)).map(Into::into);
        if entities.iter().any(|other| other.schema == schema && other.name == name) {
            problems.error(&node.span, format!("the relation `{name}` is described twice"));
            continue;
        }
        let tags = tags(node);
        let queries = own.get(QUERIES).map(|entry| queries::read(&entry.node, problems)).unwrap_or_default();
        entities.push(Entity {
            schema,
            name,
            kind,
            tags,
            fields,
            retirement,
            relationships,
            indexes,
            view_digest,
            criticality: service::criticality(own.get(CRITICALITY), problems).or_else(|| general.map(Into::into)),
            latency_target: targets.target(node),
            freshness: freshness.of_object(node),
            queries,
        });
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
        let place = i64::try_from(fields.len()).unwrap_or(i64::MAX);
        let position = |key: &str| match node.get(key).map(|node| &node.value) {
            Some(Value::Integer(position)) if *position > 0 => *position,
            _ => place,
        };
        let logical = text(node, "logicalType");
        let physical = text(node, "physicalType");
        let extensions = Extensions::of(node, &[LIFECYCLE], "a property", problems);
        let retirement = extensions.get(LIFECYCLE);
        fields.push(Field {
            name,
            only_logical: logical.clone().filter(|_| physical.is_none()),
            physical_type: physical.or_else(|| logical.map(|logical| types::of_logical(&logical).into())),
            required: is_true(node, "required"),
            unique: is_true(node, "unique"),
            primary_key: is_true(node, "primaryKey").then(|| position("primaryKeyPosition")),
            partition_key: is_true(node, "partitioned").then(|| position("partitionKeyPosition")),
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

fn is_true(node: &Node, key: &str) -> bool {
    matches!(node.get(key).map(|node| &node.value), Some(Value::Boolean(true)))
}

/// Our own custom properties of a node.
struct Extensions<'n>(Vec<(&'n str, &'n Entry)>);

impl<'n> Extensions<'n> {
    /// Reports those that have our prefix and do not belong here.
    fn of(node: &'n Node, known: &[&str], what: &str, problems: &mut Problems<'_>) -> Self {
        let mut found: Vec<(&str, &Entry)> = Vec::new();
        for custom in node.get("customProperties").map_or(&[][..], Node::items) {
            let Some(name) = custom.get("property") else { continue };
            let Some(word) = name.as_str().filter(|word| word.to_lowercase().starts_with(PREFIX)) else { continue };
            if !known.contains(&word) {
                let all = [LIFECYCLE, FUNCTIONS, SCHEMA_VERSION, INDEXES, VIEW_DIGEST, QUERIES];
                let help = match nearest(word, all) {
                    Some(meant) if meant != word => format!("did you mean `{meant}`?"),
                    _ => format!(
                        "{LIFECYCLE} belongs to a property or an object, {INDEXES}, {VIEW_DIGEST} and {QUERIES} to an object, \
                         {FUNCTIONS}, {SCHEMA_VERSION} and {TEAM} to the contract, {CRITICALITY} to the contract or \
                         an object."
                    ),
                };
                problems.error_with(&name.span, format!("{what} has no extension `{word}`"), help);
            } else if found.iter().any(|(other, _)| *other == word) {
                problems.error(&name.span, format!("`{word}` stands here twice"));
            } else if let Some(value) = custom.entry("value") {
                found.push((word, value));
            } else {
                problems.error(&name.span, format!("`{word}` needs a `value`"));
            }
        }
        Self(found)
    }

    fn get(&self, name: &str) -> Option<&'n Entry> {
        self.0.iter().find(|(found, _)| *found == name).map(|(_, entry)| *entry)
    }
}

fn functions(entry: Option<&Entry>, problems: &mut Problems<'_>) -> Vec<(Box<str>, Box<str>)> {
    let Some(entry) = entry else { return Vec::new() };
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
