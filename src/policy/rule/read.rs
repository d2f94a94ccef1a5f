//! A policy file, read with strict keys.

mod ddl;
mod policy_test;
mod who;

use std::collections::BTreeMap;
use std::ops::Range;

use self::who::{OwnWord, audience, exemptions};
use super::Glob;
use super::selector::{NamePattern, RelationPattern, Selector};
use super::{Action, Mode, OnStar, Policy, Predicates, Rule, Unmodelled, WriteGrant};
use crate::model::source::{
    self, Fields, Node, Problems, Value, integer, list, nearest, non_empty, parse, string_or_list,
};
use crate::policy::mask::{self, MaskUse};

/// What `apiVersion` must say.
const API_VERSION: &str = "pgcovenant/v1";

/// The policy in a file; none if it has errors.
pub fn read(problems: &mut Problems<'_>) -> Option<Policy> {
    let file = problems.file();
    let document = parse(file, problems)?;
    let mut fields = Fields::of(&document, "a policy", problems)?;
    one_of(fields.required("apiVersion", problems), &[(API_VERSION, ())], "an apiVersion", problems);
    one_of(fields.required("kind", problems), &[("Policy", ())], "a kind", problems);
    let head = fields.required("metadata", problems).and_then(|node| metadata(node, problems));
    let masks = fields.optional("masks").map(|node| masks(node, problems)).unwrap_or_default();
    let mut reader = Reader { masks: &masks, problems };
    let rules = fields.required("rules", reader.problems).map(|node| reader.rules(node)).unwrap_or_default();
    let unmodelled = one_of(
        fields.optional("unmodelled"),
        &[("deny", Unmodelled::Deny), ("allow", Unmodelled::Allow)],
        "a way to treat unmodelled columns",
        problems,
    );
    let writes = items(fields.optional("writes"), problems, write_grant);
    let ddl = fields.optional("ddl").and_then(|node| ddl::read(node, problems)).unwrap_or_default();
    let tests = items(fields.optional("tests"), problems, policy_test::test);
    fields.finish(problems);
    let (name, version, owner) = head?;
    let unmodelled = unmodelled.unwrap_or(Unmodelled::Deny);
    let policy = Policy { name, version, owner, file: file.clone(), rules, unmodelled, writes, ddl, tests };
    (!problems.failed()).then_some(policy)
}

fn items<T>(
    node: Option<&Node>,
    problems: &mut Problems<'_>,
    read: fn(&Node, &mut Problems<'_>) -> Option<T>,
) -> Vec<T> {
    node.map(|node| list(node, problems).iter().filter_map(|item| read(item, problems)).collect()).unwrap_or_default()
}

/// A word out of a fixed set.
fn one_of<T: Copy>(
    node: Option<&Node>,
    words: &[(&'static str, T)],
    what: &str,
    problems: &mut Problems<'_>,
) -> Option<T> {
    source::one_of(node?, words, &format!("is not {what}"), problems)
}

fn metadata(node: &Node, problems: &mut Problems<'_>) -> Option<(Box<str>, u64, Option<Box<str>>)> {
    let mut fields = Fields::of(node, "metadata", problems)?;
    let name = fields.required("name", problems).and_then(|node| non_empty(node, problems));
    let version = fields.required("version", problems).and_then(|node| integer(node, 0..=i64::MAX, problems));
    let owner = fields.optional("owner").and_then(|node| non_empty(node, problems));
    fields.finish(problems);
    Some((name?.into(), version?.unsigned_abs(), owner.map(Into::into)))
}

fn masks(node: &Node, problems: &mut Problems<'_>) -> BTreeMap<String, Option<MaskUse>> {
    if !matches!(node.value, Value::Map(_)) {
        problems.error(&node.span, format!("masks must be a mapping of names, not {}", node.describe()));
    }
    let mut masks = BTreeMap::new();
    for entry in node.entries() {
        if mask::is_kind(&entry.key) {
            let message = format!("`{}` is a kind of mask, and cannot be the name of one", entry.key);
            problems.error(&entry.key_span, message);
        }
        masks.insert(entry.key.clone(), mask::read(&entry.node, Some(&entry.key), problems));
    }
    masks
}

/// Reads rules, which may name masks.
struct Reader<'r, 'p> {
    /// None for a mask with errors, which are reported already.
    masks: &'r BTreeMap<String, Option<MaskUse>>,
    problems: &'r mut Problems<'p>,
}

impl Reader<'_, '_> {
    fn rules(&mut self, node: &Node) -> Vec<Rule> {
        let mut names: Vec<String> = Vec::new();
        let mut rules = Vec::new();
        for item in list(node, self.problems) {
            let Some(rule) = self.rule(item) else { continue };
            if names.iter().any(|name| **name == *rule.name) {
                let span = item.get("name").map_or(&item.span, |node| &node.span);
                self.problems.error(span, format!("there are two rules of the name `{}`", rule.name));
            }
            names.push(rule.name.to_string());
            rules.push(rule);
        }
        rules
    }

    fn rule(&mut self, node: &Node) -> Option<Rule> {
        let mut fields = Fields::of(node, "a rule", self.problems)?;
        let name = fields.required("name", self.problems).and_then(|node| non_empty(node, self.problems));
        let modes = [("enforce", Mode::Enforce), ("shadow", Mode::Shadow), ("off", Mode::Off)];
        let mode = one_of(fields.optional("mode"), &modes, "a mode", self.problems);
        let columns_node = fields.required("columns", self.problems);
        let columns = columns_node.and_then(|node| selector(node, self.problems));
        let action_node = fields.required("action", self.problems);
        let action = action_node.and_then(|node| self.action(node));
        let protects = !matches!(action, Some(Action::Allow));
        let (of_to, of_except) =
            if protects { (OwnWord::Escapes, OwnWord::Narrows) } else { (OwnWord::Narrows, OwnWord::Escapes) };
        let to = fields.required("to", self.problems).and_then(|node| audience(node, of_to, self.problems));
        let except =
            fields.optional("except").map(|node| exemptions(node, of_except, self.problems)).unwrap_or_default();
        let stars = [("refuse", OnStar::Refuse), ("omit", OnStar::Omit)];
        let on_star = one_of(fields.optional("on_star"), &stars, "a way to treat `*`", self.problems);
        let predicates = fields.optional("predicates").and_then(|node| self.predicates(node, action.as_ref()));
        fields.finish(self.problems);
        Some(Rule {
            name: name?.into(),
            mode: mode.unwrap_or(Mode::Enforce),
            columns: columns?,
            to: to?,
            except,
            action: action?,
            predicates: predicates.unwrap_or(Predicates::Masked),
            on_star: on_star.unwrap_or(OnStar::Refuse),
            columns_span: columns_node?.span.clone(),
            action_span: action_node?.span.clone(),
        })
    }

    fn action(&mut self, node: &Node) -> Option<Action> {
        if let Value::String(_) = node.value {
            let deny = [("allow", false), ("deny", true)];
            let deny = one_of(Some(node), &deny, "an action; it is allow, deny or {mask: …}", self.problems)?;
            return Some(if deny { Action::Deny } else { Action::Allow });
        }
        let mut fields = Fields::of(node, "an action", self.problems)?;
        // `{mask: null}` is read by YAML as a key with nothing behind it, and means the mask of that name.
        fields.optional("mask");
        let mask = node.get("mask");
        if mask.is_none() {
            self.problems.error_with(&node.span, "an action is allow, deny or a mask", "Write `action: {mask: NAME}`.");
        }
        fields.finish(self.problems);
        let mask = mask?;
        match mask.as_str() {
            Some(word) if !mask::is_kind(word) => self.named_mask(word, &mask.span),
            Some(_) | None => mask::read(mask, None, self.problems),
        }
        .map(Action::Mask)
    }

    /// Only a mask leaves conditions anything to see.
    fn predicates(&mut self, node: &Node, action: Option<&Action>) -> Option<Predicates> {
        if let Some(Action::Allow | Action::Deny) = action {
            let help = "A denied column is denied to conditions as well, and an allowed one is open to them.";
            self.problems.error_with(&node.span, "`predicates` belongs to an action that masks", help);
            return None;
        }
        let words = [("masked", Predicates::Masked), ("deny", Predicates::Deny), ("equality", Predicates::Equality)];
        one_of(Some(node), &words, "a way to treat predicates", self.problems)
    }

    fn named_mask(&mut self, word: &str, span: &Range<usize>) -> Option<MaskUse> {
        if let Some(mask) = self.masks.get(word) {
            return mask.clone();
        }
        let known = || self.masks.keys().map(String::as_str).chain(mask::MASKS.iter().map(|kind| kind.name));
        let help = match nearest(word, known()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("known masks: {}", known().collect::<Vec<_>>().join(", ")),
        };
        self.problems.error_with(span, format!("there is no mask `{word}`"), help);
        None
    }
}

fn selector(node: &Node, problems: &mut Problems<'_>) -> Option<Selector> {
    let mut fields = Fields::of(node, "columns", problems)?;
    let mut words = |key, problems: &mut Problems<'_>| -> Vec<Glob> {
        let found = fields.optional(key).map(|node| string_or_list(node, problems)).unwrap_or_default();
        found.iter().map(|(word, _)| Glob::new(word)).collect()
    };
    let tags = words("tags", problems);
    let classification = words("classification", problems);
    let names = fields.optional("names").map(|node| names(node, problems)).unwrap_or_default();
    let span = fields.span().clone();
    let nothing = ["tags", "names", "classification"].iter().all(|key| node.get(key).is_none());
    fields.finish(problems);
    if nothing {
        problems.error_with(&span, "columns selects nothing", "Give `tags`, `names` or `classification`.");
        return None;
    }
    Some(Selector { tags, names, classification })
}

fn names(node: &Node, problems: &mut Problems<'_>) -> Vec<NamePattern> {
    let mut patterns = Vec::new();
    for (text, span) in string_or_list(node, problems) {
        match NamePattern::parse(&text) {
            Some(pattern) => patterns.push(pattern),
            None => problems.error_with(&span, format!("`{text}` names no column"), "Write `schema.table.column`."),
        }
    }
    patterns
}

fn write_grant(node: &Node, problems: &mut Problems<'_>) -> Option<WriteGrant> {
    let mut fields = Fields::of(node, "an entry of writes", problems)?;
    let to = fields.required("to", problems).and_then(|node| audience(node, OwnWord::Narrows, problems));
    let except = fields.optional("except").map(|node| exemptions(node, OwnWord::Escapes, problems)).unwrap_or_default();
    let mut columns = |key, problems: &mut Problems<'_>| -> Vec<NamePattern> {
        let node = fields.optional(key).filter(|node| !matches!(&node.value, Value::List(items) if items.is_empty()));
        node.map(|node| names(node, problems)).unwrap_or_default()
    };
    let update = columns("update", problems);
    let insert = columns("insert", problems);
    let mut delete = Vec::new();
    for item in fields.optional("delete").map(|node| list(node, problems)).unwrap_or_default() {
        let Some(text) = non_empty(item, problems) else { continue };
        match RelationPattern::parse(&text) {
            Some(pattern) => delete.push(pattern),
            None => problems.error_with(&item.span, format!("`{text}` names no table"), "Write `schema.table`."),
        }
    }
    fields.finish(problems);
    Some(WriteGrant { to: to?, except, update, insert, delete, span: node.span.clone() })
}

#[cfg(test)]
mod tests;
