//! FROM: tables, subqueries and functions, by themselves and joined.

use super::query::{Maker, Scope};
use super::tables::{Key, TABLES, Table};
use super::tree::{Node, Part, Role, node};
use super::types::Ty;

/// Something in FROM.
pub struct Source {
    pub node: Node,
    pub scope: Scope,
    /// The reference to a key that the server knows, and what depends on it.
    pub key: Option<(String, Vec<(String, Ty)>)>,
    /// A reference that tells the rows apart.
    pub unique: Option<String>,
}

impl Maker {
    /// One item, or several joined.
    pub fn from(&mut self, outer: &Scope, depth: usize) -> Source {
        let first = self.source(outer, depth);
        if depth == 0 || self.random.below(5) < 3 {
            return first;
        }
        let joined = self.join(first, outer, depth - 1);
        if self.random.once_in(4) { self.join(joined, outer, depth - 1) } else { joined }
    }

    fn join(&mut self, left: Source, outer: &Scope, depth: usize) -> Source {
        if self.random.once_in(5) {
            return self.lateral(left, outer, depth);
        }
        let right = self.source(outer, depth);
        let id = |source: &Source| source.unique.clone();
        let both = left.scope.clone().with(&right.scope);
        let numbers: Vec<String> =
            left.scope.columns.iter().filter(|(_, ty)| *ty == Ty::Int).map(|(name, _)| name.clone()).collect();
        let (node, scope) = match (id(&right), numbers.is_empty()) {
            (Some(unique), false) if self.random.below(4) > 0 => {
                let kind = *self.random.pick(&[
                    " JOIN ",
                    " LEFT JOIN ",
                    " RIGHT JOIN ",
                    " FULL JOIN ",
                    " INNER JOIN ",
                    " LEFT OUTER JOIN ",
                ]);
                let from = self.random.pick(&numbers).clone();
                let extra = match kind {
                    " FULL JOIN " => node![Role::Optional;],
                    _ if self.random.once_in(3) => node![Role::Optional; " AND ", self.condition(&both, 1)],
                    _ => node![Role::Optional;],
                };
                (node![Role::Fixed; left.node, kind, right.node, format!(" ON {unique} = {from}"), extra], both)
            }
            _ => {
                let ty = *self.random.pick(&[Ty::Text, Ty::Int, Ty::Date]);
                let on = node![Role::Value(Ty::Bool); self.leaf(ty, &left.scope), " = ", self.leaf(ty, &right.scope)];
                (node![Role::Fixed; left.node, " JOIN ", right.node, " ON ", on], both)
            }
        };
        Source { node, scope, key: left.key.filter(|_| false), unique: None }
    }

    fn lateral(&mut self, left: Source, outer: &Scope, depth: usize) -> Source {
        let alias = self.name("l");
        let visible = left.scope.clone().with(outer);
        if self.random.once_in(2) {
            let made = self.select(&visible, depth, None);
            let columns: Vec<_> = made.columns.iter().map(|(name, ty)| (format!("{alias}.{name}"), *ty)).collect();
            let kind = *self.random.pick(&[" CROSS JOIN LATERAL (", ", LATERAL ("]);
            let node = node![Role::Fixed; left.node, kind, made.node, format!(") AS {alias}")];
            return Source {
                node,
                scope: left.scope.with(&Scope { columns, rows: Vec::new() }),
                key: None,
                unique: None,
            };
        }
        let (call, ty) = match self.random.below(5) {
            0 => (node![Role::Fixed; "unnest(", self.expr(Ty::Texts, &visible, 1), ")"], Ty::Text),
            1 => {
                (node![Role::Fixed; "generate_series(1, length(", self.expr(Ty::Text, &visible, 1), ") % 4)"], Ty::Int)
            }
            2 => (node![Role::Fixed; "string_to_table(", self.expr(Ty::Text, &visible, 1), ", '@')"], Ty::Text),
            3 => (
                node![Role::Fixed; "jsonb_object_keys(jsonb_build_object('k', ", self.expr(Ty::Json, &visible, 1), "))"],
                Ty::Text,
            ),
            _ => (node![Role::Fixed; "unnest(", self.expr(Ty::Ints, &visible, 1), ")"], Ty::Int),
        };
        let column = self.name("v");
        let (between, after) = match self.random.below(3) {
            0 => (" CROSS JOIN LATERAL ", ""),
            1 => (" LEFT JOIN LATERAL ", " ON true"),
            _ => (", ", ""),
        };
        let node = node![Role::Fixed; left.node, between, call, format!(" AS {alias}({column}){after}")];
        let added = Scope { columns: vec![(format!("{alias}.{column}"), ty)], rows: Vec::new() };
        Source { node, scope: left.scope.with(&added), key: None, unique: None }
    }

    /// One item.
    pub fn source(&mut self, outer: &Scope, depth: usize) -> Source {
        if depth > 0 && self.random.once_in(5) {
            let made = self.select(outer, depth - 1, None);
            let alias = self.name("s");
            return derived(&alias, node![Role::Fixed; "(", made.node, format!(") AS {alias}")], &made.columns);
        }
        if !self.common.is_empty() && self.random.once_in(2) {
            let (name, columns) = self.random.pick(&self.common).clone();
            let alias = self.name("w");
            return derived(&alias, node![Role::Fixed; format!("{name} AS {alias}")], &columns);
        }
        let table = self.random.pick(TABLES);
        self.table(table)
    }

    fn table(&mut self, table: &'static Table) -> Source {
        let alias = self.name("t");
        let as_word = *self.random.pick(&[" AS ", " "]);
        // Sometimes the columns get other names; those that stay behind the list keep theirs.
        let renamed = if self.random.once_in(8) { 1 + self.random.below(table.fields.len().min(3)) } else { 0 };
        let (mut names, mut list) = (Vec::new(), Vec::new());
        for (at, (name, ty)) in table.fields.iter().enumerate() {
            let shown = if at < renamed { self.name("r") } else { (*name).to_owned() };
            if at < renamed {
                list.push(shown.clone());
            }
            names.push((format!("{alias}.{shown}"), *ty));
        }
        let list = if list.is_empty() { String::new() } else { format!("({})", list.join(", ")) };
        let unique = (table.key != Key::None).then(|| names[0].0.clone());
        let key = (table.key == Key::Primary).then(|| (names[0].0.clone(), names.clone()));
        if !table.rest.is_empty() && self.random.once_in(60) {
            self.denied = true;
            names.push((format!("{alias}.{}", self.random.pick(table.rest)), Ty::Text));
        }
        // A row with something denied in it is refused, and a point has no equality.
        let rows = if table.rest.is_empty() { vec![alias.clone()] } else { Vec::new() };
        let node = node![Role::Fixed; format!("{}{as_word}{alias}{list}", table.name)];
        Source { node, scope: Scope { columns: names, rows }, key, unique }
    }
}

/// A source with columns of its own.
fn derived(alias: &str, node: Node, columns: &[(String, Ty)]) -> Source {
    let columns = columns.iter().map(|(name, ty)| (format!("{alias}.{name}"), *ty)).collect();
    Source { node, scope: Scope { columns, rows: vec![alias.to_owned()] }, key: None, unique: None }
}
