//! Whom two sets of policies are compared for: everybody whom a rule names, and somebody whom none names.

use std::collections::BTreeMap;

use crate::policy::compile::Bundle;
use crate::policy::rule::{Audience, Exemption, Glob, Match};
use crate::policy::subject::Subject;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Somebody {
    /// Who it is, for people.
    pub(super) label: String,
    /// The same for rules; the database is left open.
    pub(super) subject: Subject,
}

/// What nobody is called.
const UNNAMED: &str = "anybody else";

/// Everybody whom the rules and grants of either side name, in the order of their labels, and last somebody else.
pub(super) fn of<'a>(bundles: impl IntoIterator<Item = &'a Bundle>) -> Vec<Somebody> {
    let mut found: BTreeMap<String, Subject> = BTreeMap::new();
    let mut add = |parts: Parts| {
        found.entry(parts.label()).or_insert_with(|| parts.subject());
    };
    for policy in bundles.into_iter().flat_map(Bundle::policies) {
        let rules = policy.rules.iter().map(|rule| (&rule.to, &rule.except));
        let writes = policy.writes.iter().map(|grant| (&grant.to, &grant.except));
        for (to, except) in rules.chain(writes) {
            let (named, exempt) = (audience(to), exempted(except));
            // An exemption is felt by somebody whom the rule is about.
            named.iter().flat_map(|one| exempt.iter().map(|other| one.with(other))).for_each(&mut add);
            named.into_iter().chain(exempt).for_each(&mut add);
        }
    }
    let unnamed = Parts { user: Some(UNNAMED.to_owned()), ..Parts::default() }.subject();
    let named = found.into_iter().map(|(label, subject)| Somebody { label, subject });
    named.chain([Somebody { label: UNNAMED.to_owned(), subject: unnamed }]).collect()
}

fn audience(to: &Audience) -> Vec<Parts> {
    match to {
        Audience::Everyone => Vec::new(),
        Audience::Any(matches) => matches.iter().flat_map(parts).collect(),
    }
}

fn exempted(except: &[Exemption]) -> Vec<Parts> {
    except.iter().flat_map(|exemption| parts(&exemption.who)).collect()
}

/// Somebody, as far as rules describe them.
#[derive(Debug, Clone, Default)]
struct Parts {
    user: Option<String>,
    role: Option<String>,
    network: Option<ipnet::IpNet>,
    certificate: Option<String>,
    application: Option<String>,
}

/// One for each user and role that is named.
fn parts(one: &Match) -> Vec<Parts> {
    let first = |globs: &Option<Vec<Glob>>| globs.as_ref().and_then(|globs| globs.first()).map(word);
    let rest = Parts {
        user: None,
        role: None,
        network: one.cidr.as_ref().and_then(|networks| networks.first().copied()),
        certificate: first(&one.cert),
        application: first(&one.application),
    };
    let users = words(&one.user);
    let roles = words(&one.role);
    let with =
        |user: &Option<String>, role: &Option<String>| Parts { user: user.clone(), role: role.clone(), ..rest.clone() };
    users.iter().flat_map(|user| roles.iter().map(|role| with(user, role))).collect()
}

fn words(globs: &Option<Vec<Glob>>) -> Vec<Option<String>> {
    match globs {
        Some(globs) => globs.iter().map(|glob| Some(word(glob))).collect(),
        None => vec![None],
    }
}

/// A word that the pattern stands for.
fn word(glob: &Glob) -> String {
    let word = glob.as_str().replace('*', "");
    if word.is_empty() { UNNAMED.to_owned() } else { word }
}

impl Parts {
    /// Both at once.
    fn with(&self, other: &Self) -> Self {
        Self {
            user: other.user.clone().or_else(|| self.user.clone()),
            role: self.role.clone().or_else(|| other.role.clone()),
            network: other.network.or(self.network),
            certificate: other.certificate.clone().or_else(|| self.certificate.clone()),
            application: other.application.clone().or_else(|| self.application.clone()),
        }
    }

    fn label(&self) -> String {
        let Self { user, role, network, certificate, application } = self;
        let named = [("user", user), ("role", role), ("certificate", certificate), ("application", application)];
        let mut words: Vec<String> =
            named.into_iter().filter_map(|(what, word)| Some(format!("{what} {}", word.as_ref()?))).collect();
        words.extend(network.map(|network| format!("address {network}")));
        if words.is_empty() { UNNAMED.to_owned() } else { words.join(" with ") }
    }

    fn subject(self) -> Subject {
        let user = self.user.or_else(|| self.role.clone()).unwrap_or_else(|| UNNAMED.to_owned());
        Subject {
            roles: [Some(user.clone()), self.role].into_iter().flatten().map(Box::from).collect(),
            user: user.into(),
            address: self.network.map(|network| network.addr()),
            certificate: self.certificate.map(Into::into),
            application: self.application.unwrap_or_default().into(),
            database: Box::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::source::SourceFile;

    const CONTRACT: &str = "apiVersion: v3.1.0\nkind: DataContract\nid: i\nversion: 1.0.0\nstatus: active\n\
        servers: [{server: s, type: postgres, host: h, port: 5432, database: d, schema: public}]\n\
        schema:\n- {name: t, properties: [{name: c, physicalType: text}]}\n";

    /// Everybody whom a policy with this rule is compared for.
    fn named(to_and_except: &str) -> Vec<Somebody> {
        let policy = format!(
            "apiVersion: pgcovenant/v1\nkind: Policy\nmetadata: {{name: p, version: 1}}\nrules:\n\
             - {{name: r, columns: {{names: [public.t.c]}}, action: deny, {to_and_except}}}\n"
        );
        let files = [SourceFile::new("a/c.odcs.yaml", CONTRACT), SourceFile::new("a/p.yaml", &policy)];
        let (bundle, problems) = Bundle::from_sources(&files);
        of([&bundle.unwrap_or_else(|| panic!("{problems:?}"))])
    }

    fn labels(to_and_except: &str) -> Vec<String> {
        named(to_and_except).into_iter().map(|somebody| somebody.label).collect()
    }

    #[test]
    fn everybody_whom_a_rule_names_is_among_them_and_somebody_else() {
        assert_eq!(labels("to: everyone"), ["anybody else"]);
        assert_eq!(labels("to: [{role: [a, b]}, {user: c}]"), ["role a", "role b", "user c", "anybody else"]);
        assert_eq!(
            labels("to: [{role: a}], except: [{user: \"svc_*\", application: jobs}]"),
            [
                "role a",
                "user svc_ with application jobs",
                "user svc_ with role a with application jobs",
                "anybody else"
            ]
        );
    }

    #[test]
    fn they_are_what_the_rule_asks_for() {
        let found = named("to: [{role: a, cidr: 10.0.0.0/8, cert: web}]");
        let Somebody { label, subject } = &found[0];
        assert_eq!(label, "role a with certificate web with address 10.0.0.0/8");
        assert_eq!((&*subject.user, subject.certificate.as_deref()), ("a", Some("web")));
        assert!(subject.roles.contains("a") && subject.address == "10.0.0.0".parse().ok());
        assert_eq!(found.last().map(|somebody| &*somebody.subject.user), Some(UNNAMED));
    }
}
