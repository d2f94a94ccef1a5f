//! What a query names, for whoever wants to have it planned: one SELECT that only reads, by PostgreSQL's own tree.
//!
//! Unlike the outline, this fails closed: a construct that the walk does not know, or one that changes or locks
//! something, is an answer of its own. Common table expressions are told apart from relations.

use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{ColumnRef, FuncCall, LockingClause, RangeSubselect, RangeVar, ResTarget, TypeName};
use pg_raw_parse::{Node, ParseResult};

use super::offset;
use super::outline::Verb;
use super::tree::{Role, Tree, Visitor};

/// A query that only reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadQuery {
    /// Relations, each time that they are named.
    pub relations: Vec<Name>,
    /// Types, each time that they are named.
    pub types: Vec<Name>,
    /// Functions.
    pub functions: Vec<Name>,
    /// Operators, those that a construct stands for included.
    pub operators: Vec<Name>,
    /// Names behind a point: of a column, or else of a function.
    pub attributes: Vec<String>,
    /// The highest number of a parameter.
    pub parameters: u16,
}

/// A name as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Its schema.
    pub schema: Option<String>,
    /// The name.
    pub name: String,
    /// Where it stands, if that is known.
    pub start: Option<u32>,
}

/// Why a text is no such query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotReadOnly(pub &'static str);

/// The one query of a text.
pub(super) fn read_query(parsed: &ParseResult) -> Result<ReadQuery, NotReadOnly> {
    let mut statements = parsed.iter();
    let (Some(only), None) = (statements.next(), statements.next()) else {
        return Err(NotReadOnly("more or less than one statement"));
    };
    let node = only.stmt();
    if !matches!(node, Node::SelectStmt(_)) {
        return Err(NotReadOnly("no SELECT"));
    }
    let mut reader = Reader::default();
    Tree::new(&mut reader).query(node)?;
    Ok(reader.0)
}

#[derive(Default)]
struct Reader(ReadQuery);

fn named(parts: &[&str], start: i32) -> Result<Name, NotReadOnly> {
    let (schema, name) = match parts {
        [name] => (None, *name),
        [schema, name] => (Some((*schema).to_owned()), *name),
        _ => return Err(NotReadOnly("a longer name")),
    };
    Ok(Name { schema, name: name.to_owned(), start: offset(start) })
}

fn parts(names: &NodeList) -> Vec<&str> {
    names.iter().filter_map(|name| name.as_str()).collect()
}

impl<'a> Visitor<'a> for Reader {
    type Stop = NotReadOnly;

    fn relation(&mut self, relation: &'a RangeVar, role: Role<'a>) -> Result<(), NotReadOnly> {
        if role.verb != Verb::Read {
            return Err(NotReadOnly("a change of rows"));
        }
        if role.cte {
            return Ok(());
        }
        if relation.catalogname().is_some() {
            return Err(NotReadOnly("a name with a database"));
        }
        self.0.relations.push(Name {
            schema: relation.schemaname().map(str::to_owned),
            name: relation.relname().unwrap_or_default().to_owned(),
            start: offset(relation.location),
        });
        Ok(())
    }

    fn column(&mut self, column: &'a ColumnRef) -> Result<(), NotReadOnly> {
        let fields = parts(column.fields());
        if let [_, .., last] = fields.as_slice() {
            self.0.attributes.push((*last).to_owned());
        }
        Ok(())
    }

    fn function(&mut self, call: &'a FuncCall) -> Result<(), NotReadOnly> {
        self.0.functions.push(named(&parts(call.funcname()), call.location)?);
        Ok(())
    }

    fn type_name(&mut self, name: &'a TypeName) -> Result<(), NotReadOnly> {
        let names: Vec<&str> = name.names().iter().filter_map(|name| name.sval()).collect();
        self.0.types.push(named(&names, name.location)?);
        Ok(())
    }

    fn operator(&mut self, names: &'a NodeList) -> Result<(), NotReadOnly> {
        self.0.operators.push(named(&parts(names), -1)?);
        Ok(())
    }

    fn implied_operator(&mut self, name: &'static str) -> Result<(), NotReadOnly> {
        self.0.operators.push(named(&[name], -1)?);
        Ok(())
    }

    fn attribute(&mut self, name: &'a str) -> Result<(), NotReadOnly> {
        self.0.attributes.push(name.to_owned());
        Ok(())
    }

    fn arbiter(&mut self, _column: &'a str) -> Result<(), NotReadOnly> {
        Err(NotReadOnly("ON CONFLICT"))
    }

    fn parameter(&mut self, number: i32) -> Result<(), NotReadOnly> {
        let number = u16::try_from(number).map_err(|_| NotReadOnly("a parameter that cannot be"))?;
        self.0.parameters = self.0.parameters.max(number);
        Ok(())
    }

    fn into(&mut self, _relation: Option<&'a RangeVar>) -> Result<(), NotReadOnly> {
        Err(NotReadOnly("SELECT INTO"))
    }

    fn created(&mut self, _relation: &'a RangeVar) -> Result<(), NotReadOnly> {
        Err(NotReadOnly("a new table"))
    }

    fn changed(&mut self, _relation: &'a RangeVar) -> Result<(), NotReadOnly> {
        Err(NotReadOnly("a change of a table"))
    }

    fn dropped(&mut self, _names: &'a NodeList) -> Result<(), NotReadOnly> {
        Err(NotReadOnly("DROP"))
    }

    fn locking(&mut self, _clause: &'a LockingClause) -> Result<(), NotReadOnly> {
        Err(NotReadOnly("FOR UPDATE or FOR SHARE"))
    }

    fn assigned(&mut self, _target: &'a ResTarget) -> Result<(), NotReadOnly> {
        Err(NotReadOnly("a change of rows"))
    }

    fn enter_change(&mut self, _target: &'a RangeVar) -> Result<(), NotReadOnly> {
        Err(NotReadOnly("a change of rows"))
    }

    fn leave_change(&mut self) {}

    fn row_name(&mut self, _name: &'a str) -> Result<(), NotReadOnly> {
        Err(NotReadOnly("RETURNING"))
    }

    fn enter_query(&mut self) {}

    fn leave_query(&mut self) {}

    fn condition(&mut self, _condition: Node<'a>) -> Result<(), NotReadOnly> {
        Ok(())
    }

    fn subselect(&mut self, _subselect: &'a RangeSubselect) -> Result<(), NotReadOnly> {
        Ok(())
    }

    fn aliased_join(&mut self) -> Result<(), NotReadOnly> {
        Ok(())
    }

    fn merged(&mut self, _column: &'a str) -> Result<(), NotReadOnly> {
        Ok(())
    }

    fn output(&mut self, _target: &'a ResTarget) -> Result<(), NotReadOnly> {
        Ok(())
    }

    fn unknown(&mut self, what: &'static str) -> Result<(), NotReadOnly> {
        Err(NotReadOnly(what))
    }
}

#[cfg(test)]
mod tests {
    use crate::sql::second_opinion::read_query;

    #[test]
    fn what_a_query_names_is_told_and_where() {
        let sql = "WITH recent AS (SELECT * FROM orders) \
                   SELECT lower(r.status), (r.x).y FROM recent r JOIN sales.lines USING (id) WHERE a = $2 AND b BETWEEN 1 AND 'x'::mood";
        let query = read_query(sql).unwrap();
        let relations: Vec<_> = query.relations.iter().map(|r| (r.schema.as_deref(), r.name.as_str())).collect();
        assert_eq!(relations, [(None, "orders"), (Some("sales"), "lines")]);
        assert_eq!(query.relations[0].start.map(|at| &sql[at as usize..][..6]), Some("orders"));
        assert_eq!(query.types[0].start.map(|at| &sql[at as usize..]), Some("mood"));
        assert_eq!(query.functions[0].name, "lower");
        let operators: Vec<_> = query.operators.iter().map(|operator| operator.name.as_str()).collect();
        for operator in ["=", "<=", ">="] {
            assert!(operators.contains(&operator), "{operator}: {operators:?}");
        }
        assert!(query.attributes.contains(&"status".to_owned()) && query.attributes.contains(&"y".to_owned()));
        assert_eq!(query.parameters, 2);
    }

    #[test]
    fn what_changes_or_locks_something_is_no_such_query() {
        for sql in [
            "SELECT 1; SELECT 2",
            "",
            "UPDATE t SET a = 1",
            "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone",
            "SELECT * FROM t FOR UPDATE",
            "SELECT * FROM (SELECT * FROM t FOR KEY SHARE) x",
            "SELECT * INTO copy FROM t",
            "EXPLAIN ANALYZE SELECT 1",
            "SELECT * FROM other.public.t",
        ] {
            assert!(read_query(sql).is_err(), "{sql}");
        }
    }
}
