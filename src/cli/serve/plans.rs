//! Asks for the plans of what runs, and compares them with what contracts declare.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::config::plans::Plans;
use crate::model::catalog::{Catalog, Oid};
use crate::model::contract::queries::PromisedQuery;
use crate::model::plan::{NoPlan, Plan};
use crate::observe::observer::Observer;
use crate::observe::plans::{DeclaredQuery, Waiting, Wanted};
use crate::policy::snapshot::Snapshot;
use crate::policy::store::SnapshotStore;
use crate::sql::lexer;
use crate::upstream::connect::ServiceAccount;
use crate::upstream::plans::{Explainer, Question};

/// How often it is looked what is due and what has become slower.
const LOOK: Duration = Duration::from_secs(1);

/// So long a role that the account may not become, or an account with too many rights, is not tried again.
const BARRED_FOR: Duration = Duration::from_secs(60);

/// Begins to ask, if the configuration wants it and there is somebody to ask as.
pub(super) fn start(
    config: &Config,
    store: &Arc<SnapshotStore>,
    observer: &Arc<Observer>,
    account: Option<ServiceAccount>,
) -> anyhow::Result<()> {
    let (Some(settings), Some(account)) = (config.plans.clone(), account) else { return Ok(()) };
    let account = match &settings.user {
        Some((user, variable)) => account.with_user(user, variable.as_deref())?,
        None => account,
    };
    let explainer = Explainer::new(account, settings.timeout);
    let (store, observer) = (Arc::clone(store), Arc::clone(observer));
    let asking = Asking { settings, store, observer, explainer, barred: HashMap::new(), told: HashSet::new() };
    tokio::spawn(asking.run());
    Ok(())
}

struct Asking {
    settings: Plans,
    store: Arc<SnapshotStore>,
    observer: Arc<Observer>,
    explainer: Explainer,
    /// Database and role that the account cannot ask for, and since when.
    barred: HashMap<(Box<str>, Box<str>), (NoPlan, Instant)>,
    /// What the log was told once.
    told: HashSet<String>,
}

impl Asking {
    /// Asks for as long as it is polled: one plan at a time.
    async fn run(mut self) {
        let mut turns = tokio::time::interval(Duration::from_secs(1) / self.settings.per_second);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut looked: Option<Instant> = None;
        let mut declared: Option<Arc<Snapshot>> = None;
        loop {
            turns.tick().await;
            if looked.is_none_or(|at| at.elapsed() >= LOOK) {
                looked = Some(Instant::now());
                self.explainer.tidy();
                let snapshot = self.store.load();
                if declared.as_ref().is_none_or(|last| !Arc::ptr_eq(last, &snapshot)) {
                    self.observer.plans().declare(declared_queries(&snapshot));
                    declared = Some(snapshot);
                }
                self.observer.judge_plans();
                self.observer.plans().flag_due(self.observer.shapes(), self.settings.every, Instant::now());
            }
            if let Some(waiting) = self.observer.plans().take() {
                let plan = self.ask(&waiting).await;
                self.observer.plan(&waiting, plan, self.settings.every);
            }
        }
    }

    async fn ask(&mut self, waiting: &Waiting) -> Result<Plan, NoPlan> {
        let sample = &waiting.sample;
        if sample.report.statements.iter().any(|statement| statement.unanalysed.is_some()) {
            return Err(NoPlan::Statement);
        }
        let (database, user) = (&*sample.subject.database, &*sample.subject.user);
        let key = (Box::from(database), Box::from(user));
        match self.barred.get(&key) {
            Some((why, since)) if since.elapsed() < BARRED_FOR => return Err(*why),
            Some(_) => _ = self.barred.remove(&key),
            None => {}
        }
        let snapshot = self.store.load();
        let known = snapshot.database(database).ok_or(NoPlan::Relation)?;
        let bound = sample.bound.as_ref().map(|bound| (&*bound.types, &*bound.values));
        let question = Question { user, text: &sample.text, bound, path: sample.path.as_ref() };
        let answer = self.explainer.explain(&known.catalog, question).await;
        if let Err(why @ (NoPlan::Role | NoPlan::Superuser)) = answer {
            self.tell(why, user);
            self.barred.insert(key, (why, Instant::now()));
        }
        answer
    }

    /// Once for each role, and once for the account.
    fn tell(&mut self, why: NoPlan, user: &str) {
        let (who, advice) = match why {
            NoPlan::Superuser => (
                String::new(),
                "plans are not asked for: the account is a superuser, or has rights that functions of applications could use \
                 while the server plans. Give `plans: {user: …}` a role that has no rights but membership in the applications' \
                 roles (docs/plans.md)",
            ),
            _ => (
                user.to_owned(),
                "plans of this role's statements are not asked for: the account is not a member of it. \
                 GRANT the role to the account (docs/plans.md), or write `plans: off`",
            ),
        };
        if self.told.len() < 100 && self.told.insert(format!("{} {who}", why.as_str())) {
            tracing::warn!(role = who, "{advice}");
        }
    }
}

/// What the contracts in force declare for the databases that are known.
fn declared_queries(snapshot: &Snapshot) -> Vec<DeclaredQuery> {
    let mut found = Vec::new();
    for (name, database) in snapshot.databases() {
        let name: Arc<str> = Arc::from(&**name);
        for contract in snapshot.bundle.contracts() {
            for (schema, entity) in contract.entities_in(&name) {
                for query in &entity.queries {
                    let Some(fingerprint) = fingerprint(&query.sql) else { continue };
                    found.push(DeclaredQuery {
                        database: Arc::clone(&name),
                        contract: contract.id.clone(),
                        name: query.name.clone(),
                        fingerprint,
                        wanted: wanted(query, (schema, &entity.name), &database.catalog),
                    });
                }
            }
        }
    }
    found
}

/// The same as of a statement that runs.
fn fingerprint(sql: &str) -> Option<u64> {
    let tokens = lexer::lex(sql).ok()?;
    let is_end = |token: &lexer::Token| token.is_symbol(sql, ";");
    let length = tokens.iter().rposition(|token| !is_end(token)).map_or(0, |last| last + 1);
    tokens.get(..length).map(|tokens| lexer::fingerprint(sql, tokens))
}

/// The table that is meant and, where it is partitioned, its partitions.
fn wanted(query: &PromisedQuery, own: (&str, &str), catalog: &Catalog) -> Wanted {
    let (schema, table) = match query.table.as_deref() {
        Some(named) => named.split_once('.').unwrap_or((own.0, named)),
        None => own,
    };
    let mut relations = vec![(Box::from(schema), Box::from(table))];
    let mut reached: Vec<Oid> = catalog.find(schema, table).map(|relation| relation.oid).into_iter().collect();
    let mut next = 0;
    while let Some(parent) = reached.get(next).copied() {
        next += 1;
        for child in catalog.relations().filter(|relation| relation.parents.contains(&parent)) {
            if !reached.contains(&child.oid) {
                reached.push(child.oid);
                relations.push((child.schema.clone(), child.name.clone()));
            }
        }
    }
    Wanted { relations, access: query.access, index: query.index.clone() }
}
