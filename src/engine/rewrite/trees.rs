//! Stored trees of expressions, such as defaults in `pg_attrdef`: where a statement only has them shown as text, or asks whether
//! they are NULL, they are left as they are.

use super::Rewriter;
use crate::model::catalog::Column;
use crate::policy::system::TREE;
use crate::policy::view::{ColumnRule, Effect};
use crate::sql::access::RelationIndex;
use crate::sql::tree::Span;

impl Rewriter<'_, '_, '_, '_> {
    /// Whether a statement uses a column of a mention for nothing but to have pg_get_expr turn it into text, and to ask whether
    /// it is NULL.
    pub(super) fn only_as_text(&self, index: RelationIndex, column: &Column) -> bool {
        let resolution = self.case.resolution;
        let mut uses = resolution
            .columns
            .iter()
            .filter(|found| found.via == index && found.column.attnum == column.attnum)
            .peekable();
        let hidden = resolution.has_aliased_join
            || resolution.stars.iter().any(|star| star.relations.contains(&index))
            || resolution.whole_rows.iter().any(|row| row.via == index);
        !hidden
            && uses.peek().is_some()
            && uses.all(|found| {
                let span = found.path.span();
                found.is_value && (resolution.shown_trees.contains(&span.start) || self.is_tested_for_null(span))
            })
    }

    /// `column IS NULL` or `column IS NOT NULL`, where nothing else can be done with it first.
    fn is_tested_for_null(&self, span: Span) -> bool {
        const BEFORE: &[&str] = &["when", "and", "or", "where", "not", "on", "select"];
        let first = self.tokens.partition_point(|token| token.start < span.start);
        let after = self.tokens.partition_point(|token| token.start < span.end);
        let is = |at: usize, word: &str| self.tokens.get(at).is_some_and(|token| token.is_word(self.text, word));
        let before = first.checked_sub(1).and_then(|at| self.tokens.get(at)).is_some_and(|token| {
            token.is_symbol(self.text, "(")
                || token.is_symbol(self.text, ",")
                || BEFORE.iter().any(|word| token.is_word(self.text, word))
        });
        before && is(after, "is") && (is(after + 1, "null") || is(after + 1, "not") && is(after + 2, "null"))
    }
}

/// Whether a column holds such trees, which are masked by nature.
pub(super) fn is_tree(rule: &ColumnRule) -> bool {
    matches!(&rule.effect, Effect::Mask(mask) if &*mask.name == TREE)
}
