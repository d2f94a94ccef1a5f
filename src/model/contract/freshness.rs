//! How old the newest row of a table may be: `freshness` of `slaProperties`, and `latency` where it means that.

use std::ops::Range;
use std::time::Duration;

use crate::model::source::{Node, Problems, Value, nearest};

/// No promise is longer: a hundred years.
const LONGEST: f64 = 100.0 * 365.0 * 86_400.0;

const DAY: f64 = 86_400.0;

/// How old the newest row of a table may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freshness {
    /// The column that says when a row came to be.
    pub column: Box<str>,
    /// The promise.
    pub at_most: Duration,
    /// The time zone of values that have none (`logicalTypeOptions.defaultTimezone`); UTC where nothing is said.
    pub zone: Box<str>,
}

/// All promises of a contract, each with the object that it is about.
pub(super) struct Freshnesses<'n>(Vec<(&'n Node, Freshness)>);

impl<'n> Freshnesses<'n> {
    /// Those of `freshness`, and of `latency` (`ly`) whose unit is a minute or longer and whose `element` is a column of dates
    /// or timestamps: a statement does not take that long, so it can only mean the age of the data.
    pub(super) fn of(document: &'n Node, problems: &mut Problems<'_>) -> Self {
        let mut found = Self(Vec::new());
        for node in document.get("slaProperties").map_or(&[][..], Node::items) {
            match word(node, "property") {
                Some("freshness") => found.strict(document, node, problems),
                Some("latency" | "ly") => found.of_latency(document, node, problems),
                _ => {}
            }
        }
        found
    }

    /// The promise about an object.
    pub(super) fn of_object(&self, object: &Node) -> Option<Freshness> {
        self.0.iter().find(|(about, _)| std::ptr::eq(*about, object)).map(|(_, promise)| promise.clone())
    }

    fn strict(&mut self, document: &'n Node, node: &'n Node, problems: &mut Problems<'_>) {
        let Some(unit) = word(node, "unit").and_then(unit_of) else {
            problems.error_with(
                &span(node, "unit"),
                "`freshness` needs a unit of time",
                "possible: s, min, h, d, w, y",
            );
            return;
        };
        let elements = elements(document, node);
        if elements.is_empty() {
            let help = "Give `element: table.column`, a column that says when a row came to be.";
            problems.warn(&node.span, "this freshness is not measured: no column is named", help);
        }
        let at_most = duration(node, unit, problems);
        for element in elements {
            let column = column(document, element, &span(node, "element"), problems);
            if let (Some((object, property)), Some(at_most)) = (column, at_most) {
                self.add(object, property, at_most, node, problems);
            }
        }
    }

    fn of_latency(&mut self, document: &'n Node, node: &'n Node, problems: &mut Problems<'_>) {
        let Some(unit) = word(node, "unit").and_then(unit_of).filter(|unit| *unit >= 60.0) else { return };
        for element in elements(document, node) {
            let Some((object, property)) = find(document, element).filter(|(_, property)| is_time(property)) else {
                continue;
            };
            match seconds(node, unit) {
                Some(at_most) => self.add(object, property, at_most, node, problems),
                // Other tools may know what to make of it.
                None => {
                    let help = "Write a number above zero to have it measured.";
                    problems.warn(&span(node, "value"), "this latency is not measured: it is no age", help);
                }
            }
        }
    }

    /// The least of several promises about one column holds.
    fn add(&mut self, object: &'n Node, property: &Node, at_most: Duration, node: &Node, problems: &mut Problems<'_>) {
        let Some(column) = physical(property) else { return };
        let zone = property.get("logicalTypeOptions").and_then(|options| word(options, "defaultTimezone"));
        let promise = Freshness { column: column.into(), at_most, zone: zone.unwrap_or("UTC").into() };
        match self.0.iter_mut().find(|(about, _)| std::ptr::eq(*about, object)) {
            None => self.0.push((object, promise)),
            Some((_, known)) if known.column == promise.column => known.at_most = known.at_most.min(at_most),
            Some((_, known)) => {
                let message = format!("the freshness of this object is measured by `{}` already", known.column);
                problems.error_with(&span(node, "element"), message, "Name one column for each object.");
            }
        }
    }
}

fn word<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    node.get(key).and_then(Node::as_str)
}

fn span(node: &Node, key: &str) -> Range<usize> {
    node.entry(key).map_or_else(|| node.span.clone(), |entry| entry.node.span.clone())
}

fn physical(node: &Node) -> Option<&str> {
    word(node, "physicalName").or_else(|| word(node, "name"))
}

fn is_called(node: &Node, name: &str) -> bool {
    ["name", "physicalName", "id"].into_iter().any(|key| word(node, key) == Some(name))
}

/// What it is about; `slaDefaultElement` says it for all, up to version 3.1 of the standard.
fn elements<'n>(document: &'n Node, node: &'n Node) -> Vec<&'n str> {
    let list = word(node, "element").or_else(|| word(document, "slaDefaultElement")).unwrap_or_default();
    list.split(',').map(str::trim).filter(|element| !element.is_empty()).collect()
}

/// The object and property that `orders.created_at` or `public.orders.created_at` names.
fn find<'n>(document: &'n Node, element: &str) -> Option<(&'n Node, &'n Node)> {
    let (table, column) = element.rsplit_once('.')?;
    let object = document.get("schema")?.items().iter().find(|object| is_called(object, table))?;
    let property = object.get("properties")?.items().iter().find(|property| is_called(property, column))?;
    Some((object, property))
}

/// The same; what is not there, and what is no time, is a problem.
fn column<'n>(
    document: &'n Node,
    element: &str,
    at: &Range<usize>,
    problems: &mut Problems<'_>,
) -> Option<(&'n Node, &'n Node)> {
    if let Some((object, property)) = find(document, element) {
        if is_time(property) {
            return Some((object, property));
        }
        let help = "Name a column of `logicalType: date` or `timestamp`.";
        problems.error_with(at, format!("`{element}` does not say when a row came to be"), help);
        return None;
    }
    let objects = document.get("schema").map_or(&[][..], Node::items);
    let (table, column) = element.rsplit_once('.').unwrap_or((element, ""));
    let (message, near) = match objects.iter().find(|object| is_called(object, table)) {
        _ if objects.iter().any(|object| is_called(object, element)) => (format!("`{element}` names no column"), None),
        None => {
            let near = nearest(table, objects.iter().filter_map(|object| word(object, "name")));
            (format!("the contract has no object `{table}`"), near)
        }
        Some(object) => {
            let properties = object.get("properties").map_or(&[][..], Node::items);
            let near = nearest(column, properties.iter().filter_map(|property| word(property, "name")));
            (format!("the object `{table}` has no property `{column}`"), near)
        }
    };
    let help = near.map_or_else(|| "Write it as `table.column`.".to_owned(), |near| format!("did you mean `{near}`?"));
    problems.error_with(at, message, help);
    None
}

/// Whether a property is a date or a timestamp, by what the contract says of its type.
fn is_time(property: &Node) -> bool {
    if let Some(ty) = word(property, "physicalType") {
        let ty = ty.to_lowercase();
        return ty == "date" || ty.starts_with("timestamp");
    }
    matches!(word(property, "logicalType"), Some("date" | "timestamp"))
}

/// Seconds in a unit. `m` is none: it might be minutes or months.
fn unit_of(word: &str) -> Option<f64> {
    Some(match word {
        "ms" | "millisecond" | "milliseconds" => 1e-3,
        "s" | "sec" | "second" | "seconds" => 1.0,
        "min" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => DAY,
        "w" | "wk" | "week" | "weeks" => 7.0 * DAY,
        "mo" | "month" | "months" => 30.0 * DAY,
        "y" | "yr" | "year" | "years" => 365.0 * DAY,
        _ => return None,
    })
}

fn duration(node: &Node, unit: f64, problems: &mut Problems<'_>) -> Option<Duration> {
    let found = seconds(node, unit);
    if found.is_none() {
        let help = "Write a number above zero, of a hundred years at most.";
        problems.error_with(&span(node, "value"), "this is no age that a row may have", help);
    }
    found
}

fn seconds(node: &Node, unit: f64) -> Option<Duration> {
    let number = match &node.get("value")?.value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(_, text) | Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Boolean(_) | Value::List(_) | Value::Map(_) => None,
    };
    let seconds = number.map(|number| number * unit).filter(|seconds| *seconds > 0.0 && *seconds <= LONGEST);
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::model::contract::{Contract, read};
    use crate::model::source::{Problems, SourceFile};

    const HEAD: &str = "apiVersion: v3.1.0
kind: DataContract
id: shop-1
name: shop
version: 1.0.0
status: active
servers: [{server: s, type: postgresql, host: db, port: 5432, database: shop, schema: public}]
";

    const TABLES: &str = "schema:
  - name: orders
    properties:
      - {name: id, logicalType: integer, physicalType: bigint}
      - {name: placed, physicalName: created_at, logicalType: timestamp, physicalType: timestamptz}
      - {name: day, logicalType: date}
      - {name: local, logicalType: timestamp, logicalTypeOptions: {defaultTimezone: Europe/Berlin}}
  - {name: events, properties: [{name: at, physicalType: timestamp(3)}]}
";

    /// The contract, and everything that is said of it.
    fn contract(sla: &str) -> (Option<Contract>, Vec<String>) {
        let file = SourceFile::new("c.yaml", &format!("{HEAD}slaProperties: [{sla}]\n{TABLES}"));
        let mut problems = Problems::new(&file);
        let contract = read(&mut problems);
        (contract, problems.into_found().iter().map(ToString::to_string).collect())
    }

    /// Table, column, seconds and zone.
    fn found(sla: &str) -> Vec<(String, String, u64, String)> {
        let (contract, found) = contract(sla);
        let contract = contract.unwrap_or_else(|| panic!("{found:#?}"));
        let promises = contract.entities.iter().filter_map(|entity| {
            let promise = entity.freshness.clone()?;
            Some((entity.name.to_string(), promise.column.into(), promise.at_most.as_secs(), promise.zone.into()))
        });
        promises.collect()
    }

    fn promise(table: &str, column: &str, seconds: u64, zone: &str) -> (String, String, u64, String) {
        (table.to_owned(), column.to_owned(), seconds, zone.to_owned())
    }

    #[test]
    fn freshness_is_promised_in_every_unit() {
        let own = |value: &str, unit: &str, element: &str| {
            found(&format!("{{property: freshness, value: {value}, unit: {unit}, element: '{element}'}}"))
        };
        assert_eq!(own("15", "min", "orders.placed"), [promise("orders", "created_at", 900, "UTC")]);
        assert_eq!(own("'1.5'", "h", "orders.created_at"), [promise("orders", "created_at", 5400, "UTC")]);
        assert_eq!(own("1", "y", "orders.day"), [promise("orders", "day", 31_536_000, "UTC")]);
        assert_eq!(
            own("30", "s", "orders.local, events.at"),
            [promise("orders", "local", 30, "Europe/Berlin"), promise("events", "at", 30, "UTC")]
        );
    }

    #[test]
    fn latency_means_freshness_only_where_it_cannot_mean_anything_else() {
        let latency = "{property: latency, value: 4, unit: d, element: orders.placed}";
        assert_eq!(found(latency), [promise("orders", "created_at", 4 * 86_400, "UTC")]);
        assert_eq!(found(&latency.replace("latency", "ly")), [promise("orders", "created_at", 4 * 86_400, "UTC")]);
        for other in [
            "{property: latency, value: 4, unit: d, element: orders}",
            "{property: latency, value: 4, unit: d, element: orders.id}",
            "{property: latency, value: 4, unit: d, element: elsewhere.at}",
            "{property: latency, value: 4, unit: d}",
            "{property: latency, value: 4, unit: s, element: orders.placed}",
        ] {
            assert_eq!(found(other), [], "{other}");
        }
        let (no_age, told) = contract("{property: latency, value: '2-4', unit: d, element: orders.placed}");
        assert_eq!(no_age.unwrap().entities[0].freshness, None);
        assert!(told[0].contains("warning: this latency is not measured: it is no age"), "{told:#?}");
        let (contract, _) = contract("{property: latency, value: 4, unit: s, element: orders.placed}");
        assert_eq!(contract.unwrap().entities[0].latency_target, Some(Duration::from_secs(4)), "as before");
    }

    #[test]
    fn the_stricter_of_two_promises_holds_and_two_columns_are_one_too_many() {
        let two = |one: &str, other: &str| {
            format!(
                "{{property: freshness, value: 2, unit: h, element: {one}}}, \
                 {{property: freshness, value: 1, unit: h, element: {other}}}"
            )
        };
        assert_eq!(found(&two("orders.placed", "orders.placed")), [promise("orders", "created_at", 3600, "UTC")]);
        let told = contract(&two("orders.placed", "orders.day")).1;
        assert_eq!(
            told,
            [
                "c.yaml:8:133: error: the freshness of this object is measured by `created_at` already (Name one column for each object.)"
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (sla, expected) in [
            (
                "value: 1, unit: m, element: orders.placed",
                "c.yaml:8:55: error: `freshness` needs a unit of time (possible: s, min, h, d, w, y)",
            ),
            ("value: 0, unit: h, element: orders.placed", "c.yaml:8:46: error: this is no age that a row may have"),
            (
                "value: 1, unit: h, element: order.placed",
                "c.yaml:8:67: error: the contract has no object `order` (did you mean `orders`?)",
            ),
            (
                "value: 1, unit: h, element: orders.plced",
                "c.yaml:8:67: error: the object `orders` has no property `plced` (did you mean `placed`?)",
            ),
            (
                "value: 1, unit: h, element: orders.id",
                "c.yaml:8:67: error: `orders.id` does not say when a row came to be",
            ),
            (
                "value: 1, unit: h, element: orders",
                "c.yaml:8:67: error: `orders` names no column (Write it as `table.column`.)",
            ),
        ] {
            let (contract, told) = contract(&format!("{{property: freshness, {sla}}}"));
            assert!(contract.is_none() && told.iter().any(|line| line.starts_with(expected)), "{sla}: {told:#?}");
        }
        let (contract, told) = contract("{property: freshness, value: 1, unit: h}");
        assert!(contract.is_some(), "other tools may know what it is about: {told:#?}");
        assert!(told[0].contains("warning: this freshness is not measured: no column is named"), "{told:#?}");
    }
}
