//! Where the columns of a query come from.

use std::collections::{BTreeSet, HashMap};

use super::access::{Clause, ColumnRef};
use super::inner::Around;
use super::lexer::{self, Token};
use super::resolve::Resolved;
use super::tree::{Query, Statement};
use super::{functions, grammar, resolve, second_opinion};
use crate::model::catalog::{Catalog, ColumnId, Oid, SearchPath};

/// Lineage of a view: derived once per catalog, independent of who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewLineage {
    /// Fully understood.
    Known(Lineage),
    /// Not understood, and why: such a view is refused to governed sessions.
    Unknown(String),
}

/// Where the outputs of a query come from, down to the columns of the relations it names (views are not looked through).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lineage {
    /// One entry per output column, in order.
    pub outputs: Vec<Derivation>,
    /// Columns that decide which rows there are: filters, joins, grouping, distinct, limits by order, set operations.
    pub indirect: BTreeSet<ColumnId>,
    /// Columns of which only whether they are NULL decides on the rows.
    pub nullness: BTreeSet<ColumnId>,
    /// Relations it reads.
    pub relations: BTreeSet<Oid>,
    /// Functions called outside `pg_catalog`.
    pub functions: BTreeSet<QualifiedName>,
    /// Operators used outside `pg_catalog`.
    pub operators: BTreeSet<QualifiedName>,
    /// Types cast to outside `pg_catalog`.
    pub types: BTreeSet<QualifiedName>,
}

/// Schema and name of something.
pub type QualifiedName = (String, String);

/// How one output column is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Derivation {
    /// Name of the output column.
    pub name: String,
    /// It is this column, unchanged.
    pub identity: Option<ColumnId>,
    /// Every column its value depends on.
    pub sources: BTreeSet<ColumnId>,
}

/// The lineage of every view and materialised view of the database that has a definition.
pub fn of_views(catalog: &Catalog) -> HashMap<Oid, ViewLineage> {
    let path = SearchPath::new(["pg_catalog"]);
    catalog
        .relations()
        .filter_map(|relation| {
            let definition = relation.definition.as_deref()?;
            let lineage = match of_definition(definition, catalog, &path) {
                Ok(lineage) => ViewLineage::Known(lineage),
                Err(why) => ViewLineage::Unknown(why),
            };
            Some((relation.oid, lineage))
        })
        .collect()
}

/// The lineage of a query whose names are all qualified.
fn of_definition(definition: &str, catalog: &Catalog, path: &SearchPath) -> Result<Lineage, String> {
    let text = definition.trim_end().trim_end_matches(';');
    let tokens = lexer::lex(text).map_err(|error| error.message().to_owned())?;
    let (operators, types) = hidden_code(text, &tokens)?;
    let query = tree_of(text, &tokens)?;
    let resolved = resolve::resolve_query(&query, catalog, path);
    let names = &resolved.resolution;
    if let Some(name) = names.unresolved.first() {
        return Err(format!("`{}` cannot be resolved", name.path.last.as_str()));
    }
    if let Some(name) = names.ambiguous.first() {
        return Err(format!("`{}` is ambiguous", name.as_str()));
    }
    let mut relations = BTreeSet::new();
    for mention in &names.relations {
        match mention.relation {
            Some(oid) => relations.insert(oid),
            None => return Err(format!("relation `{}` is not known", mention.path.last.as_str())),
        };
    }
    let mut functions = called(text)?;
    functions.extend(relations.iter().flat_map(|oid| casts_of(catalog, *oid)));
    let only_null = |id: &ColumnId| asks_only_for_null(text, &tokens, &resolved, *id);
    let (nullness, indirect) = resolved.indirect.iter().partition(|id| only_null(id));
    Ok(Lineage {
        functions,
        operators,
        types,
        relations,
        indirect,
        nullness,
        outputs: resolved
            .outputs
            .into_iter()
            .map(|column| Derivation {
                name: column.name.as_str().to_owned(),
                identity: column.identity,
                sources: column.sources.into_iter().collect(),
            })
            .collect(),
    })
}

/// Whether a column decides on the rows of a plain query by nothing but `column IS [NOT] NULL`. Any other way in which it is
/// used, if not as an output column itself, counts as more, and so does a query within or beside the query.
fn asks_only_for_null(text: &str, tokens: &[Token], resolved: &Resolved, id: ColumnId) -> bool {
    let word = |token: &Token, words: &[&str]| words.iter().any(|word| token.is_word(text, word));
    let is_plain = tokens.iter().filter(|token| word(token, &["select", "values", "table"])).count() == 1
        && !tokens.iter().any(|token| word(token, &["distinct", "over", "window", "union", "intersect", "except"]));
    let names = &resolved.resolution;
    // The server prints a parenthesis or one of these words before the operand of IS, unless that is more than the column.
    let starts = |token: &Token| token.text(text) == "(" || word(token, &["where", "and", "or", "not", "on"]);
    let tested = |reference: &ColumnRef| {
        let span = reference.path.span();
        let first = tokens.partition_point(|token| token.start < span.start);
        let after = tokens.partition_point(|token| token.start < span.end);
        let null = tokens.get(after + 1).filter(|token| !word(token, &["not"])).or_else(|| tokens.get(after + 2));
        span.end > span.start
            && first.checked_sub(1).and_then(|before| tokens.get(before)).is_some_and(starts)
            && tokens.get(after).is_some_and(|token| word(token, &["is"]))
            && null.is_some_and(|token| word(token, &["null"]))
    };
    let shown_as_it_is =
        resolved.outputs.iter().all(|output| output.identity == Some(id) || !output.sources.contains(&id));
    is_plain
        && shown_as_it_is
        && names.stars.is_empty()
        && names.whole_rows.is_empty()
        && names.columns.iter().filter(|found| found.column == id && found.clause != Clause::Output).all(tested)
}

/// Functions that the server may call, unasked, for values of a relation.
fn casts_of(catalog: &Catalog, relation: Oid) -> impl Iterator<Item = QualifiedName> {
    let columns = catalog.relation(relation).map_or(&[][..], |relation| &relation.columns);
    let concerns = |ty: Oid| columns.iter().any(|column| column.ty.oid == ty);
    let casts = catalog.casts.iter().filter(move |cast| cast.unasked && concerns(cast.ty));
    casts.map(|cast| (cast.schema.to_string(), cast.name.to_string()))
}

/// The functions outside `pg_catalog` that a definition calls anywhere, by PostgreSQL's own tree.
fn called(text: &str) -> Result<BTreeSet<QualifiedName>, String> {
    let outline = second_opinion::outline(text).map_err(|error| error.message)?;
    let mut found = BTreeSet::new();
    for function in outline.statements.iter().flat_map(|statement| &statement.functions) {
        match function.parts.as_slice() {
            [name] => admitted(name)?,
            [schema, name] if schema == "pg_catalog" => admitted(name)?,
            [schema, name] => _ = found.insert((schema.clone(), name.clone())),
            _ => return Err("it calls a function with a longer name".to_owned()),
        }
    }
    Ok(found)
}

fn admitted(name: &str) -> Result<(), String> {
    if functions::admitted(name) { Ok(()) } else { Err(format!("it calls {name}")) }
}

/// The server wrote the definition, and its grammar reads it.
fn tree_of(text: &str, tokens: &[Token]) -> Result<Query, String> {
    match grammar::statement(text, tokens, Around::Plain)? {
        Statement::Query(query) => Ok(query),
        Statement::CopyQuery(_)
        | Statement::CopyRelation { .. }
        | Statement::Explain(_)
        | Statement::Prepare(_)
        | Statement::Declare(_)
        | Statement::Other => Err("it is not a query".to_owned()),
    }
}

/// Operators and types outside `pg_catalog`: both can run a function of the database's own, whose reads stand nowhere in the
/// text.
fn hidden_code(text: &str, tokens: &[Token]) -> Result<(BTreeSet<QualifiedName>, BTreeSet<QualifiedName>), String> {
    let mut operators = BTreeSet::new();
    for (at, _) in tokens.iter().enumerate().filter(|(_, token)| token.is_word(text, "operator")) {
        let Some([open, schema, _, name]) = tokens.get(at + 1..at + 5) else { continue };
        if let Some(schema) = lexer::ident(text, schema).filter(|_| open.text(text) == "(")
            && schema.as_str() != "pg_catalog"
        {
            operators.insert((schema.as_str().to_owned(), name.text(text).to_owned()));
        }
    }
    let outline = second_opinion::outline(text).map_err(|error| error.message)?;
    let mut types = BTreeSet::new();
    for named in outline.statements.iter().flat_map(|statement| &statement.types) {
        match named.parts.as_slice() {
            [_] => {}
            [schema, _] if schema == "pg_catalog" => {}
            [schema, name] => drop(types.insert((schema.clone(), name.clone()))),
            _ => return Err("it casts to a type that cannot be read".to_owned()),
        }
    }
    Ok((operators, types))
}

#[cfg(test)]
mod tests;
