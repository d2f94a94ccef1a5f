//! How many clients there may be: places that are taken and given back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use dashmap::DashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::session::Fatal;
use super::stream::Stream;
use crate::config::Limits;
use crate::policy::subject::Subject;

/// Pause between two lines of the log about the same trouble, which may meet thousands of clients.
const COMPLAINTS: Duration = Duration::from_secs(10);

/// What a client is told for whom there is no room.
pub fn no_room() -> Fatal {
    Fatal::new("53300", "sorry, too many clients already")
}

/// All places.
#[derive(Debug)]
pub struct Places {
    strangers: Arc<Semaphore>,
    sessions: Arc<Semaphore>,
    users: Option<Arc<Tally>>,
    databases: Option<Arc<Tally>>,
}

/// Sessions that share a name.
#[derive(Debug)]
struct Tally {
    limit: usize,
    taken: DashMap<Box<str>, usize>,
}

/// A place among those of the same name.
#[derive(Debug)]
struct Place {
    tally: Arc<Tally>,
    name: Box<str>,
}

/// The places of one session; free again when dropped.
#[derive(Debug)]
pub struct SessionPlaces {
    _all: OwnedSemaphorePermit,
    _user: Option<Place>,
    _database: Option<Place>,
}

impl Places {
    /// As many as the configuration allows.
    pub fn new(limits: &Limits) -> Self {
        let semaphore = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        let tally = |limit: Option<usize>| limit.map(|limit| Arc::new(Tally { limit, taken: DashMap::new() }));
        Self {
            strangers: semaphore(limits.unauthenticated),
            sessions: semaphore(limits.connections),
            users: tally(limits.connections_per_user),
            databases: tally(limits.connections_per_database),
        }
    }

    /// For a client that has not logged in yet.
    pub fn stranger(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.strangers).try_acquire_owned().ok()
    }

    /// Whether a client that wants a session need not even log in. Nobody gets a place before that: those who never
    /// finish would keep others out.
    pub fn are_taken(&self) -> bool {
        self.sessions.available_permits() == 0
    }

    /// For a client that has logged in: among all sessions, and among those of the same role and of the same database.
    ///
    /// # Errors
    /// There is no room, in the server's words.
    pub fn session(&self, subject: &Subject) -> Result<SessionPlaces, Fatal> {
        let all = Arc::clone(&self.sessions).try_acquire_owned().map_err(|_| no_room())?;
        let user = self.users.as_ref().map(|tally| tally.take(&subject.user, "role")).transpose()?;
        let database = self.databases.as_ref().map(|tally| tally.take(&subject.database, "database")).transpose()?;
        Ok(SessionPlaces { _all: all, _user: user, _database: database })
    }
}

impl Tally {
    fn take(self: &Arc<Self>, name: &str, what: &str) -> Result<Place, Fatal> {
        let mut taken = self.taken.entry(name.into()).or_default();
        if *taken >= self.limit {
            return Err(Fatal::new("53300", format!("too many connections for {what} \"{name}\"")));
        }
        *taken += 1;
        Ok(Place { tally: Arc::clone(self), name: name.into() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.tally.taken.remove_if_mut(&self.name, |_, taken| {
            *taken = taken.saturating_sub(1);
            *taken == 0
        });
    }
}

/// When the log was last told of a trouble that lasts.
#[derive(Debug, Default)]
pub struct Seldom {
    last: Mutex<Option<Instant>>,
}

impl Seldom {
    /// Whether it may be told again; if so, it counts as told.
    pub fn is_due(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|at| at.elapsed() >= COMPLAINTS);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

/// Says that there is no room, without waiting for what the client wants to say, and without waiting at all.
pub fn turn_away_unheard(stream: &Stream) {
    let mut out = BytesMut::new();
    no_room().put(&mut out);
    // Whether it arrives or not, the client is turned away.
    let _ = match stream {
        Stream::Tcp(stream) => stream.try_write(&out),
        Stream::Unix(stream) => stream.try_write(&out),
        Stream::Tls(_) => Ok(0),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_a_name_are_counted_and_given_back() {
        let limits = Limits { connections_per_user: Some(2), connections_per_database: Some(3), ..Limits::default() };
        let places = Places::new(&limits);
        let subject = |user: &str| Subject { user: user.into(), database: "shop".into(), ..Subject::default() };
        let one = places.session(&subject("ann")).unwrap();
        let _two = places.session(&subject("ann")).unwrap();
        let full = places.session(&subject("ann")).unwrap_err();
        assert_eq!((full.code, &full.message[..]), ("53300", "too many connections for role \"ann\""));
        let _three = places.session(&subject("bob")).unwrap();
        let full = places.session(&subject("bob")).unwrap_err();
        assert_eq!(full.message, "too many connections for database \"shop\"");
        drop(one);
        let _again = places.session(&subject("bob")).unwrap();
        assert_eq!(places.users.as_ref().unwrap().taken.get("bob").map(|taken| *taken), Some(2), "no place is lost");
    }
}
