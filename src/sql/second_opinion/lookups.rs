//! Comparisons for equality with constants, in a condition on rows: the one form in which a policy may open a masked
//! column to conditions.
//!
//! `column = constant`, `constant = column`, `column IN (constants)`, `column = ANY (array of constants)`, alone or under
//! AND, OR and NOT. A constant is a literal or a parameter, cast to a type or not. Everything else is none, so that
//! nothing but equality can be asked: no other operator, no cast or function around the column, no value of a row, no
//! collation.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{A_Expr, ColumnRef, TypeName};

// A_Expr_Kind of parsenodes.h.
const OPERATOR: u32 = 0;
const OPERATOR_ANY: u32 = 1;
const IN: u32 = 6;

/// One comparison of a column with constants.
pub(super) struct Lookup<'a> {
    /// The column.
    pub(super) column: &'a ColumnRef,
    /// The types that constants are cast to.
    pub(super) types: Vec<&'a TypeName>,
}

/// The comparisons of a condition that stand alone or under AND, OR and NOT.
pub(super) fn lookups(condition: Node<'_>) -> Vec<Lookup<'_>> {
    let mut found = Vec::new();
    let mut open = vec![condition];
    while let Some(node) = open.pop() {
        match node {
            Node::BoolExpr(parts) => open.extend(parts.args().iter()),
            Node::A_Expr(operation) => found.extend(lookup(operation)),
            // Every other node is no comparison, and what is in it is none of the condition's own.
            _ => {}
        }
    }
    found
}

fn lookup(operation: &A_Expr) -> Option<Lookup<'_>> {
    if !is_equality(operation) {
        return None;
    }
    let mut types = Vec::new();
    let column = match (operation.kind, operation.lexpr(), operation.rexpr()) {
        (OPERATOR, Node::ColumnRef(column), other) | (OPERATOR, other, Node::ColumnRef(column)) => {
            constant(other, &mut types).then_some(column)
        }
        (OPERATOR_ANY, Node::ColumnRef(column), array) => constant_array(array, &mut types).then_some(column),
        (IN, Node::ColumnRef(column), Node::NodeList(list)) => {
            list.iter().all(|item| constant(item, &mut types)).then_some(column)
        }
        _ => None,
    }?;
    Some(Lookup { column, types })
}

fn is_equality(operation: &A_Expr) -> bool {
    let names: Vec<_> = operation.name().iter().map(|name| name.as_str()).collect();
    matches!(names.as_slice(), [Some("=")] | [Some("pg_catalog"), Some("=")])
}

/// A literal or a parameter, under any number of casts.
fn constant<'a>(node: Node<'a>, types: &mut Vec<&'a TypeName>) -> bool {
    matches!(uncast(node, types), Some(Node::A_Const(_) | Node::ParamRef(_)))
}

/// The same, or ARRAY[…] of such.
fn constant_array<'a>(node: Node<'a>, types: &mut Vec<&'a TypeName>) -> bool {
    match uncast(node, types) {
        Some(Node::A_Const(_) | Node::ParamRef(_)) => true,
        Some(Node::A_ArrayExpr(array)) => array.elements().iter().all(|element| constant(element, types)),
        _ => false,
    }
}

fn uncast<'a>(mut node: Node<'a>, types: &mut Vec<&'a TypeName>) -> Option<Node<'a>> {
    while let Node::TypeCast(cast) = node {
        types.push(cast.type_name()?);
        node = cast.arg();
    }
    Some(node)
}
