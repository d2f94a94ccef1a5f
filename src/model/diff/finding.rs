//! What a comparison has found.

use std::sync::Arc;

use super::rule::{Level, Rule};

/// Which of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// What was promised before.
    Old,
    /// What is to be promised.
    New,
}

impl Side {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The file, as shown to people.
    pub file: Arc<str>,
    /// 1-based line.
    pub line: u32,
    /// 1-based column, in characters.
    pub column: u32,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule that found it.
    pub rule: &'static Rule,
    /// How grave it is here.
    pub level: Level,
    /// What it is about: `schema.table.column`, `schema.table`, or the name of a contract.
    pub path: String,
    /// How it was.
    pub old: Option<String>,
    /// How it is to be.
    pub new: Option<String>,
    /// What else there is to say: who uses it, who is concerned.
    pub note: Option<String>,
    /// Where it stands.
    pub at: Option<(Side, Spot)>,
    /// `id` of the contract; none for what policies say.
    pub contract: Option<Box<str>>,
}

impl Finding {
    /// A finding at the level of its rule.
    pub fn new(rule: &'static Rule, path: &str) -> Self {
        Self {
            rule,
            level: rule.level,
            path: path.to_owned(),
            old: None,
            new: None,
            note: None,
            at: None,
            contract: None,
        }
    }

    /// How it was and how it is to be.
    #[must_use]
    pub fn change(self, old: Option<impl Into<String>>, new: Option<impl Into<String>>) -> Self {
        Self { old: old.map(Into::into), new: new.map(Into::into), ..self }
    }

    /// At this level.
    #[must_use]
    pub fn level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// In the milder case of its rule, if that is so.
    #[must_use]
    pub fn milder_if(self, is_milder: bool) -> Self {
        let level = if is_milder { self.rule.milder_level() } else { self.level };
        Self { level, ..self }
    }

    /// With one thing more to say.
    #[must_use]
    pub fn note(self, note: impl AsRef<str>) -> Self {
        let note = match self.note {
            Some(before) => format!("{before}; {}", note.as_ref()),
            None => note.as_ref().to_owned(),
        };
        Self { note: Some(note), ..self }
    }

    /// Where it stands: in the new file, where there is anything of it; in the old one otherwise.
    #[must_use]
    pub fn at(self, old: Option<&Spot>, new: Option<&Spot>) -> Self {
        let new = new.map(|spot| (Side::New, spot.clone()));
        Self { at: new.or_else(|| old.map(|spot| (Side::Old, spot.clone()))), ..self }
    }
}

/// The gravest first, then by what they are about.
pub fn sort(findings: &mut Vec<Finding>) {
    findings.sort_by(|one, other| {
        let key = |finding: &Finding| (std::cmp::Reverse(finding.level), finding.path.clone(), finding.rule.id);
        let rest = |finding: &Finding| (finding.old.clone(), finding.new.clone(), finding.note.clone());
        key(one).cmp(&key(other)).then_with(|| rest(one).cmp(&rest(other)))
    });
    findings.dedup();
}
