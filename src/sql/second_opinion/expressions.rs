//! The walk over PostgreSQL's tree: expressions.

use pg_raw_parse::Node;
use pg_raw_parse::list::{CastNodeList, NodeList};
use pg_raw_parse::nodes::{A_Expr, CaseExpr, FuncCall, SortBy, SubLink, TypeName, WindowDef, XmlExpr};

use super::tree::{Tree, Visitor};

// A_Expr_Kind of parsenodes.h, for the forms whose name is a keyword and not an operator.
const FIRST_BETWEEN: u32 = 10;
const LAST_BETWEEN: u32 = 13;

impl<'a, V: Visitor<'a>> Tree<'a, '_, V> {
    pub(super) fn expressions(&mut self, list: &'a NodeList) -> Result<(), V::Stop> {
        for node in list {
            self.expression(node)?;
        }
        Ok(())
    }

    /// An expression, or one of the pieces that stand where expressions do.
    pub(super) fn expression(&mut self, node: Node<'a>) -> Result<(), V::Stop> {
        self.deeper(|tree| match node {
            Node::None
            | Node::A_Const(_)
            | Node::SQLValueFunction(_)
            | Node::SetToDefault(_)
            | Node::CurrentOfExpr(_)
            | Node::MergeSupportFunc(_) => Ok(()),
            Node::NodeList(list) => tree.expressions(list),
            Node::ColumnRef(column) => tree.visitor.column(column),
            Node::ParamRef(parameter) => tree.visitor.parameter(parameter.number),
            Node::FuncCall(call) => tree.call(call),
            Node::A_Expr(operation) => tree.operation(operation),
            Node::TypeCast(cast) => {
                tree.optional_type(cast.type_name())?;
                tree.expression(cast.arg())
            }
            Node::SubLink(link) => tree.sub_link(link),
            Node::CaseExpr(case) => tree.case(case),
            Node::XmlExpr(xml) => tree.xml(xml),
            Node::WindowDef(window) => tree.window(window),
            Node::SortBy(sort) => tree.sort(sort),
            Node::A_Indirection(access) => {
                tree.indirection(access.indirection())?;
                tree.expression(access.arg())
            }
            _ => tree.simple(node),
        })
    }

    /// Kinds that only hold other expressions.
    fn simple(&mut self, node: Node<'a>) -> Result<(), V::Stop> {
        match node {
            Node::BoolExpr(parts) => self.expressions(parts.args()),
            Node::RowExpr(row) => self.expressions(row.args()),
            Node::A_ArrayExpr(array) => self.expressions(array.elements()),
            Node::CoalesceExpr(coalesce) => self.expressions(coalesce.args()),
            Node::MinMaxExpr(extreme) => {
                self.visitor.implied_operator("<")?;
                self.expressions(extreme.args())
            }
            Node::NullTest(test) => self.expression(test.arg()),
            Node::BooleanTest(test) => self.expression(test.arg()),
            Node::NamedArgExpr(argument) => self.expression(argument.arg()),
            Node::CollateClause(collate) => self.expression(collate.arg()),
            Node::GroupingFunc(grouping) => self.expressions(grouping.args()),
            Node::GroupingSet(set) => self.expressions(set.content()),
            Node::MultiAssignRef(assignment) => self.expression(assignment.source()),
            Node::XmlSerialize(xml) => {
                self.optional_type(xml.type_name())?;
                self.expression(xml.expr())
            }
            _ => self.json(node),
        }
    }

    fn call(&mut self, call: &'a FuncCall) -> Result<(), V::Stop> {
        self.visitor.function(call)?;
        self.expressions(call.args())?;
        for sort in call.agg_order() {
            self.sort(sort)?;
        }
        self.expression(call.agg_filter())?;
        match call.over() {
            Some(window) => self.window(window),
            None => Ok(()),
        }
    }

    fn operation(&mut self, operation: &'a A_Expr) -> Result<(), V::Stop> {
        if (FIRST_BETWEEN..=LAST_BETWEEN).contains(&operation.kind) {
            self.visitor.implied_operator(">=")?;
            self.visitor.implied_operator("<=")?;
        } else {
            self.visitor.operator(operation.name())?;
        }
        self.expression(operation.lexpr())?;
        self.expression(operation.rexpr())
    }

    fn sub_link(&mut self, link: &'a SubLink) -> Result<(), V::Stop> {
        if !link.oper_name().is_empty() {
            self.visitor.operator(link.oper_name())?;
        } else if !matches!(link.testexpr(), Node::None) {
            self.visitor.implied_operator("=")?;
        }
        self.expression(link.testexpr())?;
        self.query(link.subselect())
    }

    fn case(&mut self, case: &'a CaseExpr) -> Result<(), V::Stop> {
        if !matches!(case.arg(), Node::None) {
            self.visitor.implied_operator("=")?;
        }
        self.expression(case.arg())?;
        for when in case.args() {
            match when {
                Node::CaseWhen(when) => {
                    self.expression(when.expr())?;
                    self.expression(when.result())?;
                }
                _ => return self.visitor.unknown("CASE branch"),
            }
        }
        self.expression(case.defresult())
    }

    fn xml(&mut self, xml: &'a XmlExpr) -> Result<(), V::Stop> {
        for argument in xml.named_args() {
            match argument {
                Node::ResTarget(target) => self.expression(target.val())?,
                other => self.expression(other)?,
            }
        }
        self.expressions(xml.args())
    }

    fn window(&mut self, window: &'a WindowDef) -> Result<(), V::Stop> {
        self.expressions(window.partition_clause())?;
        for sort in window.order_clause() {
            self.sort(sort)?;
        }
        self.expression(window.start_offset())?;
        self.expression(window.end_offset())
    }

    pub(super) fn sort(&mut self, sort: &'a SortBy) -> Result<(), V::Stop> {
        if !sort.use_op().is_empty() {
            self.visitor.operator(sort.use_op())?;
        }
        self.expression(sort.node())
    }

    /// What stands behind a value: `.name`, `.*`, `[1]`, `[1:2]`.
    pub(super) fn indirection(&mut self, list: &'a NodeList) -> Result<(), V::Stop> {
        for part in list {
            match part {
                Node::String(name) => self.visitor.attribute(name.sval().unwrap_or_default())?,
                Node::A_Star(_) => {}
                Node::A_Indices(indices) => {
                    self.expression(indices.lidx())?;
                    self.expression(indices.uidx())?;
                }
                _ => return self.visitor.unknown("indirection"),
            }
        }
        Ok(())
    }

    /// The types of parameters: a value is made of each.
    pub(super) fn types(&mut self, list: &'a CastNodeList<TypeName>) -> Result<(), V::Stop> {
        for name in list {
            self.optional_type(Some(name))?;
        }
        Ok(())
    }

    pub(super) fn optional_type(&mut self, name: Option<&'a TypeName>) -> Result<(), V::Stop> {
        let Some(name) = name else { return Ok(()) };
        if name.setof || name.pct_type {
            return self.visitor.unknown("SETOF or %TYPE");
        }
        for modifier in name.typmods() {
            // A word there, as in geometry(Point), is no column.
            if !matches!(modifier, Node::A_Const(_) | Node::ColumnRef(_)) {
                return self.visitor.unknown("type modifier");
            }
        }
        self.visitor.type_name(name)
    }
}
