//! A document of which only listed paths are shown: each as it is, or under a mask of its own.
//!
//! Whatever no path lists is not there: members of objects are left out with their names, since names may be data as
//! well, and a value of another shape than the paths expect is `****`. JSON's own null stays null.
//!
//! The document is put together as text: so json and jsonb go the same way, nothing of json is turned into values that
//! it might not fit, and an object has exactly the members that the document has.

mod path;

use std::sync::Arc;

use self::path::Step;
use super::field::HOLE;
use super::{Field, Mask, MaskKind, MaskUse, Strictness, Unsuited, options};
use crate::model::catalog::{BaseType, ColumnType, Oid};
use crate::model::ident::literal;
use crate::model::source::{Entry, Node, Problems, Value};

pub(super) const KIND: MaskKind = MaskKind {
    name: "json",
    help: "the listed paths of a document, each kept or masked; whatever is not listed is left out or ****",
    example: "{json: {paths: {$.city: keep, $.mail: email}}}",
    read,
};

const JSON: u32 = 114;
const JSONB: u32 = 3802;

/// More would make every statement long.
const MAX_PATHS: usize = 100;

/// What is shown of a value that no path lists, as JSON.
const REDACTED: &str = "CAST('\"****\"' AS pg_catalog.text)";

#[derive(Debug)]
struct Json {
    root: Place,
}

/// What is shown of the values at one place.
#[derive(Debug, Default)]
struct Place {
    /// Of a string, a number or a boolean.
    scalar: Option<Shown>,
    /// Of the members of an object.
    members: Vec<(String, Place)>,
    /// Of the items of an array.
    items: Option<Box<Place>>,
}

#[derive(Debug)]
enum Shown {
    /// It is shown.
    Kept,
    /// It is shown with all that is in it.
    Whole,
    /// What a mask for texts makes of it, as a text.
    Masked(MaskUse),
}

fn read(node: &Node, problems: &mut Problems<'_>) -> Option<Arc<dyn Mask>> {
    let Some(mut fields) = options(node, "the mask `json`", problems)? else {
        problems.error_with(&node.span, "the mask `json` needs the key `paths`", KIND.example);
        return None;
    };
    let paths = fields.required("paths", problems);
    fields.finish(problems);
    let paths = paths?;
    if !matches!(paths.value, Value::Map(_)) || paths.entries().is_empty() {
        let help = format!("for example {}", KIND.example);
        problems.error_with(&paths.span, "`paths` must be a mapping of paths to `keep`, `keep_tree` or a mask", help);
        return None;
    }
    if paths.entries().len() > MAX_PATHS {
        problems.error(&paths.span, format!("more than {MAX_PATHS} paths"));
        return None;
    }
    let mut root = Place::default();
    let mut complete = true;
    for entry in paths.entries() {
        complete &= add(&mut root, entry, problems).is_some();
    }
    complete.then(|| Arc::new(Json { root }) as Arc<dyn Mask>)
}

/// Adds one path.
fn add(root: &mut Place, entry: &Entry, problems: &mut Problems<'_>) -> Option<()> {
    if entry.key.contains(HOLE) {
        problems.error(&entry.key_span, "PostgreSQL holds no text with a zero byte");
        return None;
    }
    let steps = match path::parse(&entry.key) {
        Ok(steps) => steps,
        Err(why) => {
            let help = "Paths look like $.name, $.card.number, $.tags[*] or $.\"first name\".";
            problems.error_with(&entry.key_span, format!("`{}` is no path: {why}", entry.key), help);
            return None;
        }
    };
    let shown = shown(&entry.node, problems)?;
    let mut place = root;
    for step in steps {
        if matches!(place.scalar, Some(Shown::Whole)) {
            return overlapping(entry, problems);
        }
        place = match step {
            Step::Items => place.items.get_or_insert_default(),
            Step::Member(name) => {
                let at = place.members.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
                    place.members.push((name, Place::default()));
                    place.members.len() - 1
                });
                &mut place.members.get_mut(at)?.1
            }
        };
    }
    let is_inner = !place.members.is_empty() || place.items.is_some();
    if place.scalar.is_some() || (is_inner && matches!(shown, Shown::Whole)) {
        return overlapping(entry, problems);
    }
    place.scalar = Some(shown);
    Some(())
}

fn overlapping(entry: &Entry, problems: &mut Problems<'_>) -> Option<()> {
    let help = "`keep_tree` shows everything inside; list either the whole or its parts.";
    problems.error_with(&entry.key_span, format!("`{}` lists what another path lists", entry.key), help);
    None
}

fn shown(node: &Node, problems: &mut Problems<'_>) -> Option<Shown> {
    match node.as_str() {
        Some("keep") => return Some(Shown::Kept),
        Some("keep_tree") => return Some(Shown::Whole),
        Some(_) | None => {}
    }
    if node.as_str().is_some_and(|word| !super::is_kind(word)) {
        let help = "Write `keep`, `keep_tree`, or a mask such as email or {partial: {suffix: 4}}; names of masks do not reach in here.";
        problems.error_with(&node.span, "this is no way to show a value", help);
        return None;
    }
    let mask = super::read(node, None, problems)?;
    // Texts are what a value inside a document is masked as.
    if let Err(Unsuited(why)) = mask.mask.sql(&Field::new(&text_type())) {
        let help = "Inside a document every value is masked as a text.";
        problems.error_with(&node.span, format!("a value inside a document cannot be masked like this: {why}"), help);
        return None;
    }
    Some(Shown::Masked(mask))
}

fn text_type() -> ColumnType {
    ColumnType { oid: Oid(25), typmod: -1, sql: "text".into(), base: BaseType::Text, collation: None, masked_as: None }
}

impl Mask for Json {
    fn sql(&self, field: &Field<'_>) -> Result<String, Unsuited> {
        let kind = match field.ty.oid.0 {
            JSON => "json",
            JSONB => "jsonb",
            _ => return Err(field.unsuited("json")),
        };
        let mut writer = Writer { kind, arrays: 0 };
        let shown = writer.place(&self.root, HOLE, &[])?;
        let cast = format!("CAST({shown} AS pg_catalog.{kind})");
        if kind == "jsonb" {
            return Ok(cast);
        }
        Ok(format!("CASE WHEN {} THEN CAST({REDACTED} AS pg_catalog.json) ELSE {cast} END", unreadable()))
    }

    fn strictness(&self) -> Strictness {
        Strictness::Partial
    }

    fn needs_pseudonym(&self) -> bool {
        self.root.needs_pseudonym()
    }
}

impl Place {
    fn needs_pseudonym(&self) -> bool {
        matches!(&self.scalar, Some(Shown::Masked(mask)) if mask.needs_pseudonym())
            || self.members.iter().any(|(_, place)| place.needs_pseudonym())
            || self.items.as_ref().is_some_and(|place| place.needs_pseudonym())
    }
}

/// Whether taking a json apart would fail: json keeps escapes that stand for no character of the database.
fn unreadable() -> String {
    let text = format!("CAST({HOLE} AS pg_catalog.text)");
    // Escaped backslashes and whole surrogate pairs are taken out, so that what is left of either is wrong.
    let pairs = r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}";
    let left = format!("pg_catalog.regexp_replace({text}, {}, '', 'g')", literal(pairs));
    let wrong = literal(r"\\u(0000|[dD][89a-fA-F])");
    format!(
        "(pg_catalog.strpos({text}, {}) OPERATOR(pg_catalog.>) 0) AND \
         (({left} OPERATOR(pg_catalog.~) CAST({wrong} AS pg_catalog.text)) \
         OR (CAST(pg_catalog.getdatabaseencoding() AS pg_catalog.text) OPERATOR(pg_catalog.<>) CAST('UTF8' AS pg_catalog.text)))",
        literal(r"\u")
    )
}

struct Writer {
    /// json or jsonb.
    kind: &'static str,
    /// Arrays opened so far: each has an alias of its own.
    arrays: usize,
}

impl Writer {
    /// What is shown of the value at `path` from `root`, as the text of JSON; NULL where there is none.
    fn place(&mut self, place: &Place, root: &str, path: &[&str]) -> Result<String, Unsuited> {
        let kind = self.kind;
        let value = format!("({root} OPERATOR(pg_catalog.#>) {})", steps(path));
        if let Some(Shown::Whole) = place.scalar {
            return Ok(format!("CAST({value} AS pg_catalog.text)"));
        }
        let ty = format!("pg_catalog.{kind}_typeof({value})");
        let is = |types: &str| format!("({ty} OPERATOR(pg_catalog.=) ANY (CAST('{{{types}}}' AS pg_catalog.text[])))");
        let mut branches = Vec::new();
        if !place.members.is_empty() {
            branches.push(format!("WHEN {} THEN {}", is("object"), self.members(place, root, path)?));
        }
        if let Some(items) = &place.items {
            branches.push(format!("WHEN {} THEN {}", is("array"), self.items(items, &value)?));
        }
        // What is left at the end is JSON's null, or nothing at all, which stays NULL; and a value that is kept.
        let rest = match &place.scalar {
            Some(Shown::Kept | Shown::Whole) => "object,array",
            Some(Shown::Masked(mask)) => {
                branches.push(format!("WHEN {} THEN {}", is("string,number,boolean"), masked(mask, root, path)?));
                "object,array"
            }
            None => "object,array,string,number,boolean",
        };
        branches.push(format!("WHEN {} THEN {REDACTED}", is(rest)));
        Ok(format!("CASE {} ELSE CAST({value} AS pg_catalog.text) END", branches.join(" ")))
    }

    fn members(&mut self, place: &Place, root: &str, path: &[&str]) -> Result<String, Unsuited> {
        let mut parts = Vec::new();
        for (name, inner) in &place.members {
            let inner_path: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
            let key = literal(&format!("{}:", serde_json::Value::from(name.as_str())));
            let value = self.place(inner, root, &inner_path)?;
            // Without a value the whole is NULL, and concat_ws leaves it out.
            parts.push(format!("(CAST({key} AS pg_catalog.text) OPERATOR(pg_catalog.||) {value})"));
        }
        Ok(format!(
            "((CAST('{{' AS pg_catalog.text) OPERATOR(pg_catalog.||) pg_catalog.concat_ws(',', {})) \
             OPERATOR(pg_catalog.||) CAST('}}' AS pg_catalog.text))",
            parts.join(", ")
        ))
    }

    fn items(&mut self, place: &Place, value: &str) -> Result<String, Unsuited> {
        self.arrays += 1;
        let item = format!("pgcovenant_item_{}", self.arrays);
        let shown = self.place(place, &format!("{item}.value"), &[])?;
        Ok(format!(
            "(SELECT (CAST('[' AS pg_catalog.text) OPERATOR(pg_catalog.||) \
             COALESCE(pg_catalog.string_agg({shown}, ',' ORDER BY {item}.place), '')) OPERATOR(pg_catalog.||) CAST(']' AS pg_catalog.text) \
             FROM pg_catalog.{kind}_array_elements({value}) WITH ORDINALITY AS {item}(value, place))",
            kind = self.kind
        ))
    }
}

/// What a mask for texts makes of a string, a number or a boolean.
fn masked(mask: &MaskUse, root: &str, path: &[&str]) -> Result<String, Unsuited> {
    let text = format!("({root} OPERATOR(pg_catalog.#>>) {})", steps(path));
    let masked = mask.mask.sql(&Field::new(&text_type()))?.replace(HOLE, &text);
    Ok(format!(
        "COALESCE(CAST(pg_catalog.to_json(CAST({masked} AS pg_catalog.text)) AS pg_catalog.text), \
         CAST('null' AS pg_catalog.text))"
    ))
}

/// A path as an array of texts.
fn steps(path: &[&str]) -> String {
    let quoted: Vec<String> =
        path.iter().map(|step| format!("\"{}\"", step.replace('\\', "\\\\").replace('"', "\\\""))).collect();
    format!("CAST({} AS pg_catalog.text[])", literal(&format!("{{{}}}", quoted.join(","))))
}
