//! Expressions of a wanted type over the columns in scope.

use super::query::{Maker, Scope};
use super::tree::{Node, Role, node};
use super::types::{TYPES, Ty};

impl Maker {
    /// An expression of this type, at most so deep.
    pub fn expr(&mut self, ty: Ty, scope: &Scope, depth: usize) -> Node {
        if depth == 0 || self.random.once_in(4) {
            return self.leaf(ty, scope);
        }
        let made = match self.random.below(12) {
            0 => self.case(ty, scope, depth - 1),
            1 => {
                node![Role::Value(ty); "coalesce(", self.expr(ty, scope, depth - 1), ", ", self.expr(ty, scope, depth - 1), ")"]
            }
            2 => node![Role::Value(ty); "nullif(", self.expr(ty, scope, depth - 1), ", ", self.leaf(ty, scope), ")"],
            3 if depth > 1 => self.scalar_subquery(ty, scope, depth - 1),
            4 if self.random.once_in(3) => {
                node![Role::Value(ty); "CAST(", self.expr(ty, scope, depth - 1), format!(" AS {})", ty.name())]
            }
            _ => self.special(ty, scope, depth - 1),
        };
        debug_assert_eq!(made.ty(), Some(ty));
        made
    }

    /// A column in scope, or a literal.
    pub fn leaf(&mut self, ty: Ty, scope: &Scope) -> Node {
        let fitting: Vec<&String> =
            scope.columns.iter().filter(|(_, known)| *known == ty).map(|(name, _)| name).collect();
        if !fitting.is_empty() && !self.random.once_in(5) {
            return node![Role::Value(ty); (*self.random.pick(&fitting)).clone()];
        }
        node![Role::Value(ty); ty.literal(self.random.below(64))]
    }

    fn case(&mut self, ty: Ty, scope: &Scope, depth: usize) -> Node {
        if self.random.once_in(3) {
            let over = *self.random.pick(TYPES);
            let (subject, when) = (self.expr(over, scope, depth), self.leaf(over, scope));
            let (then, otherwise) = (self.expr(ty, scope, depth), self.leaf(ty, scope));
            return node![Role::Value(ty); "CASE ", subject, " WHEN ", when, " THEN ", then, " ELSE ", otherwise, " END"];
        }
        let (when, then) = (self.expr(Ty::Bool, scope, depth), self.expr(ty, scope, depth));
        let otherwise = node![Role::Optional; " ELSE ", self.expr(ty, scope, depth)];
        node![Role::Value(ty); "CASE WHEN ", when, " THEN ", then, otherwise, " END"]
    }

    fn scalar_subquery(&mut self, ty: Ty, scope: &Scope, depth: usize) -> Node {
        let query = self.one_value(ty, scope, depth);
        node![Role::Value(ty); "(", query, ")"]
    }

    /// What only this type can be made of. `name(one argument)` where that is all there is to it.
    fn special(&mut self, ty: Ty, scope: &Scope, depth: usize) -> Node {
        match ty {
            Ty::Text => self.text(scope, depth),
            Ty::Bool => self.condition(scope, depth),
            Ty::Int => self.integer(scope, depth),
            Ty::Json => self.json(scope, depth),
            Ty::Num => self.numeric(scope, depth),
            Ty::Big => match self.random.below(3) {
                0 => self.over(ty, ("", "::bigint"), Ty::Int, scope, depth),
                1 => self.over(ty, ("abs(", ")"), ty, scope, depth),
                _ => self.over(ty, ("hashtextextended(", ", 7)"), Ty::Text, scope, depth),
            },
            Ty::Float => match self.random.below(3) {
                0 => self.over(ty, ("", "::float8"), Ty::Num, scope, depth),
                1 => self.over(ty, ("abs(", ")"), ty, scope, depth),
                _ => self.over(ty, ("round(", ")"), ty, scope, depth),
            },
            Ty::Date => match self.random.below(5) {
                0 => self.over(ty, ("date_trunc('month', ", ")::date"), Ty::Date, scope, depth),
                1 => self.over(ty, ("lower(", ")"), Ty::Dates, scope, depth),
                2 => self.over(ty, ("", "::date"), Ty::Stamp, scope, depth),
                3 => {
                    node![Role::Value(ty); "(", self.expr(ty, scope, depth), " + length(", self.expr(Ty::Text, scope, depth), "))"]
                }
                _ => self.pair_of(ty, ("greatest(", ", ", ")"), scope, depth),
            },
            Ty::Stamp => match self.random.below(4) {
                0 => self.over(ty, ("date_trunc('week', ", ", 'UTC')"), ty, scope, depth),
                1 => node![Role::Value(ty); "(", self.expr(ty, scope, depth), " + ", self.leaf(Ty::Span, scope), ")"],
                2 => self.over(ty, ("(", " AT TIME ZONE 'Asia/Tokyo') AT TIME ZONE 'UTC'"), ty, scope, depth),
                _ => self.pair_of(ty, ("least(", ", ", ")"), scope, depth),
            },
            Ty::Span => match self.random.below(3) {
                0 => self.pair_of_type(ty, Ty::Stamp, ("(", " - ", ")"), scope, depth),
                1 => self.over(ty, ("justify_days(", ")"), ty, scope, depth),
                _ => self.pair_of_type(ty, Ty::Date, ("age(", ", ", ")"), scope, depth),
            },
            Ty::Texts => match self.random.below(5) {
                0 => {
                    node![Role::Value(ty); "ARRAY[", Node::list(vec![self.expr(Ty::Text, scope, depth), self.leaf(Ty::Text, scope)]), "]"]
                }
                1 => self.over(ty, ("string_to_array(", ", '*')"), Ty::Text, scope, depth),
                2 => self.pair_of(ty, ("(", " || ", ")"), scope, depth),
                3 => self.over(ty, ("(", ")[1:1]"), ty, scope, depth),
                _ => {
                    node![Role::Value(ty); "array_append(", self.expr(ty, scope, depth), ", ", self.expr(Ty::Text, scope, depth), "::text)"]
                }
            },
            Ty::Ints => match self.random.below(3) {
                0 => {
                    node![Role::Value(ty); "ARRAY[", Node::list(vec![self.expr(Ty::Int, scope, depth), self.leaf(Ty::Int, scope)]), "]"]
                }
                1 => self.over(ty, ("array_remove(", ", 2)"), ty, scope, depth),
                _ => node![Role::Value(ty); "ARRAY(", self.one_column(Ty::Int, scope, depth), " ORDER BY 1)"],
            },
            Ty::Bytes => match self.random.below(2) {
                0 => self.over(ty, ("convert_to(", ", 'UTF8')"), Ty::Text, scope, depth),
                _ => self.over(ty, ("substr(", ", 1, 2)"), ty, scope, depth),
            },
            Ty::Uuid => self.over(ty, ("md5(", ")::uuid"), Ty::Text, scope, depth),
            Ty::Inet => self.over(ty, ("set_masklen(", ", 16)"), ty, scope, depth),
            Ty::Contact => self.pair_of_type(ty, Ty::Text, ("ROW(", ", ", ")::contact"), scope, depth),
            Ty::Pair => {
                node![Role::Value(ty); "ROW(", self.expr(Ty::Int, scope, depth), ", ", self.expr(Ty::Text, scope, depth), ")::pair"]
            }
            Ty::Dates => self.over(ty, ("", " * daterange('1900-01-01', '2100-01-01')"), ty, scope, depth),
            Ty::IntRange => self.over(ty, ("int4range(0, abs(length(", ")))"), Ty::Text, scope, depth),
            Ty::Blood => self.pair_of(ty, ("greatest(", ", ", ")"), scope, depth),
        }
    }

    /// Words around an expression.
    pub fn over(&mut self, ty: Ty, words: (&str, &str), of: Ty, scope: &Scope, depth: usize) -> Node {
        let inner = self.expr(of, scope, depth);
        // A cast binds tighter than most.
        let (before, after) = match words {
            ("", after) => ("(".to_owned(), format!("){after}")),
            (before, after) => (before.to_owned(), after.to_owned()),
        };
        node![Role::Value(ty); before, inner, after]
    }

    /// Words around and between two expressions of the type.
    pub fn pair_of(&mut self, ty: Ty, words: (&str, &str, &str), scope: &Scope, depth: usize) -> Node {
        self.pair_of_type(ty, ty, words, scope, depth)
    }

    pub fn pair_of_type(&mut self, ty: Ty, of: Ty, words: (&str, &str, &str), scope: &Scope, depth: usize) -> Node {
        let (before, between, after) = words;
        node![Role::Value(ty); before, self.expr(of, scope, depth), between, self.expr(of, scope, depth), after]
    }

    fn text(&mut self, scope: &Scope, depth: usize) -> Node {
        const AROUND: &[(&str, &str)] = &[
            ("upper(", ")"),
            ("lower(", ")"),
            ("left(", ", 3)"),
            ("right(", ", 4)"),
            ("md5(", ")"),
            ("reverse(", ")"),
            ("trim(BOTH 'x' FROM ", ")"),
            ("trim(LEADING FROM ", ")"),
            ("substring(", " FROM 2 FOR 3)"),
            ("split_part(", ", '@', 2)"),
            ("replace(", ", '*', '#')"),
            ("lpad(", ", 12, '.')"),
            ("initcap(", ")"),
            ("regexp_replace(", ", '[aeiou]', '_', 'g')"),
            ("quote_literal(", ")"),
            ("overlay(", " PLACING 'zz' FROM 1 FOR 1)"),
            ("translate(", ", 'abc', 'xyz')"),
            ("repeat(", ", 2)"),
            ("concat('<', ", ", '>')"),
            ("(", ") COLLATE \"C\""),
            ("format('%s/%s', ", ", 1)"),
            ("btrim(", ", 'x')"),
            ("(", ")::varchar(5)::text"),
        ];
        let ty = Ty::Text;
        match self.random.below(10) {
            0..4 => {
                let (before, after) = *self.random.pick(AROUND);
                self.over(ty, (before, after), ty, scope, depth)
            }
            4 => self.pair_of(ty, ("(", " || ", ")"), scope, depth),
            5 => {
                let of = *self.random.pick(TYPES);
                self.over(ty, ("", "::text"), of, scope, depth)
            }
            6 => match self.random.below(4) {
                0 => self.over(ty, ("(", ")[1]"), Ty::Texts, scope, depth),
                1 => self.over(ty, ("(", " ->> 'lang')"), Ty::Json, scope, depth),
                2 => self.over(ty, ("(", ").phone"), Ty::Contact, scope, depth),
                _ => self.over(ty, ("(", ").b"), Ty::Pair, scope, depth),
            },
            7 => self.over(ty, ("to_char(", ", 'YYYY-MM')"), Ty::Date, scope, depth),
            8 => self.over(ty, ("public.age_group(", ")"), Ty::Date, scope, depth),
            _ => match scope.rows.is_empty() {
                true => self.over(ty, ("array_to_string(", ", '+')"), Ty::Texts, scope, depth),
                false => {
                    let row = self.random.pick(&scope.rows).clone();
                    node![Role::Value(ty); self.random.pick(&["CAST({} AS text)", "{}::text", "row_to_json({})::text", "concat({})"]).replace("{}", &row)]
                }
            },
        }
    }

    fn integer(&mut self, scope: &Scope, depth: usize) -> Node {
        let ty = Ty::Int;
        match self.random.below(9) {
            0 => self.over(ty, ("length(", ")"), Ty::Text, scope, depth),
            1 => self.pair_of(ty, ("(", " + ", ")"), scope, depth),
            2 => self.over(ty, ("(", " % 7)"), ty, scope, depth),
            3 => self.over(ty, ("extract(year FROM ", ")::integer"), Ty::Date, scope, depth),
            4 => self.over(ty, ("strpos(", ", '*')"), Ty::Text, scope, depth),
            5 => self.over(ty, ("cardinality(", ")"), Ty::Texts, scope, depth),
            6 => self.over(ty, ("(", ")[1]"), Ty::Ints, scope, depth),
            7 => self.over(ty, ("(", ")::integer"), Ty::Bool, scope, depth),
            _ => match self.random.below(3) {
                0 => self.over(ty, ("(", ").a"), Ty::Pair, scope, depth),
                1 => self.over(ty, ("ascii(", ")"), Ty::Text, scope, depth),
                _ => self.pair_of(ty, ("greatest(", ", ", ")"), scope, depth),
            },
        }
    }

    fn numeric(&mut self, scope: &Scope, depth: usize) -> Node {
        let ty = Ty::Num;
        match self.random.below(6) {
            0 => self.over(ty, ("round(", ", 1)"), ty, scope, depth),
            1 => self.pair_of(ty, ("(", " + ", ")"), scope, depth),
            2 => self.over(ty, ("(", " / 4)"), ty, scope, depth),
            3 => self.over(ty, ("", "::numeric"), Ty::Int, scope, depth),
            4 => self.over(ty, ("abs(", ")"), ty, scope, depth),
            _ => self.over(ty, ("(- ", ")"), ty, scope, depth),
        }
    }

    fn json(&mut self, scope: &Scope, depth: usize) -> Node {
        let ty = Ty::Json;
        match self.random.below(7) {
            0 => {
                let (one, other) = (*self.random.pick(TYPES), *self.random.pick(TYPES));
                node![Role::Value(ty); "jsonb_build_object('a', ", self.expr(one, scope, depth), ", 'b', ", self.expr(other, scope, depth), ")"]
            }
            1 => {
                let of = *self.random.pick(TYPES);
                self.over(ty, ("to_jsonb(", ")"), of, scope, depth)
            }
            2 => self.over(ty, ("(", " -> 'deep')"), ty, scope, depth),
            3 => self.over(ty, ("(", " #> '{deep,a}')"), ty, scope, depth),
            4 => self.over(ty, ("jsonb_strip_nulls(", ")"), ty, scope, depth),
            5 => self.over(ty, ("jsonb_path_query_first(", ", '$.*')"), ty, scope, depth),
            _ => match scope.rows.is_empty() {
                true => self.over(ty, ("jsonb_build_array(", ")"), ty, scope, depth),
                false => node![Role::Value(ty); format!("to_jsonb({})", self.random.pick(&scope.rows))],
            },
        }
    }
}
