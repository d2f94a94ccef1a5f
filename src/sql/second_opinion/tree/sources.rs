//! FROM items: relations, subqueries, functions, samples and joins.

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{
    JoinExpr, RangeFunction, RangeSubselect, RangeTableFunc, RangeTableSample, RangeVar, SelectStmt,
};

use super::{Role, Tree, Visitor};
use crate::sql::second_opinion::outline::Verb;

impl<'a, V: Visitor<'a>> Tree<'a, '_, V> {
    /// One item; `wrapper` is the query that it is all of the FROM list of.
    pub(super) fn source(&mut self, item: Node<'a>, wrapper: Option<&'a SelectStmt>) -> Result<(), V::Stop> {
        self.deeper(|tree| match item {
            Node::RangeVar(relation) => tree.read(relation, wrapper, None),
            Node::RangeSubselect(subselect) => tree.subselect(subselect),
            Node::RangeFunction(function) => tree.range_function(function),
            Node::RangeTableFunc(table) => tree.xml_table(table),
            Node::RangeTableSample(sample) => tree.sample(sample, wrapper),
            Node::JoinExpr(join) => tree.join(join),
            Node::JsonTable(table) => tree.json_table(table),
            _ => tree.visitor.unknown("FROM item"),
        })
    }

    fn read(
        &mut self,
        relation: &'a RangeVar,
        wrapper: Option<&'a SelectStmt>,
        sampled_at: Option<i32>,
    ) -> Result<(), V::Stop> {
        let qualified = relation.schemaname().is_some() || relation.catalogname().is_some();
        let cte = !qualified && relation.relname().is_some_and(|name| self.scopes.contains(&name));
        self.visitor.relation(relation, Role { verb: Verb::Read, cte, wrapper, sampled_at })
    }

    fn subselect(&mut self, subselect: &'a RangeSubselect) -> Result<(), V::Stop> {
        match subselect.subquery() {
            Node::SelectStmt(select) => {
                self.select(select, !subselect.lateral)?;
                self.visitor.subselect(subselect)
            }
            _ => self.visitor.unknown("sub-query"),
        }
    }

    fn range_function(&mut self, function: &'a RangeFunction) -> Result<(), V::Stop> {
        for pair in function.functions() {
            // Each is a list of the call and of its own column definitions.
            let Some(pair) = pair.as_node_list() else { return self.visitor.unknown("function in FROM") };
            for part in pair {
                match part {
                    Node::NodeList(definitions) => self.column_definitions(definitions)?,
                    call => self.expression(call)?,
                }
            }
        }
        for definition in function.coldeflist() {
            self.optional_type(definition.type_name())?;
        }
        Ok(())
    }

    fn column_definitions(&mut self, definitions: &'a NodeList) -> Result<(), V::Stop> {
        for definition in definitions {
            match definition {
                Node::ColumnDef(column) => self.optional_type(column.type_name())?,
                _ => return self.visitor.unknown("column definition"),
            }
        }
        Ok(())
    }

    fn xml_table(&mut self, table: &'a RangeTableFunc) -> Result<(), V::Stop> {
        self.expression(table.docexpr())?;
        self.expression(table.rowexpr())?;
        for namespace in table.namespaces() {
            match namespace {
                Node::ResTarget(target) => self.target(target)?,
                _ => return self.visitor.unknown("XML namespace"),
            }
        }
        for column in table.columns() {
            self.optional_type(column.type_name())?;
            self.expression(column.colexpr())?;
            self.expression(column.coldefexpr())?;
        }
        Ok(())
    }

    fn sample(&mut self, sample: &'a RangeTableSample, wrapper: Option<&'a SelectStmt>) -> Result<(), V::Stop> {
        let built_in =
            sample.method().iter().all(|name| matches!(name.as_str(), Some("bernoulli" | "system" | "pg_catalog")));
        if !built_in {
            return self.visitor.unknown("TABLESAMPLE method");
        }
        match sample.relation() {
            Node::RangeVar(relation) => self.read(relation, wrapper, Some(sample.location))?,
            _ => return self.visitor.unknown("TABLESAMPLE"),
        }
        self.expressions(sample.args())?;
        self.expression(sample.repeatable())
    }

    fn join(&mut self, join: &'a JoinExpr) -> Result<(), V::Stop> {
        self.source(join.larg(), None)?;
        self.source(join.rarg(), None)?;
        if join.is_natural || !join.using_clause().is_empty() {
            self.visitor.implied_operator("=")?;
        }
        for column in join.using_clause().iter().filter_map(|name| name.sval()) {
            self.visitor.merged(column)?;
        }
        if join.alias().is_some() {
            self.visitor.aliased_join()?;
        }
        self.condition(join.quals())
    }
}
