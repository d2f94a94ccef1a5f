//! Roles, and everything that each is a member of.

use std::collections::{BTreeSet, HashMap};

use tokio_postgres::Transaction;

use crate::model::catalog::Role;
use crate::upstream::connect::UpstreamError;
use crate::upstream::rows::{get, text};

const ROLES: &str = "SELECT r.rolname::text AS name, r.rolsuper AS superuser FROM pg_catalog.pg_roles r";

/// Direct memberships, whatever their options: who may SET ROLE to it, or inherits it, is a member. The owner of a database is a
/// member of pg_database_owner there without a row that says so.
const MEMBERSHIPS: &str = "
SELECT m.rolname::text AS member, g.rolname::text AS role
  FROM pg_catalog.pg_auth_members a
  JOIN pg_catalog.pg_roles m ON m.oid = a.member
  JOIN pg_catalog.pg_roles g ON g.oid = a.roleid
UNION ALL
SELECT o.rolname::text, 'pg_database_owner'
  FROM pg_catalog.pg_database d
  JOIN pg_catalog.pg_roles o ON o.oid = d.datdba
 WHERE d.datname = current_database()";

pub(super) async fn read(transaction: &Transaction<'_>) -> Result<HashMap<Box<str>, Role>, UpstreamError> {
    let mut superusers = Vec::new();
    for row in transaction.query(ROLES, &[]).await? {
        superusers.push((text(&row, "name")?, get::<bool>(&row, "superuser")?));
    }
    let mut direct: HashMap<Box<str>, Vec<Box<str>>> = HashMap::new();
    for row in transaction.query(MEMBERSHIPS, &[]).await? {
        direct.entry(text(&row, "member")?).or_default().push(text(&row, "role")?);
    }
    let role = |(name, superuser): (Box<str>, bool)| {
        let member_of = closure(&name, &direct);
        (name, Role { member_of, superuser })
    };
    Ok(superusers.into_iter().map(role).collect())
}

/// Every role that `name` reaches, itself included.
fn closure(name: &str, direct: &HashMap<Box<str>, Vec<Box<str>>>) -> BTreeSet<Box<str>> {
    let mut reached = BTreeSet::from([Box::from(name)]);
    let mut open: Vec<&str> = vec![name];
    while let Some(next) = open.pop() {
        for role in direct.get(next).into_iter().flatten() {
            if reached.insert(role.clone()) {
                open.push(role);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> HashMap<Box<str>, Vec<Box<str>>> {
        let boxed = |roles: &[&str]| roles.iter().copied().map(Box::from).collect();
        edges.iter().map(|(member, roles)| (Box::from(*member), boxed(roles))).collect()
    }

    #[test]
    fn membership_is_transitive_and_includes_the_role_itself() {
        let direct = graph(&[("ann", &["support", "dev"]), ("support", &["staff"]), ("staff", &["all"])]);
        let names: Vec<_> = closure("ann", &direct).into_iter().map(String::from).collect();
        assert_eq!(names, ["all", "ann", "dev", "staff", "support"]);
        assert_eq!(closure("all", &direct).len(), 1);
    }

    #[test]
    fn a_cycle_ends() {
        let direct = graph(&[("a", &["b"]), ("b", &["a"])]);
        assert_eq!(closure("a", &direct).len(), 2);
    }
}
