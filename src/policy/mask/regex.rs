//! Every match of a pattern replaced; what the pattern does not fit is hidden in full.

use std::sync::Arc;

use super::{Field, Mask, MaskKind, Strictness, Unsuited, options};
use crate::model::catalog::BaseType;
use crate::model::ident::literal;
use crate::model::source::{Node, Problems, non_empty};

pub(super) const KIND: MaskKind = MaskKind {
    name: "regex",
    help: "every match of `pattern` becomes `replacement` (\\1 is the first group); without a match it is all ****",
    example: "{regex: {pattern: '[0-9]', replacement: '#'}}",
    read,
};

#[derive(Debug)]
struct Regex {
    pattern: String,
    replacement: String,
}

fn read(node: &Node, problems: &mut Problems<'_>) -> Option<Arc<dyn Mask>> {
    let Some(mut fields) = options(node, "the mask `regex`", problems)? else {
        problems.error_with(&node.span, "the mask `regex` needs the key `pattern`", KIND.example);
        return None;
    };
    let pattern = fields.required("pattern", problems).and_then(|node| {
        non_empty(node, problems)?;
        super::plain_text(node, problems)
    });
    let replacement = fields.optional("replacement").map(|node| super::plain_text(node, problems));
    fields.finish(problems);
    let replacement = match replacement {
        Some(text) => text?,
        None => "*".to_owned(),
    };
    Some(Arc::new(Regex { pattern: pattern?, replacement }))
}

impl Mask for Regex {
    fn sql(&self, field: &Field<'_>) -> Result<String, Unsuited> {
        field.need(BaseType::Text, "regex")?;
        let (text, pattern, replacement) = (field.text(), literal(&self.pattern), literal(&self.replacement));
        Ok(format!(
            "CASE WHEN ({text} OPERATOR(pg_catalog.~) CAST({pattern} AS pg_catalog.text)) \
             THEN pg_catalog.regexp_replace({text}, {pattern}, {replacement}, 'g') \
             ELSE CAST('****' AS pg_catalog.text) END"
        ))
    }

    fn strictness(&self) -> Strictness {
        Strictness::Partial
    }
}
