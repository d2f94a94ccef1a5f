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
        let ty = field.type_name();
        // A literal takes the column's type before CASE looks for a common one.
        let literal = |zero: &str| Ok(format!("CAST({} AS {ty})", crate::model::ident::literal(zero)));
        match field.ty.base {
            BaseType::Text | BaseType::Bytes => literal(""),
            BaseType::Number => literal("0"),
            BaseType::Boolean => literal("false"),
            BaseType::Date => literal("1970-01-01"),
            // An offset in the literal is read by timestamptz and ignored by timestamp: no session's TimeZone counts.
            BaseType::Timestamp => literal("1970-01-01 00:00:00+00"),
            BaseType::Time => literal("00:00:00+00"),
            BaseType::Uuid => literal("00000000-0000-0000-0000-000000000000"),
            BaseType::Json | BaseType::Array | BaseType::Multirange => literal("{}"),
            BaseType::Network => literal("0.0.0.0/0"),
            BaseType::Interval => literal("PT0S"),
            BaseType::Range => literal("empty"),
            BaseType::Enum => Ok(format!("pg_catalog.enum_first(CAST(NULL AS {ty}))")),
            BaseType::Other => other(field),
        }
    }

    fn strictness(&self) -> Strictness {
        Strictness::Default
    }
}

/// Types of the server that are of no family, by number.
fn other(field: &Field<'_>) -> Result<String, Unsuited> {
    let zero = match field.ty.oid.0 {
        // How a text becomes xml depends on a setting, unless it is said.
        142 => return Ok("XMLPARSE(CONTENT '')".to_owned()),
        790 => "0",
        829 => "00:00:00:00:00:00",
        774 => "00:00:00:00:00:00:00:00",
        1560 => return Ok(format!("CAST(B'{}' AS {})", zero_bits(field.ty.typmod), field.type_name())),
        1562 | 3614 | 3615 => "",
        600 => "(0,0)",
        601 => "[(0,0),(0,0)]",
        602 | 604 => "((0,0))",
        603 => "(0,0),(0,0)",
        718 => "<(0,0),0>",
        3220 => "0/0",
        _ => return Err(field.unsuited("default")),
    };
    Ok(format!("CAST('{zero}' AS {})", field.type_name()))
}

/// As many zeros as a bit string of the type has.
fn zero_bits(typmod: i32) -> String {
    "0".repeat(usize::try_from(typmod).unwrap_or(1).max(1))
}
