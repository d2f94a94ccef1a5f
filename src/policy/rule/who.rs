//! Whom a rule is about.

use ipnet::IpNet;

use super::Glob;
use crate::policy::subject::Subject;

/// Whom a rule is about.
#[derive(Debug, Clone)]
pub enum Audience {
    /// Every session.
    Everyone,
    /// Sessions that one of these fits.
    Any(Vec<Match>),
}

/// A description of subjects: everything that is given must fit.
#[derive(Debug, Clone, Default)]
pub struct Match {
    /// The role that logged in.
    pub user: Option<Vec<Glob>>,
    /// A role that it is, or is a member of.
    pub role: Option<Vec<Glob>>,
    /// The database.
    pub database: Option<Vec<Glob>>,
    /// Networks of the client's address; a unix socket is in none.
    pub cidr: Option<Vec<IpNet>>,
    /// Common name of the client's certificate.
    pub cert: Option<Vec<Glob>>,
    /// What the client calls itself; only narrows what something better established grants.
    pub application: Option<Vec<Glob>>,
}

/// An exemption from a rule.
#[derive(Debug, Clone)]
pub struct Exemption {
    /// Who.
    pub who: Match,
    /// The last day of it.
    pub expires: Option<jiff::civil::Date>,
}

impl Audience {
    /// Whether the subject is meant.
    pub fn includes(&self, subject: &Subject) -> bool {
        match self {
            Self::Everyone => true,
            Self::Any(matches) => matches.iter().any(|one| one.fits(subject)),
        }
    }
}

impl Match {
    /// Whether everything that is given fits the subject.
    pub fn fits(&self, subject: &Subject) -> bool {
        let word = |globs: &Option<Vec<Glob>>, word: Option<&str>| {
            globs.as_ref().is_none_or(|globs| word.is_some_and(|word| globs.iter().any(|glob| glob.matches(word))))
        };
        let role = self
            .role
            .as_ref()
            .is_none_or(|globs| subject.roles.iter().any(|role| globs.iter().any(|glob| glob.matches(role))));
        let address = self.cidr.as_ref().is_none_or(|networks| {
            subject.address.is_some_and(|address| {
                let address = address.to_canonical();
                networks.iter().any(|network| network.contains(&address))
            })
        });
        role && address
            && word(&self.user, Some(&subject.user))
            && word(&self.database, Some(&subject.database))
            && word(&self.cert, subject.certificate.as_deref())
            && word(&self.application, Some(&subject.application))
    }

    /// Whether something else than the client's own word is asked for.
    pub fn is_established(&self) -> bool {
        self.user.is_some()
            || self.role.is_some()
            || self.database.is_some()
            || self.cidr.is_some()
            || self.cert.is_some()
    }
}

impl Exemption {
    /// Whether the subject is exempt on that day; the day of `expires` is the last.
    pub fn holds(&self, subject: &Subject, today: jiff::civil::Date) -> bool {
        self.expires.is_none_or(|last| today <= last) && self.who.fits(subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn all_given_words_must_fit() {
        let who = Match {
            role: Some(vec![Glob::new("support")]),
            cidr: Some(vec!["10.0.0.0/8".parse().unwrap()]),
            ..Match::default()
        };
        let mut subject = Subject { roles: ["anna".into(), "support".into()].into(), ..Subject::default() };
        assert!(!who.fits(&subject), "a unix socket is in no network");
        subject.address = Some("::ffff:10.1.2.3".parse().unwrap());
        assert!(who.fits(&subject), "mapped addresses count as what they are");
        subject.roles.clear();
        assert!(!who.fits(&subject));
    }

    #[test]
    fn exemptions_end_after_their_last_day() {
        let exemption = Exemption { who: Match::default(), expires: Some(date(2026, 12, 31)) };
        assert!(exemption.holds(&Subject::default(), date(2026, 12, 31)));
        assert!(!exemption.holds(&Subject::default(), date(2027, 1, 1)));
    }
}
