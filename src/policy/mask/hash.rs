//! A keyed pseudonym: equal values stay equal, in every table, and nothing else is told.
//!
//! The key never leaves the server. The expression calls a function that `deploy/sql/pgcovenant.sql` installs and
//! names the key; the function alone can read it. So it is in no statement, no plan and no log.

use std::sync::Arc;

use super::{Field, Mask, MaskKind, Strictness, Unsuited, options};
use crate::model::catalog::BaseType;
use crate::model::ident::literal;
use crate::model::source::{Node, Problems, non_empty};

pub(super) const KIND: MaskKind = MaskKind {
    name: "hash",
    help: "a pseudonym that joins across tables, made with the key of this name inside the database",
    example: "{hash: {key: customers}}",
    read,
};

/// Schema of the function that makes pseudonyms.
pub const PSEUDONYM_SCHEMA: &str = "pgcovenant";
/// Name of the function that makes pseudonyms.
pub const PSEUDONYM_NAME: &str = "pseudonym";

/// Name of the table that holds their keys.
pub const PSEUDONYM_KEYS: &str = "pseudonym_key";

const BIGINT: u32 = 20;

#[derive(Debug)]
struct Hash {
    key: String,
}

fn read(node: &Node, problems: &mut Problems<'_>) -> Option<Arc<dyn Mask>> {
    let Some(mut fields) = options(node, "the mask `hash`", problems)? else {
        problems.error_with(&node.span, "the mask `hash` needs the key `key`", KIND.example);
        return None;
    };
    let node = fields.required("key", problems);
    fields.finish(problems);
    let node = node?;
    let key = non_empty(node, problems)?;
    let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if !plain || key.len() > 63 {
        let help = "The secret itself belongs into the database only: see deploy/sql/pgcovenant.sql.";
        problems.error_with(&node.span, "a key's name has letters, digits, `_`, `-` and `.`, 63 at most", help);
        return None;
    }
    Some(Arc::new(Hash { key }))
}

/// Fewer hexadecimal digits would be the same for values that are not.
const SHORTEST: i32 = 16;

/// Whether varchar(n) or char(n) has too few characters.
fn is_short(field: &Field<'_>) -> bool {
    let has_length = matches!(field.ty.oid.0, 1042 | 1043) && field.ty.typmod >= 4;
    // char without a length has one character.
    (has_length && field.ty.typmod - 4 < SHORTEST) || &*field.ty.sql == "character"
}

impl Mask for Hash {
    fn sql(&self, field: &Field<'_>) -> Result<String, Unsuited> {
        let digest = format!("{PSEUDONYM_SCHEMA}.{PSEUDONYM_NAME}({}, {})", field.text(), literal(&self.key));
        match field.ty.base {
            // A length in the type cuts the digest off.
            BaseType::Text if is_short(field) => Err(Unsuited(format!(
                "a pseudonym cut to the type {} would stand for too many values: it needs {SHORTEST} characters",
                field.ty.sql
            ))),
            BaseType::Text => Ok(digest),
            BaseType::Uuid => Ok(format!("CAST(pg_catalog.left({digest}, 32) AS pg_catalog.uuid)")),
            BaseType::Bytes => {
                // bytea as text depends on the session's bytea_output.
                let text = format!(
                    "pg_catalog.encode(CAST({super_hole} AS pg_catalog.bytea), 'hex')",
                    super_hole = super::HOLE
                );
                let digest = format!("{PSEUDONYM_SCHEMA}.{PSEUDONYM_NAME}({text}, {})", literal(&self.key));
                Ok(format!("pg_catalog.decode({digest}, 'hex')"))
            }
            BaseType::Number if field.ty.oid.0 == BIGINT => {
                let bits =
                    format!("(CAST('x' AS pg_catalog.text) OPERATOR(pg_catalog.||) pg_catalog.left({digest}, 16))");
                Ok(format!("CAST(CAST({bits} AS bit(64)) AS bigint)"))
            }
            // Smaller numbers would meet each other too often to join by.
            BaseType::Number
            | BaseType::Boolean
            | BaseType::Date
            | BaseType::Timestamp
            | BaseType::Time
            | BaseType::Json
            | BaseType::Array
            | BaseType::Network
            | BaseType::Interval
            | BaseType::Enum
            | BaseType::Range
            | BaseType::Multirange
            | BaseType::Other => Err(field.unsuited("hash")),
        }
    }

    fn strictness(&self) -> Strictness {
        Strictness::Hash
    }

    fn needs_pseudonym(&self) -> bool {
        true
    }
}
