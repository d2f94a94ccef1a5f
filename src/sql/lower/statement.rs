//! The statement as a whole.

use sqlparser::ast;

use super::{Lowered, Unsupported, dml, query};
use crate::sql::tree::{Body, Query};

/// A query or data-modifying statement; both come back as a query, since both may carry WITH.
///
/// # Errors
/// The statement is of another kind, or holds a construct that is not PostgreSQL's or not known here.
pub fn statement(statement: &ast::Statement) -> Lowered<Query> {
    match statement {
        ast::Statement::Query(inner) => query::query(inner),
        ast::Statement::Insert(_) | ast::Statement::Update(_) | ast::Statement::Delete(_) => Ok(Query {
            recursive: false,
            ctes: Vec::new(),
            body: Body::Dml(Box::new(dml::dml(statement)?)),
            order_by: Vec::new(),
            limits: Vec::new(),
            locks: false,
        }),
        _ => Err(Unsupported("statement of another kind")),
    }
}
