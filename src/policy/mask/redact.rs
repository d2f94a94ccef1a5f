//! The shape of a text: every letter and digit becomes the same character.

use std::sync::Arc;

use super::{Field, Mask, MaskKind, Strictness, Unsuited, options};
use crate::model::catalog::BaseType;
use crate::model::ident::literal;
use crate::model::source::{Node, Problems};

pub(super) const KIND: MaskKind = MaskKind {
    name: "redact",
    help: "every letter and digit becomes `char`; length and punctuation stay",
    example: "{redact: {char: \"*\"}}",
    read,
};

/// Everything but ASCII punctuation and the space. Listed by code point, since classes such as `[:alnum:]` follow the
/// database's locale, under which letters of other scripts may be none.
const HIDDEN: &str = "'[^ -/:-@[-`{-~]'";

#[derive(Debug)]
struct Redact {
    char: String,
}

fn read(node: &Node, problems: &mut Problems<'_>) -> Option<Arc<dyn Mask>> {
    let mut char = "*".to_owned();
    if let Some(mut fields) = options(node, "the mask `redact`", problems)? {
        if let Some(node) = fields.optional("char") {
            char = super::plain_text(node, problems)?;
            // A backslash would be read as a reference to what was matched.
            if char.chars().count() != 1 || char == "\\" {
                problems.error(&node.span, "`char` must be one character, and no backslash");
                return None;
            }
        }
        fields.finish(problems);
    }
    Some(Arc::new(Redact { char }))
}

impl Mask for Redact {
    fn sql(&self, field: &Field<'_>) -> Result<String, Unsuited> {
        field.need(BaseType::Text, "redact")?;
        Ok(format!("pg_catalog.regexp_replace({}, {HIDDEN}, {}, 'g')", field.text(), literal(&self.char)))
    }

    fn strictness(&self) -> Strictness {
        Strictness::Redact
    }
}
