//! Queries that a contract declares: whether anybody could run them.

use crate::model::contract::Contract;
use crate::model::source::Problems;
use crate::sql::lexer::{self, Caps};
use crate::sql::second_opinion::read_query;

/// Reports those that are no query, or that do not read the table that they are about.
pub(super) fn check(contract: &Contract, problems: &mut Problems<'_>) {
    for entity in &contract.entities {
        for query in &entity.queries {
            let fits = lexer::lex(&query.sql).is_ok_and(|tokens| Caps::default().check(&tokens, &query.sql).is_ok());
            let read = if fits { read_query(&query.sql).map_err(|why| why.0) } else { Err("it cannot be read") };
            let table = query.table.as_deref().unwrap_or(&entity.name);
            let table = table.rsplit_once('.').map_or(table, |(_, table)| table);
            match read {
                Err(why) => {
                    let message = format!("the query `{}` is none that only reads: {why}", query.name);
                    problems.error_with(&query.span, message, "Declare one SELECT, as the application sends it.");
                }
                Ok(read) if !read.relations.iter().any(|relation| relation.name == *table) => {
                    let message = format!("the query `{}` does not name the table `{table}`", query.name);
                    problems.error_with(
                        &query.span,
                        message,
                        "Declare it at the table that it reads, or give `table`.",
                    );
                }
                Ok(_) => {}
            }
        }
    }
}
