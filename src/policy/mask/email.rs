//! The first character of an e-mail address, and its domain.

use std::sync::Arc;

use super::{Field, Mask, MaskKind, Strictness, Unsuited, without_options};
use crate::model::catalog::BaseType;

pub(super) const KIND: MaskKind = MaskKind {
    name: "email",
    help: "the first character, ****, and the domain; anything without an address in it is all ****",
    example: "{email: {}}",
    read: |node, problems| {
        without_options(node, "the mask `email`", problems)?;
        Some(Arc::new(Email))
    },
};

#[derive(Debug)]
struct Email;

impl Mask for Email {
    fn sql(&self, field: &Field<'_>) -> Result<String, Unsuited> {
        field.need(BaseType::Text, "email")?;
        let text = field.text();
        Ok(format!(
            "CASE WHEN (pg_catalog.strpos({text}, '@') OPERATOR(pg_catalog.>) 1) \
             THEN ((pg_catalog.left({text}, 1) OPERATOR(pg_catalog.||) CAST('****' AS pg_catalog.text)) \
             OPERATOR(pg_catalog.||) pg_catalog.substr({text}, pg_catalog.strpos({text}, '@'))) \
             ELSE CAST('****' AS pg_catalog.text) END"
        ))
    }

    fn strictness(&self) -> Strictness {
        Strictness::Partial
    }
}
