//! What contracts promise of the data itself: that rows have their partners, and that the newest row is not old.
//!
//! Asked for at intervals over the service account, never in anybody's session: read only, for a few seconds at most, and
//! without waiting for locks. Of a large table a sample is read, another one each time, and a smaller one after a question
//! that has taken too long. What is found goes to metrics; the log is told when it changes.

mod freshness;
mod orphans;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, IsolationLevel, Transaction};

use super::connect::{ServiceAccount, UpstreamError};
use super::divergence::{MOST_BYTES, SETTINGS};
use crate::config::data_checks::DataChecks;
use crate::model::data_checks::{Measured, Orphans, TableFreshness};
use crate::policy::compile::Bundle;
use crate::policy::snapshot::Snapshot;
use crate::policy::store::SnapshotStore;

/// How often it is looked whether it is time.
const TICK: Duration = Duration::from_millis(500);

/// How long all questions of a database may take, connecting included.
const LIMIT: Duration = Duration::from_secs(60);

/// No sample is smaller: a question that takes too long even so is given up.
const LEAST_BYTES: i64 = 64 << 10;

/// Takes what was measured. Called on a background task.
pub type Sink = Arc<dyn Fn(&Measured) + Send + Sync>;

/// Measures the data of every database whose catalog is in the store, for as long as it is polled.
pub async fn run(account: ServiceAccount, store: Arc<SnapshotStore>, every: DataChecks, sink: Sink) {
    let mut watched: HashMap<Box<str>, Watch> = HashMap::new();
    let shortest = every.orphans.into_iter().chain(every.freshness).min().unwrap_or(TICK);
    let mut ticks = tokio::time::interval(TICK.min(shortest));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let snapshot = store.load();
        for name in snapshot.databases().keys() {
            watched.entry(name.clone()).or_default();
        }
        for (database, watch) in &mut watched {
            if watch.is_due(&snapshot, database, every) {
                watch.look(&account, database).await;
                sink(&watch.measured(database));
            }
        }
        watched.retain(|name, _| {
            let stays = snapshot.database(name).is_some();
            if !stays {
                sink(&Measured { database: name.clone(), ..Measured::default() });
            }
            stays
        });
    }
}

/// What is asked of the server, again and again.
trait Question: Clone + Send + Sync {
    /// What there is to know.
    type Answer: Clone + Send;

    /// Asks in a transaction of its own; of a table that is larger than this, a sample is read.
    fn ask(
        &self,
        transaction: &Transaction<'_>,
        most_bytes: i64,
    ) -> impl Future<Output = Result<Found<Self::Answer>, UpstreamError>> + Send;

    /// Whether the promise is kept, and how that is told; numbers apart, since they always change.
    fn verdict(&self, answer: &Self::Answer) -> Verdict;

    /// What is told of the question itself.
    fn what(&self) -> String;
}

/// An answer, or why there can be none.
enum Found<A> {
    Answer(A),
    None(String),
}

struct Verdict {
    is_kept: bool,
    words: &'static str,
    rows: Option<u64>,
    age_seconds: Option<u64>,
}

/// Schema, relation, and what tells several questions about it apart.
type Target = (Box<str>, Box<str>, Box<str>);

/// One database.
#[derive(Default)]
struct Watch {
    bundle: Option<Arc<Bundle>>,
    orphans: Questions<orphans::Question>,
    freshness: Questions<freshness::Question>,
}

/// All questions of one kind.
struct Questions<Q: Question> {
    next: Option<Instant>,
    is_due: bool,
    of: BTreeMap<Target, State<Q>>,
}

struct State<Q: Question> {
    question: Q,
    last: Option<Q::Answer>,
    told: Option<String>,
    asked: Option<Instant>,
    most_bytes: i64,
}

impl<Q: Question> Default for Questions<Q> {
    fn default() -> Self {
        Self { next: None, is_due: false, of: BTreeMap::new() }
    }
}

impl Watch {
    /// Whether there is something to ask or to forget now; a new contract is a reason.
    fn is_due(&mut self, snapshot: &Snapshot, database: &str, every: DataChecks) -> bool {
        let is_new = !self.bundle.as_ref().is_some_and(|bundle| Arc::ptr_eq(bundle, &snapshot.bundle));
        self.bundle = Some(Arc::clone(&snapshot.bundle));
        if self.orphans.is_time(is_new, every.orphans) {
            self.orphans.renew(orphans::questions(snapshot, database));
        }
        if self.freshness.is_time(is_new, every.freshness) {
            self.freshness.renew(freshness::questions(snapshot, database));
        }
        self.orphans.is_due || self.freshness.is_due
    }

    async fn look(&mut self, account: &ServiceAccount, database: &str) {
        let asked = async {
            if self.orphans.has_nothing_to_ask() && self.freshness.has_nothing_to_ask() {
                return Ok(());
            }
            // Not kept open: a database that somebody is connected to can be neither dropped nor copied nor renamed.
            let mut client = account.connect(database).await?;
            // The cheaper ones first.
            self.freshness.ask_all(&mut client, database).await;
            self.orphans.ask_all(&mut client, database).await;
            Ok(())
        };
        let outcome = tokio::time::timeout(LIMIT, asked).await.unwrap_or(Err(UpstreamError::Timeout(LIMIT.as_secs())));
        if let Err(error) = outcome {
            tracing::debug!(%database, error = error.discreet(), "cannot measure the data");
        }
        self.orphans.is_due = false;
        self.freshness.is_due = false;
    }

    fn measured(&self, database: &str) -> Measured {
        let orphans = self.orphans.of.iter().map(|((schema, relation, relationship), state)| Orphans {
            schema: schema.clone(),
            relation: relation.clone(),
            relationship: relationship.clone(),
            counted: state.last,
        });
        let freshness = self.freshness.of.iter().map(|((schema, relation, _), state)| TableFreshness {
            schema: schema.clone(),
            relation: relation.clone(),
            at_most: state.question.at_most,
            newest: state.last,
        });
        Measured { database: database.into(), orphans: orphans.collect(), freshness: freshness.collect() }
    }
}

impl<Q: Question> Questions<Q> {
    fn is_time(&mut self, is_new: bool, every: Option<Duration>) -> bool {
        let Some(every) = every else { return false };
        let now = Instant::now();
        self.is_due = is_new || self.next.is_none_or(|next| next <= now);
        if self.is_due {
            self.next = Some(now + every);
        }
        self.is_due
    }

    /// Takes over the questions that there are now; what is known of them stays.
    fn renew(&mut self, questions: BTreeMap<Target, Q>) {
        self.of.retain(|target, _| questions.contains_key(target));
        for (target, question) in questions {
            match self.of.get_mut(&target) {
                Some(state) => state.question = question,
                None => _ = self.of.insert(target, State::new(question)),
            }
        }
    }

    fn has_nothing_to_ask(&self) -> bool {
        !self.is_due || self.of.is_empty()
    }

    /// Those first that have waited for longest: time may not suffice for all.
    async fn ask_all(&mut self, client: &mut Client, database: &str) {
        if !self.is_due {
            return;
        }
        let mut states: Vec<_> = self.of.iter_mut().collect();
        states.sort_by_key(|(_, state)| state.asked);
        for (target, state) in states {
            state.asked = Some(Instant::now());
            let outcome = ask(client, &state.question, state.most_bytes).await;
            state.take(database, target, outcome);
        }
    }
}

async fn ask<Q: Question>(
    client: &mut Client,
    question: &Q,
    most_bytes: i64,
) -> Result<Found<Q::Answer>, UpstreamError> {
    let transaction =
        client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).read_only(true).start().await?;
    transaction.batch_execute(SETTINGS).await?;
    let found = question.ask(&transaction, most_bytes).await?;
    transaction.commit().await?;
    Ok(found)
}

impl<Q: Question> State<Q> {
    fn new(question: Q) -> Self {
        Self { question, last: None, told: None, asked: None, most_bytes: MOST_BYTES }
    }

    fn take(&mut self, database: &str, target: &Target, outcome: Result<Found<Q::Answer>, UpstreamError>) {
        if let Err(UpstreamError::Server(error)) = &outcome
            && error.code() == Some(&SqlState::QUERY_CANCELED)
            && let Some(most_bytes) = smaller(self.most_bytes)
        {
            self.most_bytes = most_bytes;
            return;
        }
        self.tell(database, target, &outcome);
        match outcome {
            Ok(Found::Answer(answer)) => self.last = Some(answer),
            Ok(Found::None(_)) => self.last = None,
            // What was known stays, and the time of the last check says how old it is.
            Err(_) => {}
        }
    }

    /// Tells the log what is different from before.
    fn tell(&mut self, database: &str, target: &Target, outcome: &Result<Found<Q::Answer>, UpstreamError>) {
        let verdict = match outcome {
            Ok(Found::Answer(answer)) => Ok(self.question.verdict(answer)),
            Ok(Found::None(why)) => Err(why.clone()),
            Err(error) => Err(error.discreet()),
        };
        let words = match &verdict {
            Ok(verdict) => verdict.words.to_owned(),
            Err(why) => format!("{}: {why}", self.question.what()),
        };
        if self.told.as_ref() == Some(&words) {
            return;
        }
        let (schema, relation, detail) = target;
        let relationship = (!detail.is_empty()).then(|| tracing::field::display(detail));
        match verdict {
            Ok(Verdict { is_kept: true, rows, age_seconds, .. }) => {
                tracing::info!(%database, %schema, %relation, relationship, rows, age_seconds, "{words}");
            }
            Ok(Verdict { is_kept: false, rows, age_seconds, .. }) => {
                tracing::warn!(%database, %schema, %relation, relationship, rows, age_seconds, "{words}");
            }
            Err(_) => tracing::warn!(%database, %schema, %relation, relationship, "{words}"),
        }
        self.told = Some(words);
    }
}

/// What to read at once after a question that has taken too long; none if that is as little as it may be.
fn smaller(most_bytes: i64) -> Option<i64> {
    (most_bytes > LEAST_BYTES).then(|| (most_bytes / 4).max(LEAST_BYTES))
}

/// How much of a table of that size is read.
fn share(bytes: i64, most_bytes: i64) -> f64 {
    if bytes <= most_bytes { 1.0 } else { most_bytes as f64 / bytes as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_large_tables_a_share_is_read() {
        assert_eq!(share(0, 100), 1.0);
        assert_eq!(share(100, 100), 1.0);
        assert_eq!(share(400, 100), 0.25);
    }

    #[test]
    fn a_question_that_takes_too_long_reads_less_until_there_is_no_less() {
        let budgets: Vec<i64> = std::iter::successors(Some(MOST_BYTES), |bytes| smaller(*bytes)).collect();
        assert_eq!(budgets, [64 << 20, 16 << 20, 4 << 20, 1 << 20, 256 << 10, 64 << 10]);
    }
}
