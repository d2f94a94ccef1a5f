//! Sessions at the server that did not come through this proxy: which of them are expected, and which are new.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// A session as the server tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSession {
    /// Process number of its backend.
    pub pid: u32,
    /// When it began, in microseconds of Unix time: process numbers are used again.
    pub began: i64,
    /// The database.
    pub database: Box<str>,
    /// The role that logged in.
    pub user: Box<str>,
    /// What it calls itself at the moment.
    pub application: Box<str>,
    /// The client's end of the connection; none for a unix socket.
    pub client: Option<SocketAddr>,
}

/// Addresses of names, as they were last looked up.
pub type Names = HashMap<Box<str>, HashSet<IpAddr>>;

/// From where sessions come that are expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A unix socket of the server.
    Local,
    /// A network.
    Network(IpNet),
    /// All addresses that a name has at the moment.
    Name(Box<str>),
}

/// Sessions that are expected: all that is given must fit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expected {
    /// Where they come from.
    pub from: Option<Vec<Origin>>,
    /// As which roles.
    pub users: Option<Vec<String>>,
    /// As which applications.
    pub applications: Option<Vec<String>>,
}

impl Expected {
    /// Sessions of one role, wherever they come from.
    pub fn user(name: &str) -> Self {
        Self { users: Some(vec![name.to_owned()]), ..Self::default() }
    }

    /// Whether this session is meant.
    pub fn fits(&self, session: &ServerSession, names: &Names) -> bool {
        let address = session.client.map(|client| client.ip());
        let from = |origins: &Vec<Origin>| origins.iter().any(|origin| origin.fits(address, names));
        let is = |names: &Vec<String>, name: &str| names.iter().any(|known| known == name);
        self.from.as_ref().is_none_or(from)
            && self.users.as_ref().is_none_or(|users| is(users, &session.user))
            && self.applications.as_ref().is_none_or(|applications| is(applications, &session.application))
    }
}

impl Origin {
    /// The name that is to be looked up.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Local | Self::Network(_) => None,
        }
    }

    fn fits(&self, address: Option<IpAddr>, names: &Names) -> bool {
        match (self, address) {
            (Self::Local, None) => true,
            (Self::Network(network), Some(address)) => network.contains(&address),
            (Self::Name(name), Some(address)) => names.get(name).is_some_and(|known| known.contains(&address)),
            (Self::Local, Some(_)) | (Self::Network(_) | Self::Name(_), None) => false,
        }
    }
}

/// The connections to the server that the proxy itself holds.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// Process numbers of their backends.
    pub backends: HashSet<u32>,
    /// Our ends of them.
    pub addresses: HashSet<SocketAddr>,
}

impl Held {
    fn has(&self, session: &ServerSession) -> bool {
        self.backends.contains(&session.pid) || session.client.is_some_and(|client| self.addresses.contains(&client))
    }
}

/// What one look has found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Look {
    /// Sessions that came around the proxy, by database.
    pub counts: BTreeMap<Box<str>, usize>,
    /// Those of them that have not been told of before.
    pub new: Vec<ServerSession>,
}

/// What is known of a session that was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It came through the proxy: it may outlive our end of it by a moment.
    Ours,
    /// It was seen once. It may be one of ours that is about to log in or has just gone.
    Once,
    /// It was told of.
    Told,
}

/// What earlier looks have seen, and is still there.
#[derive(Debug, Default)]
pub struct Memory(HashMap<(u32, i64), Known>);

impl Memory {
    /// Judges the sessions of these databases; `held` is to be asked for after the server was.
    pub fn look(
        &mut self,
        sessions: Vec<ServerSession>,
        held: &Held,
        (expected, names): (&[Expected], &Names),
        databases: impl IntoIterator<Item = Box<str>>,
    ) -> Look {
        let mut look = Look { counts: databases.into_iter().map(|name| (name, 0)).collect(), new: Vec::new() };
        let mut next = HashMap::new();
        for session in sessions {
            let key = (session.pid, session.began);
            let before = self.0.get(&key).copied();
            let now = match before {
                _ if held.has(&session) => Known::Ours,
                Some(Known::Ours) => Known::Ours,
                Some(Known::Once | Known::Told) => Known::Told,
                None => Known::Once,
            };
            next.insert(key, now);
            if now != Known::Told || expected.iter().any(|expected| expected.fits(&session, names)) {
                continue;
            }
            let Some(count) = look.counts.get_mut(&session.database) else { continue };
            *count += 1;
            if before == Some(Known::Once) {
                look.new.push(session);
            }
        }
        self.0 = next;
        look
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(pid: u32, user: &str, client: Option<&str>) -> ServerSession {
        ServerSession {
            pid,
            began: 1,
            database: "shop".into(),
            user: user.into(),
            application: "psql".into(),
            client: client.map(|client| client.parse().unwrap()),
        }
    }

    fn look(memory: &mut Memory, sessions: &[ServerSession], held: &Held, expected: &[Expected]) -> (usize, Vec<u32>) {
        let look = memory.look(sessions.to_vec(), held, (expected, &Names::new()), [Box::from("shop")]);
        (look.counts["shop"], look.new.iter().map(|session| session.pid).collect())
    }

    #[test]
    fn a_session_of_nobody_counts_from_the_second_look_and_is_told_once() {
        let mut memory = Memory::default();
        let sessions = [session(1, "ann", Some("10.0.0.1:4000")), session(2, "bob", None)];
        let held = Held { backends: [2].into(), ..Held::default() };
        assert_eq!(look(&mut memory, &sessions, &held, &[]), (0, vec![]));
        assert_eq!(look(&mut memory, &sessions, &held, &[]), (1, vec![1]));
        assert_eq!(look(&mut memory, &sessions, &Held::default(), &[]), (1, vec![]), "what was ours stays ours");
        assert_eq!(look(&mut memory, &[], &held, &[]), (0, vec![]));
        assert!(memory.0.is_empty());
    }

    #[test]
    fn a_session_is_ours_by_its_backend_or_by_our_end_of_it() {
        let mut memory = Memory::default();
        let sessions = [session(1, "ann", Some("10.0.0.1:4000")), session(2, "ann", Some("10.0.0.1:4001"))];
        let held = Held { backends: [2].into(), addresses: ["10.0.0.1:4000".parse().unwrap()].into() };
        assert_eq!(look(&mut memory, &sessions, &held, &[]), (0, vec![]));
        assert_eq!(look(&mut memory, &sessions, &held, &[]), (0, vec![]));
        // Another session got the number of one that has ended.
        let other = [ServerSession { began: 2, ..session(2, "eve", Some("10.0.0.9:1")) }];
        let held = Held::default();
        assert_eq!(look(&mut memory, &other, &held, &[]), (0, vec![]));
        assert_eq!(look(&mut memory, &other, &held, &[]), (1, vec![2]));
    }

    #[test]
    fn all_that_an_entry_says_must_fit() {
        let none = Names::new();
        let from = |text: &str| Some(vec![Origin::Network(text.parse().unwrap())]);
        let backup = Expected { from: from("10.0.0.0/8"), ..Expected::user("backup") };
        assert!(backup.fits(&session(1, "backup", Some("10.9.9.9:5")), &none));
        assert!(!backup.fits(&session(1, "backup", Some("11.9.9.9:5")), &none));
        assert!(!backup.fits(&session(1, "ann", Some("10.9.9.9:5")), &none));
        assert!(!backup.fits(&session(1, "backup", None), &none), "a unix socket is in no network");
        let local = Expected { from: Some(vec![Origin::Local]), ..Expected::default() };
        assert!(
            local.fits(&session(1, "ann", None), &none) && !local.fits(&session(1, "ann", Some("127.0.0.1:5")), &none)
        );
        let named =
            Expected { applications: Some(vec!["pg_dump".to_owned(), "psql".to_owned()]), ..Expected::default() };
        assert!(named.fits(&session(1, "ann", None), &none));
    }

    #[test]
    fn a_name_stands_for_the_addresses_that_it_has_at_the_moment() {
        let replicas = Expected { from: Some(vec![Origin::Name("replicas".into())]), ..Expected::default() };
        let one = session(1, "ann", Some("10.0.0.7:5"));
        let names = |addresses: &[&str]| -> Names {
            [("replicas".into(), addresses.iter().map(|address| address.parse().unwrap()).collect())].into()
        };
        assert!(replicas.fits(&one, &names(&["10.0.0.6", "10.0.0.7"])));
        assert!(!replicas.fits(&one, &names(&["10.0.0.6"])));
        assert!(!replicas.fits(&one, &Names::new()), "it could not be looked up yet");
        assert!(!replicas.fits(&session(1, "ann", None), &names(&["10.0.0.7"])));
    }

    #[test]
    fn other_databases_do_not_count() {
        let mut memory = Memory::default();
        let elsewhere = [ServerSession { database: "elsewhere".into(), ..session(1, "ann", None) }];
        for _ in 0..3 {
            assert_eq!(look(&mut memory, &elsewhere, &Held::default(), &[]), (0, vec![]));
        }
    }
}
