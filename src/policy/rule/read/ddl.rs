//! The section `ddl` of a policy, read with strict keys.

use jiff::{SignedDuration, Timestamp};

use super::{OwnWord, audience, items, one_of};
use crate::model::source::{Fields, Node, Problems, Value, non_empty, time_span};
use crate::policy::rule::{DdlRules, Freeze, InUse, LockTimeout};

pub(super) fn read(node: &Node, problems: &mut Problems<'_>) -> Option<DdlRules> {
    let mut fields = Fields::of(node, "ddl", problems)?;
    let to = fields.optional("to").and_then(|node| audience(node, OwnWord::Narrows, problems));
    let freeze = items(fields.optional("freeze"), problems, freeze);
    let lock_timeout = fields.optional("lock_timeout").and_then(|node| lock_timeout(node, problems));
    let words = [("refuse", InUse::Refuse), ("warn", InUse::Warn), ("off", InUse::Off)];
    // YAML's own word for `off` is no string to those who have read its older versions.
    let in_use = match fields.optional("in_use") {
        Some(Node { value: Value::Boolean(false), .. }) => Some(InUse::Off),
        node => one_of(node, &words, "a way to treat what is in use", problems),
    };
    let in_use_window = fields.optional("in_use_window").and_then(|node| span(node, "30d, 12h or 90min", problems));
    fields.finish(problems);
    Some(DdlRules { to, freeze, lock_timeout, in_use, in_use_window })
}

fn freeze(node: &Node, problems: &mut Problems<'_>) -> Option<Freeze> {
    let mut fields = Fields::of(node, "a freeze", problems)?;
    let from = fields.required("from", problems).and_then(|node| moment(node, problems));
    let until_node = fields.required("until", problems);
    let until = until_node.and_then(|node| moment(node, problems));
    let reason = fields.optional("reason").and_then(|node| non_empty(node, problems)).map(Into::into);
    fields.finish(problems);
    let (from, until) = (from?, until?);
    if until <= from {
        problems.error(&until_node?.span, "a freeze ends after it has begun: `until` is not after `from`");
        return None;
    }
    Some(Freeze { from, until, reason })
}

fn moment(node: &Node, problems: &mut Problems<'_>) -> Option<Timestamp> {
    let text = non_empty(node, problems)?;
    let moment = text.parse().ok();
    if moment.is_none() {
        let help = "Write it as 2026-12-20T00:00:00Z.";
        problems.error_with(&node.span, format!("`{text}` is no moment"), help);
    }
    moment
}

fn lock_timeout(node: &Node, problems: &mut Problems<'_>) -> Option<LockTimeout> {
    if node.as_str() == Some("require") {
        return Some(LockTimeout::Require);
    }
    let time = span(node, "5s, 500ms or 1min; or `require`", problems)?;
    match u32::try_from(time.as_millis()) {
        Ok(milliseconds) if i32::try_from(milliseconds).is_ok() => Some(LockTimeout::Give(milliseconds)),
        _ => {
            problems.error(&node.span, "lock_timeout is at most 2147483647 milliseconds");
            None
        }
    }
}

/// A time span greater than nothing.
fn span(node: &Node, example: &str, problems: &mut Problems<'_>) -> Option<SignedDuration> {
    let found = node.as_str().and_then(time_span).and_then(|span| SignedDuration::try_from(span).ok());
    let found = found.filter(SignedDuration::is_positive);
    if found.is_none() {
        problems.error_with(&node.span, "this is no time span", format!("Write it as {example}."));
    }
    found
}
