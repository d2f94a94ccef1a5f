//! Which versions of contracts and policies are in force, and when a contract of a database last changed its version.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::contract::Contract;
use crate::observe::audit::PolicyVersion;

/// A contract with its version and the databases that it is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContractVersion {
    /// Its `id`.
    pub contract: String,
    /// Its `version`.
    pub version: String,
    /// The databases.
    pub databases: Vec<String>,
}

impl ContractVersion {
    /// Of a contract.
    pub fn of(contract: &Contract) -> Self {
        let mut databases: Vec<_> = contract.databases().map(str::to_owned).collect();
        databases.sort();
        databases.dedup();
        Self { contract: contract.id.to_string(), version: contract.version.to_string(), databases }
    }
}

/// What is in force since some moment.
#[derive(Debug, Clone)]
pub struct InForce {
    contracts: Vec<ContractVersion>,
    policies: Vec<PolicyVersion>,
    /// When the set of contracts and versions of a database last changed.
    changed: BTreeMap<String, Timestamp>,
    /// When this process began.
    started: Timestamp,
}

impl InForce {
    /// Nothing yet.
    pub fn nothing(started: Timestamp) -> Self {
        Self { contracts: Vec::new(), policies: Vec::new(), changed: BTreeMap::new(), started }
    }

    /// What follows when these are loaded at that moment. A load that changes no version of a contract changes no moment.
    pub fn followed_by(&self, contracts: Vec<ContractVersion>, policies: &[PolicyVersion], now: Timestamp) -> Self {
        let mut next =
            Self { contracts, policies: policies.to_vec(), changed: self.changed.clone(), started: self.started };
        let databases: Vec<String> =
            self.contracts.iter().chain(&next.contracts).flat_map(|contract| contract.databases.clone()).collect();
        for database in databases {
            if self.contracts_of(&database) != next.contracts_of(&database) {
                next.changed.insert(database, now);
            }
        }
        next
    }

    /// Contracts of a database and their versions.
    pub fn contracts_of(&self, database: &str) -> Vec<(&str, &str)> {
        let about = |contract: &&ContractVersion| contract.databases.iter().any(|name| name == database);
        let mut found: Vec<_> = self
            .contracts
            .iter()
            .filter(about)
            .map(|contract| (contract.contract.as_str(), contract.version.as_str()))
            .collect();
        found.sort_unstable();
        found
    }

    /// Policies and their versions.
    pub fn policies(&self) -> &[PolicyVersion] {
        &self.policies
    }

    /// Every database that a contract is about, with the moment of its last change of a version.
    pub fn changes(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        self.changed.iter().map(|(database, at)| (database.as_str(), *at))
    }

    /// When a contract of the database last changed its version: for a database without contracts, or whose contracts are
    /// those that the process began with, that is the start.
    pub fn changed_at(&self, database: &str) -> Timestamp {
        self.changed.get(database).copied().unwrap_or(self.started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract(name: &str, version: &str, database: &str) -> ContractVersion {
        ContractVersion { contract: name.to_owned(), version: version.to_owned(), databases: vec![database.to_owned()] }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn only_another_version_of_its_own_contracts_is_a_change_for_a_database() {
        let begun = InForce::nothing(at(1));
        assert_eq!(begun.changed_at("shop"), at(1));
        let first = begun.followed_by(vec![contract("a", "1", "shop"), contract("b", "1", "bank")], &[], at(2));
        assert_eq!((first.changed_at("shop"), first.changed_at("bank")), (at(2), at(2)));
        let same = first.followed_by(vec![contract("b", "1", "bank"), contract("a", "1", "shop")], &[], at(3));
        assert_eq!((same.changed_at("shop"), same.changed_at("bank")), (at(2), at(2)));
        let next = same.followed_by(vec![contract("a", "2", "shop"), contract("b", "1", "bank")], &[], at(4));
        assert_eq!((next.changed_at("shop"), next.changed_at("bank")), (at(4), at(2)));
        let gone = next.followed_by(vec![contract("a", "2", "shop")], &[], at(5));
        assert_eq!((gone.changed_at("shop"), gone.changed_at("bank")), (at(4), at(5)));
        assert_eq!(gone.contracts_of("shop"), [("a", "2")]);
    }
}
