//! INSERT, UPDATE and DELETE with RETURNING, alone or inside WITH.

use super::query::{Made, Maker, Scope};
use super::tables::{Field, TABLES};
use super::tree::{Node, Role, node};
use super::types::Ty;

/// A table that may be changed: the columns that may be set, and those that RETURNING may show.
struct Target {
    name: &'static str,
    set: &'static [Field],
}

const UPDATED: &[Target] = &[
    Target {
        name: "items",
        set: &[
            ("price", Ty::Num),
            ("stock", Ty::Int),
            ("attrs", Ty::Json),
            ("sizes", Ty::Ints),
            ("span", Ty::IntRange),
            ("made", Ty::Date),
            ("age", Ty::Span),
            ("one", Ty::Pair),
        ],
    },
    Target { name: "visits", set: &[("ward", Ty::Text), ("urgent", Ty::Bool)] },
    Target { name: "patients", set: &[("ward", Ty::Text)] },
    Target { name: "tickets", set: &[("subject", Ty::Text)] },
];

impl Maker {
    /// A statement that changes something, and whether it can stand in WITH.
    pub fn change(&mut self) -> Made {
        let made = match self.random.below(4) {
            0 => self.insert(),
            1 => self.delete(),
            _ => self.update(),
        };
        if made.columns.is_empty() || self.random.below(4) > 0 {
            return made;
        }
        let (name, alias) = (self.name("w"), self.name("a"));
        let scope = Scope {
            columns: made.columns.iter().map(|(column, ty)| (format!("{alias}.{column}"), *ty)).collect(),
            rows: vec![alias.clone()],
        };
        let column = self.name("c");
        let ty = *self.random.pick(&[Ty::Text, Ty::Int, Ty::Json]);
        let value = self.expr(ty, &scope, 2);
        let node = node![Role::Fixed; format!("WITH {name} AS ("), made.node, ") SELECT ", value, format!(" AS {column} FROM {name} AS {alias}")];
        Made { node, columns: vec![(column, ty)], ordered: false, starred: false }
    }

    fn fields(name: &str) -> &'static [Field] {
        TABLES.iter().find(|table| table.name == name).expect("a table").fields
    }

    fn target_scope(name: &str, alias: &str) -> Scope {
        let columns = Self::fields(name).iter().map(|(column, ty)| (format!("{alias}.{column}"), *ty));
        Scope { columns: columns.collect(), rows: Vec::new() }
    }

    fn returning(&mut self, scope: &Scope) -> (Node, Vec<(String, Ty)>) {
        if self.random.once_in(5) {
            return (node![Role::Optional;], Vec::new());
        }
        let columns: Vec<(String, Ty)> =
            (0..1 + self.random.below(3)).map(|_| (self.name("c"), *self.random.pick(super::types::TYPES))).collect();
        let items =
            columns.iter().map(|(name, ty)| node![Role::Fixed; self.expr(*ty, scope, 2), format!(" AS {name}")]);
        let items = items.collect::<Vec<_>>();
        (node![Role::Fixed; " RETURNING ", Node::list(items)], columns)
    }

    fn update(&mut self) -> Made {
        let target = self.random.pick(UPDATED);
        let alias = self.name("u");
        let mut scope = Self::target_scope(target.name, &alias);
        let source = match self.random.below(3) {
            0 => {
                let other = self.name("f");
                let table = *self.random.pick(&["patients", "staff", "visits", "items"]);
                scope.columns.extend(Self::target_scope(table, &other).columns);
                Some((format!(" FROM {table} AS {other}"), format!("{other}.id = {alias}.id")))
            }
            _ => None,
        };
        let mut sets: Vec<Node> = Vec::new();
        for (column, ty) in target.set {
            if sets.is_empty() || self.random.once_in(3) {
                // A CHECK, a UNIQUE and NOT NULL would fail; what they say then is another test's matter.
                let value = match *column {
                    "urgent" => node![Role::Fixed; "coalesce(", self.expr(Ty::Bool, &scope, 2), ", true)"],
                    "subject" => {
                        node![Role::Fixed; format!("{alias}.id || "), "left(coalesce(", self.expr(Ty::Text, &scope, 2), ", ''), 20)"]
                    }
                    "ward" => node![Role::Fixed; "replace(left(", self.expr(Ty::Text, &scope, 2), ", 10), 'roof', '')"],
                    _ => self.expr(*ty, &scope, 2),
                };
                sets.push(node![Role::Fixed; format!("{column} = "), value]);
            }
        }
        let (from, join) = source.unwrap_or_default();
        let filter = match (join.is_empty(), self.random.below(2)) {
            (true, 0) => node![Role::Optional; " WHERE ", self.condition(&scope, 2)],
            (true, _) => node![Role::Optional;],
            (false, _) => {
                node![Role::Fixed; format!(" WHERE {join}"), node![Role::Optional; " AND ", self.condition(&scope, 2)]]
            }
        };
        let (returning, columns) = self.returning(&scope);
        let head = format!("UPDATE {}{} AS {alias} SET ", self.random.pick(&["", "ONLY "]), target.name);
        Made {
            node: node![Role::Fixed; head, Node::list(sets), from, filter, returning],
            columns,
            ordered: false,
            starred: false,
        }
    }

    fn delete(&mut self) -> Made {
        let (table, alias, other) = (*self.random.pick(&["items", "tickets"]), self.name("d"), self.name("f"));
        let mut scope = Self::target_scope(table, &alias);
        let (using, join) = match self.random.below(3) {
            0 => {
                scope.columns.extend(Self::target_scope("patients", &other).columns);
                (format!(" USING patients {other}"), format!("{other}.id = {alias}.id AND "))
            }
            _ => (String::new(), String::new()),
        };
        let condition = self.condition(&scope, 2);
        let (returning, columns) = self.returning(&scope);
        let node =
            node![Role::Fixed; format!("DELETE FROM {table} AS {alias}{using} WHERE {join}"), condition, returning];
        Made { node, columns, ordered: false, starred: false }
    }

    fn insert(&mut self) -> Made {
        let alias = self.name("i");
        let scope = Self::target_scope("items", &alias);
        let (from, source) = (self.name("p"), Self::target_scope("patients", "q"));
        let set: &[Field] = &[("price", Ty::Num), ("attrs", Ty::Json), ("made", Ty::Date), ("sizes", Ty::Ints)];
        let names: Vec<&str> = set.iter().map(|(name, _)| *name).collect();
        let head = format!("INSERT INTO items AS {alias} (id, name, {}) ", names.join(", "));
        let rows = match self.random.below(2) {
            0 => {
                let values: Vec<Node> = set.iter().map(|(_, ty)| self.expr(*ty, &Scope::default(), 2)).collect();
                let other: Vec<Node> = set.iter().map(|(_, ty)| self.leaf(*ty, &Scope::default())).collect();
                node![Role::Fixed; "VALUES (3, 'three', ", Node::list(values), format!("), (103, '{from}', "), Node::list(other), ")"]
            }
            _ => {
                let values: Vec<Node> = set.iter().map(|(_, ty)| self.expr(*ty, &source, 2)).collect();
                node![Role::Fixed; "SELECT q.id + 5, 'new ' || q.id, ", Node::list(values), " FROM patients q WHERE q.id < 16"]
            }
        };
        let mut both = scope.clone();
        both.columns.extend(set.iter().map(|(name, ty)| (format!("excluded.{name}"), *ty)));
        let conflict = match self.random.below(3) {
            0 => node![Role::Fixed; " ON CONFLICT DO NOTHING"],
            _ => {
                let value = self.expr(Ty::Num, &both, 2);
                let filter = node![Role::Optional; " WHERE ", self.condition(&both, 1)];
                node![Role::Fixed; " ON CONFLICT (id) DO UPDATE SET made = excluded.made, price = ", value, filter]
            }
        };
        let (returning, columns) = self.returning(&scope);
        Made { node: node![Role::Fixed; head, rows, conflict, returning], columns, ordered: false, starred: false }
    }
}
