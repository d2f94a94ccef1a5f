//! One number for everything that verdicts can depend on: equal views have equal fingerprints.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use super::sorted;
use crate::policy::view::{ColumnRule, Effect, RelationRules, SubjectView, Writes};

/// The fingerprint, the same in every process for the same content.
pub(super) fn of(view: &SubjectView, database: &str) -> u64 {
    let SubjectView { fingerprint: _, governed, relations, writes, functions, ddl } = view;
    // The standard hasher has fixed keys when it is made this way.
    let mut hasher = DefaultHasher::new();
    database.hash(&mut hasher);
    governed.hash(&mut hasher);
    for (oid, rules) in sorted(relations) {
        oid.hash(&mut hasher);
        relation(rules, &mut hasher);
    }
    let Writes { update, insert, delete } = writes;
    for columns in [update, insert] {
        let mut columns: Vec<_> = columns.iter().collect();
        columns.sort_unstable();
        columns.hash(&mut hasher);
    }
    let mut delete: Vec<_> = delete.iter().collect();
    delete.sort_unstable();
    delete.hash(&mut hasher);
    let mut functions: Vec<_> = functions.iter().collect();
    functions.sort_unstable();
    functions.hash(&mut hasher);
    ddl.hash(&mut hasher);
    hasher.finish()
}

fn relation(rules: &RelationRules, hasher: &mut DefaultHasher) {
    let RelationRules { columns, opaque, star_omits_denied, shown, lifecycle } = rules;
    lifecycle.hash(hasher);
    opaque.hash(hasher);
    star_omits_denied.hash(hasher);
    shown.hash(hasher);
    for (attnum, ColumnRule { effect, predicates, reason, shadow, lifecycle, classification, decided }) in columns {
        attnum.hash(hasher);
        match effect {
            Effect::Allow => 0u8.hash(hasher),
            Effect::Mask(mask) => mask.hash(hasher),
            Effect::Deny => 2u8.hash(hasher),
        }
        predicates.hash(hasher);
        reason.hash(hasher);
        shadow.hash(hasher);
        lifecycle.hash(hasher);
        classification.hash(hasher);
        decided.hash(hasher);
    }
}
