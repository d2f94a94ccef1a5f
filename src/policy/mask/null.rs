//! Nothing at all: a NULL of the column's type.

use std::sync::Arc;

use super::{Field, Mask, MaskKind, Strictness, Unsuited, without_options};

pub(super) const KIND: MaskKind = MaskKind {
    name: "null",
    help: "NULL in the column's type",
    example: "{null: {}}",
    read: |node, problems| {
        without_options(node, "the mask `null`", problems)?;
        Some(Arc::new(Null))
    },
};

#[derive(Debug)]
pub(super) struct Null;

impl Mask for Null {
    fn sql(&self, _field: &Field<'_>) -> Result<String, Unsuited> {
        Ok("NULL".to_owned())
    }

    fn strictness(&self) -> Strictness {
        Strictness::Null
    }

    fn keeps_null(&self) -> bool {
        // It does, and needs no look at the value to do so.
        false
    }
}
