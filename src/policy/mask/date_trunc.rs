//! A day or a moment, only as exact as a unit of the calendar.

use std::sync::Arc;

use super::field::{HOLE, Zone};
use super::{Field, Mask, MaskKind, Strictness, Unsuited};
use crate::model::catalog::BaseType;
use crate::model::source::{Node, Problems, nearest, non_empty};

pub(super) const KIND: MaskKind = MaskKind {
    name: "date_trunc",
    help: "the beginning of the year, quarter, month, week, day or hour, in UTC",
    example: "{date_trunc: year}",
    read,
};

const UNITS: &[&str] = &["year", "quarter", "month", "week", "day", "hour"];

#[derive(Debug)]
struct DateTrunc {
    unit: &'static str,
}

fn read(node: &Node, problems: &mut Problems<'_>) -> Option<Arc<dyn Mask>> {
    let word = non_empty(node, problems)?;
    let Some(unit) = UNITS.iter().find(|unit| **unit == word) else {
        let help = match nearest(&word, UNITS.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("units: {}", UNITS.join(", ")),
        };
        problems.error_with(&node.span, format!("`{word}` is not a unit of the mask `date_trunc`"), help);
        return None;
    };
    Some(Arc::new(DateTrunc { unit }))
}

impl Mask for DateTrunc {
    fn sql(&self, field: &Field<'_>) -> Result<String, Unsuited> {
        let trunc = |value: &str| format!("pg_catalog.date_trunc('{}', {value})", self.unit);
        let (ty, value) = match field.ty.base {
            BaseType::Date if self.unit == "hour" => return Err(field.unsuited("date_trunc: hour")),
            BaseType::Date => ("pg_catalog.date", trunc(&format!("CAST({HOLE} AS timestamp without time zone)"))),
            BaseType::Timestamp => match field.zone() {
                Zone::Without => ("timestamp without time zone", trunc(HOLE)),
                // Always the calendar of UTC: a session that could move the boundary could narrow the value down.
                Zone::With => {
                    let utc = format!("pg_catalog.timezone('UTC', {HOLE})");
                    ("timestamp with time zone", format!("pg_catalog.timezone('UTC', {})", trunc(&utc)))
                }
                Zone::Unclear => return Err(field.unsuited("date_trunc")),
            },
            BaseType::Text
            | BaseType::Number
            | BaseType::Boolean
            | BaseType::Time
            | BaseType::Uuid
            | BaseType::Bytes
            | BaseType::Json
            | BaseType::Array
            | BaseType::Network
            | BaseType::Interval
            | BaseType::Enum
            | BaseType::Range
            | BaseType::Multirange
            | BaseType::Other => return Err(field.unsuited("date_trunc")),
        };
        // Far years and infinity would fail or stand out.
        let (low, high) = ("'0002-01-01 00:00:00+00'", "'9999-01-01 00:00:00+00'");
        Ok(format!(
            "CASE WHEN ({HOLE} OPERATOR(pg_catalog.<) CAST({low} AS {ty})) \
             OR ({HOLE} OPERATOR(pg_catalog.>) CAST({high} AS {ty})) THEN NULL ELSE {value} END"
        ))
    }

    fn strictness(&self) -> Strictness {
        Strictness::Coarse
    }
}
