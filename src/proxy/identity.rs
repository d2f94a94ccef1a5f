//! Certificates of clients, and the users that they stand for.

use regex::Regex;

use super::certificate::{self, Names};
use super::stream::Stream;
use crate::config::auth::{CertificateName, CertificateRule};

/// What a client's certificate says about the user that it wants to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attested {
    /// It has shown no certificate, or they do not matter here.
    Nothing,
    /// Its verified certificate stands for this user.
    User,
    /// Its verified certificate stands for somebody else.
    SomebodyElse,
}

/// The map from certificates to users.
#[derive(Debug, Default)]
pub struct CertificateMap(Option<Vec<Line>>);

#[derive(Debug)]
struct Line {
    name: CertificateName,
    pattern: Pattern,
    user: String,
}

#[derive(Debug)]
enum Pattern {
    Exactly(String),
    Expression(Regex),
}

impl CertificateMap {
    /// The map of the configuration, which has checked the expressions.
    pub fn new(rules: Option<&[CertificateRule]>) -> Self {
        let line = |rule: &CertificateRule| {
            let pattern = match rule.expression() {
                Some(expression) => Pattern::Expression(Regex::new(expression).ok()?),
                None => Pattern::Exactly(rule.pattern.clone()),
            };
            Some(Line { name: rule.name, pattern, user: rule.user.clone() })
        };
        Self(rules.map(|rules| rules.iter().filter_map(line).collect()))
    }

    /// What the certificate on this connection, which TLS has verified, says about a user.
    pub fn attests(&self, stream: &Stream, user: &str) -> Attested {
        let (Self(Some(lines)), Stream::Tls(stream)) = (self, stream) else { return Attested::Nothing };
        let Some(shown) = stream.get_ref().1.peer_certificates().and_then(<[_]>::first) else {
            return Attested::Nothing;
        };
        let names = certificate::names(shown);
        if stands_for(lines, &names, user) { Attested::User } else { Attested::SomebodyElse }
    }
}

/// No lines mean that a common name is the user's name, as for PostgreSQL without a map.
fn stands_for(lines: &[Line], names: &Names, user: &str) -> bool {
    if lines.is_empty() {
        return names.common.as_deref() == Some(user);
    }
    lines.iter().any(|line| {
        let candidates = match line.name {
            CertificateName::Common => names.common.as_slice(),
            CertificateName::Dns => &names.dns,
            CertificateName::Email => &names.email,
        };
        candidates.iter().any(|name| line.user_of(name).as_deref() == Some(user))
    })
}

impl Line {
    /// The user that this name stands for.
    fn user_of(&self, name: &str) -> Option<String> {
        match &self.pattern {
            Pattern::Exactly(pattern) => (pattern == name).then(|| self.user.clone()),
            Pattern::Expression(expression) => {
                let captures = expression.captures(name)?;
                let group = captures.get(1).map_or("", |group| group.as_str());
                // Like PostgreSQL, the first occurrence only.
                Some(self.user.replacen("\\1", group, 1))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(CertificateName, &str, &str)]) -> Vec<Line> {
        let rules: Vec<CertificateRule> = lines
            .iter()
            .map(|(name, pattern, user)| CertificateRule {
                name: *name,
                pattern: (*pattern).to_owned(),
                user: (*user).to_owned(),
            })
            .collect();
        CertificateMap::new(Some(&rules)).0.unwrap()
    }

    #[test]
    fn names_stand_for_users_as_in_pg_ident() {
        let names = Names {
            common: Some("ann@example.com".to_owned()),
            dns: vec!["app.example".to_owned(), "b.example".to_owned()],
            email: vec!["bob@example.com".to_owned()],
        };
        use CertificateName::{Common, Dns, Email};
        for (lines, user, expected) in [
            (&[][..], "ann@example.com", true),
            (&[], "ann", false),
            (&[(Common, r"/^(.*)@example\.com$", r"\1")], "ann", true),
            (&[(Common, r"/^(.*)@example\.com$", r"\1")], "ann@example.com", false),
            (&[(Common, r"/^(.*)@example\.com$", r"x_\1")], "x_ann", true),
            (&[(Common, r"/^(.*)@example\.org$", r"\1")], "ann", false),
            (&[(Common, "ann@example.com", "staff")], "staff", true),
            (&[(Common, "ann", "staff")], "staff", false),
            (&[(Common, "nobody", "x"), (Dns, "b.example", "shop_app")], "shop_app", true),
            (&[(Email, r"/^bob@", "bob")], "bob", true),
            (&[(Dns, r"/^bob@", "bob")], "bob", false),
        ] {
            assert_eq!(stands_for(&map(lines), &names, user), expected, "{lines:?} {user}");
        }
        assert!(!stands_for(&[], &Names::default(), ""), "no name stands for nobody");
    }
}
