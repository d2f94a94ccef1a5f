//! Asks the server how it would run a statement that somebody else runs: EXPLAIN on a connection of our own.
//!
//! Planning is not harmless. The server evaluates functions while it plans, and what an application's role has made could
//! there take back the role that we have put on, and be us. So a statement is planned only where nothing can run but the
//! server's own functions: its text is judged by PostgreSQL's own grammar (`guard`), and what its relations are made of is
//! asked of the server in the same transaction (`hazards`). The account that asks must have no rights worth having.

mod ask;
mod guard;
mod hazards;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::connect::{ServiceAccount, UpstreamError};
use crate::model::catalog::{Catalog, SearchPath};
use crate::model::plan::{NoPlan, Plan};

/// A connection that was not needed for so long is closed: a database that somebody is connected to can be neither dropped
/// nor copied.
const IDLE: Duration = Duration::from_secs(5);

/// What is done beside planning may take as long again, and so long more.
const GRACE: Duration = Duration::from_secs(2);

/// A statement that ran just now.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The role that ran it.
    pub user: &'a str,
    /// The text that the server got.
    pub text: &'a str,
    /// The oids of the types that its Parse message declared, four bytes each, and the body of its Bind message after the
    /// names, if it came with parameters.
    pub bound: Option<(&'a [u8], &'a [u8])>,
    /// Where the session looks names up.
    pub path: Option<&'a SearchPath>,
}

/// Asks for plans, one after the other.
pub struct Explainer {
    account: ServiceAccount,
    timeout: Duration,
    open: HashMap<Box<str>, Open>,
}

struct Open {
    client: Client,
    used: Instant,
}

impl Explainer {
    /// Asks as this account; planning may take as long as `timeout`.
    pub fn new(account: ServiceAccount, timeout: Duration) -> Self {
        Self { account, timeout, open: HashMap::new() }
    }

    /// The plan that the server would choose now.
    ///
    /// # Errors
    /// Why there is none. Nothing is said of the statement: messages of the server may hold its values.
    pub async fn explain(&mut self, catalog: &Catalog, question: Question<'_>) -> Result<Plan, NoPlan> {
        let guarded = guard::guard(catalog, &question)?;
        let mut client = match self.open.remove(&catalog.database) {
            Some(open) if !open.client.is_closed() => open.client,
            Some(_) | None => self.connect(&catalog.database).await?,
        };
        let asked = ask::ask(&mut client, catalog, &guarded, question, self.timeout);
        let answer = tokio::time::timeout(self.timeout * 2 + GRACE, asked).await.unwrap_or(Err(NoPlan::Timeout));
        // After anything unforeseen a connection is not used again.
        if matches!(answer, Ok(_) | Err(NoPlan::Function | NoPlan::Relation)) {
            self.open.insert(catalog.database.clone(), Open { client, used: Instant::now() });
        }
        answer
    }

    /// Closes connections that have not been used for a while.
    pub fn tidy(&mut self) {
        self.open.retain(|_, open| open.used.elapsed() < IDLE);
    }

    async fn connect(&self, database: &str) -> Result<Client, NoPlan> {
        self.account.connect(database).await.map_err(|error| {
            tracing::debug!(database, %error, "cannot connect to ask for plans");
            match error {
                UpstreamError::Timeout(_) => NoPlan::Timeout,
                UpstreamError::NoPassword(_)
                | UpstreamError::Server(_)
                | UpstreamError::OwnCode(_)
                | UpstreamError::Answer(_) => NoPlan::Connection,
            }
        })
    }
}
