//! Asks the server for what it stores in place of a role's password.
//!
//! The question runs over the service account on a connection of its own, with a fixed search path: nothing that a client
//! says reaches it but the role's name, as a parameter. Answers are not kept, so a changed password counts at once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_postgres::{Client, Statement};

use super::connect::{ServiceAccount, UpstreamError};

/// How long one answer may take, connecting included.
const LIMIT: Duration = Duration::from_secs(5);

/// The way to the verifiers.
pub struct VerifierQuery {
    account: ServiceAccount,
    text: String,
    database: String,
    open: Mutex<Option<Arc<Open>>>,
}

/// A connection with the question prepared.
struct Open {
    client: Client,
    question: Statement,
}

impl fmt::Debug for VerifierQuery {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("VerifierQuery")
            .field("text", &self.text)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

impl VerifierQuery {
    /// Asks `text`, whose `$1` is the name of the role, in this database.
    pub fn new(account: ServiceAccount, text: &str, database: &str) -> Self {
        let account = account.with_search_path("pg_catalog, pg_temp");
        Self { account, text: text.to_owned(), database: database.to_owned(), open: Mutex::new(None) }
    }

    /// The stored secret of a role, whatever its form; none if there is no such role, or if it has no password.
    ///
    /// # Errors
    /// The service account cannot connect, or what comes back is no answer.
    pub async fn ask(&self, role: &str) -> Result<Option<String>, UpstreamError> {
        let asking = async {
            match self.ask_once(role).await {
                // The server was restarted, or what the question is about has changed: once more from the start.
                Err(UpstreamError::Server(_)) => self.ask_once(role).await,
                other => other,
            }
        };
        tokio::time::timeout(LIMIT, asking).await.map_err(|_| UpstreamError::Timeout(LIMIT.as_secs()))?
    }

    async fn ask_once(&self, role: &str) -> Result<Option<String>, UpstreamError> {
        let open = self.open().await?;
        let rows = open.client.query(&open.question, &[&role]).await;
        if rows.is_err() {
            let mut kept = self.open.lock().await;
            kept.take_if(|kept| Arc::ptr_eq(kept, &open));
        }
        let rows = rows?;
        let (Some(row), true) = (rows.first(), rows.len() <= 1) else {
            let many = format!("{} rows for one role", rows.len());
            return if rows.is_empty() { Ok(None) } else { Err(UpstreamError::Answer(many)) };
        };
        // Queries written for other tools answer with the role as well, in front of the secret.
        let last = row.len().checked_sub(1).ok_or_else(|| UpstreamError::Answer("a row without columns".to_owned()))?;
        Ok(row.try_get(last)?)
    }

    /// The connection, which all questions share: only opening it waits for others.
    async fn open(&self) -> Result<Arc<Open>, UpstreamError> {
        let mut kept = self.open.lock().await;
        if let Some(open) = kept.as_ref().filter(|open| !open.client.is_closed()) {
            return Ok(Arc::clone(open));
        }
        let client = self.account.connect(&self.database).await?;
        let question = client.prepare(&self.text).await?;
        if question.params().len() != 1 {
            return Err(UpstreamError::Answer("the query for verifiers must have one parameter, $1".to_owned()));
        }
        let open = Arc::new(Open { client, question });
        *kept = Some(Arc::clone(&open));
        Ok(open)
    }
}
