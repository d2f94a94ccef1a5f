//! Reads columns of an answer by name, without panicking where a server answers something unforeseen.

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::connect::UpstreamError;
use crate::model::catalog::Oid;

/// The value of a column.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: &str) -> Result<T, UpstreamError> {
    row.try_get(column).map_err(UpstreamError::from)
}

/// The value of a text column.
pub(super) fn text(row: &Row, column: &str) -> Result<Box<str>, UpstreamError> {
    Ok(get::<&str>(row, column)?.into())
}

/// The value of a text column that may be null.
pub(super) fn optional_text(row: &Row, column: &str) -> Result<Option<Box<str>>, UpstreamError> {
    Ok(get::<Option<&str>>(row, column)?.map(Box::from))
}

/// The value of an oid column.
pub(super) fn oid(row: &Row, column: &str) -> Result<Oid, UpstreamError> {
    Ok(Oid(get(row, column)?))
}

/// The first character of a text column.
pub(super) fn letter(row: &Row, column: &str) -> Result<char, UpstreamError> {
    let value: &str = get(row, column)?;
    value.chars().next().ok_or_else(|| UpstreamError::Answer(format!("column \"{column}\" is empty")))
}
