//! The first and last few characters of a text.

use std::sync::Arc;

use super::{Field, Mask, MaskKind, Strictness, Unsuited, options};
use crate::model::catalog::BaseType;
use crate::model::ident::literal;
use crate::model::source::{Node, Problems, integer};

pub(super) const KIND: MaskKind = MaskKind {
    name: "partial",
    help: "the first `prefix` and the last `suffix` characters, with `padding` between; shorter texts are all padding",
    example: "{partial: {prefix: 0, padding: \"************\", suffix: 4}}",
    read,
};

#[derive(Debug)]
struct Partial {
    prefix: i64,
    padding: String,
    suffix: i64,
}

fn read(node: &Node, problems: &mut Problems<'_>) -> Option<Arc<dyn Mask>> {
    let mut mask = Partial { prefix: 0, padding: "****".to_owned(), suffix: 0 };
    if let Some(mut fields) = options(node, "the mask `partial`", problems)? {
        if let Some(node) = fields.optional("prefix") {
            mask.prefix = integer(node, 0..=1000, problems)?;
        }
        if let Some(node) = fields.optional("padding") {
            mask.padding = super::plain_text(node, problems)?;
        }
        if let Some(node) = fields.optional("suffix") {
            mask.suffix = integer(node, 0..=1000, problems)?;
        }
        fields.finish(problems);
    }
    Some(Arc::new(mask))
}

impl Mask for Partial {
    fn sql(&self, field: &Field<'_>) -> Result<String, Unsuited> {
        field.need(BaseType::Text, "partial")?;
        let Self { prefix, suffix, .. } = self;
        let (text, padding) = (field.text(), literal(&self.padding));
        Ok(format!(
            "CASE WHEN (pg_catalog.length({text}) OPERATOR(pg_catalog.>) {}) \
             THEN ((pg_catalog.left({text}, {prefix}) OPERATOR(pg_catalog.||) CAST({padding} AS pg_catalog.text)) \
             OPERATOR(pg_catalog.||) pg_catalog.right({text}, {suffix})) \
             ELSE CAST({padding} AS pg_catalog.text) END",
            prefix + suffix
        ))
    }

    fn strictness(&self) -> Strictness {
        Strictness::Partial
    }
}
