//! Masks: what a subject gets in place of a protected value, as SQL that the server evaluates.
//!
//! Adding a mask takes one new file with an `impl Mask`, its `mod` line, and its row in [`MASKS`]. From that slice
//! come the names in YAML, the errors about options, and the help texts.
//!
//! Every mask obeys the same rules. Only `pg_catalog` functions by qualified name and `OPERATOR(pg_catalog.x)` are
//! used, so that nothing a session can create or put on its search path is ever called. The result has the column's
//! exact type, modifier and collation. NULL stays NULL, except for `constant`. A value too short or malformed for the
//! mask is redacted in full. No value may make the expression fail: an error would tell something about it. And
//! nothing may depend on a setting that the session can change, such as TimeZone, since turning it would turn one
//! masked value into many.

mod constant;
mod date_trunc;
mod default;
mod email;
mod field;
mod hash;
mod json;
mod null;
mod partial;
mod redact;
mod regex;
mod round;

use std::fmt;
use std::sync::Arc;

use self::field::{Field, HOLE};
use super::view::MaskExpression;
use crate::model::catalog::ColumnType;
use crate::model::source::{Entry, Fields, Node, Problems, Value, nearest};

pub use hash::{PSEUDONYM_KEYS, PSEUDONYM_NAME, PSEUDONYM_SCHEMA};

/// One mask with its options.
trait Mask: fmt::Debug + Send + Sync {
    /// The expression over a value that is not NULL, of any type that casts to the column's.
    fn sql(&self, field: &Field<'_>) -> Result<String, Unsuited>;

    /// How much it takes away.
    fn strictness(&self) -> Strictness;

    /// Whether NULL stays NULL.
    fn keeps_null(&self) -> bool {
        true
    }

    /// Whether the database must have our pseudonym function.
    fn needs_pseudonym(&self) -> bool {
        false
    }
}

/// Why a mask cannot work on a column: it is denied instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsuited(pub String);

/// How much is taken away, from nothing to everything. Where several rules meet, the greatest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Strictness {
    /// Nothing.
    Allow,
    /// A coarser value: `date_trunc`, `round`.
    Coarse,
    /// Parts of the value: `partial`, `email`.
    Partial,
    /// Only equality: `hash`.
    Hash,
    /// Only the shape: `redact`.
    Redact,
    /// All but the fact that there is a value, or not even that: `constant`.
    Constant,
    /// All but the fact that there is a value: `default`.
    Default,
    /// Everything: `null`.
    Null,
    /// The column is inaccessible.
    Deny,
}

/// A kind of mask, by its name in YAML.
#[derive(Debug)]
pub struct MaskKind {
    /// The key in YAML.
    pub name: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    /// How it is written.
    pub example: &'static str,
    read: fn(&Node, &mut Problems<'_>) -> Option<Arc<dyn Mask>>,
}

/// Every kind of mask, strictest first.
pub static MASKS: &[MaskKind] = &[
    null::KIND,
    default::KIND,
    constant::KIND,
    redact::KIND,
    hash::KIND,
    partial::KIND,
    email::KIND,
    regex::KIND,
    json::KIND,
    date_trunc::KIND,
    round::KIND,
];

/// A mask as a policy uses it.
#[derive(Debug, Clone)]
pub struct MaskUse {
    /// Its name for reports: the policy's own, or the kind's.
    pub name: Box<str>,
    mask: Arc<dyn Mask>,
}

impl MaskUse {
    /// The mask that shows nothing at all.
    pub fn null() -> Self {
        Self { name: "null".into(), mask: Arc::new(null::Null) }
    }

    /// How much it takes away.
    pub fn strictness(&self) -> Strictness {
        self.mask.strictness()
    }

    /// Whether the masked value is NULL exactly where the value is.
    pub fn keeps_null(&self) -> bool {
        !matches!(self.strictness(), Strictness::Constant | Strictness::Null)
    }

    /// Whether the database must have `pgcovenant.pseudonym`.
    pub fn needs_pseudonym(&self) -> bool {
        self.mask.needs_pseudonym()
    }

    /// The expression for a column of this type.
    ///
    /// # Errors
    /// The mask cannot keep the type.
    pub fn compile(&self, ty: &ColumnType) -> Result<MaskExpression, Unsuited> {
        let field = Field::new(ty);
        let value = self.mask.sql(&field)?;
        let guarded =
            if self.mask.keeps_null() { format!("CASE WHEN {HOLE} IS NULL THEN NULL ELSE {value} END") } else { value };
        let parts = field.cast_back(&guarded).split(HOLE).map(Box::from).collect();
        Ok(MaskExpression::new(&self.name, parts))
    }
}

/// A mask by its kind: `{partial: {suffix: 4}}`. `name` is what it is called in reports, the kind's name without one.
pub fn read(node: &Node, name: Option<&str>, problems: &mut Problems<'_>) -> Option<MaskUse> {
    let nothing = Node { value: Value::Null, span: node.span.clone() };
    let (kind, span, options) = match &node.value {
        Value::Null => ("null", &node.span, &nothing),
        Value::String(kind) => (kind.as_str(), &node.span, &nothing),
        _ => match node.entries() {
            [Entry { key, key_span, node }] => (key.as_str(), key_span, node),
            _ => {
                let help = format!("for example {}", MASKS.last().map_or("", |kind| kind.example));
                problems.error_with(&node.span, "a mask is a mapping with one key, its kind", help);
                return None;
            }
        },
    };
    let Some(found) = MASKS.iter().find(|known| known.name == kind) else {
        let names = || MASKS.iter().map(|kind| kind.name);
        let help = match nearest(kind, names()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("kinds of masks: {}", names().collect::<Vec<_>>().join(", ")),
        };
        problems.error_with(span, format!("there is no mask `{kind}`"), help);
        return None;
    };
    let mask = (found.read)(options, problems)?;
    Some(MaskUse { name: name.unwrap_or(found.name).into(), mask })
}

/// Whether a word names a kind of mask.
pub fn is_kind(word: &str) -> bool {
    MASKS.iter().any(|kind| kind.name == word)
}

/// The options of a mask as a mapping; nothing written is an empty one.
fn options<'n>(node: &'n Node, what: &'static str, problems: &mut Problems<'_>) -> Option<Option<Fields<'n>>> {
    if node.value == Value::Null {
        return Some(None);
    }
    Fields::of(node, what, problems).map(Some)
}

/// Reads a mask that has no options.
fn without_options(node: &Node, what: &'static str, problems: &mut Problems<'_>) -> Option<()> {
    if let Some(fields) = options(node, what, problems)? {
        fields.finish(problems);
    }
    Some(())
}

/// A text that may stand in SQL as a literal.
fn plain_text(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let text = crate::model::source::string(node, problems)?;
    if text.contains(HOLE) {
        problems.error(&node.span, "PostgreSQL holds no text with a zero byte");
        return None;
    }
    Some(text)
}

#[cfg(test)]
mod tests;
