//! Conditions.

use super::query::{Maker, Scope};
use super::tree::{Node, Part, Role, node};
use super::types::{TYPES, Ty};

const COMPARISONS: &[&str] = &["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM", "!="];

impl Maker {
    /// A condition.
    pub fn condition(&mut self, scope: &Scope, depth: usize) -> Node {
        let ty = Ty::Bool;
        match self.random.below(14) {
            0..3 => {
                let of = *self.random.pick(TYPES);
                let sign = *self.random.pick(COMPARISONS);
                self.pair_of_type(ty, of, ("(", &format!(" {sign} "), ")"), scope, depth)
            }
            3 => {
                let of = *self.random.pick(TYPES);
                let test = *self.random.pick(&[" IS NULL)", " IS NOT NULL)"]);
                self.over(ty, ("(", test), of, scope, depth)
            }
            4 => {
                let pattern = *self.random.pick(&[
                    " LIKE 'a%')",
                    " ILIKE '%ORG')",
                    " ~ '^[a-e]')",
                    " NOT LIKE '%x%')",
                    " SIMILAR TO '%(a|b)%')",
                    " !~* 'NET$')",
                    " ^@ 'b')",
                ]);
                self.over(ty, ("(", pattern), Ty::Text, scope, depth)
            }
            5 => {
                let of = *self.random.pick(&[Ty::Int, Ty::Num, Ty::Text, Ty::Date, Ty::Stamp]);
                let (low, high) = (self.expr(of, scope, depth), self.expr(of, scope, depth));
                node![Role::Value(ty); "(", self.expr(of, scope, depth), self.random.pick(&[" BETWEEN ", " NOT BETWEEN ", " BETWEEN SYMMETRIC "]).to_owned(), low, " AND ", high, ")"]
            }
            6 => {
                let of = *self.random.pick(TYPES);
                let items = Node::list(vec![self.expr(of, scope, depth), self.leaf(of, scope), self.leaf(of, scope)]);
                node![Role::Value(ty); "(", self.expr(of, scope, depth), " IN (", items, "))"]
            }
            7 if depth > 0 => {
                // A row on the left would be compared with several columns on the right.
                let of = match *self.random.pick(TYPES) {
                    Ty::Contact | Ty::Pair => Ty::Int,
                    other => other,
                };
                let query = self.one_column(of, scope, depth - 1);
                let how = *self.random.pick(&[" IN (", " NOT IN (", " = ANY (", " <> ALL (", " = SOME ("]);
                node![Role::Value(ty); "(", self.expr(of, scope, depth), how, query, "))"]
            }
            8 if depth > 0 => {
                let query = self.one_column(Ty::Int, scope, depth - 1);
                node![Role::Value(ty); self.random.pick(&["EXISTS (", "NOT EXISTS ("]).to_owned(), query, ")"]
            }
            9 | 10 => {
                let word = *self.random.pick(&[" AND ", " OR "]);
                self.pair_of(ty, ("(", word, ")"), scope, depth)
            }
            11 => self.over(ty, ("(NOT ", ")"), ty, scope, depth),
            12 => match self.random.below(6) {
                0 => self.pair_of_type(ty, Ty::Texts, ("(", " && ", ")"), scope, depth),
                1 => self.pair_of_type(ty, Ty::Json, ("(", " @> ", ")"), scope, depth),
                2 => self.pair_of_type(ty, Ty::Dates, ("(", " && ", ")"), scope, depth),
                3 => self.over(ty, ("(", " ? 'lang')"), Ty::Json, scope, depth),
                4 => self.over(ty, ("(3 = ANY (", "))"), Ty::Ints, scope, depth),
                _ => self.over(ty, ("(", " << inet '10.0.0.0/8')"), Ty::Inet, scope, depth),
            },
            _ => match self.random.below(3) {
                0 => self.over(ty, ("(", " IS NOT TRUE)"), ty, scope, depth),
                1 => {
                    let (one, other) = (*self.random.pick(TYPES), *self.random.pick(TYPES));
                    let (a, b) = (self.expr(one, scope, depth), self.expr(other, scope, depth));
                    let (c, d) = (self.expr(one, scope, depth), self.expr(other, scope, depth));
                    let sign = *self.random.pick(&["=", "<>", "<", ">="]);
                    node![Role::Value(ty); "((", a, ", ", b, format!(") {sign} ("), c, ", ", d, "))"]
                }
                _ => match scope.rows.is_empty() {
                    true => self.over(ty, ("(", " IS UNKNOWN)"), ty, scope, depth),
                    false => node![Role::Value(ty); format!("({} IS NULL)", self.random.pick(&scope.rows))],
                },
            },
        }
    }
}
