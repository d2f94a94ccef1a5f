//! A number, only as exact as a step.

use std::sync::Arc;

use super::field::HOLE;
use super::{Field, Mask, MaskKind, Strictness, Unsuited};
use crate::model::catalog::BaseType;
use crate::model::source::{Node, Problems, number};

pub(super) const KIND: MaskKind = MaskKind {
    name: "round",
    help: "the number rounded down to a multiple of the step",
    example: "{round: 1000}",
    read,
};

const FLOAT4: u32 = 700;
const FLOAT8: u32 = 701;

#[derive(Debug)]
struct Round {
    step: String,
    value: f64,
}

fn read(node: &Node, problems: &mut Problems<'_>) -> Option<Arc<dyn Mask>> {
    let step = number(node, problems)?;
    let value: f64 = step.parse().unwrap_or(0.0);
    if !(1e-6..=1e12).contains(&value) {
        problems.error(&node.span, "the step must be between 0.000001 and 1000000000000");
        return None;
    }
    Some(Arc::new(Round { step, value }))
}

impl Mask for Round {
    fn sql(&self, field: &Field<'_>) -> Result<String, Unsuited> {
        field.need(BaseType::Number, "round")?;
        let ty = match field.ty.oid.0 {
            FLOAT4 | FLOAT8 => "double precision",
            _ => "numeric",
        };
        let value = format!("CAST({HOLE} AS {ty})");
        let step = format!("CAST('{}' AS {ty})", self.step);
        let (low, high) = self.bounds(field);
        Ok(format!(
            "CASE WHEN ({value} OPERATOR(pg_catalog.>=) CAST('{low}' AS {ty})) \
             AND ({value} OPERATOR(pg_catalog.<=) CAST('{high}' AS {ty})) \
             THEN (pg_catalog.floor(({value} OPERATOR(pg_catalog./) {step})) OPERATOR(pg_catalog.*) {step}) \
             ELSE NULL END"
        ))
    }

    fn strictness(&self) -> Strictness {
        Strictness::Coarse
    }
}

impl Round {
    /// The values whose result fits the type for certain; others, infinity and NaN among them, become NULL, since a
    /// failing cast would tell that they are there.
    fn bounds(&self, field: &Field<'_>) -> (String, String) {
        let whole = |limit: i64| {
            #[expect(clippy::cast_possible_truncation, reason = "the step is at most 1e12")]
            let step = self.value.ceil() as i64;
            (limit.saturating_neg().saturating_add(step).to_string(), limit.to_string())
        };
        let wide = || ("-1e15".to_owned(), "1e15".to_owned());
        match field.ty.oid.0 {
            21 => whole(i64::from(i16::MAX)),
            23 => whole(i64::from(i32::MAX)),
            20 => whole(i64::MAX),
            1700 if field.ty.typmod >= 4 => {
                let (precision, scale) = numeric_modifier(field.ty.typmod);
                let digits = precision - scale;
                if digits <= 15 {
                    let limit = 10f64.powi(digits);
                    (format!("{:.6}", -limit + self.value + 1e-6), format!("{limit:.0}"))
                } else {
                    wide()
                }
            }
            _ => wide(),
        }
    }
}

/// Precision and scale of a numeric's modifier.
pub(super) fn numeric_modifier(typmod: i32) -> (i32, i32) {
    let packed = typmod - 4;
    // The scale is eleven bits, signed.
    let scale = ((packed & 0x7ff) ^ 0x400) - 0x400;
    ((packed >> 16) & 0xffff, scale)
}
