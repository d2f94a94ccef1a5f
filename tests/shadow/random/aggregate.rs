//! Aggregates and window functions whose values do not depend on the order in which rows happen to come.

use super::query::{Maker, Scope};
use super::tree::{Node, Role, node};
use super::types::{TYPES, Ty};

impl Maker {
    /// An aggregate whose value does not depend on the order of rows.
    pub fn aggregate(&mut self, ty: Ty, scope: &Scope, depth: usize) -> Node {
        let filter = match self.random.below(5) {
            0 => node![Role::Optional; " FILTER (WHERE ", self.condition(scope, 1), ")"],
            _ => node![Role::Optional;],
        };
        let depth = depth.min(2);
        let distinct = *self.random.pick(&["", "", "DISTINCT "]);
        match ty {
            Ty::Bool => {
                let name = *self.random.pick(&["bool_or(", "bool_and(", "every("]);
                node![Role::Value(ty); name, self.expr(ty, scope, depth), ")", filter]
            }
            Ty::Big => {
                let of = *self.random.pick(TYPES);
                match self.random.below(3) {
                    0 => node![Role::Value(ty); "count(*)", filter],
                    1 => node![Role::Value(ty); "sum(", self.expr(Ty::Int, scope, depth), ")", filter],
                    _ => node![Role::Value(ty); format!("count({distinct}"), self.expr(of, scope, depth), ")", filter],
                }
            }
            Ty::Num => {
                let name = *self.random.pick(&["sum(", "avg(", "min(", "max("]);
                node![Role::Value(ty); name, self.expr(ty, scope, depth), ")", filter]
            }
            Ty::Text if self.random.once_in(2) => {
                let value = known(self.expr(ty, scope, depth), ty);
                let order = node![Role::Fixed; value.clone()];
                node![Role::Value(ty); format!("string_agg({distinct}"), value, ", ',' ORDER BY ", order, ")", filter]
            }
            Ty::Json => {
                let of = *self.random.pick(&[Ty::Text, Ty::Int, Ty::Date, Ty::Num]);
                let value = known(self.expr(of, scope, depth), of);
                let order = node![Role::Fixed; value.clone()];
                node![Role::Value(ty); "jsonb_agg(", value, " ORDER BY ", order, ")", filter]
            }
            Ty::Texts | Ty::Ints => {
                let of = if ty == Ty::Texts { Ty::Text } else { Ty::Int };
                let value = known(self.leaf(of, scope), of);
                let order = node![Role::Fixed; value.clone()];
                node![Role::Value(ty); "array_agg(", value, " ORDER BY ", order, " DESC)", filter]
            }
            Ty::Int | Ty::Date | Ty::Stamp | Ty::Text | Ty::Float | Ty::Span | Ty::Inet | Ty::Blood => {
                if ty != Ty::Inet && self.random.once_in(4) {
                    let value = known(self.expr(ty, scope, depth), ty);
                    let name = *self.random.pick(&["percentile_disc(0.5)", "mode()", "percentile_disc(0.9)"]);
                    return node![Role::Value(ty); format!("{name} WITHIN GROUP (ORDER BY "), value, ")", filter];
                }
                // Enums have their own; all others have these two.
                node![Role::Value(ty); *self.random.pick(&["min(", "max("]), self.expr(ty, scope, depth), ")", filter]
            }
            Ty::Uuid | Ty::Bytes | Ty::Contact | Ty::Pair | Ty::Dates | Ty::IntRange => {
                let value = self.leaf(ty, scope);
                let order = node![Role::Fixed; value.clone()];
                node![Role::Value(ty); "(array_agg(", value, " ORDER BY ", order, ")", filter, ")[1]"]
            }
        }
    }

    /// A window function over an order in which no two rows are alike.
    pub fn windowed(&mut self, ty: Ty, scope: &Scope, unique: &str, clause: &mut Node) -> Node {
        let partition = match self.random.below(2) {
            0 if !scope.columns.is_empty() => {
                let over = self.random.pick(&scope.columns).0.clone();
                node![Role::Optional; format!("PARTITION BY {over} ")]
            }
            _ => node![Role::Optional;],
        };
        let frame = *self.random.pick(&[
            "",
            "",
            " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
            " GROUPS CURRENT ROW",
            " ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW",
        ]);
        let by = *self.random.pick(&[Ty::Text, Ty::Date, Ty::Num]);
        let order = self.leaf(by, scope);
        let window = node![Role::Fixed; partition, "ORDER BY ", order, format!(", {unique}{frame}")];
        let call = match ty {
            Ty::Big => node![Role::Fixed; *self.random.pick(&["row_number()", "rank()", "dense_rank()", "count(*)"])],
            Ty::Float => node![Role::Fixed; *self.random.pick(&["percent_rank()", "cume_dist()"])],
            _ => {
                let (before, after) = *self.random.pick(&[
                    ("lag(", ")"),
                    ("lead(", ")"),
                    ("first_value(", ")"),
                    ("last_value(", ")"),
                    ("nth_value(", ", 2)"),
                ]);
                node![Role::Fixed; before, known(self.expr(ty, scope, 1), ty), after]
            }
        };
        if clause.render().is_empty() && self.random.once_in(3) {
            let name = self.name("o");
            *clause = node![Role::Fixed; format!(" WINDOW {name} AS ("), window, ")"];
            return node![Role::Value(ty); call, format!(" OVER {name}")];
        }
        node![Role::Value(ty); call, " OVER (", window, ")"]
    }
}

/// A text whose type is said, where a literal alone would leave it open.
fn known(value: Node, ty: Ty) -> Node {
    match ty {
        Ty::Text => node![Role::Value(ty); "(", value, ")::text"],
        _ => value,
    }
}
