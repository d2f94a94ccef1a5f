//! The text that a statement stands in, and what can be asked of it.

use crate::engine::check::Facts;
use crate::engine::kind;
use crate::engine::objection::Objection;
use crate::engine::refusal::SqlState;
use crate::engine::report::{Effects, RelationUse};
use crate::engine::stages::Stopwatch;
use crate::engine::{temporary, touched};
use crate::model::catalog::{Catalog, SearchPath};
use crate::sql::lexer::Token;
use crate::sql::second_opinion::OutlineStatement;

/// The text that the statement stands in.
pub(in crate::engine) struct Text<'a> {
    pub sql: &'a str,
    pub tokens: &'a [Token],
    pub facts: &'a Facts<'a>,
    pub catalog: Option<&'a Catalog>,
    /// Where the columns of its views come from.
    pub lineages: Option<&'a touched::Lineages>,
    /// What the statements before it, in the same text, do to the session.
    pub earlier: Effects,
    /// The temporary tables of the session, as those statements leave them.
    pub own: &'a temporary::Own,
    /// Measures where the time goes.
    pub watch: &'a Stopwatch,
}

impl Text<'_> {
    pub(in crate::engine) fn tokens_of(&self, outline: &OutlineStatement) -> &[Token] {
        let start = self.tokens.partition_point(|token| token.start < outline.start);
        let end = self.tokens.partition_point(|token| token.start < outline.end);
        self.tokens.get(start..end).unwrap_or_default()
    }

    pub(in crate::engine) fn token_at(&self, start: u32) -> Option<&Token> {
        let at = self.tokens.binary_search_by_key(&start, |token| token.start).ok()?;
        self.tokens.get(at)
    }

    /// The search path that names are resolved along. Governed sessions must know it; others lose nothing by a guess.
    pub(in crate::engine) fn search_path<'p>(&'p self, fallback: &'p SearchPath) -> Result<&'p SearchPath, Objection> {
        if !self.facts.view.governed {
            return Ok(self.facts.search_path.unwrap_or(fallback));
        }
        let unknown = || {
            Objection::new(SqlState::ObjectNotInPrerequisiteState, "search_path is not known at this point")
                .detail("It was changed earlier in this transaction or pipeline, and names cannot be resolved.")
                .hint("Send the statement on its own after the change.")
        };
        if self.earlier.search_path_may_change {
            return Err(unknown());
        }
        let path = self.facts.search_path.ok_or_else(unknown)?;
        if !path.catalog_first() {
            return Err(Objection::not_understood("search_path puts a schema before pg_catalog"));
        }
        Ok(path)
    }

    /// Relations that PostgreSQL's grammar sees, where nothing more is known.
    pub(super) fn named_relations(&self, outline: &OutlineStatement) -> Vec<RelationUse> {
        let (Some(catalog), fallback) = (self.catalog, SearchPath::default()) else { return Vec::new() };
        let path = self.facts.search_path.unwrap_or(&fallback);
        let mut found = Vec::new();
        for named in &outline.relations {
            let relation = catalog.named(path, named.schema.as_deref(), &named.name);
            // What is reported is bounded by the catalog; the names of temporary tables are not.
            let Some(relation) = relation.filter(|relation| !relation.is_temporary()) else { continue };
            let used = RelationUse {
                relation: relation.oid,
                schema: (&*relation.schema).into(),
                name: (&*relation.name).into(),
                operation: kind::operation_on(named.verb, &outline.kind),
            };
            if !found.contains(&used) {
                found.push(used);
            }
        }
        found
    }
}
