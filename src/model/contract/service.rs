//! Whose the data is, how much depends on it, and how fast it is to be: what those want to know who are woken up.

use std::time::Duration;

use crate::model::source::{Entry, Node, Problems, Value, nearest, non_empty, suggestion};

/// The words for how much depends on a table (`pgcovenantCriticality`).
const CRITICALITIES: [&str; 4] = ["low", "medium", "high", "critical"];

/// No statement is to take longer.
const LONGEST_TARGET: Duration = Duration::from_secs(3600);

/// `pgcovenantTeam`, or the name of the `team`. The older form of the latter is a list of people, who are nobody's
/// business here.
pub(super) fn team(document: &Node, own: Option<&Entry>, problems: &mut Problems<'_>) -> Option<Box<str>> {
    match own {
        Some(entry) => non_empty(&entry.node, problems).map(Into::into),
        None => document.get("team")?.get("name")?.as_str().filter(|name| !name.is_empty()).map(Into::into),
    }
}

/// `pgcovenantCriticality` of the contract or of an object.
pub(super) fn criticality(entry: Option<&Entry>, problems: &mut Problems<'_>) -> Option<Box<str>> {
    let node = &entry?.node;
    let word = non_empty(node, problems)?;
    if !CRITICALITIES.contains(&word.as_str()) {
        let message = format!("there is no criticality `{word}`");
        problems.error_with(&node.span, message, suggestion(&word, CRITICALITIES));
        return None;
    }
    Some(word.into())
}

/// How fast statements are to be, from `slaProperties`.
pub(super) struct Targets<'n>(Vec<Target<'n>>);

struct Target<'n> {
    /// Names of tables; none stands for all of them.
    elements: Vec<&'n str>,
    at_most: Duration,
}

impl<'n> Targets<'n> {
    /// Those of `p95`, and of `latency` where its unit is one that statements are measured in: by days or hours the
    /// standard means how old the data may be.
    pub(super) fn of(document: &'n Node, problems: &mut Problems<'_>) -> Self {
        let mut targets = Vec::new();
        for node in document.get("slaProperties").map_or(&[][..], Node::items) {
            let (property, unit) = (word(node, "property"), word(node, "unit").and_then(unit_of));
            let unit = match (property, unit) {
                (Some("p95" | "latency"), Some(unit)) => unit,
                (Some("p95"), None) => {
                    let at = node.entry("unit").map_or_else(|| node.span.clone(), |entry| entry.node.span.clone());
                    problems.error_with(&at, "`p95` needs a unit of time", "possible: us, ms, s");
                    continue;
                }
                _ => continue,
            };
            let Some(at_most) = node.get("value").and_then(|value| duration(value, unit, problems)) else { continue };
            let elements = word(node, "element").map(|list| list.split(',').map(str::trim)).into_iter().flatten();
            let elements: Vec<&str> = elements.filter(|element| !element.is_empty()).collect();
            check_elements(document, node, &elements, problems);
            targets.push(Target { elements, at_most });
        }
        Self(targets)
    }

    /// The target of an object: what is said of it goes before what is said of all, and the least of several holds.
    pub(super) fn target(&self, object: &Node) -> Option<Duration> {
        let named = |target: &&Target<'_>| target.elements.iter().any(|element| is_called(object, element));
        let own = self.0.iter().filter(named).map(|target| target.at_most).min();
        let general = || self.0.iter().filter(|target| target.elements.is_empty()).map(|target| target.at_most).min();
        own.or_else(general)
    }
}

fn word<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    node.get(key).and_then(Node::as_str)
}

/// Seconds in a unit.
fn unit_of(word: &str) -> Option<f64> {
    match word {
        "us" | "microsecond" | "microseconds" => Some(1e-6),
        "ms" | "millisecond" | "milliseconds" => Some(1e-3),
        "s" | "sec" | "second" | "seconds" => Some(1.0),
        _ => None,
    }
}

fn duration(value: &Node, unit: f64, problems: &mut Problems<'_>) -> Option<Duration> {
    let number = match &value.value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(_, text) | Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Boolean(_) | Value::List(_) | Value::Map(_) => None,
    };
    let found = number.and_then(|number| Duration::try_from_secs_f64(number * unit).ok());
    let found = found.filter(|found| !found.is_zero() && *found <= LONGEST_TARGET);
    if found.is_none() {
        let help = "Write a number above zero, of an hour at most.";
        problems.error_with(&value.span, "this is no time that a statement may take", help);
    }
    found
}

fn check_elements(document: &Node, node: &Node, elements: &[&str], problems: &mut Problems<'_>) {
    let objects = document.get("schema").map_or(&[][..], Node::items);
    let span = node.entry("element").map_or_else(|| node.span.clone(), |entry| entry.node.span.clone());
    for element in elements {
        if objects.iter().any(|object| is_called(object, element)) {
            continue;
        }
        let help = match nearest(element, objects.iter().filter_map(|object| word(object, "name"))) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "Name an object of the contract, or leave `element` out for all of them.".to_owned(),
        };
        problems.error_with(&span, format!("the contract has no object `{element}`"), help);
    }
}

/// `orders`, `public.orders`, or `orders.status` for a column of it.
fn is_called(object: &Node, element: &str) -> bool {
    let whole = element.rsplit_once('.').map_or(element, |(whole, _)| whole);
    let mut names = ["name", "physicalName", "id"].into_iter().filter_map(|key| word(object, key));
    names.any(|name| name == element || name == whole)
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

    fn contract(rest: &str) -> Result<Contract, Vec<String>> {
        let file = SourceFile::new("c.yaml", &format!("{HEAD}{rest}"));
        let mut problems = Problems::new(&file);
        let contract = read(&mut problems);
        contract.ok_or_else(|| problems.into_found().iter().map(ToString::to_string).collect())
    }

    const TABLES: &str = "schema:
  - {name: orders, physicalName: public.orders}
  - {name: customers, customProperties: [{property: pgcovenantCriticality, value: critical}]}
";

    #[test]
    fn a_contract_says_whose_the_data_is_and_how_fast_it_is_to_be() {
        let contract = contract(&format!(
            "team: {{name: checkout, members: [{{username: ann}}]}}
customProperties: [{{property: pgcovenantCriticality, value: high}}]
slaProperties:
  - {{property: p95, value: 500, unit: ms}}
  - {{property: p95, value: '0.05', unit: s, element: 'orders.status, customers'}}
  - {{property: latency, value: 100, unit: ms, element: customers}}
  - {{property: latency, value: 4, unit: d}}
  - {{property: frequency, value: 1, unit: d}}
{TABLES}  - {{name: payments}}
"
        ))
        .unwrap();
        assert_eq!(
            (contract.name(), contract.team.as_deref(), &*contract.status),
            ("shop", Some("checkout"), "active")
        );
        let found: Vec<_> = contract
            .entities
            .iter()
            .map(|entity| (&*entity.name, entity.criticality.as_deref(), entity.latency_target))
            .collect();
        let millis = |millis| Some(Duration::from_millis(millis));
        assert_eq!(
            found,
            [
                ("orders", Some("high"), millis(50)),
                ("customers", Some("critical"), millis(50)),
                ("payments", Some("high"), millis(500)),
            ]
        );
    }

    #[test]
    fn a_list_of_people_is_no_team_but_a_team_can_be_named_beside_it() {
        let people = "team: [{username: ann, name: Ann}]\n";
        assert_eq!(contract(&format!("{people}{TABLES}")).unwrap().team, None);
        let named = format!("{people}customProperties: [{{property: pgcovenantTeam, value: checkout}}]\n{TABLES}");
        assert_eq!(contract(&named).unwrap().team.as_deref(), Some("checkout"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, expected) in [
            (
                "customProperties: [{property: pgcovenantCriticality, value: hihg}]",
                "c.yaml:8:61: error: there is no criticality `hihg` (did you mean `high`?)",
            ),
            (
                "slaProperties: [{property: p95, value: 500}]",
                "c.yaml:8:17: error: `p95` needs a unit of time (possible: us, ms, s)",
            ),
            (
                "slaProperties: [{property: p95, value: 5, unit: d}]",
                "c.yaml:8:49: error: `p95` needs a unit of time (possible: us, ms, s)",
            ),
            (
                "slaProperties: [{property: p95, value: 0, unit: ms}]",
                "c.yaml:8:40: error: this is no time that a statement may take",
            ),
            (
                "slaProperties: [{property: p95, value: fast, unit: ms}]",
                "c.yaml:8:40: error: this is no time that a statement may take",
            ),
            (
                "slaProperties: [{property: p95, value: 5, unit: ms, element: order}]",
                "c.yaml:8:62: error: the contract has no object `order` (did you mean `orders`?)",
            ),
        ] {
            let found = contract(&format!("{text}\n{TABLES}")).unwrap_err();
            assert!(found.iter().any(|line| line.starts_with(expected)), "{text}: {found:#?}");
        }
    }
}
