//! What a span is called: `db.query.summary`, which has few values and holds nothing of anybody.

use crate::engine::report::{Operation, Report, StatementReport};

/// Longest summary, in bytes.
const LONGEST: usize = 255;

/// Commands that are told apart where the operation alone says little.
const COMMANDS: &[&str] = &[
    "ABORT",
    "ALTER",
    "ANALYZE",
    "BEGIN",
    "CALL",
    "CHECKPOINT",
    "CLOSE",
    "CLUSTER",
    "COMMENT",
    "COMMIT",
    "CREATE",
    "DEALLOCATE",
    "DECLARE",
    "DISCARD",
    "DO",
    "DROP",
    "END",
    "EXECUTE",
    "EXPLAIN",
    "FETCH",
    "GRANT",
    "IMPORT",
    "LISTEN",
    "LOAD",
    "LOCK",
    "MOVE",
    "NOTIFY",
    "PREPARE",
    "REASSIGN",
    "REFRESH",
    "REINDEX",
    "RELEASE",
    "RESET",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SECURITY",
    "SET",
    "SHOW",
    "START",
    "TRUNCATE",
    "UNLISTEN",
    "VACUUM",
];

/// `db.operation.name`; one for all statements of a text, if it has several.
pub(super) fn operation(report: &Report) -> String {
    match report.statements.as_slice() {
        [] => String::new(),
        [statement] => command(statement),
        [first, others @ ..] => {
            let command = command(first);
            let alike = others.iter().all(|other| self::command(other) == command);
            if alike { format!("BATCH {command}") } else { "BATCH".to_owned() }
        }
    }
}

/// `db.query.summary`: commands and the relations that they are about, in the order of the text.
pub(super) fn summary(report: &Report) -> String {
    // More than that would be cut off anyway.
    let statements: Vec<_> = report.statements.iter().take(LONGEST).map(one).collect();
    cut(statements.join("; "))
}

fn one(statement: &StatementReport) -> String {
    let mut words = vec![command(statement)];
    let own = statement.relations.iter().filter(|named| named.operation == statement.operation);
    words.extend(own.map(|named| named.name.to_string()));
    let mut verb = statement.operation;
    // The relations that an INSERT … SELECT reads, and those that a WITH clause writes.
    for named in statement.relations.iter().filter(|named| named.operation != statement.operation) {
        let told_already = !writes_or_reads(statement.operation);
        if named.operation != verb && !told_already {
            verb = named.operation;
            words.push(verb.as_str().to_ascii_uppercase());
        }
        words.push(named.name.to_string());
    }
    words.dedup();
    words.join(" ")
}

/// Whether the operation is one that relations have: others, such as COPY, are said once for all of them.
fn writes_or_reads(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Select | Operation::Insert | Operation::Update | Operation::Delete | Operation::Merge
    )
}

fn command(statement: &StatementReport) -> String {
    let first = statement.touched.shape.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let first = first.to_ascii_uppercase();
    if !writes_or_reads(statement.operation) && COMMANDS.contains(&&*first) {
        return first;
    }
    statement.operation.as_str().to_ascii_uppercase()
}

/// Cut between two words.
fn cut(summary: String) -> String {
    if summary.len() <= LONGEST {
        return summary;
    }
    let mut end = LONGEST;
    while !summary.is_char_boundary(end) {
        end -= 1;
    }
    let head = summary.get(..end).unwrap_or_default();
    // A word that ends exactly there is whole.
    let whole = summary.get(end..).is_some_and(|rest| rest.starts_with(' '));
    let at = if whole { head.len() } else { head.rfind(' ').unwrap_or(head.len()) };
    head.get(..at).unwrap_or_default().trim_end_matches(';').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::report::{RelationUse, Touches};
    use crate::model::catalog::Oid;

    fn statement(operation: Operation, shape: &str, relations: &[(Operation, &str)]) -> StatementReport {
        let relations = relations.iter().map(|(operation, name)| RelationUse {
            relation: Oid(1),
            schema: "public".into(),
            name: (*name).into(),
            operation: *operation,
        });
        let touched = Touches { shape: shape.into(), ..Touches::default() };
        StatementReport {
            operation,
            fingerprint: 1,
            relations: relations.collect(),
            columns: Vec::new(),
            unanalysed: None,
            touched,
        }
    }

    fn names(statements: Vec<StatementReport>) -> (String, String) {
        let report = Report { statements, ..Report::default() };
        (operation(&report), summary(&report))
    }

    fn pair(one: &str, other: &str) -> (String, String) {
        (one.to_owned(), other.to_owned())
    }

    #[test]
    fn a_summary_names_commands_and_relations() {
        use Operation::{Copy, Ddl, Insert, Select, Transaction, Utility};
        let select = statement(Select, "with x as (…", &[(Select, "orders"), (Select, "customers")]);
        assert_eq!(names(vec![select.clone()]), pair("SELECT", "SELECT orders customers"));
        let insert = statement(Insert, "insert …", &[(Insert, "log"), (Select, "orders"), (Select, "customers")]);
        assert_eq!(names(vec![insert.clone()]), pair("INSERT", "INSERT log SELECT orders customers"));
        assert_eq!(names(vec![statement(Transaction, "commit", &[])]), pair("COMMIT", "COMMIT"));
        assert_eq!(names(vec![statement(Ddl, "Alter table x", &[(Ddl, "x")])]), pair("ALTER", "ALTER x"));
        assert_eq!(names(vec![statement(Utility, "secret word", &[])]), pair("UTILITY", "UTILITY"));
        assert_eq!(names(vec![statement(Copy, "copy x to stdout", &[(Select, "x")])]), pair("COPY", "COPY x"));
        assert_eq!(names(vec![select.clone(), select.clone()]).0, "BATCH SELECT");
        assert_eq!(names(vec![insert, select]).0, "BATCH");
        assert_eq!(names(Vec::new()), pair("", ""));
    }

    #[test]
    fn a_long_summary_is_cut_between_words() {
        let name = "ü".repeat(20);
        let many: Vec<_> = (0..20).map(|_| (Operation::Select, name.as_str())).collect();
        let mut long = statement(Operation::Select, "", &many);
        for (number, named) in long.relations.iter_mut().enumerate() {
            named.name = format!("{name}{number}").into();
        }
        let (_, summary) = names(vec![long]);
        assert!(summary.len() <= LONGEST, "{}", summary.len());
        assert!(summary.ends_with(&format!("{name}4")), "{summary}");
    }
}
