//! `auth:` of `pgcovenant.yaml`: what the proxy knows of clients' passwords and certificates.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{ServerTls, Service, Upstream};
use crate::model::source::{Entry, Fields, Node, Problems, list, non_empty};

/// What `query: default` asks. Only superusers may read this catalog.
const DEFAULT_QUERY: &str = "SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1 AND rolcanlogin \
     AND (rolvaliduntil IS NULL OR rolvaliduntil > pg_catalog.now())";

/// Where the query runs if nothing else is said; roles are the same in all databases.
const DEFAULT_DATABASE: &str = "postgres";

/// What we know of clients' passwords and certificates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Auth {
    /// File with SCRAM verifiers.
    pub verifiers: Option<PathBuf>,
    /// How the server is asked for SCRAM verifiers.
    pub query: Option<AuthQuery>,
    /// Which certificates stand for which users; an empty list lets the common name stand for the user of the same name.
    pub certificates: Option<Vec<CertificateRule>>,
}

/// A question for one verifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthQuery {
    /// SQL with the role's name as `$1`.
    pub text: String,
    /// Database that it runs in.
    pub database: String,
}

/// One line of the map from certificates to users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRule {
    /// Which of the certificate's names.
    pub name: CertificateName,
    /// The name, or a regular expression after a slash.
    pub pattern: String,
    /// The user; `\1` stands for the first group of the expression.
    pub user: String,
}

/// A kind of name in a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateName {
    /// The subject's common name.
    Common,
    /// A DNS name among the alternative names.
    Dns,
    /// An e-mail address among the alternative names.
    Email,
}

impl CertificateRule {
    /// The regular expression, if the pattern is one.
    pub fn expression(&self) -> Option<&str> {
        self.pattern.strip_prefix('/').map(|rest| rest.strip_suffix('/').unwrap_or(rest))
    }
}

impl Auth {
    /// Reports what does not go with the rest of the configuration. It stands behind `at`.
    pub fn check(
        &self,
        at: &Entry,
        service: Option<&Service>,
        tls: Option<&ServerTls>,
        upstream: Option<&Upstream>,
        problems: &mut Problems<'_>,
    ) {
        let span = |key| at.node.entry(key).map_or_else(|| at.key_span.clone(), |entry| entry.key_span.clone());
        if self.query.is_some() && service.is_none() {
            let help = "Give `service: {user: …}`, a role that may run it.";
            problems.error_with(&span("query"), "a query for verifiers needs a service account", help);
        }
        if self.certificates.is_some() && tls.is_none_or(|tls| tls.client_ca.is_none()) {
            let help = "Give `tls: {client_ca: FILE}`, the authority that signs them.";
            problems.error_with(&span("certificates"), "no client certificate is ever verified", help);
        }
        if self.certificates.is_some() && upstream.is_some_and(|upstream| upstream.identity.is_none()) {
            let help = "Give `upstream: {cert: FILE, key: FILE}`, which the server lets act for the users.";
            problems.error_with(&span("certificates"), "there is no certificate to show to the server", help);
        }
    }
}

/// Reads the mapping behind `auth`.
pub fn read(node: &Node, base: &Path, problems: &mut Problems<'_>) -> Option<Auth> {
    let mut fields = Fields::of(node, "auth", problems)?;
    let verifiers = fields.optional("verifiers").and_then(|node| non_empty(node, problems));
    let query = fields.optional("query").and_then(|node| query(node, problems));
    let database = fields.entry("database");
    if let (Some(entry), None) = (database, &query) {
        problems.error(&entry.key_span, "`database` is where `query` runs, and there is none");
    }
    let database = database.and_then(|entry| non_empty(&entry.node, problems));
    let certificates = fields.optional("certificates");
    let certificates =
        certificates.map(|node| list(node, problems).iter().filter_map(|node| rule(node, problems)).collect());
    fields.finish(problems);
    let database = database.unwrap_or_else(|| DEFAULT_DATABASE.to_owned());
    Some(Auth {
        verifiers: verifiers.map(|path| base.join(path)),
        query: query.map(|text| AuthQuery { text, database }),
        certificates,
    })
}

fn query(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let text = non_empty(node, problems)?;
    if text == "default" {
        return Some(DEFAULT_QUERY.to_owned());
    }
    if !text.contains("$1") {
        let help = "Write `default`, or SQL such as SELECT pgcovenant.verifier($1).";
        problems.error_with(&node.span, "the query does not use $1, the name of the role", help);
    }
    Some(text)
}

fn rule(node: &Node, problems: &mut Problems<'_>) -> Option<CertificateRule> {
    let mut fields = Fields::of(node, "a certificate rule", problems)?;
    let kinds = [("cn", CertificateName::Common), ("dns", CertificateName::Dns), ("email", CertificateName::Email)];
    let names: Vec<_> = kinds.iter().filter_map(|(key, name)| Some((*name, fields.optional(key)?))).collect();
    let user = fields.required("user", problems).and_then(|node| non_empty(node, problems));
    let span = fields.span().clone();
    fields.finish(problems);
    let [(name, node)] = names[..] else {
        problems.error(&span, "a certificate rule needs one of the keys `cn`, `dns` and `email`");
        return None;
    };
    let rule = CertificateRule { name, pattern: non_empty(node, problems)?, user: user? };
    check_expression(&rule, &node.span, problems);
    Some(rule)
}

fn check_expression(rule: &CertificateRule, span: &Range<usize>, problems: &mut Problems<'_>) {
    let groups = match rule.expression().map(regex::Regex::new) {
        Some(Ok(expression)) => expression.captures_len() - 1,
        Some(Err(error)) => {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            problems.error(span, format!("invalid regular expression: {reason}"));
            return;
        }
        None => 0,
    };
    if rule.user.contains("\\1") && groups == 0 {
        let help = "Write it as /^(.*)@example\\.com$.";
        problems.error_with(
            span,
            "`user` has \\1, but this is no regular expression with a group in parentheses",
            help,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file;
    use crate::model::source::SourceFile;

    const REST: &str = "upstream: {host: db, cert: c.crt, key: c.key}\nservice: {user: u, cert: s.crt, key: s.key}\n\
                        tls: {cert: c, key: k, client_ca: ca}\n";

    fn problems(text: &str) -> Vec<String> {
        file::read(&SourceFile::new("etc/pgcovenant.yaml", text)).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn everything_is_read() {
        let text = format!(
            "{REST}auth:\n  verifiers: users.txt\n  query: SELECT secret($1)\n  database: shop\n  certificates:\n\
             \x20   - {{cn: '/^(.*)@example\\.com$', user: '\\1'}}\n    - {{dns: app.example, user: shop_app}}\n"
        );
        let (config, found) = file::read(&SourceFile::new("etc/pgcovenant.yaml", &text));
        assert!(found.is_empty(), "{found:?}");
        let config = config.unwrap();
        assert_eq!(config.upstream.identity.unwrap().cert, PathBuf::from("etc/c.crt"));
        assert_eq!(config.service.unwrap().identity.unwrap().key, PathBuf::from("etc/s.key"));
        assert_eq!(config.auth.verifiers, Some("etc/users.txt".into()));
        assert_eq!(config.auth.query.unwrap(), AuthQuery { text: "SELECT secret($1)".into(), database: "shop".into() });
        let rules = config.auth.certificates.unwrap();
        assert_eq!(rules[0].expression(), Some(r"^(.*)@example\.com$"));
        assert_eq!((rules[1].name, rules[1].expression()), (CertificateName::Dns, None));
    }

    #[test]
    fn the_default_query_is_short_to_write() {
        let (config, found) =
            file::read(&SourceFile::new("p.yaml", &format!("{REST}auth: {{query: default, certificates: []}}\n")));
        assert!(found.is_empty(), "{found:?}");
        let auth = config.unwrap().auth;
        assert_eq!(auth.query.unwrap(), AuthQuery { text: DEFAULT_QUERY.into(), database: "postgres".into() });
        assert_eq!(auth.certificates, Some(Vec::new()));
    }

    #[test]
    fn every_problem_is_told() {
        let text = "upstream: {host: db, cert: c.crt}\nauth:\n  database: x\n  certificates:\n    - {cn: '/(', user: a}\n\
                    \x20   - {cn: a, dns: b, user: c}\n    - {cn: a, user: '\\1'}\n  verfiers: f\n";
        assert_eq!(
            problems(text),
            [
                "etc/pgcovenant.yaml:1:11: error: `cert` and `key` belong together (Give both, or none.)",
                "etc/pgcovenant.yaml:3:3: error: `database` is where `query` runs, and there is none",
                "etc/pgcovenant.yaml:4:3: error: no client certificate is ever verified (Give `tls: {client_ca: FILE}`, the authority that signs them.)",
                "etc/pgcovenant.yaml:4:3: error: there is no certificate to show to the server (Give `upstream: {cert: FILE, key: FILE}`, which the server lets act for the users.)",
                "etc/pgcovenant.yaml:5:12: error: invalid regular expression: unclosed group",
                "etc/pgcovenant.yaml:6:7: error: a certificate rule needs one of the keys `cn`, `dns` and `email`",
                "etc/pgcovenant.yaml:7:12: error: `user` has \\1, but this is no regular expression with a group in parentheses (Write it as /^(.*)@example\\.com$.)",
                "etc/pgcovenant.yaml:8:3: error: auth has no key `verfiers` (did you mean `verifiers`?)",
            ]
        );
        assert_eq!(
            problems("upstream: {host: db}\nauth: {query: SELECT 1}\n"),
            [
                "etc/pgcovenant.yaml:2:8: error: a query for verifiers needs a service account (Give `service: {user: …}`, a role that may run it.)",
                "etc/pgcovenant.yaml:2:15: error: the query does not use $1, the name of the role (Write `default`, or SQL such as SELECT pgcovenant.verifier($1).)",
            ]
        );
    }
}
