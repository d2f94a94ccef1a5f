//! Whether a policy fits the contracts beside it: what it names is promised there, and its masks suit it.

use std::collections::BTreeSet;

use crate::model::contract::{self, Contract, types};
use crate::model::source::{Diagnostic, Problems, nearest};
use crate::policy::mask::{PSEUDONYM_NAME, PSEUDONYM_SCHEMA, Unsuited};
use crate::policy::rule::{Action, Mode, NamePattern, Policy, Predicates, Rule, Unmodelled, WriteGrant};

/// A column that a contract promises.
struct Promised<'a> {
    schema: &'a str,
    entity: &'a contract::Entity,
    field: &'a contract::Field,
}

/// Whether a policy fits the contracts beside it.
pub(super) fn check(policy: &Policy, contracts: &[Contract]) -> Vec<Diagnostic> {
    let mut problems = Problems::new(&policy.file);
    let lists_pseudonym = |contract: &&Contract| {
        contract.functions.iter().any(|(schema, name)| (&**schema, &**name) == (PSEUDONYM_SCHEMA, PSEUDONYM_NAME))
    };
    if contracts.iter().any(|contract| lists_pseudonym(&contract)) {
        let help =
            "Take it out of `pgcovenantFunctions`: who may call it can try out which value a pseudonym stands for.";
        problems.error_with(&(0..1), format!("the contract calls {PSEUDONYM_SCHEMA}.{PSEUDONYM_NAME} safe"), help);
    }
    if contracts.is_empty() {
        let help = "A policy is about the contracts in its own folder.";
        problems.error_with(&(0..1), "there is no contract beside this policy", help);
        return problems.into_found();
    }
    let promised: Vec<Promised<'_>> = contracts
        .iter()
        .flat_map(|contract| contract.databases().flat_map(|database| contract.entities_in(database)))
        .flat_map(|(schema, entity)| entity.fields.iter().map(move |field| Promised { schema, entity, field }))
        .collect();
    for rule in policy.rules.iter().filter(|rule| rule.mode != Mode::Off) {
        check_names(rule, policy, &promised, &mut problems);
        check_mask(rule, &promised, &mut problems);
    }
    for grant in &policy.writes {
        check_pseudonyms(grant, policy, &promised, &mut problems);
        for pattern in grant.update.iter().chain(&grant.insert).filter(|pattern| !matched(pattern, &promised)) {
            let message = format!("writes names {}, which the contract does not know", pattern.display());
            problems.error_with(&grant.span, message, suggestion(pattern, &promised));
        }
    }
    problems.into_found()
}

fn matched(pattern: &NamePattern, promised: &[Promised<'_>]) -> bool {
    promised.iter().any(|Promised { schema, entity, field }| pattern.matches(schema, &entity.name, &field.name))
}

fn suggestion(pattern: &NamePattern, promised: &[Promised<'_>]) -> String {
    let names: BTreeSet<String> = promised
        .iter()
        .map(|Promised { schema, entity, field }| format!("{schema}.{}.{}", entity.name, field.name))
        .collect();
    match nearest(&pattern.display(), names.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "Add the column to the contract, or correct the name.".to_owned(),
    }
}

fn check_names(rule: &Rule, policy: &Policy, promised: &[Promised<'_>], problems: &mut Problems<'_>) {
    if matches!(rule.action, Action::Allow) {
        // Such a rule is there to name what the contract does not know.
        return;
    }
    let exact = rule.columns.names.iter().filter(|pattern| pattern.is_exact());
    for pattern in exact.filter(|pattern| !matched(pattern, promised)) {
        let message = format!("the contract knows no column {}", pattern.display());
        let help = suggestion(pattern, promised);
        match policy.unmodelled {
            Unmodelled::Deny => problems.error_with(&rule.columns_span, message, help),
            Unmodelled::Allow => problems.warn(&rule.columns_span, message, help),
        }
    }
    let selects = |Promised { schema, entity, field }: &Promised<'_>| {
        rule.columns.selects_field(entity, field) || rule.columns.selects_name(schema, &entity.name, &field.name)
    };
    if !promised.iter().any(selects) {
        let help = "Compare it with the tags, names and classifications of the contract.";
        problems.warn(&rule.columns_span, "this selects no column of the contract", help);
    }
}

/// Who may write a column that he is shown as a pseudonym can try out which value stands behind one.
fn check_pseudonyms(grant: &WriteGrant, policy: &Policy, promised: &[Promised<'_>], problems: &mut Problems<'_>) {
    let rules: Vec<&Rule> =
        policy.rules.iter().filter(|rule| rule.mode != Mode::Off && rule.needs_pseudonym()).collect();
    for Promised { schema, entity, field } in promised {
        let granted = |pattern: &NamePattern| pattern.matches(schema, &entity.name, &field.name);
        let is_shown = |rule: &&Rule| {
            rule.columns.selects_field(entity, field) || rule.columns.selects_name(schema, &entity.name, &field.name)
        };
        let rule = rules.iter().copied().find(|rule| is_shown(rule));
        if let Some(rule) = rule.filter(|_| grant.update.iter().chain(&grant.insert).any(granted)) {
            let message = format!(
                "{schema}.{}.{} can be written, and rule `{}` shows a pseudonym of it",
                entity.name, field.name, rule.name
            );
            let help =
                "Who is allowed both can write a guess and compare pseudonyms. Leave the column out of `writes`.";
            problems.warn(&grant.span, message, help);
        }
    }
}

/// A mask must be able to keep the type of every column that it is meant for, as far as the contract tells the type.
fn check_mask(rule: &Rule, promised: &[Promised<'_>], problems: &mut Problems<'_>) {
    let Action::Mask(mask) = &rule.action else { return };
    for Promised { schema, entity, field } in promised {
        let Some(physical) = &field.physical_type else { continue };
        let ty = types::column_type(physical);
        let selected =
            rule.columns.selects_field(entity, field) || rule.columns.selects_name(schema, &entity.name, &field.name);
        if ty.oid.0 == 0 || !selected {
            continue;
        }
        if let Err(Unsuited(why)) = mask.compile(&ty) {
            let message = format!("{schema}.{}.{} cannot be masked like this: {why}", entity.name, field.name);
            problems.error_with(&rule.action_span, message, "Take another mask for it, or deny it.");
        }
        if rule.predicates == Predicates::Equality && !ty.has_plain_equality() {
            let message = format!(
                "{schema}.{}.{} cannot be looked up by equality: `=` of the type {} means something else, or there is none",
                entity.name, field.name, ty.sql
            );
            problems.error_with(&rule.action_span, message, "Leave `predicates` out for it, or write `masked`.");
        }
    }
}
