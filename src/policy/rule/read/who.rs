//! Who a rule, an exemption or a grant is about.

use super::{Glob, one_of};
use crate::model::source::{Fields, Node, Problems, date, list, networks, string_or_list};
use crate::policy::rule::who::{Audience, Exemption, Match};

/// What a client gains by choosing its `application_name` freely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwnWord {
    /// Nothing that something better established does not give it: fine.
    Narrows,
    /// It gets away from a protection: never fine.
    Escapes,
}

pub(super) fn audience(node: &Node, own_word: OwnWord, problems: &mut Problems<'_>) -> Option<Audience> {
    if node.as_str().is_some() {
        return one_of(Some(node), &[("everyone", ())], "an audience", problems).map(|()| Audience::Everyone);
    }
    let items = list(node, problems);
    if items.is_empty() {
        problems.error_with(
            &node.span,
            "this is about nobody",
            "Write `to: everyone`, or a list such as [{role: support}].",
        );
        return None;
    }
    let mut matches = Vec::new();
    for item in items {
        let Some(mut fields) = Fields::of(item, "a subject", problems) else { continue };
        let one = matched(&mut fields, own_word, problems);
        fields.finish(problems);
        matches.extend(one);
    }
    (matches.len() == items.len()).then_some(Audience::Any(matches))
}

pub(super) fn exemptions(node: &Node, own_word: OwnWord, problems: &mut Problems<'_>) -> Vec<Exemption> {
    let mut exemptions = Vec::new();
    for item in list(node, problems) {
        let Some(mut fields) = Fields::of(item, "an exemption", problems) else { continue };
        let expires = fields.optional("expires").and_then(|node| date(node, problems));
        let who = matched(&mut fields, own_word, problems);
        fields.finish(problems);
        exemptions.extend(who.map(|who| Exemption { who, expires }));
    }
    exemptions
}

fn matched(fields: &mut Fields<'_>, own_word: OwnWord, problems: &mut Problems<'_>) -> Option<Match> {
    let mut words = |key, problems: &mut Problems<'_>| -> Option<Vec<Glob>> {
        let found = string_or_list(fields.optional(key)?, problems);
        Some(found.iter().map(|(word, _)| Glob::new(word)).collect())
    };
    let mut one = Match {
        user: words("user", problems),
        role: words("role", problems),
        database: words("database", problems),
        cert: words("cert", problems),
        application: words("application", problems),
        cidr: None,
    };
    one.cidr = fields.optional("cidr").map(|node| networks(node, problems));
    let application = fields.entry("application").map(|entry| &entry.key_span);
    match (one.is_established(), application) {
        (true, None) => Some(one),
        (true, Some(_)) if own_word == OwnWord::Narrows => Some(one),
        (true, Some(span)) => {
            let help = "application_name is the client's own word: with another one it would get away.";
            problems.error_with(span, "`application` cannot limit a protection", help);
            None
        }
        (false, Some(span)) => {
            let help = "application_name is the client's own word. Add user, role, database, cidr or cert.";
            problems.error_with(span, "`application` alone identifies nobody", help);
            None
        }
        (false, None) => {
            let help = "Give user, role, database, cidr or cert.";
            problems.error_with(fields.span(), "this describes nobody", help);
            None
        }
    }
}
