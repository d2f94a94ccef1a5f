//! What a statement does with a prepared statement or a cursor, which SQL knows by names of the session's own.

use pg_raw_parse::Node;

/// One prepared statement or cursor, and what is done with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ByName {
    /// Its name, as the server reads it.
    pub name: String,
    /// What has that name.
    pub what: Nameable,
    /// What is done.
    pub deed: Deed,
}

/// What has names of the session's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nameable {
    /// PREPARE.
    Statement,
    /// DECLARE.
    Cursor,
}

/// What is done by a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deed {
    /// PREPARE, DECLARE.
    Makes {
        /// WITH HOLD: it outlives the transaction, as prepared statements do.
        holds: bool,
    },
    /// EXECUTE, also within EXPLAIN and CREATE TABLE AS; FETCH, MOVE.
    Runs,
    /// DEALLOCATE, CLOSE of one.
    Drops,
}

/// `CURSOR_OPT_HOLD` of PostgreSQL.
const HOLDS: i32 = 0x0020;

/// What a statement does by such a name; none for DEALLOCATE ALL and CLOSE ALL.
pub(super) fn by_name(node: Node<'_>) -> Option<ByName> {
    use Nameable::{Cursor, Statement};
    let (name, what, deed) = match node {
        Node::PrepareStmt(prepare) => (prepare.name(), Statement, Deed::Makes { holds: true }),
        Node::ExecuteStmt(execute) => (execute.name(), Statement, Deed::Runs),
        Node::ExplainStmt(explain) => return by_name(explain.query()).filter(|inner| inner.deed == Deed::Runs),
        Node::CreateTableAsStmt(create) => return by_name(create.query()).filter(|inner| inner.deed == Deed::Runs),
        Node::DeallocateStmt(deallocate) => (deallocate.name(), Statement, Deed::Drops),
        Node::DeclareCursorStmt(declare) => {
            (declare.portalname(), Cursor, Deed::Makes { holds: declare.options & HOLDS != 0 })
        }
        Node::FetchStmt(fetch) => (fetch.portalname(), Cursor, Deed::Runs),
        Node::ClosePortalStmt(close) => (close.portalname(), Cursor, Deed::Drops),
        _ => return None,
    };
    Some(ByName { name: name?.to_owned(), what, deed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::second_opinion::outline;

    fn found(sql: &str) -> Option<ByName> {
        outline(sql).unwrap().statements.remove(0).by_name
    }

    #[test]
    fn names_are_read_as_the_server_reads_them() {
        let (statement, cursor) = (Nameable::Statement, Nameable::Cursor);
        for (sql, name, what, deed) in [
            ("PREPARE P(int) AS SELECT $1", "p", statement, Deed::Makes { holds: true }),
            ("EXECUTE \"P\"(1)", "P", statement, Deed::Runs),
            ("EXPLAIN ANALYZE EXECUTE p", "p", statement, Deed::Runs),
            ("CREATE TEMP TABLE t AS EXECUTE p", "p", statement, Deed::Runs),
            ("DEALLOCATE PREPARE p", "p", statement, Deed::Drops),
            ("DECLARE c CURSOR FOR SELECT 1", "c", cursor, Deed::Makes { holds: false }),
            ("DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT 1", "c", cursor, Deed::Makes { holds: true }),
            ("FETCH ALL FROM c", "c", cursor, Deed::Runs),
            ("MOVE BACKWARD 3 IN c", "c", cursor, Deed::Runs),
            ("CLOSE c", "c", cursor, Deed::Drops),
        ] {
            assert_eq!(found(sql), Some(ByName { name: name.to_owned(), what, deed }), "{sql}");
        }
        for sql in ["DEALLOCATE ALL", "CLOSE ALL", "SELECT 1", "EXPLAIN DECLARE c CURSOR FOR SELECT 1"] {
            assert_eq!(found(sql), None, "{sql}");
        }
    }
}
