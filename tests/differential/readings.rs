//! Where both ways from a text to our tree read it, they find the same names with the same meaning.

use pgcovenant::model::catalog::{Catalog, SearchPath};
use pgcovenant::sql::access::Resolution;
use pgcovenant::sql::inner::{self, Around};
use pgcovenant::sql::lexer::{self, Caps};
use pgcovenant::sql::resolve::{self, Resolved};
use pgcovenant::sql::tree::Span;
use pgcovenant::sql::{grammar, second_opinion};

/// How far two readings of a text could be compared.
#[derive(Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Only one of them, or none, is one that the engine would use.
    One,
    /// Both say the same.
    Same,
}

/// Compares the readings of a text of one statement.
pub fn compare(catalog: &Catalog, path: &SearchPath, text: &str) -> Result<Comparison, String> {
    let Ok(tokens) = lexer::lex(text) else { return Ok(Comparison::One) };
    if Caps::default().check(&tokens, text).is_err() {
        return Ok(Comparison::One);
    }
    let Ok(outline) = second_opinion::outline(text) else { return Ok(Comparison::One) };
    let [statement] = outline.statements.as_slice() else { return Ok(Comparison::One) };
    let theirs = inner::statement(text, &tokens, Around::Plain);
    let ours = grammar::statement(text, &tokens, Around::Plain);
    let (Ok(theirs), Ok(ours)) = (theirs, ours) else { return Ok(Comparison::One) };
    let [theirs, ours] = [theirs, ours].map(|tree| resolve::resolve(&tree, catalog, path));
    let sorted = |mut starts: Vec<u32>| {
        starts.sort_unstable();
        starts.dedup();
        starts
    };
    let relations = sorted(statement.relations.iter().map(|relation| relation.start).collect());
    let found = &theirs.resolution;
    if sorted(statement.columns.clone()) != sorted(found.column_starts.clone())
        || relations != sorted(found.relation_starts.clone())
    {
        // It is read by the grammar alone then.
        return Ok(Comparison::One);
    }
    if found.relations.iter().any(|mention| mention.relation.is_none()) {
        // It is refused for that, and the names of an unknown relation's columns have no place in one of them.
        return Ok(Comparison::One);
    }
    let (theirs, ours) = (meaning(&theirs), meaning(&ours));
    if theirs == ours { Ok(Comparison::Same) } else { Err(format!("read as {theirs:#?}\nand as {ours:#?}")) }
}

/// What of a resolution decides anything, without the places that PostgreSQL's tree does not have.
fn meaning(resolved: &Resolved) -> Vec<String> {
    let Resolution { relations, columns, stars, whole_rows, groupings, functions, unresolved, ambiguous, .. } =
        &resolved.resolution;
    let mut all = Vec::new();
    all.extend(relations.iter().map(|found| format!("{:?} {:?} {:?}", found.relation, found.path.span(), found.role)));
    for found in columns {
        let place = if found.is_value { found.path.span() } else { Span::default() };
        all.push(format!("{:?} {:?} {place:?} {:?} {}", found.column, found.via, found.clause, found.names_output));
    }
    all.extend(stars.iter().map(|star| format!("{:?} {:?}", star.span, star.columns.as_ref().map(Vec::len))));
    all.extend(whole_rows.iter().map(|row| format!("{:?} {:?} {}", row.via, row.path.span(), row.field.is_some())));
    all.extend(groupings.iter().map(|group| format!("{:?} {} {:?}", group.relation, group.insert_at, group.used)));
    // Others may stand for a construct of the grammar.
    let named = functions.iter().filter(|path| path.qualifier.iter().any(|schema| schema.as_str() != "pg_catalog"));
    all.extend(named.map(|path| format!("calls {}", path.last.as_str())));
    all.extend(unresolved.iter().map(|name| format!("no {:?}", name.path.span())));
    all.extend(ambiguous.iter().map(|name| format!("two {}", name.as_str())));
    for output in &resolved.outputs {
        let mut sources = output.sources.clone();
        sources.sort_unstable();
        sources.dedup();
        all.push(format!("output {sources:?}"));
    }
    all.push(format!("rows {:?}", resolved.indirect));
    all.sort();
    all
}
