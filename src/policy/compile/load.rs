//! From files to a bundle: what kind each file is, which belong together, and whether they fit each other.
//!
//! The files of one folder belong together: a policy is about the contracts that lie beside it.

mod fit;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::model::contract::{self, Contract};
use crate::model::source::{self, Diagnostic, Node, Problems, Severity, SourceFile, parse};
use crate::policy::rule::{self, Policy};

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
                group.policies.iter().for_each(|policy| diagnostics.extend(fit::check(policy, &group.contracts)));
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
