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
        let (text, padding) = (field.text(), format!("CAST({} AS pg_catalog.text)", literal(&self.padding)));
        // What is not there is not computed.
        let mut shown = padding.clone();
        if *prefix > 0 {
            shown = format!("(pg_catalog.left({text}, {prefix}) OPERATOR(pg_catalog.||) {shown})");
        }
        if *suffix > 0 {
            shown = format!("({shown} OPERATOR(pg_catalog.||) pg_catalog.right({text}, {suffix}))");
        }
        let longest_hidden = prefix + suffix;
        Ok(format!(
            "CASE WHEN (pg_catalog.length({text}) OPERATOR(pg_catalog.>) {longest_hidden}) THEN {shown} ELSE {padding} END"
        ))
    }

    fn strictness(&self) -> Strictness {
        Strictness::Partial
    }
}
