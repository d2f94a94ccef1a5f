//! From files to a bundle: what kind each file is, which belong together, and whether they fit each other.
//!
//! The files of one folder belong together: a policy is about the contracts that lie beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::model::contract::{self, Contract, types};
use crate::model::source::{self, Diagnostic, Node, Problems, Severity, SourceFile, nearest, parse};
use crate::policy::mask::{PSEUDONYM_NAME, PSEUDONYM_SCHEMA, Unsuited};
use crate::policy::rule::{self, Action, Mode, NamePattern, Policy, Predicates, Rule, Unmodelled, WriteGrant};

/// Contracts and policies as loaded from one set of files.
#[derive(Debug, Default)]
pub struct Bundle {
    pub(super) groups: Vec<Group>,
}

/// What lies in one folder.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) contracts: Vec<Contract>,
    pub(super) policies: Vec<Policy>,
}

impl Bundle {
    /// The contracts and policies in a folder and the folders in it, with every problem of every file. There is a
    /// bundle if none of the problems is an error.
    pub fn load(folder: &Path) -> (Option<Self>, Vec<Diagnostic>) {
        match source::read_folder(folder) {
            Ok(files) => Self::from_sources(&files),
            Err(error) => {
                let diagnostic = Diagnostic {
                    severity: Severity::Error,
                    file: folder.to_string_lossy().into(),
                    line: 1,
                    column: 1,
                    span: 0..0,
                    message: error.to_string(),
                    help: None,
                };
                (None, vec![diagnostic])
            }
        }
    }

    /// The same from files that have been read already.
    pub fn from_sources(files: &[SourceFile]) -> (Option<Self>, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
        let mut broken_contracts: BTreeSet<&str> = BTreeSet::new();
        for file in files {
            let mut problems = Problems::new(file);
            match kind(file, &mut problems) {
                Some(Kind::Contract) => match contract::read(&mut problems) {
                    Some(contract) => {
                        super::queries::check(&contract, &mut problems);
                        groups.entry(file.folder()).or_default().contracts.push(contract);
                    }
                    None => _ = broken_contracts.insert(file.folder()),
                },
                Some(Kind::Policy) => {
                    if let Some(policy) = rule::read(&mut problems) {
                        groups.entry(file.folder()).or_default().policies.push(policy);
                    }
                }
                Some(Kind::Configuration) | None => {}
            }
            diagnostics.extend(problems.into_found());
        }
        for (folder, group) in &groups {
            // Without the contract, everything that a policy says would look wrong.
            if !broken_contracts.contains(folder) {
                group.policies.iter().for_each(|policy| diagnostics.extend(check(policy, &group.contracts)));
            }
        }
        diagnostics.extend(same_names(groups.values()));
        let failed = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        let bundle = Self { groups: groups.into_values().collect() };
        ((!failed).then_some(bundle), diagnostics)
    }

    /// Every contract.
    pub fn contracts(&self) -> impl Iterator<Item = &Contract> {
        self.groups.iter().flat_map(|group| &group.contracts)
    }

    /// Every policy.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.groups.iter().flat_map(|group| &group.policies)
    }

    /// Every policy, with the contracts that it is about.
    pub fn policies_with_contracts(&self) -> impl Iterator<Item = (&Policy, &[Contract])> {
        self.groups.iter().flat_map(|group| group.policies.iter().map(|policy| (policy, &*group.contracts)))
    }

    /// Rules, by policy and name, whose masks need the function of `deploy/sql/pgcovenant.sql` in the database.
    pub fn rules_with_pseudonyms(&self) -> Vec<(&str, &str)> {
        let rules = self.policies().flat_map(|policy| policy.rules.iter().map(move |rule| (policy, rule)));
        let needing = rules.filter(|(_, rule)| rule.needs_pseudonym());
        needing.map(|(policy, rule)| (&*policy.name, &*rule.name)).collect()
    }

    /// Whom to ask about a policy: `metadata.owner` of the one of that name.
    pub fn owner(&self, policy: &str) -> Option<&str> {
        self.policies().find(|known| &*known.name == policy)?.owner.as_deref()
    }

    /// The next moment after `now` at which the same files mean something else: a day begins, a brownout or a freeze begins or
    /// ends.
    pub fn next_change(&self, now: Timestamp) -> Timestamp {
        let entities = self.contracts().flat_map(|contract| &contract.entities);
        let retirements = entities.flat_map(|entity| {
            entity.retirement.iter().chain(entity.fields.iter().filter_map(|field| field.retirement.as_ref()))
        });
        let freezes = self.policies().flat_map(|policy| &policy.ddl.freeze);
        let edges = freezes.filter_map(|freeze| freeze.next_change(now));
        let edge = retirements.filter_map(|retirement| retirement.next_change(now)).chain(edges).min();
        let tomorrow = now.to_zoned(TimeZone::UTC).tomorrow().and_then(|day| day.start_of_day());
        // Without a tomorrow, at the end of time, nothing changes any more.
        let midnight = tomorrow.map_or(Timestamp::MAX, |day| day.timestamp());
        edge.map_or(midnight, |edge| edge.min(midnight))
    }

    /// The databases that contracts are about, each once.
    pub fn databases(&self) -> BTreeSet<&str> {
        self.contracts().flat_map(Contract::databases).collect()
    }
}

enum Kind {
    Contract,
    Policy,
    /// The configuration of the process may lie among them; it is not read here.
    Configuration,
}

fn kind(file: &SourceFile, problems: &mut Problems<'_>) -> Option<Kind> {
    // Problems with the YAML are reported by the reader that follows, hence only here if none does.
    let mut ignored = Problems::new(file);
    let Some(document) = parse(file, &mut ignored) else {
        parse(file, problems);
        return None;
    };
    let version = document.get("apiVersion").and_then(Node::as_str).unwrap_or("");
    match document.get("kind").and_then(Node::as_str) {
        Some("DataContract") => return Some(Kind::Contract),
        Some("Policy") => return Some(Kind::Policy),
        _ if file.name().contains(".odcs.") => return Some(Kind::Contract),
        _ if version.starts_with("pgcovenant/") => return Some(Kind::Policy),
        None if document.get("upstream").is_some() || document.get("listen").is_some() => {
            return Some(Kind::Configuration);
        }
        Some(_) | None => {}
    }
    let help = "Contracts say `kind: DataContract`, policies say `kind: Policy`.";
    let at = document.get("kind").map_or(0..1, |node| node.span.clone());
    problems.error_with(&at, "this is neither a contract nor a policy", help);
    None
}

/// Policies are told apart by their names in refusals, audit records and metrics.
fn same_names<'a>(groups: impl Iterator<Item = &'a Group>) -> Vec<Diagnostic> {
    let mut seen: BTreeMap<&str, &SourceFile> = BTreeMap::new();
    let mut found = Vec::new();
    for policy in groups.flat_map(|group| &group.policies) {
        if let Some(first) = seen.insert(&policy.name, &policy.file) {
            let mut problems = Problems::new(&policy.file);
            let message = format!("the policy in {} has the name `{}` as well", first.path, policy.name);
            problems.error(&(0..1), message);
            found.extend(problems.into_found());
        }
    }
    found
}

/// A column that a contract promises.
struct Promised<'a> {
    schema: &'a str,
    entity: &'a contract::Entity,
    field: &'a contract::Field,
}

/// Whether a policy fits the contracts beside it.
fn check(policy: &Policy, contracts: &[Contract]) -> Vec<Diagnostic> {
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
