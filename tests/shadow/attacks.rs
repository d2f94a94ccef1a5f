//! Runs the pages of attacks against A and B. None may leak, and each must end as its page says.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::answers::{alike, difference, without_numbers};
use crate::markers::Markers;
use crate::pages::{self, Attack};
use crate::support::project;
use crate::support::raw;
use crate::wire::{Answer, Message, Wire};
use crate::world::{A, B, World, world};

/// What came of an attack.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// A protected value was shown, or A and B answer differently.
    Leaked(String),
    /// An error.
    Refused(String),
    /// An answer without anything protected in it.
    Harmless,
    /// No answer.
    Broken,
}

impl Outcome {
    fn pinned(&self) -> String {
        match self {
            Self::Leaked(why) => format!("leaked: {why}"),
            Self::Refused(code) => format!("refused {code}"),
            Self::Harmless => "harmless".to_owned(),
            Self::Broken => "broken".to_owned(),
        }
    }
}

/// Everything that a table or the catalog could have kept of an attack.
const STATE: &str = "SELECT (SELECT sum(hashtextextended(t::text, 0)) FROM patients t), \
    (SELECT sum(hashtextextended(t::text, 0)) FROM staff t), (SELECT sum(hashtextextended(t::text, 0)) FROM visits t), \
    (SELECT sum(hashtextextended(t::text, 0)) FROM measures t), (SELECT sum(hashtextextended(t::text, 0)) FROM items t), \
    (SELECT sum(hashtextextended(t::text, 0)) FROM ledger t), (SELECT sum(hashtextextended(t::text, 0)) FROM tickets t), \
    (SELECT sum(hashtextextended(t::text, 0)) FROM changes t), (SELECT sum(hashtextextended(t::text, 0)) FROM vault t), \
    (SELECT sum(hashtextextended(t::text, 0)) FROM lab.copy t), (SELECT count(*) FROM pg_largeobject), \
    (SELECT sum(hashtextextended(t::text, 0)) FROM pg_authid t), (SELECT sum(hashtextextended(t::text, 0)) FROM pg_db_role_setting t), \
    (SELECT sum(hashtextextended(relname::text || relkind::text || coalesce(relacl::text, ''), oid::bigint)) FROM pg_class WHERE relpersistence <> 't'), \
    (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_'), \
    (SELECT count(*) FROM pg_type WHERE typnamespace::regnamespace::text !~ '^pg_'), (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_rewrite), (SELECT count(*) FROM pg_prepared_xacts), \
    (SELECT count(*) FROM pg_replication_slots), (SELECT count(*) FROM pg_publication), (SELECT count(*) FROM pg_description)";

/// A world with what is needed to judge.
struct Range {
    world: World,
    markers: Markers,
    admins: HashMap<&'static str, Wire>,
    guesses: Wire,
    /// Sessions in which nothing but queries has been tried.
    clean: HashMap<(&'static str, String), Wire>,
}

/// The sessions of one attack in one database.
struct Attempt<'a> {
    database: &'static str,
    range: &'a mut Range,
    sessions: Vec<Wire>,
    current: usize,
    collected: Vec<u8>,
    sent: Vec<u8>,
}

impl Range {
    fn new() -> Option<Self> {
        let world = world()?;
        let mut markers = Markers::read(&mut world.direct("postgres", A));
        markers.extend(Markers::read(&mut world.direct("postgres", B)));
        let admins = [A, B].into_iter().map(|database| (database, world.direct("postgres", database))).collect();
        let guesses = world.direct("postgres", A);
        Some(Self { world, markers, admins, guesses, clean: HashMap::new() })
    }

    /// Runs the steps in one database: what came back, and what was sent.
    fn attempt(&mut self, attack: &Attack, database: &'static str) -> (Vec<Message>, Vec<u8>, bool) {
        let key = (database, attack.user.clone());
        let first = self.clean.remove(&key).unwrap_or_else(|| self.world.via(&attack.user, database));
        let mut attempt = Attempt {
            database,
            range: self,
            sessions: vec![first],
            current: 0,
            collected: Vec::new(),
            sent: Vec::new(),
        };
        let refused = attempt.sessions[0].received.iter().any(|(kind, _)| *kind == b'E');
        assert!(!refused, "no login: {:?}", Answer::of(&attempt.sessions[0].received).error);
        attempt.sessions[0].take();
        for step in &attack.steps {
            attempt.step(step);
        }
        attempt.end();
        let closed = attempt.sessions.iter().any(|session| session.closed);
        let sent = std::mem::take(&mut attempt.sent);
        let mut sessions = std::mem::take(&mut attempt.sessions);
        let messages = sessions.iter_mut().flat_map(Wire::take).collect();
        if !closed && is_query(attack) {
            self.clean.insert(key, sessions.remove(0));
        }
        (messages, sent, closed)
    }

    fn judge(&mut self, attack: &Attack) -> Outcome {
        let (in_a, sent_a, closed) = self.attempt(attack, A);
        let (in_b, sent_b, _) = self.attempt(attack, B);
        let found = self.markers.search(&in_a, &sent_a).or_else(|| self.markers.search(&in_b, &sent_b));
        if let Some(what) = found {
            return Outcome::Leaked(what);
        }
        if alike(&in_a) != alike(&in_b) {
            let again_a = self.attempt(attack, A).0;
            let again_b = self.attempt(attack, B).0;
            let stable = alike(&in_a) == alike(&again_a) && alike(&in_b) == alike(&again_b);
            if stable || without_numbers(&in_a) != without_numbers(&in_b) {
                return Outcome::Leaked(difference(&in_a, &in_b));
            }
        }
        match Answer::of(&in_a).error {
            Some((code, _)) => Outcome::Refused(code),
            None if closed => Outcome::Broken,
            None => Outcome::Harmless,
        }
    }

    /// The text of a step with its placeholders filled in.
    fn fill(&mut self, text: &str, database: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let (before, after) = rest.split_at(open);
            filled.push_str(before);
            let value = after.find('}').and_then(|close| Some((self.placeholder(&after[1..close], database)?, close)));
            match value {
                Some((value, close)) => {
                    filled.push_str(&value);
                    rest = &after[close + 1..];
                }
                None => {
                    filled.push('{');
                    rest = &after[1..];
                }
            }
        }
        filled + rest
    }

    fn placeholder(&mut self, name: &str, database: &str) -> Option<String> {
        match name.split(':').collect::<Vec<_>>()[..] {
            ["nl"] => Some("\n".to_owned()),
            ["db"] => Some(database.to_owned()),
            ["repeat", count, text] => Some(text.repeat(count.parse().ok()?)),
            [column, id] => {
                let (table, column) = column.split_once('.')?;
                if !(table.to_owned() + column).bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
                    return None;
                }
                let id: u32 = id.parse().ok()?;
                let rows = self.guesses.values(&format!("SELECT {column}::text FROM {table} WHERE id = {id}"));
                rows.into_iter().flatten().flatten().next()
            }
            _ => None,
        }
    }
}

impl Attempt<'_> {
    fn step(&mut self, step: &str) {
        let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
        let rest = &self.range.fill(rest, self.database);
        // What others send is no echo.
        if verb != "admin" {
            self.sent.extend(rest.bytes().chain([0]));
        }
        let words: Vec<&str> = rest.split(' ').collect();
        let name = |at: usize| words.get(at).copied().filter(|word| *word != "-").unwrap_or("");
        let rest_after = |count: usize| rest.splitn(count + 1, ' ').nth(count).unwrap_or("");
        let values: Vec<Option<&[u8]>> = words.iter().skip(2).map(|word| Some(word.as_bytes())).collect();
        match verb {
            "query" => self.talk(&raw::query(rest)),
            "extended" => self.talk(&[raw::extended(rest), raw::sync()].concat()),
            "binary" => {
                let bind = raw::bind_with("", "", &[], &[], &[1]);
                let frames = [raw::parse("", rest), bind, raw::describe_of(b'P', ""), raw::execute("", 0), raw::sync()];
                self.talk(&frames.concat());
            }
            "parse" => self.collected.extend(raw::parse(name(0), rest_after(1))),
            "bind" => self.collected.extend(raw::bind_with(name(0), name(1), &[], &values, &[])),
            "describe" => self.collected.extend(raw::describe_of(name(0).as_bytes()[0], name(1))),
            "execute" => self.collected.extend(raw::execute(name(0), name(1).parse().unwrap_or(0))),
            "close" => self.collected.extend(raw::close(name(0).as_bytes()[0], name(1))),
            "sync" => {
                let frames = [std::mem::take(&mut self.collected), raw::sync()].concat();
                self.talk(&frames);
            }
            "call" => self.call(rest),
            "data" if self.session().is_copying() => self.session().send(&raw::copy_data(&format!("{rest}\n"))),
            "done" if self.session().is_copying() => self.talk(&raw::copy_done()),
            "data" | "done" => {}
            "login" => self.login(&words),
            "session" => self.current = name(0).parse::<usize>().expect("a number") - 1,
            "admin" => drop(self.range.admins.get_mut(self.database).unwrap().simple(rest)),
            "wait" => self.session().listen_for(Duration::from_millis(150)),
            other => panic!("no such step: {other}"),
        }
    }

    fn session(&mut self) -> &mut Wire {
        &mut self.sessions[self.current]
    }

    fn talk(&mut self, frames: &[u8]) {
        self.session().send(frames);
        self.session().listen();
    }

    fn call(&mut self, text: &str) {
        let (function, arguments) = text.split_once(") ").map_or((text, ""), |(head, tail)| (head, tail));
        let function = format!("{})", function.trim_end_matches(')'));
        let admin = self.range.admins.get_mut(self.database).unwrap();
        let oid = admin.values(&format!("SELECT '{function}'::regprocedure::oid"))[0][0].clone().unwrap();
        let values: Vec<&str> = arguments.split('|').filter(|value| !value.is_empty()).collect();
        let mut body = oid.parse::<u32>().unwrap().to_be_bytes().to_vec();
        body.extend([0, 0]);
        body.extend(u16::try_from(values.len()).unwrap().to_be_bytes());
        for value in values {
            body.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
            body.extend(value.bytes());
        }
        body.extend([0, 0]);
        self.talk(&raw::frame(b'F', body));
    }

    fn login(&mut self, words: &[&str]) {
        let mut parameters = vec![("database", self.database), ("user", "chief")];
        for word in words {
            let (key, value) = word.split_once('=').expect("KEY=VALUE");
            parameters.retain(|(known, _)| *known != key);
            parameters.push((key, value));
        }
        let spaced: Vec<(&str, String)> =
            parameters.iter().map(|(key, value)| (*key, value.replace("%20", " "))).collect();
        let parameters: Vec<(&str, &str)> = spaced.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let mut session = Wire::connect(self.range.world.proxy.port(), &parameters);
        // The key of the session differs each time.
        session.received.retain(|(kind, _)| *kind != b'K');
        self.sessions.push(session);
        self.current = self.sessions.len() - 1;
    }

    /// Nothing is left half said.
    fn end(&mut self) {
        if !self.collected.is_empty() {
            self.step("sync");
        }
        for session in &mut self.sessions {
            if session.is_copying() {
                session.send(&raw::copy_fail("no"));
                session.listen();
            }
        }
    }
}

/// A single statement that leaves nothing behind in the session.
fn is_query(attack: &Attack) -> bool {
    let [step] = &attack.steps[..] else { return false };
    let words = step.to_ascii_lowercase();
    let reads =
        ["query select", "query with", "query values", "query table"].iter().any(|verb| words.starts_with(verb));
    reads && !words.contains("set") && !words.contains("lock") && !words.contains(';')
}

#[test]
fn no_attack_shows_anything_and_each_ends_as_its_page_says() {
    let Some(mut range) = Range::new() else { return };
    let wanted = std::env::var("PGCOVENANT_SHADOW_ONLY").ok();
    let pin = std::env::var_os("PGCOVENANT_SHADOW_PIN").is_some();
    let mut files: Vec<PathBuf> =
        fs::read_dir(project("tests/shadow/attacks")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let began = std::time::Instant::now();
    let (mut report, mut counts) = (String::new(), [0; 4]);
    let mut state = range.admins.get_mut(A).unwrap().values(STATE);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let mut verdicts = Vec::new();
        for attack in pages::read(&text) {
            if wanted.as_ref().is_some_and(|wanted| !attack.title.contains(wanted.as_str())) {
                verdicts.push((attack.place.clone(), attack.pinned.clone()));
                continue;
            }
            let outcome = range.judge(&attack);
            counts[match outcome {
                Outcome::Leaked(_) => 0,
                Outcome::Refused(_) => 1,
                Outcome::Harmless => 2,
                Outcome::Broken => 3,
            }] += 1;
            let after = range.admins.get_mut(A).unwrap().values(STATE);
            let changed = if after == state { "" } else { ", changed" };
            state = after;
            let seen = outcome.pinned() + changed;
            let leaked = matches!(outcome, Outcome::Leaked(_) | Outcome::Broken);
            // Versions of the server may refuse differently, but none may leak.
            let expected = attack.pinned.split(" or ").any(|pinned| pinned == seen);
            if leaked || !expected {
                let page = file.file_stem().unwrap().to_string_lossy();
                let _ = writeln!(
                    report,
                    "{page}: {}\n  {:?}\n  {seen}, instead of {}",
                    attack.title, attack.steps, attack.pinned
                );
            }
            verdicts
                .push((attack.place.clone(), if pin && !leaked && !expected { seen } else { attack.pinned.clone() }));
        }
        if pin {
            fs::write(&file, pages::pinned(&text, &verdicts)).unwrap();
        }
    }
    let [leaked, refused, harmless, broken] = counts;
    println!("{:?}", began.elapsed());
    println!("{leaked} leaked, {refused} refused, {harmless} harmless, {broken} broken\n{report}");
    assert!(report.is_empty(), "{report}");
    assert!(wanted.is_some() || leaked + refused + harmless + broken >= 400, "{counts:?}");
}
