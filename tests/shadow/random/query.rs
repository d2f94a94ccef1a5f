//! Queries: lists, groups, windows, set operations, common table expressions.

use super::from::Source;
use super::tree::{Node, Part, Role, node};
use super::types::{Random, TYPES, Ty};

/// Names that an expression may use.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// References and their types.
    pub columns: Vec<(String, Ty)>,
    /// Whole rows without anything denied in them.
    pub rows: Vec<String>,
}

impl Scope {
    /// These names and others.
    pub fn with(mut self, other: &Scope) -> Self {
        self.columns.extend(other.columns.iter().cloned());
        self.rows.extend(other.rows.iter().cloned());
        self
    }
}

/// A query and the columns that it has.
#[derive(Debug, Clone)]
pub struct Made {
    pub node: Node,
    pub columns: Vec<(String, Ty)>,
    /// The rows come in an order that leaves nothing open.
    pub ordered: bool,
    /// There are more columns, of a star.
    pub starred: bool,
}

/// Makes statements out of random numbers.
#[derive(Debug)]
pub struct Maker {
    pub random: Random,
    counter: usize,
    /// Common table expressions in scope.
    pub common: Vec<(String, Vec<(String, Ty)>)>,
    /// The statement names a column that is denied.
    pub denied: bool,
}

impl Maker {
    /// The statements that belong to this seed.
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), counter: 0, common: Vec::new(), denied: false }
    }

    /// A name that is used once.
    pub fn name(&mut self, prefix: &str) -> String {
        self.counter += 1;
        match self.random.below(12) {
            0 => format!("\"{prefix} {}\"", self.counter),
            1 => format!("\"{}{}\"", prefix.to_uppercase(), self.counter),
            _ => format!("{prefix}{}", self.counter),
        }
    }

    /// A whole query, with everything that may stand around it.
    pub fn statement(&mut self) -> Made {
        let mut with = Vec::new();
        for _ in 0..[0, 0, 0, 1, 1, 2][self.random.below(6)] {
            let (node, name, columns) = self.common_table();
            with.push(node);
            self.common.push((name, columns));
        }
        let mut made = self.select(&Scope::default(), 3, None);
        if self.random.once_in(6) {
            made = self.set_operation(&Scope::default(), 2);
        }
        let tail = self.tail(&mut made);
        self.common.clear();
        let head = match with.is_empty() {
            true => node![Role::Optional;],
            false => node![Role::Optional; "WITH ", Node::list(with), " "],
        };
        Made { node: node![Role::Fixed; head, made.node, tail], ..made }
    }

    fn common_table(&mut self) -> (Node, String, Vec<(String, Ty)>) {
        let name = self.name("w");
        let made = self.select(&Scope::default(), 2, None);
        let materialized = *self.random.pick(&["", "", "MATERIALIZED ", "NOT MATERIALIZED "]);
        if self.random.once_in(3) {
            let columns: Vec<_> = made.columns.iter().map(|(_, ty)| (self.name("k"), *ty)).collect();
            let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
            let head = format!("{name}({}) AS {materialized}(", names.join(", "));
            return (node![Role::Fixed; head, made.node, ")"], name, columns);
        }
        (node![Role::Fixed; format!("{name} AS {materialized}("), made.node, ")"], name, made.columns)
    }

    /// ORDER BY and LIMIT, so that rows and their order are decided.
    fn tail(&mut self, made: &mut Made) -> Node {
        if made.starred || self.random.below(3) > 0 {
            return node![Role::Optional;];
        }
        let mut keys: Vec<usize> = (1..=made.columns.len()).collect();
        let turn = self.random.below(keys.len());
        keys.rotate_left(turn);
        let keys: Vec<String> = keys
            .iter()
            .map(|key| format!("{key}{}", self.random.pick(&["", " DESC", " NULLS FIRST", " DESC NULLS LAST"])))
            .collect();
        let limit = match self.random.below(5) {
            0 => format!(" LIMIT {}", self.random.below(9)),
            1 => format!(" OFFSET {} LIMIT 4", self.random.below(5)),
            2 => format!(" FETCH FIRST {} ROWS ONLY", 1 + self.random.below(5)),
            _ => String::new(),
        };
        made.ordered = true;
        // All or nothing: a limit without the order leaves the rows open.
        node![Role::Optional; format!(" ORDER BY {}{limit}", keys.join(", "))]
    }

    /// A query of one column over rows of its own.
    pub fn one_column(&mut self, ty: Ty, outer: &Scope, depth: usize) -> Node {
        self.select(outer, depth, Some(&[ty])).node
    }

    /// A query of one value.
    pub fn one_value(&mut self, ty: Ty, outer: &Scope, depth: usize) -> Node {
        let source = self.source(outer, depth.min(1));
        let scope = source.scope.clone().with(outer);
        let condition = self.filter(&scope, depth);
        if let Some(unique) = source.unique.filter(|_| self.random.once_in(2)) {
            let value = self.expr(ty, &scope, depth);
            let id = self.leaf(Ty::Int, outer);
            return node![Role::Query; "SELECT ", value, " FROM ", source.node, format!(" WHERE {unique} = "), id];
        }
        // Over columns of its own: an aggregate over outer ones would belong to the query outside.
        let value = self.aggregate(ty, &source.scope, depth);
        node![Role::Query; "SELECT ", value, " FROM ", source.node, condition]
    }

    /// A query; its columns have these types, or any.
    pub fn select(&mut self, outer: &Scope, depth: usize, wanted: Option<&[Ty]>) -> Made {
        let types: Vec<Ty> = match wanted {
            Some(types) => types.to_vec(),
            None => (0..1 + self.random.below(4)).map(|_| *self.random.pick(TYPES)).collect(),
        };
        if depth > 0 && self.random.once_in(12) {
            return self.values(&types, outer);
        }
        let source = self.from(outer, depth);
        let scope = source.scope.clone().with(outer);
        let filter = self.filter(&scope, depth);
        if self.random.once_in(4) {
            return self.grouped(&types, source, filter, outer, depth);
        }
        let named: Vec<(String, Ty)> = types.iter().map(|ty| (self.name("c"), *ty)).collect();
        let mut items = Vec::new();
        let mut window = node![Role::Fixed;];
        for (name, ty) in &named {
            let value = match &source.unique {
                Some(unique) if self.random.once_in(8) => self.windowed(*ty, &source.scope, unique, &mut window),
                _ => self.expr(*ty, &scope, depth.min(3)),
            };
            let alias = *self.random.pick(&[" AS ", " AS ", " AS ", " "]);
            items.push(node![Role::Fixed; value, alias, name.clone()]);
        }
        let columns = named;
        let mut starred = false;
        if wanted.is_none() && self.random.once_in(8) {
            starred = star(&source, &mut items);
        }
        let distinct = if self.random.once_in(8) { "SELECT DISTINCT " } else { "SELECT " };
        let node = node![Role::Query; distinct, Node::list(items), " FROM ", source.node, filter, window];
        Made { node, columns, ordered: false, starred }
    }

    fn values(&mut self, types: &[Ty], outer: &Scope) -> Made {
        let rows = (0..1 + self.random.below(3)).map(|_| {
            let items = types.iter().map(|ty| self.expr(*ty, outer, 1)).collect();
            node![Role::Fixed; "(", Node::list(items), ")"]
        });
        let rows: Vec<Node> = rows.collect();
        let columns = types.iter().enumerate().map(|(at, ty)| (format!("column{}", at + 1), *ty)).collect();
        Made { node: node![Role::Query; "VALUES ", Node::list(rows)], columns, ordered: false, starred: false }
    }

    fn filter(&mut self, scope: &Scope, depth: usize) -> Node {
        if self.random.once_in(2) {
            return node![Role::Optional;];
        }
        node![Role::Optional; " WHERE ", self.condition(scope, depth.min(2))]
    }

    fn grouped(&mut self, types: &[Ty], source: Source, filter: Node, outer: &Scope, depth: usize) -> Made {
        let scope = source.scope.clone();
        let (mut keys, mut free): (Vec<Node>, Scope) = (Vec::new(), outer.clone());
        let mut dependent_on_key = false;
        match &source.key {
            Some((key, dependent)) if self.random.once_in(3) => {
                keys.push(node![Role::Fixed; key.clone()]);
                dependent_on_key = true;
                free.columns.extend(dependent.iter().cloned());
            }
            _ => {
                for _ in 0..self.random.below(3) {
                    if source.scope.columns.is_empty() {
                        break;
                    }
                    let (name, ty) = self.random.pick(&source.scope.columns).clone();
                    keys.push(node![Role::Fixed; name.clone()]);
                    free.columns.push((name, ty));
                }
            }
        }
        let columns: Vec<(String, Ty)> = types.iter().map(|ty| (self.name("g"), *ty)).collect();
        let items = columns.iter().map(|(name, ty)| {
            let value = if self.random.once_in(2) {
                self.aggregate(*ty, &scope, depth.min(2))
            } else {
                self.expr(*ty, &free, 2)
            };
            node![Role::Fixed; value, format!(" AS {name}")]
        });
        let items: Vec<Node> = items.collect();
        let having = match self.random.below(4) {
            0 => node![Role::Optional; " HAVING ", self.having(&scope, &free)],
            _ => node![Role::Optional;],
        };
        let group = match (keys.len(), self.random.below(8)) {
            (0, _) => node![Role::Optional;],
            // In a set of groups nothing depends on a key.
            (_, 3) if !dependent_on_key => node![Role::Fixed; " GROUP BY DISTINCT ", Node::list(keys)],
            _ if dependent_on_key => node![Role::Fixed; " GROUP BY ", Node::list(keys)],
            (_, 0) => node![Role::Fixed; " GROUP BY ROLLUP (", Node::list(keys), ")"],
            (_, 1) => node![Role::Fixed; " GROUP BY CUBE (", Node::list(keys), ")"],
            (_, 2) => node![Role::Fixed; " GROUP BY GROUPING SETS ((", Node::list(keys), "), ())"],
            _ => node![Role::Fixed; " GROUP BY ", Node::list(keys)],
        };
        let node = node![Role::Query; "SELECT ", Node::list(items), " FROM ", source.node, filter, group, having];
        Made { node, columns, ordered: false, starred: false }
    }

    fn having(&mut self, scope: &Scope, free: &Scope) -> Node {
        let (ty, other) = (*self.random.pick(&[Ty::Int, Ty::Text, Ty::Date, Ty::Num]), self.random.once_in(3));
        if other {
            return self.condition(free, 1);
        }
        node![Role::Value(Ty::Bool); self.aggregate(ty, scope, 1), " > ", self.leaf(ty, free)]
    }

    fn set_operation(&mut self, outer: &Scope, depth: usize) -> Made {
        let types: Vec<Ty> = (0..1 + self.random.below(3)).map(|_| *self.random.pick(TYPES)).collect();
        let first = self.select(outer, depth, Some(&types));
        let mut parts: Vec<Part> = vec!["(".into(), first.node.into(), ")".into()];
        for _ in 0..1 + self.random.below(2) {
            let word = *self.random.pick(&[
                " UNION ",
                " UNION ALL ",
                " INTERSECT ",
                " EXCEPT ",
                " EXCEPT ALL ",
                " INTERSECT ALL ",
            ]);
            let other = self.select(outer, depth - 1, Some(&types));
            parts.extend([word.into(), "(".into(), other.node.into(), ")".into()]);
        }
        Made { node: Node::new(Role::Query, parts), columns: first.columns, ordered: false, starred: false }
    }
}

/// A star behind the items, whose columns nothing refers to; whether there is one.
fn star(source: &Source, items: &mut Vec<Node>) -> bool {
    let Some(row) = source.scope.rows.first() else { return false };
    items.push(node![Role::Fixed; format!("{row}.*")]);
    true
}
