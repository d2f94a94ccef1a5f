//! How the server would run a query: what is kept of an EXPLAIN. Conditions are not: they hold the values of statements.

use std::fmt::Write as _;

use serde_json::Value;

/// Longest text of a plan in bytes; what is beyond is cut.
const LONGEST: usize = 2000;

/// Deepest plan that is followed.
const DEEPEST: usize = 200;

/// How one relation is read: label `access_path`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccessPath {
    /// Along an index, with a look at the rows.
    Index,
    /// In an index alone.
    IndexOnly,
    /// By a bitmap of one or more indexes.
    Bitmap,
    /// All of it.
    Seq,
    /// By the places of rows.
    Tid,
    /// In another way, such as a sample or a foreign scan.
    Other,
}

impl AccessPath {
    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::IndexOnly => "index_only",
            Self::Bitmap => "bitmap",
            Self::Seq => "seq",
            Self::Tid => "tid",
            Self::Other => "other",
        }
    }

    /// Whether an index leads to the rows.
    pub const fn uses_index(self) -> bool {
        match self {
            Self::Index | Self::IndexOnly | Self::Bitmap => true,
            Self::Seq | Self::Tid | Self::Other => false,
        }
    }

    fn of(node: &str) -> Option<Self> {
        Some(match node {
            "Index Scan" => Self::Index,
            "Index Only Scan" => Self::IndexOnly,
            "Bitmap Heap Scan" => Self::Bitmap,
            "Seq Scan" => Self::Seq,
            "Tid Scan" | "Tid Range Scan" => Self::Tid,
            "Sample Scan" | "Foreign Scan" | "Custom Scan" => Self::Other,
            _ => return None,
        })
    }
}

/// How a plan reads one relation.
#[derive(Debug, Clone, PartialEq)]
pub struct RelationAccess {
    /// Its schema.
    pub schema: Box<str>,
    /// Its name; of a partition, where the table has some.
    pub relation: Box<str>,
    /// How it is read.
    pub path: AccessPath,
    /// The indexes that lead to its rows, sorted.
    pub indexes: Vec<Box<str>>,
    /// Rows that the server expects of it each time.
    pub rows: f64,
}

/// A plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The relations that it reads, in its order.
    pub accesses: Vec<RelationAccess>,
    /// Its form in one line, such as `Index Scan orders using orders_pkey`: node types, relations and indexes.
    pub text: String,
    /// What it costs, in the server's units.
    pub cost: f64,
    /// Rows that the server expects.
    pub rows: f64,
}

impl Plan {
    /// A hash of the form: two plans with the same differ in numbers alone.
    pub fn fingerprint(&self) -> u64 {
        // FNV-1a: the same in every process and version.
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        self.text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
    }

    /// Reads the answer of EXPLAIN (FORMAT JSON, VERBOSE); none if it has another form.
    pub fn read(json: &str) -> Option<Self> {
        let document: Value = serde_json::from_str(json).ok()?;
        let top = document.get(0)?.get("Plan")?;
        let mut plan = Self { accesses: Vec::new(), text: String::new(), cost: 0.0, rows: 0.0 };
        plan.cost = top.get("Total Cost").and_then(Value::as_f64)?;
        plan.rows = top.get("Plan Rows").and_then(Value::as_f64)?;
        plan.add(top, 0)?;
        if plan.text.len() > LONGEST {
            let end = (0..=LONGEST).rev().find(|end| plan.text.is_char_boundary(*end)).unwrap_or(0);
            plan.text.truncate(end);
            plan.text.push('…');
        }
        Some(plan)
    }

    fn add(&mut self, node: &Value, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        let kind = word(node, "Node Type")?;
        if node.get("Parallel Aware").and_then(Value::as_bool) == Some(true) {
            self.text.push_str("Parallel ");
        }
        self.text.push_str(kind);
        let relation = word(node, "Relation Name");
        if let Some(relation) = relation {
            _ = write!(self.text, " {relation}");
        }
        let mut indexes: Vec<Box<str>> = word(node, "Index Name").map(Box::from).into_iter().collect();
        if let Some(index) = indexes.first() {
            _ = write!(self.text, " using {index}");
        }
        let children: &[Value] = node.get("Plans").and_then(Value::as_array).map_or(&[], Vec::as_slice);
        if let (Some(path), Some(relation)) = (AccessPath::of(kind), relation) {
            if path == AccessPath::Bitmap {
                children.iter().for_each(|child| indexes_below(child, depth, &mut indexes));
                indexes.sort_unstable();
                indexes.dedup();
            }
            let rows = node.get("Plan Rows").and_then(Value::as_f64).unwrap_or(0.0);
            let schema = word(node, "Schema").unwrap_or_default().into();
            self.accesses.push(RelationAccess { schema, relation: relation.into(), path, indexes, rows });
        }
        if !children.is_empty() {
            self.text.push_str(" (");
            for (number, child) in children.iter().enumerate() {
                if number > 0 {
                    self.text.push_str(", ");
                }
                self.add(child, depth + 1)?;
            }
            self.text.push(')');
        }
        Some(())
    }
}

fn word<'v>(node: &'v Value, key: &str) -> Option<&'v str> {
    node.get(key)?.as_str()
}

fn indexes_below(node: &Value, depth: usize, found: &mut Vec<Box<str>>) {
    found.extend(word(node, "Index Name").map(Box::from));
    if depth < DEEPEST {
        let children = node.get("Plans").and_then(Value::as_array).into_iter().flatten();
        children.for_each(|child| indexes_below(child, depth + 1, found));
    }
}

/// Why there is no plan of a statement: label `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NoPlan {
    /// More statements wanted to be looked at than could be.
    Queue,
    /// It is no query that only reads.
    Statement,
    /// It names something else than tables, materialised views and views, or something that is not known.
    Relation,
    /// Planning could run a function that is not of the server itself.
    Function,
    /// Its parameters have types that run such a function, or their values are not known.
    Parameters,
    /// It is not known where the session looks names up.
    Path,
    /// The account that would ask has too many rights.
    Superuser,
    /// The account that would ask may not become the role of the session.
    Role,
    /// The server cannot be reached, or does not let the account in.
    Connection,
    /// The server took too long, or something was locked.
    Timeout,
    /// The server refused it for another reason.
    Error,
}

impl NoPlan {
    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Statement => "statement",
            Self::Relation => "relation",
            Self::Function => "function",
            Self::Parameters => "parameters",
            Self::Path => "path",
            Self::Superuser => "superuser",
            Self::Role => "role",
            Self::Connection => "connection",
            Self::Timeout => "timeout",
            Self::Error => "error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn explained() -> String {
        json!([{"Plan": {
            "Node Type": "Nested Loop", "Parallel Aware": false, "Total Cost": 12.5, "Plan Rows": 3, "Plans": [
                {"Node Type": "Bitmap Heap Scan", "Relation Name": "orders", "Schema": "public", "Alias": "o", "Plan Rows": 2,
                 "Recheck Cond": "(ssn = '123-45-6789'::text)", "Plans": [
                    {"Node Type": "BitmapAnd", "Plans": [
                        {"Node Type": "Bitmap Index Scan", "Index Name": "orders_b", "Index Cond": "(b = 'secret')"},
                        {"Node Type": "Bitmap Index Scan", "Index Name": "orders_a"}]}]},
                {"Node Type": "Seq Scan", "Parallel Aware": true, "Relation Name": "customers", "Schema": "public", "Plan Rows": 9,
                 "Filter": "(name = 'secret')", "Output": ["name", "'secret'::text"]}]
        }}])
        .to_string()
    }

    #[test]
    fn relations_paths_and_indexes_are_kept_and_conditions_are_not() {
        let plan = Plan::read(&explained()).unwrap();
        assert_eq!(
            plan.text,
            "Nested Loop (Bitmap Heap Scan orders (BitmapAnd (Bitmap Index Scan using orders_b, \
             Bitmap Index Scan using orders_a)), Parallel Seq Scan customers)"
        );
        assert_eq!((plan.cost, plan.rows), (12.5, 3.0));
        let read: Vec<_> = plan.accesses.iter().map(|a| (&*a.relation, a.path, a.indexes.len(), a.rows)).collect();
        assert_eq!(read, [("orders", AccessPath::Bitmap, 2, 2.0), ("customers", AccessPath::Seq, 0, 9.0)]);
        assert_eq!(&*plan.accesses[0].indexes[0], "orders_a");
        let kept = format!("{plan:?}");
        assert!(!kept.contains("secret") && !kept.contains("123-45"), "{kept}");
    }

    #[test]
    fn the_form_alone_makes_the_fingerprint() {
        let plan = Plan::read(&explained()).unwrap();
        let dearer = Plan { cost: 99.0, ..plan.clone() };
        assert_eq!(plan.fingerprint(), dearer.fingerprint());
        assert_ne!(plan.fingerprint(), Plan { text: "Seq Scan orders".to_owned(), ..plan }.fingerprint());
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_not(text in "\\PC*") {
            let _ = Plan::read(&text);
        }
    }
}
