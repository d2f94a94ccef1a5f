//! What the contracts and policies in force say to those who look at metrics: whose a table is, how fast it is to be, and
//! which names are known before any traffic comes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ring::digest::{Context, SHA256};

use super::metrics::KnownName;
use crate::model::contract::{Contract, Entity, Field};
use crate::model::lifecycle::{Person, Retirement};
use crate::policy::compile::Bundle;
use crate::policy::rule::{Audience, Exemption, Glob, Match};

/// How fast statements are to be where the contract says nothing.
const LATENCY_TARGET: Duration = Duration::from_millis(200);

/// What a label says where nothing is known.
const NONE: &str = "none";

/// A contract, for `pgcovenant_contract_info`.
#[derive(Debug, PartialEq, Eq)]
pub struct ContractInForce {
    /// Its name, or its id.
    pub id: Box<str>,
    /// Its version.
    pub version: Box<str>,
    /// Whose it is.
    pub team: Box<str>,
    /// `draft`, `active` …
    pub status: Box<str>,
}

/// A table of a contract, for `pgcovenant_table_info`.
#[derive(Debug, PartialEq, Eq)]
pub struct TableInForce {
    /// The database.
    pub database: Box<str>,
    /// The schema.
    pub schema: Box<str>,
    /// The relation.
    pub relation: Box<str>,
    /// The contract.
    pub contract: Arc<ContractInForce>,
    /// How much depends on it.
    pub criticality: Box<str>,
    /// How fast statements are to be.
    pub latency_target: Duration,
}

/// A short digest of the files that make up a bundle: their names without folders, and their texts.
pub fn digest(bundle: &Bundle) -> String {
    let contracts = bundle.contracts().map(|contract| &contract.file);
    let mut files: Vec<_> = contracts.chain(bundle.policies().map(|policy| &policy.file)).collect();
    files.sort_by(|one, other| (one.name(), &one.text).cmp(&(other.name(), &other.text)));
    let mut context = Context::new(&SHA256);
    for file in files {
        for part in [file.name(), &file.text] {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part.as_bytes());
        }
    }
    context.finish().as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// The contracts of a bundle.
pub fn contracts(bundle: &Bundle) -> Vec<ContractInForce> {
    bundle.contracts().map(in_force).collect()
}

fn in_force(contract: &Contract) -> ContractInForce {
    ContractInForce {
        id: contract.name().into(),
        version: contract.version.clone(),
        team: contract.team.clone().unwrap_or_else(|| NONE.into()),
        status: contract.status.clone(),
    }
}

/// The tables and views of a bundle, each once: of several contracts about one, the first by name stands for all, so that
/// a join with it has one side only.
pub fn tables(bundle: &Bundle) -> Vec<TableInForce> {
    let mut contracts: Vec<&Contract> = bundle.contracts().collect();
    contracts.sort_by_key(|contract| (contract.name(), &contract.version));
    let mut tables = BTreeMap::new();
    for contract in contracts {
        let info = Arc::new(in_force(contract));
        for (database, schema, entity) in entities(contract) {
            tables.entry((database, schema, &entity.name)).or_insert_with(|| TableInForce {
                database: database.into(),
                schema: schema.into(),
                relation: entity.name.clone(),
                contract: Arc::clone(&info),
                criticality: entity.criticality.clone().unwrap_or_else(|| NONE.into()),
                latency_target: entity.latency_target.unwrap_or(LATENCY_TARGET),
            });
        }
    }
    tables.into_values().collect()
}

fn entities(contract: &Contract) -> impl Iterator<Item = (&str, &str, &Entity)> {
    contract.databases().flat_map(move |database| {
        contract.entities_in(database).map(move |(schema, entity)| (database, schema, entity))
    })
}

/// The names that a bundle knows, of what can become a label.
pub fn names(bundle: &Bundle) -> Vec<KnownName<'_>> {
    let mut names = Vec::new();
    for contract in bundle.contracts() {
        names.extend(contract.databases().map(KnownName::Database));
        for (database, schema, entity) in entities(contract) {
            names.push(KnownName::Relation([database, schema, &entity.name]));
            let counted = entity.fields.iter().filter(|field| is_counted(bundle, schema, entity, field));
            names.extend(counted.map(|field| KnownName::Column([database, schema, &entity.name, &field.name])));
            // A table on its way out is a column without a name.
            names.extend(entity.retirement.iter().map(|_| KnownName::Column([database, schema, &entity.name, ""])));
            let retirements = entity.fields.iter().filter_map(|field| field.retirement.as_ref());
            names.extend(entity.retirement.iter().chain(retirements).flat_map(persons));
        }
    }
    for policy in bundle.policies() {
        names.extend(policy.rules.iter().map(|rule| KnownName::Rule(&rule.name)));
        let rules = policy.rules.iter().flat_map(|rule| audience(&rule.to, &rule.except));
        let writes = policy.writes.iter().flat_map(|grant| audience(&grant.to, &grant.except));
        let ddl = policy.ddl.to.iter().flat_map(|to| audience(to, &[]));
        names.extend(rules.chain(writes).chain(ddl));
    }
    names
}

/// Whether references to a column are counted.
fn is_counted(bundle: &Bundle, schema: &str, entity: &Entity, field: &Field) -> bool {
    let mut rules = bundle.policies().flat_map(|policy| &policy.rules);
    field.classification.is_some()
        || field.retirement.is_some()
        || rules.any(|rule| {
            rule.columns.selects_field(entity, field) || rule.columns.selects_name(schema, &entity.name, &field.name)
        })
}

fn audience<'a>(to: &'a Audience, except: &'a [Exemption]) -> impl Iterator<Item = KnownName<'a>> {
    let matches: &[Match] = match to {
        Audience::Everyone => &[],
        Audience::Any(matches) => matches,
    };
    let all = matches.iter().chain(except.iter().map(|exemption| &exemption.who));
    all.filter_map(|who| who.application.as_ref()).flatten().filter_map(application)
}

fn persons(retirement: &Retirement) -> impl Iterator<Item = KnownName<'_>> {
    let consumers = retirement.consumers.iter().map(|(person, _)| person);
    let exempt = retirement.exempt.iter().map(|exemption| &exemption.person);
    let persons = consumers.chain(exempt).chain(retirement.known.iter().flatten());
    persons.filter_map(|person: &Person| application(person.application.as_ref()?))
}

/// A pattern names nobody.
fn application(glob: &Glob) -> Option<KnownName<'_>> {
    glob.is_exact().then(|| KnownName::Application(glob.as_str()))
}
