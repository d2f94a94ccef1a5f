//! String constants among the arguments of a call.

use pg_raw_parse::ConstValue;
use pg_raw_parse::Node;
use pg_raw_parse::nodes::{A_Const, FuncCall, TypeName};

use super::offset;
use super::outline::Constant;

/// Casts that leave a string as it is, or only look up what it names.
const TRANSPARENT: &[&str] = &["text", "regclass"];

/// Each argument of a call, where it is a string constant.
pub(super) fn constants(call: &FuncCall) -> Vec<Option<Constant>> {
    call.args().iter().map(constant).collect()
}

fn constant(argument: Node<'_>) -> Option<Constant> {
    match argument {
        Node::A_Const(literal) => string(literal),
        Node::TypeCast(cast) if cast.type_name().is_some_and(is_transparent) => match cast.arg() {
            Node::A_Const(literal) => string(literal),
            _ => None,
        },
        _ => None,
    }
}

fn string(literal: &A_Const) -> Option<Constant> {
    match literal.val() {
        Some(ConstValue::String(value)) => Some(Constant { value: value.to_owned(), start: offset(literal.location) }),
        _ => None,
    }
}

fn is_transparent(name: &TypeName) -> bool {
    let known = match name.names().iter().map(|part| part.sval().unwrap_or_default()).collect::<Vec<_>>().as_slice() {
        [name] | ["pg_catalog", name] => TRANSPARENT.contains(name),
        _ => false,
    };
    known && name.typmods().is_empty() && name.array_bounds().is_empty()
}
