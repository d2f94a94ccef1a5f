//! What the relations of the server's own schemas hold, by major version of PostgreSQL: a list that people reviewed.
//!
//! The list is a text beside this file. A test compares it with a running server, so that nothing is missing in it.

use std::collections::HashMap;
use std::sync::LazyLock;

const TEXT: &str = include_str!("manifest.txt");

/// By schema and name.
type Manifest = HashMap<&'static str, HashMap<&'static str, Listed>>;

static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| read(TEXT));

/// What may be read of a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// Nothing, and why.
    Closed(String),
    /// These columns, each in its way.
    Open(HashMap<Box<str>, Treatment>),
}

/// How a column is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// As it is.
    Open,
    /// As NULL.
    Null,
    /// A stored definition, without the literals in it that are more than a word.
    Definition,
    /// An expression as the server keeps it, where it holds no constants that are more than a word or a number.
    Tree,
    /// As it is for objects of the server itself, as NULL for those of users.
    OwnObjects,
    /// A size or count, as that of an empty relation for indexes.
    IndexCount,
}

/// Major versions of PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Versions {
    first: u32,
    last: u32,
}

#[derive(Debug)]
struct Listed {
    versions: Versions,
    class: Class,
    columns: HashMap<&'static str, Versions>,
}

/// What is listed of a relation, whatever the version of the server.
pub fn class(schema: &str, relation: &str) -> Option<&'static Class> {
    MANIFEST.get(schema)?.get(relation).map(|listed| &listed.class)
}

/// The relations that a server of a major version has, each as `schema.relation`, with the columns of those that are open.
pub fn of_version(major: u32) -> impl Iterator<Item = (String, Option<Vec<&'static str>>)> {
    let all =
        MANIFEST.iter().flat_map(|(schema, listed)| listed.iter().map(move |(name, listed)| (schema, name, listed)));
    all.filter(move |(.., listed)| listed.versions.include(major)).map(move |(schema, name, listed)| {
        let there = listed.columns.iter().filter(|(_, versions)| versions.include(major)).map(|(name, _)| *name);
        let columns = matches!(listed.class, Class::Open(_)).then(|| there.collect());
        (format!("{schema}.{name}"), columns)
    })
}

impl Versions {
    const ALL: Self = Self { first: 0, last: u32::MAX };

    fn include(self, major: u32) -> bool {
        (self.first..=self.last).contains(&major)
    }
}

fn read(text: &'static str) -> Manifest {
    let mut manifest = Manifest::new();
    let (mut schema, mut open) = ("", None);
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            schema = name;
            continue;
        }
        let words = match line.split_once(':') {
            None => line,
            Some((head, rest)) => {
                let (name, versions) = versions(head);
                let class = match rest.trim().strip_prefix("closed,") {
                    Some(why) => Class::Closed(why.trim().to_owned()),
                    None => Class::Open(HashMap::new()),
                };
                open = Some((schema, name));
                manifest.entry(schema).or_default().insert(name, Listed { versions, class, columns: HashMap::new() });
                rest
            }
        };
        let Some(listed) = open.and_then(|(schema, name)| manifest.get_mut(schema)?.get_mut(name)) else { continue };
        if let Class::Open(columns) = &mut listed.class {
            for word in words.split_whitespace() {
                let (word, versions) = versions(word);
                let (name, treatment) = treatment(word);
                columns.insert(name.into(), treatment);
                listed.columns.insert(name, versions);
            }
        }
    }
    manifest
}

/// `name@16-` is there since 16, `name@15-17` in these only. What cannot be read is there in none.
fn versions(word: &'static str) -> (&'static str, Versions) {
    let Some((name, range)) = word.split_once('@') else { return (word, Versions::ALL) };
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let last = if last.is_empty() { u32::MAX } else { last.parse().unwrap_or(0) };
    (name, Versions { first: first.parse().unwrap_or(u32::MAX), last })
}

fn treatment(word: &'static str) -> (&'static str, Treatment) {
    let marks = [
        ('-', Treatment::Null),
        ('~', Treatment::Definition),
        ('%', Treatment::Tree),
        ('^', Treatment::OwnObjects),
        ('#', Treatment::IndexCount),
    ];
    for (mark, treatment) in marks {
        if let Some(name) = word.strip_suffix(mark) {
            return (name, treatment);
        }
    }
    (word, Treatment::Open)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_line_of_the_list_is_read() {
        assert_eq!(MANIFEST.keys().copied().collect::<BTreeSet<_>>(), ["information_schema", "pg_catalog"].into());
        for (name, listed) in MANIFEST.values().flatten() {
            let plain = |word: &str| word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            assert!(plain(name) && listed.columns.keys().all(|column| plain(column)), "{name}: {listed:?}");
            assert!(matches!(listed.class, Class::Closed(_)) || !listed.columns.is_empty(), "{name} has no columns");
            let fine = |versions: &Versions| versions.first <= versions.last && versions.first < 30;
            assert!(fine(&listed.versions) && listed.columns.values().all(fine), "{name}: {listed:?}");
        }
    }

    #[test]
    fn marks_and_versions_are_read() {
        let Some(Class::Open(columns)) = class("pg_catalog", "pg_attribute") else { panic!() };
        assert_eq!(columns.get("attmissingval"), Some(&Treatment::Null));
        assert_eq!(columns.get("attname"), Some(&Treatment::Open));
        assert_eq!(class("pg_catalog", "pg_stats"), Some(&Class::Closed("statistics over column values".to_owned())));
        assert_eq!(class("pg_catalog", "pg_future"), None);
        let Some(Class::Open(columns)) = class("pg_catalog", "pg_indexes") else { panic!() };
        assert_eq!(columns.get("indexdef"), Some(&Treatment::Definition));
        let Some(Class::Open(columns)) = class("pg_catalog", "pg_attrdef") else { panic!() };
        assert_eq!(columns.get("adbin"), Some(&Treatment::Tree));
        let has = |major, relation: &str, column: &str| {
            of_version(major).any(|(name, columns)| name == relation && columns.is_some_and(|c| c.contains(&column)))
        };
        assert!(!has(15, "pg_catalog.pg_stat_io", "reads") && has(16, "pg_catalog.pg_stat_io", "reads"));
        assert!(has(17, "pg_catalog.pg_attribute", "attcacheoff"));
        assert!(!has(18, "pg_catalog.pg_attribute", "attcacheoff"));
    }
}
