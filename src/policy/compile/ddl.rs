//! What the policies say of changes of the structure, for one subject in one database.

use jiff::SignedDuration;

use super::load::Bundle;
use crate::model::contract::Entity;
use crate::policy::rule::{InUse, LockTimeout, Policy};
use crate::policy::snapshot::Occasion;
use crate::policy::subject::Subject;
use crate::policy::view::{Ddl, Frozen};

/// How long ago a use still counts, where no policy says so.
const WINDOW: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A relation that a contract describes.
#[derive(Debug, Clone, Copy)]
pub struct Described<'b> {
    /// Its schema.
    pub schema: &'b str,
    /// What the contract says of it.
    pub entity: &'b Entity,
    /// The policies beside that contract.
    pub policies: &'b [Policy],
}

impl Bundle {
    /// The relations of a database that contracts describe.
    pub fn described<'b>(&'b self, database: &'b str) -> impl Iterator<Item = Described<'b>> {
        self.groups.iter().flat_map(move |group| {
            let entities = group.contracts.iter().flat_map(move |contract| contract.entities_in(database));
            entities.map(move |(schema, entity)| Described { schema, entity, policies: &group.policies })
        })
    }
}

/// The strictest of what the policies about the database say; none where no contract is about it.
pub(super) fn of(bundle: &Bundle, subject: &Subject, occasion: Occasion<'_>) -> Option<Ddl> {
    let covers =
        |group: &&super::load::Group| group.contracts.iter().any(|contract| contract.covers(&subject.database));
    let mut groups = bundle.groups.iter().filter(covers).peekable();
    groups.peek()?;
    let policies: Vec<&Policy> = groups.flat_map(|group| &group.policies).collect();
    let rules = || policies.iter().map(|policy| &policy.ddl);
    let frozen = policies.iter().flat_map(|policy| {
        policy.ddl.freeze.iter().filter(|freeze| freeze.holds(occasion.now)).map(|freeze| Frozen {
            until: freeze.until,
            reason: freeze.reason.clone(),
            policy: policy.name.clone(),
            version: policy.version,
        })
    });
    let shut = |policy: &&&Policy| policy.ddl.to.as_ref().is_some_and(|to| !to.includes(subject));
    let mut closed_by: Vec<Box<str>> = policies.iter().filter(shut).map(|policy| policy.name.clone()).collect();
    closed_by.sort_unstable();
    Some(Ddl {
        closed_by,
        frozen: frozen.max_by(|one, other| (one.until, &other.policy).cmp(&(other.until, &one.policy))),
        lock_timeout: rules().filter_map(|ddl| ddl.lock_timeout).reduce(LockTimeout::stricter),
        in_use: rules().filter_map(|ddl| ddl.in_use).max().unwrap_or(InUse::Refuse),
        window: rules().filter_map(|ddl| ddl.in_use_window).max().unwrap_or(WINDOW),
    })
}
