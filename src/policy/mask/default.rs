//! The zero value of the type.

use std::sync::Arc;

use super::{Field, Mask, MaskKind, Strictness, Unsuited, without_options};
use crate::model::catalog::BaseType;

pub(super) const KIND: MaskKind = MaskKind {
    name: "default",
    help: "the zero value of the type: '', 0, false, 1970-01-01, {}",
    example: "{default: {}}",
    read: |node, problems| {
        without_options(node, "the mask `default`", problems)?;
        Some(Arc::new(Default))
    },
};

#[derive(Debug)]
struct Default;

impl Mask for Default {
    fn sql(&self, field: &Field<'_>) -> Result<String, Unsuited> {
        let zero = match field.ty.base {
            BaseType::Text | BaseType::Bytes => "''",
            BaseType::Number => "'0'",
            BaseType::Boolean => "'false'",
            BaseType::Date => "'1970-01-01'",
            // An offset in the literal is read by timestamptz and ignored by timestamp: no session's TimeZone counts.
            BaseType::Timestamp => "'1970-01-01 00:00:00+00'",
            BaseType::Time => "'00:00:00+00'",
            BaseType::Uuid => "'00000000-0000-0000-0000-000000000000'",
            BaseType::Json | BaseType::Array => "'{}'",
            BaseType::Network => "'0.0.0.0/0'",
            BaseType::Other => return Err(field.unsuited("default")),
        };
        // The literal takes the column's type before CASE looks for a common one.
        Ok(format!("CAST({zero} AS {})", field.type_name()))
    }

    fn strictness(&self) -> Strictness {
        Strictness::Default
    }
}
