//! Columns that came, went and changed.

use super::constraints;
use super::finding::Finding;
use super::rule::{self, Level, Rule};
use super::tables::weighed;
use super::terms::{Column, Keys, Table};
use super::types::{self, Modifiers, TypeChange};
use super::{Occasion, lifecycles, short};

/// A table on both sides.
#[derive(Clone, Copy)]
pub(super) struct Compared<'a> {
    pub(super) old: &'a Table,
    pub(super) new: &'a Table,
    /// One side is a database, which does not say everything.
    pub(super) is_live: bool,
    pub(super) occasion: Occasion<'a>,
}

impl Compared<'_> {
    pub(super) fn columns(&self, findings: &mut Vec<Finding>) {
        let mut renamed: Vec<&str> = Vec::new();
        for column in &self.old.columns {
            match self.new.column(&column.name) {
                Some(counterpart) => self.one_column(column, counterpart, findings),
                None => renamed.extend(self.removed(column, findings)),
            }
        }
        for column in &self.new.columns {
            if self.old.column(&column.name).is_none() && !renamed.contains(&&*column.name) {
                findings.push(self.added(column));
            }
        }
    }

    /// A column is gone; what comes back is the new column that is this one by another name.
    fn removed(&self, column: &Column, findings: &mut Vec<Finding>) -> Option<&str> {
        let path = self.old.column_path(&column.name);
        let replacement = column.retirement.as_ref().and_then(|retirement| retirement.replaced_by.as_deref());
        let successor = replacement.and_then(|name| self.new.column(name));
        let is_new = |successor: &&Column| self.old.column(&successor.name).is_none();
        let (finding, renamed) = match successor.filter(is_new) {
            Some(successor) => {
                let finding = Finding::new(&rule::FIELD_RENAMED, &path)
                    .change(Some(&*column.name), Some(&*successor.name))
                    .at(None, successor.keys.of(&[]));
                (finding, Some(successor))
            }
            None => {
                let finding = Finding::new(&rule::FIELD_REMOVED, &path).change(Some(&*column.ty.sql), None::<&str>);
                let finding = match successor {
                    Some(successor) => finding.note(format!("replaced by {}", successor.name)),
                    None => finding,
                };
                (finding.at(column.keys.of(&[]), None), None)
            }
        };
        let answer = self.occasion.usage_of(self.old, Some(&column.name));
        let now = self.occasion.now;
        findings.extend(lifecycles::removal(finding, column.retirement.as_ref(), answer.as_ref(), now));
        let renamed = renamed?;
        findings.extend(self.type_change(column, renamed));
        Some(&renamed.name)
    }

    fn added(&self, column: &Column) -> Finding {
        let hurts = column.required && !column.has_default && !self.new.is_view;
        let rule = if hurts { &rule::REQUIRED_FIELD_ADDED } else { &rule::FIELD_ADDED };
        Finding::new(rule, &self.new.column_path(&column.name))
            .change(None::<&str>, Some(&*column.ty.sql))
            .at(None, column.keys.of(&[]))
    }

    fn one_column(&self, old: &Column, new: &Column, findings: &mut Vec<Finding>) {
        findings.extend(self.type_change(old, new));
        let is_view = self.old.is_view || self.new.is_view;
        if old.required != new.required && !(self.is_live && is_view) {
            let word = |column: &Column| Some(if column.required { "required" } else { "optional" });
            let pair = Pair { compared: self, old, new, key: "required" };
            findings.push(pair.finding(&rule::REQUIRED_CHANGED, word).milder_if(old.required));
        }
        if self.is_live {
            return;
        }
        if old.unique != new.unique {
            let word = |column: &Column| Some(if column.unique { "unique" } else { "not unique" });
            let pair = Pair { compared: self, old, new, key: "unique" };
            findings.push(pair.finding(&rule::UNIQUE_CHANGED, word).milder_if(old.unique));
        }
        let path = self.new.column_path(&new.name);
        findings.extend(constraints::compare(&path, old, new));
        findings.extend(self.classification(old, new));
        if old.description != new.description {
            let pair = Pair { compared: self, old, new, key: "description" };
            findings.push(pair.finding(&rule::DESCRIPTION_CHANGED, |column| column.description.as_deref().map(short)));
        }
        let answer = || self.occasion.usage_of(self.old, Some(&old.name));
        let retirements = (old.retirement.as_ref(), new.retirement.as_ref());
        let found = lifecycles::compare(&path, retirements, &answer, self.occasion.now);
        let (before, after) = (old.keys.of(&["customProperties"]), new.keys.of(&["customProperties"]));
        findings.extend(found.into_iter().map(|finding| finding.at(before, after)));
    }

    fn modifiers(&self) -> Modifiers {
        if self.is_live { Modifiers::WhereDeclared } else { Modifiers::Exact }
    }

    fn type_change(&self, old: &Column, new: &Column) -> Option<Finding> {
        let level = match types::change(&old.ty, &new.ty, self.modifiers()) {
            TypeChange::None => return None,
            TypeChange::Safe => Level::Info,
            TypeChange::Rewrite => Level::Warning,
            TypeChange::Breaking => Level::Error,
        };
        let key = if new.keys.keys.contains_key("physicalType") { "physicalType" } else { "logicalType" };
        let pair = Pair { compared: self, old, new, key };
        let finding = pair.finding(&rule::TYPE_CHANGED, |column| Some(&*column.ty.sql)).level(level);
        // What is safe is so whoever uses it.
        Some(if level == Level::Info { finding } else { weighed(finding, self.old, &old.name, self.occasion) })
    }

    fn classification(&self, old: &Column, new: &Column) -> Option<Finding> {
        if old.classification == new.classification {
            return None;
        }
        let word = |column: &Column| column.classification.as_deref().unwrap_or("none").to_lowercase();
        let (before, after) = (word(old), word(new));
        let (rule, note): (&'static Rule, _) = match (sensitivity(&before), sensitivity(&after)) {
            (Some(before), Some(after)) if after > before => (&rule::CLASSIFICATION_RAISED, None),
            (Some(before), Some(after)) if after == before => return None,
            (Some(_), Some(_)) => (&rule::CLASSIFICATION_LOWERED, None),
            (None, _) | (_, None) => {
                (&rule::CLASSIFICATION_LOWERED, Some("which of the two is more sensitive is not known"))
            }
        };
        let pair = Pair { compared: self, old, new, key: "classification" };
        let finding = pair.finding(rule, |column| column.classification.as_deref());
        Some(match note {
            Some(note) => finding.note(note),
            None => finding,
        })
    }
}

/// The order of the classifications that people use; none for words that are not known.
fn sensitivity(word: &str) -> Option<usize> {
    const ORDER: &[&[&str]] =
        &[&["none", "public"], &["internal"], &["confidential"], &["restricted"], &["secret", "highly restricted"]];
    ORDER.iter().position(|words| words.contains(&word))
}

/// One key of a column on both sides.
struct Pair<'a> {
    compared: &'a Compared<'a>,
    old: &'a Column,
    new: &'a Column,
    key: &'static str,
}

impl Pair<'_> {
    fn finding<'c, T: Into<String>>(&'c self, rule: &'static Rule, value: impl Fn(&'c Column) -> Option<T>) -> Finding {
        let spot = |keys: &'c Keys| keys.of(&[self.key]);
        Finding::new(rule, &self.compared.new.column_path(&self.new.name))
            .change(value(self.old), value(self.new))
            .at(spot(&self.old.keys), spot(&self.new.keys))
    }
}
