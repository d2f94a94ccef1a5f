//! The version that a contract should have, by what has changed in it.

use std::fmt;

use super::finding::Finding;
use super::rule::{self, Level};
use super::{Difference, Pair};

/// Which number has to grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bump {
    /// None: nothing has changed.
    None,
    /// The last.
    Patch,
    /// The middle one.
    Minor,
    /// The first; the middle one as long as the first is 0.
    Major,
}

impl Bump {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Patch => "patch",
            Self::Minor => "minor",
            Self::Major => "major",
        }
    }
}

/// A semantic version, without what may follow the three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version([u64; 3]);

impl Version {
    /// Reads `1.2.3`, `v1.2` and the like.
    pub fn of(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('v');
        let core = text.split(['-', '+']).next()?;
        let mut numbers = [0; 3];
        let mut parts = core.split('.');
        for (number, part) in numbers.iter_mut().zip(&mut parts) {
            *number = part.parse().ok()?;
        }
        parts.next().is_none().then_some(Self(numbers))
    }

    /// The next version with that number grown.
    #[must_use]
    pub fn bumped(self, bump: Bump) -> Self {
        let Self([major, minor, patch]) = self;
        Self(match bump {
            Bump::None => [major, minor, patch],
            Bump::Patch => [major, minor, patch + 1],
            Bump::Major if major > 0 => [major + 1, 0, 0],
            Bump::Minor | Bump::Major => [major, minor + 1, 0],
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([major, minor, patch]) = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// The versions of one contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// What people call the contract.
    pub name: Box<str>,
    /// The old version, as written.
    pub old: Box<str>,
    /// The new one, as written.
    pub new: Box<str>,
    /// Which number has to grow.
    pub bump: Bump,
    /// The smallest version that says so; none where the old one is no semantic version.
    pub suggested: Option<Version>,
}

impl Difference {
    /// The versions that the contracts should have. A version that says too little is a finding more.
    pub fn versions(&self, findings: &mut Vec<Finding>) -> Vec<Versions> {
        self.pairs.iter().map(|pair| one(pair, findings)).collect()
    }
}

fn one(pair: &Pair, findings: &mut Vec<Finding>) -> Versions {
    let of_contract = findings.iter().filter(|finding| finding.contract.as_ref() == Some(&pair.id));
    let bump = of_contract.map(bump).max().unwrap_or(Bump::None);
    let suggested = Version::of(&pair.old).map(|old| old.bumped(bump));
    let is_enough = match (suggested, Version::of(&pair.new)) {
        (Some(suggested), Some(new)) => new >= suggested,
        // Other schemes cannot be reckoned with; that there is another version is all that can be asked for.
        _ => bump == Bump::None || pair.old != pair.new,
    };
    if !is_enough {
        let finding = Finding::new(&rule::VERSION_TOO_SMALL, &pair.name)
            .change(Some(&*pair.old), Some(&*pair.new))
            .milder_if(bump <= Bump::Patch)
            .at(None, pair.at.as_ref());
        let finding = match suggested {
            Some(version) => finding.note(format!("the changes need {version}")),
            None => finding.note("the changes need another version"),
        };
        findings.push(Finding { contract: Some(pair.id.clone()), ..finding });
    }
    Versions { name: pair.name.clone(), old: pair.old.clone(), new: pair.new.clone(), bump, suggested }
}

/// What a finding asks for. What usage has made harmless is still a change of what is promised.
fn bump(finding: &Finding) -> Bump {
    if finding.level == Level::Error {
        Bump::Major
    } else if finding.rule.is_addition || (finding.rule.level == Level::Error && finding.rule.by_usage) {
        Bump::Minor
    } else {
        Bump::Patch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_grow_by_the_number_that_is_asked_for() {
        for (old, bump, new) in [
            ("1.3.0", Bump::Major, "2.0.0"),
            ("v1.3.7", Bump::Minor, "1.4.0"),
            ("1.3", Bump::Patch, "1.3.1"),
            ("0.4.2", Bump::Major, "0.5.0"),
            ("1.2.3-beta+7", Bump::None, "1.2.3"),
        ] {
            assert_eq!(Version::of(old).unwrap().bumped(bump).to_string(), new, "{old}");
        }
        assert_eq!(Version::of("2026-01"), Version::of("2026"));
        assert!(Version::of("first").is_none() && Version::of("1.2.3.4").is_none());
        assert!(Version::of("1.10.0") > Version::of("1.9.9"));
    }
}
