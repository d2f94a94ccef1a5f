//! The part of the configuration that is about what outlives the process: the record of usage.

use std::path::PathBuf;
use std::time::Duration;

use super::file::Reader;
use crate::model::source::{Fields, Node, Value, non_empty};

/// How often usage is written if nothing else is said.
const DEFAULT_FLUSH: Duration = Duration::from_secs(10);

/// Where the record of usage is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The store.
    pub place: Place,
    /// How often it is written: so much is lost when the process is killed.
    pub flush: Duration,
}

/// A store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file of SQLite, of one process.
    File(PathBuf),
    /// A database of PostgreSQL, which several processes may share.
    Postgres {
        /// `postgres://user@host:port/database`, without a password.
        url: String,
        /// Name of the environment variable with the password.
        password_env: Option<String>,
    },
}

impl Place {
    /// The store that somebody names in a word, files as they are given.
    pub fn named(text: &str) -> Self {
        if is_url(text) { Self::Postgres { url: text.to_owned(), password_env: None } } else { Self::File(text.into()) }
    }

    /// The role that writes to a database, where the address names it.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::File(_) => None,
            Self::Postgres { url, .. } => user_of(url).filter(|user| !user.is_empty()),
        }
    }
}

fn is_url(text: &str) -> bool {
    text.starts_with("postgres://") || text.starts_with("postgresql://")
}

/// What stands before the host.
fn user_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    authority.rsplit_once('@').map(|(user, _)| user)
}

/// Whether the address of a database holds a password.
fn has_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    user_of(url).is_some_and(|user| user.contains(':'))
        || rest.split(['?', '&']).any(|part| part.starts_with("password="))
}

impl Reader<'_, '_> {
    pub(super) fn state(&mut self, node: &Node) -> Option<State> {
        if matches!(node.value, Value::Map(_)) {
            return self.state_fields(node);
        }
        let text = non_empty(node, self.problems)?;
        let place = if text.contains("://") { self.database(node, None) } else { self.path(node).map(Place::File) };
        Some(State { place: place?, flush: DEFAULT_FLUSH })
    }

    fn state_fields(&mut self, node: &Node) -> Option<State> {
        let mut fields = Fields::of(node, "state", self.problems)?;
        let (path, url) = (fields.optional("path"), fields.optional("url"));
        let password_env = fields.optional("password_env").and_then(|node| non_empty(node, self.problems));
        let flush = fields.optional("flush").map_or(Some(DEFAULT_FLUSH), |node| self.duration(node));
        fields.finish(self.problems);
        let place = match (path, url) {
            (Some(path), None) => self.path(path).map(Place::File),
            (None, Some(url)) => self.database(url, password_env),
            (Some(_), Some(_)) | (None, None) => {
                let help =
                    "Give `path: ./state.sqlite` for one process, or `url: postgres://user@host/database` for a fleet.";
                self.problems.error_with(&node.span, "state needs either `path` or `url`", help);
                None
            }
        };
        Some(State { place: place?, flush: flush? })
    }

    fn database(&mut self, node: &Node, password_env: Option<String>) -> Option<Place> {
        let url = non_empty(node, self.problems)?;
        if !is_url(&url) {
            let help = "Write it as postgres://user@host:5432/database, or name a file.";
            self.problems.error_with(&node.span, "this is no address of a PostgreSQL database", help);
            return None;
        }
        if has_password(&url) {
            let help = "Put it into an environment variable, and name that: `state: {url: …, password_env: …}`.";
            self.problems.error_with(&node.span, "a password does not belong into this file", help);
            return None;
        }
        Some(Place::Postgres { url, password_env })
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::read;
    use super::*;
    use crate::model::source::SourceFile;

    fn state(text: &str) -> Result<State, Vec<String>> {
        let text = format!("upstream: {{host: db}}\nstate: {text}\n");
        let (config, found) = read(&SourceFile::new("etc/pgcovenant.yaml", &text));
        config.and_then(|config| config.state).ok_or_else(|| found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_store_is_a_file_or_a_database() {
        let file = Place::File("etc/./state.sqlite".into());
        assert_eq!(state("./state.sqlite"), Ok(State { place: file.clone(), flush: DEFAULT_FLUSH }));
        assert_eq!(
            state("{path: ./state.sqlite, flush: 2s}"),
            Ok(State { place: file, flush: Duration::from_secs(2) })
        );
        let url = "postgres://usage@db:5433/fleet".to_owned();
        assert_eq!(Place::named(&url).user(), Some("usage"));
        assert_eq!(Place::named("postgres://db/fleet").user(), None);
        assert_eq!(
            state("postgres://usage@db:5433/fleet").unwrap().place,
            Place::Postgres { url: url.clone(), password_env: None }
        );
        assert_eq!(
            state("{url: 'postgres://usage@db:5433/fleet', password_env: PW}").unwrap().place,
            Place::Postgres { url, password_env: Some("PW".to_owned()) }
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, expected) in [
            ("mysql://db/x", "etc/pgcovenant.yaml:2:8: error: this is no address of a PostgreSQL database"),
            ("postgres://u:secret@db/x", "etc/pgcovenant.yaml:2:8: error: a password does not belong into this file"),
            (
                "'postgres://db/x?password=s'",
                "etc/pgcovenant.yaml:2:8: error: a password does not belong into this file",
            ),
            ("{flush: 1s}", "etc/pgcovenant.yaml:2:8: error: state needs either `path` or `url`"),
            ("{path: a, flush: 0s}", "etc/pgcovenant.yaml:2:25: error: this is no time span"),
            ("{paht: a}", "etc/pgcovenant.yaml:2:9: error: state has no key `paht` (did you mean `path`?)"),
        ] {
            let found = state(text).unwrap_err();
            assert!(found.iter().any(|line| line.starts_with(expected)), "{text}: {found:?}");
        }
    }
}
