//! Every rule of the comparison, declared once: its id, how grave it is, and why.

use std::fmt;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Worth knowing.
    Info,
    /// May surprise somebody.
    Warning,
    /// Breaks what was promised.
    Error,
}

impl Level {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, for people, exceptions and other programs; it stays.
    pub id: &'static str,
    /// How grave a finding is in general.
    pub level: Level,
    /// How grave it is in a milder case, and which case that is.
    pub milder: Option<(Level, &'static str)>,
    /// Why it is there.
    pub rationale: &'static str,
    /// Something new that nobody can depend on yet.
    pub is_addition: bool,
    /// Recorded use decides on the level.
    pub by_usage: bool,
}

impl Rule {
    const fn new(id: &'static str, level: Level, rationale: &'static str) -> Self {
        Self { id, level, milder: None, rationale, is_addition: false, by_usage: false }
    }

    const fn milder(self, level: Level, case: &'static str) -> Self {
        Self { milder: Some((level, case)), ..self }
    }

    const fn addition(self) -> Self {
        Self { is_addition: true, ..self }
    }

    const fn by_usage(self) -> Self {
        Self { by_usage: true, ..self }
    }

    /// The level in the milder case; the general one where there is none.
    pub fn milder_level(&self) -> Level {
        self.milder.map_or(self.level, |(level, _)| level)
    }
}

macro_rules! rules {
    ($($(#[$doc:meta])* $ident:ident = $id:literal $level:ident $rationale:literal
        $([or $milder:ident $case:literal])? $($property:ident)*;)*) => {
        $($(#[$doc])* pub static $ident: Rule =
            Rule::new($id, Level::$level, $rationale)$(.milder(Level::$milder, $case))?$(.$property())*;)*

        /// All of them.
        pub static RULES: &[&Rule] = &[$(&$ident),*];
    };
}

rules! {
    /// A table or view is gone.
    SCHEMA_REMOVED = "schema-removed" Error "Statements that name the table fail with 42P01." [or Info "past its announced sunset"] by_usage;
    /// A column is gone.
    FIELD_REMOVED = "field-removed" Error "Statements that name the column fail with 42703." [or Info "past its announced sunset"] by_usage;
    /// A column has another name, as its lifecycle said.
    FIELD_RENAMED = "field-renamed" Error "Statements that name the old column fail with 42703." [or Info "past its announced sunset"] by_usage;
    /// A table or view is new.
    SCHEMA_ADDED = "schema-added" Info "Nobody depends on it yet." addition;
    /// A column is new.
    FIELD_ADDED = "field-added" Info "Nobody depends on it yet; `*` shows it." addition;
    /// A column is new that every INSERT must give a value.
    REQUIRED_FIELD_ADDED = "required-field-added-without-default" Error "An INSERT that does not know the column fails with 23502." addition;
    /// Another type.
    TYPE_CHANGED = "type-changed" Error "Readers get another type, and writers may be refused." [or Warning "the table is rewritten, and readers get a wider number; info where every value and every old statement keeps its meaning"] by_usage;
    /// NULL is allowed or forbidden.
    REQUIRED_CHANGED = "required-changed" Error "Writers that leave the column out fail with 23502." [or Warning "no longer required: readers may meet NULL"];
    /// Other columns in the primary key.
    KEY_CHANGED = "key-constraint-changed" Error "Joins, upserts and replication depend on the key.";
    /// Values are, or are no longer, unique.
    UNIQUE_CHANGED = "unique-constraint-changed" Error "Writers of a value that is there already fail with 23505." [or Warning "no longer unique: look-ups may find several rows"];
    /// Other values are allowed.
    ENUM_CHANGED = "enum-constraint-changed" Error "Writers of a value that is no longer allowed are wrong." [or Warning "only more values: readers may meet unknown ones"];
    /// Other bounds, lengths or patterns.
    VALIDATION_CHANGED = "validation-constraint-changed" Error "Writers of a value that is no longer allowed are wrong." [or Warning "only looser: readers may meet other values"];
    /// A foreign key is gone.
    RELATIONSHIP_REMOVED = "relationship-removed" Warning "Joins may meet rows without a partner.";
    /// Less sensitive than before.
    CLASSIFICATION_LOWERED = "classification-lowered" Warning "Rules that select by classification may no longer protect the column.";
    /// More sensitive than before.
    CLASSIFICATION_RAISED = "classification-raised" Warning "Masks and denials may begin for those who read it.";
    /// Removed before the day that was promised.
    REMOVAL_BEFORE_SUNSET = "removal-before-sunset" Error "Consumers were told that they have until its sunset, or were told nothing.";
    /// Removed although somebody uses it.
    REMOVAL_WHILE_IN_USE = "removal-while-in-use" Error "Somebody has used it lately and will fail.";
    /// Less time than was promised.
    NOTICE_SHORTENED = "notice-shortened" Error "Consumers have planned with the time that they were told." [or Info "a sunset is set for the first time"];
    /// Back to an earlier phase.
    PHASE_MOVED_BACK = "phase-moved-back" Info "What was refused or warned of works again.";
    /// On to a later phase.
    PHASE_MOVED_ON = "phase-moved-on" Warning "Statements that were warned of begin to be refused.";
    /// On its way out from now on.
    LIFECYCLE_ADDED = "lifecycle-added" Info "Consumers begin to get warnings." addition;
    /// A service level promises less.
    SLA_RELAXED = "sla-relaxed" Warning "Consumers may rely on what is no longer promised." [or Info "changed, and nobody can tell whether it promises less"];
    /// Another description.
    DESCRIPTION_CHANGED = "description-changed" Info "The meaning may have changed with the words.";
    /// A mask shows more.
    MASK_WEAKENED = "mask-weakened" Error "Somebody sees more of a protected value than before.";
    /// A mask shows less.
    MASK_STRENGTHENED = "mask-strengthened" Warning "Somebody sees less than before, and conditions over it find other rows.";
    /// A denied column can be read.
    ACCESS_WIDENED = "access-widened" Error "Somebody may reach what was closed to them.";
    /// A column is denied.
    ACCESS_NARROWED = "access-narrowed" Warning "Statements of somebody that worked are refused with 42501.";
    /// Somebody else may write.
    WRITER_ADDED = "writer-added" Warning "Somebody may change data that they could only read.";
    /// The version does not say how much has changed.
    VERSION_TOO_SMALL = "version-too-small" Error "Consumers see by the version whether they have to look." [or Warning "only the patch number should have grown"];
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_rule_has_an_id_of_its_own_and_says_why() {
        let ids: BTreeSet<_> = RULES.iter().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), RULES.len());
        for rule in RULES {
            assert!(rule.id.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", rule.id);
            assert!(rule.rationale.ends_with('.'), "{}", rule.id);
            assert!(rule.milder_level() <= rule.level, "{}", rule.id);
        }
        assert!(Level::Error > Level::Warning && Level::Warning > Level::Info);
    }
}
