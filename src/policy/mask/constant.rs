//! Always the same value, in place of NULL as well.

use std::sync::Arc;

use super::{Field, Mask, MaskKind, Strictness, Unsuited};
use crate::model::catalog::BaseType;
use crate::model::ident::literal;
use crate::model::source::{Node, Problems, Value, number};

pub(super) const KIND: MaskKind = MaskKind {
    name: "constant",
    help: "always this value, in place of NULL as well",
    example: "{constant: hidden}",
    read,
};

const MONEY: u32 = 790;
const MACADDR: u32 = 829;
const MACADDR8: u32 = 774;
const BIT: u32 = 1560;
const VARBIT: u32 = 1562;
/// `"char"`.
const CHARACTER: u32 = 18;
/// Where the numbers of types begin that the server does not bring along.
const FIRST_OF_USERS: u32 = 16_384;

#[derive(Debug)]
struct Constant(String);

fn read(node: &Node, problems: &mut Problems<'_>) -> Option<Arc<dyn Mask>> {
    let value = match &node.value {
        Value::Boolean(value) => value.to_string(),
        Value::Integer(_) | Value::Float(..) => number(node, problems)?,
        Value::String(_) => super::plain_text(node, problems)?,
        Value::Null | Value::List(_) | Value::Map(_) => {
            problems.error_with(&node.span, "the mask `constant` needs a value", "for example {constant: hidden}");
            return None;
        }
    };
    Some(Arc::new(Constant(value)))
}

impl Mask for Constant {
    fn sql(&self, field: &Field<'_>) -> Result<String, Unsuited> {
        if !self.fits(field) {
            return Err(Unsuited(format!("the constant of the mask is no value of the type {}", field.ty.sql)));
        }
        Ok(literal(&self.0))
    }

    fn strictness(&self) -> Strictness {
        Strictness::Constant
    }

    fn keeps_null(&self) -> bool {
        false
    }
}

impl Constant {
    /// Whether the literal can be read as the type: one that cannot would make every statement fail. Types whose
    /// values only the server knows are taken on trust.
    fn fits(&self, field: &Field<'_>) -> bool {
        let text = self.0.trim();
        match field.ty.base {
            BaseType::Number => self.fits_number(field),
            BaseType::Boolean => matches!(text, "true" | "false"),
            BaseType::Date => text.parse::<jiff::civil::Date>().is_ok(),
            BaseType::Timestamp => {
                // Without an offset a timestamptz would depend on the session's TimeZone.
                text.parse::<jiff::Timestamp>().is_ok()
                    || (field.zone() == super::field::Zone::Without && text.parse::<jiff::civil::DateTime>().is_ok())
            }
            BaseType::Uuid => {
                let digits: String = text.chars().filter(|c| *c != '-').collect();
                digits.len() == 32 && digits.chars().all(|c| c.is_ascii_hexdigit())
            }
            BaseType::Json => serde_json::from_str::<serde_json::Value>(text).is_ok(),
            BaseType::Array => text == "{}" || (text.starts_with('{') && text.ends_with('}') && holds_texts(field)),
            BaseType::Network => text.parse::<std::net::IpAddr>().is_ok() || text.parse::<ipnet::IpNet>().is_ok(),
            BaseType::Range => matches!(text, "empty" | "(,)"),
            BaseType::Multirange => matches!(text, "{}" | "{(,)}"),
            BaseType::Time => text.parse::<jiff::civil::Time>().is_ok(),
            BaseType::Interval => text.starts_with('P') && text.parse::<jiff::Span>().is_ok(),
            BaseType::Bytes => match text.strip_prefix("\\x") {
                Some(digits) => digits.len() % 2 == 0 && digits.chars().all(|c| c.is_ascii_hexdigit()),
                None => !text.contains('\\'),
            },
            BaseType::Text | BaseType::Enum => true,
            BaseType::Other => fits_other(field, text),
        }
    }

    fn fits_number(&self, field: &Field<'_>) -> bool {
        let whole = |limit: i64| {
            self.0.parse::<i64>().is_ok_and(|value| value.checked_abs().is_some_and(|value| value <= limit))
        };
        match field.ty.oid.0 {
            21 => whole(i64::from(i16::MAX)),
            23 => whole(i64::from(i32::MAX)),
            20 => whole(i64::MAX),
            1700 if field.ty.typmod >= 4 => {
                let (precision, scale) = super::round::numeric_modifier(field.ty.typmod);
                self.0.parse::<f64>().is_ok_and(|value| value.abs() < 10f64.powi(precision - scale))
            }
            _ => self.0.parse::<f64>().is_ok_and(f64::is_finite),
        }
    }
}

/// Elements of arrays of texts need no look.
fn holds_texts(field: &Field<'_>) -> bool {
    ["text", "character varying", "character"].iter().any(|element| field.ty.sql.starts_with(element))
}

/// Types of no family: of those that the server brings along, only values that can be told to fit.
fn fits_other(field: &Field<'_>, text: &str) -> bool {
    let digits = |count: usize| {
        let found: String = text.chars().filter(|c| *c != ':').collect();
        found.len() == count && found.chars().all(|c| c.is_ascii_hexdigit())
    };
    match field.ty.oid.0 {
        MONEY => text.parse::<i32>().is_ok(),
        MACADDR => digits(12),
        MACADDR8 => digits(16),
        BIT | VARBIT => text.chars().all(|c| matches!(c, '0' | '1')),
        CHARACTER => text.len() == 1,
        oid => oid >= FIRST_OF_USERS || oid == 0,
    }
}
