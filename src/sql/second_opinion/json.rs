//! The walk over PostgreSQL's tree: the SQL/JSON constructs.

use pg_raw_parse::Node;
use pg_raw_parse::list::CastNodeList;
use pg_raw_parse::nodes::{
    JsonAggConstructor, JsonBehavior, JsonFuncExpr, JsonKeyValue, JsonOutput, JsonTable, JsonTableColumn,
    JsonTablePathSpec, JsonValueExpr,
};

use super::tree::{Tree, Visitor};

impl<'a, V: Visitor<'a>> Tree<'a, '_, V> {
    /// The last of the lists of known kinds; what is not in it is unknown.
    pub(super) fn json(&mut self, node: Node<'a>) -> Result<(), V::Stop> {
        match node {
            Node::JsonValueExpr(value) => self.json_value(Some(value)),
            Node::JsonArgument(argument) => self.json_value(argument.val()),
            Node::JsonKeyValue(pair) => self.json_pair(Some(pair)),
            Node::JsonObjectConstructor(object) => {
                for pair in object.exprs() {
                    self.json_pair(Some(pair))?;
                }
                self.json_output(object.output())
            }
            Node::JsonArrayConstructor(array) => {
                for value in array.exprs() {
                    self.json_value(Some(value))?;
                }
                self.json_output(array.output())
            }
            Node::JsonArrayQueryConstructor(array) => {
                self.query(array.query())?;
                self.json_output(array.output())
            }
            Node::JsonObjectAgg(aggregate) => {
                self.json_pair(aggregate.arg())?;
                self.json_aggregate(aggregate.constructor())
            }
            Node::JsonArrayAgg(aggregate) => {
                self.json_value(aggregate.arg())?;
                self.json_aggregate(aggregate.constructor())
            }
            Node::JsonIsPredicate(predicate) => self.expression(predicate.expr()),
            Node::JsonParseExpr(parse) => {
                self.json_value(parse.expr())?;
                self.json_output(parse.output())
            }
            Node::JsonScalarExpr(scalar) => {
                self.expression(scalar.expr())?;
                self.json_output(scalar.output())
            }
            Node::JsonSerializeExpr(serialize) => {
                self.json_value(serialize.expr())?;
                self.json_output(serialize.output())
            }
            Node::JsonFuncExpr(function) => self.json_function(function),
            _ => self.visitor.unknown("construct"),
        }
    }

    fn json_value(&mut self, value: Option<&'a JsonValueExpr>) -> Result<(), V::Stop> {
        let Some(value) = value else { return Ok(()) };
        self.expression(value.raw_expr())?;
        self.expression(value.formatted_expr())
    }

    fn json_pair(&mut self, pair: Option<&'a JsonKeyValue>) -> Result<(), V::Stop> {
        let Some(pair) = pair else { return Ok(()) };
        self.expression(pair.key())?;
        self.json_value(pair.value())
    }

    fn json_output(&mut self, output: Option<&'a JsonOutput>) -> Result<(), V::Stop> {
        self.optional_type(output.and_then(JsonOutput::type_name))
    }

    fn json_behaviour(&mut self, behaviour: Option<&'a JsonBehavior>) -> Result<(), V::Stop> {
        match behaviour {
            Some(behaviour) => self.expression(behaviour.expr()),
            None => Ok(()),
        }
    }

    fn json_aggregate(&mut self, aggregate: Option<&'a JsonAggConstructor>) -> Result<(), V::Stop> {
        let Some(aggregate) = aggregate else { return Ok(()) };
        self.json_output(aggregate.output())?;
        self.expression(aggregate.agg_filter())?;
        self.expressions(aggregate.agg_order())?;
        match aggregate.over() {
            Some(window) => self.expression(Node::WindowDef(window)),
            None => Ok(()),
        }
    }

    fn json_function(&mut self, function: &'a JsonFuncExpr) -> Result<(), V::Stop> {
        self.json_value(function.context_item())?;
        self.expression(function.pathspec())?;
        self.expressions(function.passing())?;
        self.json_output(function.output())?;
        self.json_behaviour(function.on_empty())?;
        self.json_behaviour(function.on_error())
    }

    pub(super) fn json_table(&mut self, table: &'a JsonTable) -> Result<(), V::Stop> {
        self.json_value(table.context_item())?;
        self.json_path(table.pathspec())?;
        self.expressions(table.passing())?;
        self.json_behaviour(table.on_error())?;
        self.json_columns(table.columns())
    }

    fn json_columns(&mut self, columns: &'a CastNodeList<JsonTableColumn>) -> Result<(), V::Stop> {
        for column in columns {
            self.json_column(column)?;
        }
        Ok(())
    }

    fn json_column(&mut self, column: &'a JsonTableColumn) -> Result<(), V::Stop> {
        self.optional_type(column.type_name())?;
        self.json_path(column.pathspec())?;
        self.json_behaviour(column.on_empty())?;
        self.json_behaviour(column.on_error())?;
        self.deeper(|tree| {
            for nested in column.columns() {
                match nested {
                    Node::JsonTableColumn(nested) => tree.json_column(nested)?,
                    _ => return tree.visitor.unknown("JSON_TABLE column"),
                }
            }
            Ok(())
        })
    }

    fn json_path(&mut self, path: Option<&'a JsonTablePathSpec>) -> Result<(), V::Stop> {
        match path {
            Some(path) => self.expression(path.string()),
            None => Ok(()),
        }
    }
}
