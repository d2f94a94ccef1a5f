//! COPY of a relation: what the subject may see of it is copied instead.

use super::projection::shifted;
use super::{Done, Rewriter, misfit};
use crate::engine::decide::{Case, is_hidden};
use crate::engine::retired;
use crate::model::catalog::Column;
use crate::model::ident::Ident;
use crate::sql::access::{RelationIndex, RelationRef};
use crate::sql::lexer::Token;
use crate::sql::splice::{Generated, Splicer};
use crate::sql::tree::{Name, Span};

/// Adds the replacement of COPY … TO.
pub(in crate::engine) fn copy_out(
    case: &Case<'_>,
    text: &str,
    tokens: &[Token],
    splicer: &mut Splicer<'_>,
    copied: (&[Name], Span),
) -> Done {
    let mut rewriter = Rewriter { case, text, tokens, splicer };
    match case.resolution.relations.first() {
        Some(mention) => rewriter.copy_out(mention, copied.0, copied.1),
        None => Ok(()),
    }
}

impl Rewriter<'_, '_, '_, '_> {
    /// COPY of a protected relation becomes COPY of its projection; like COPY, it leaves children out.
    fn copy_out(&mut self, mention: &RelationRef, columns: &[Name], span: Span) -> Done {
        let Some(relation) = self.case.relation(mention) else { return Ok(()) };
        let rules = self.case.rules(mention);
        let hides = rules.is_some_and(|rules| rules.columns.values().any(is_hidden));
        let is_copied =
            |column: &&Column| columns.is_empty() || columns.iter().any(|name| *column.name == *name.as_str());
        let mut sources = relation
            .columns
            .iter()
            .filter(is_copied)
            .map(|column| retired::read_from(self.case.view, relation, column));
        let redirected = sources.any(|source| source.is_some());
        match (self.case.view.governed, hides) {
            (true, _) if redirected || hides || rules.is_some_and(|rules| rules.protects()) => {}
            (true, _) => return self.replace(mention.path.span(), relation.qualified(), Generated::Plain),
            (false, _) if redirected => {}
            (false, true) if columns.is_empty() => {
                let names: Vec<_> =
                    self.shown_columns(relation).map(|column| Ident::quoted(&column.name).to_string()).collect();
                let list = format!(" ({})", names.join(", "));
                return self.splicer.insert_after(mention.path.span().end, list).map_err(misfit);
            }
            (false, _) => return Ok(()),
        }
        let projection = self.projection((RelationIndex(0), mention), relation, "ONLY ", Vec::new())?;
        let list = match columns {
            [] => "*".to_owned(),
            names => names.iter().map(|name| name.ident.to_string()).collect::<Vec<_>>().join(", "),
        };
        let head = format!("(SELECT {list} FROM ");
        let generated = Generated::Query(shifted(vec![(0, projection.generated)], head.len()));
        let text = format!("{head}{} AS {})", projection.text, mention.path.last.ident);
        self.replace(span, text, generated)
    }
}
