//! The rooms of `src/` and the doors between them: any other edge fails here.

#![allow(clippy::unwrap_used, clippy::panic, clippy::string_slice)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A room may use itself and these rooms.
const EDGES: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("model", &[]),
    ("sql", &["model"]),
    ("policy", &["sql", "model"]),
    ("engine", &["policy", "sql", "model"]),
    ("observe", &["engine", "policy", "model"]),
    ("config", &["model"]),
    ("upstream", &["wire", "policy", "sql", "model", "config"]),
    ("proxy", &["wire", "model", "policy", "engine", "observe", "config", "upstream"]),
    ("admin", &["wire", "observe", "engine", "policy", "model", "config"]),
    ("cli", &["wire", "model", "sql", "policy", "engine", "observe", "config", "upstream", "proxy", "admin"]),
];

/// Crates that only some rooms may name.
const CRATES: &[(&str, &[&str])] = &[
    ("tokio", &["upstream", "proxy", "admin", "cli"]),
    ("sqlparser", &["sql"]),
    ("pg_raw_parse", &["sql"]),
    ("serde", &["model", "policy", "observe", "config", "proxy", "admin", "cli", "upstream"]),
    ("anyhow", &["cli"]),
    ("clap", &["cli"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files
        .into_iter()
        .map(|path| {
            let relative = path.strip_prefix(&root).unwrap().to_owned();
            let room = relative.components().next().unwrap().as_os_str().to_string_lossy().replace(".rs", "");
            let text = fs::read_to_string(&path).unwrap();
            (room, relative, text)
        })
        .filter(|(room, ..)| room != "lib" && room != "main")
        .collect()
}

/// Names that follow `prefix` anywhere in the text: `crate::` gives the rooms used.
fn names_after<'a>(text: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> + 'a {
    text.match_indices(prefix).flat_map(move |(at, _)| {
        let rest = &text[at + prefix.len()..];
        let group = rest.strip_prefix('{').and_then(|inner| inner.split_once('}')).map(|(inner, _)| inner);
        match group {
            Some(inner) => inner.split(',').collect::<Vec<_>>(),
            None => vec![rest],
        }
        .into_iter()
        .map(|name| name.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(""))
    })
}

#[test]
fn rooms_use_only_rooms_above_them() {
    let mut wrong = BTreeSet::new();
    for (room, file, text) in all_sources() {
        let (_, allowed) =
            EDGES.iter().find(|(name, _)| *name == room).unwrap_or_else(|| panic!("unknown room {room}"));
        for used in names_after(&text, "crate::") {
            let is_room = EDGES.iter().any(|(name, _)| *name == used);
            if is_room && used != room && !allowed.contains(&used) {
                wrong.insert(format!("{}: {room} -> {used}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "edges that are not in the table:\n{wrong:#?}");
}

#[test]
fn crates_stay_in_their_rooms() {
    let mut wrong = BTreeSet::new();
    for (room, file, text) in all_sources() {
        for (name, rooms) in CRATES {
            let named = text.lines().any(|line| {
                let line = line.trim_start();
                !line.starts_with("//")
                    && (line.contains(&format!("{name}::")) || line.starts_with(&format!("use {name}")))
            });
            if named && !rooms.contains(&room.as_str()) {
                wrong.insert(format!("{}: {room} names {name}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_file_says_what_it_is_and_stays_readable() {
    let mut wrong = BTreeSet::new();
    for (_, file, text) in all_sources() {
        if !text.starts_with("//!") {
            wrong.insert(format!("{}: no header", file.display()));
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or("").lines().count();
        let is_test = file.file_name().is_some_and(|name| name == "tests.rs" || name == "forged.rs");
        if code > 600 && !is_test {
            wrong.insert(format!("{}: {code} lines", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
