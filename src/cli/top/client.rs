//! Asks the admin listener.

use std::time::Duration;

use ureq::Agent;

use super::{format, sessions};
use crate::admin::sessions::answer::Answer as Sessions;
use crate::admin::shapes::answer::Answer;
use crate::admin::shapes::query::Order;
use crate::cli::admin;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Shapes that are asked for: the more there are, the longer each answer takes.
const SHAPES: &str = "1000";

/// Sessions that are asked for: those with the oldest transactions.
const SESSIONS: &str = "500";

/// An answer is at most so long.
const BYTES: u64 = 64 << 20;

/// A proxy that is asked again and again.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    url: String,
    database: Option<String>,
}

impl Client {
    /// For the listener at this address.
    pub fn new(url: &str, database: Option<&str>) -> Self {
        let config = admin::http().timeout_global(Some(PATIENCE));
        Self { agent: config.build().into(), url: url.to_owned(), database: database.map(str::to_owned) }
    }

    /// The address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What runs, the first ones in this order.
    ///
    /// # Errors
    /// Nobody answers, or somebody else does: in words.
    pub fn ask(&self, order: Order) -> Result<Answer, String> {
        self.asked("shapes", &[("limit", SHAPES), ("order", order.as_str())]).map(format::cleaned)
    }

    /// Who is connected.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn sessions(&self) -> Result<Sessions, String> {
        self.asked("sessions", &[("limit", SESSIONS)]).map(sessions::cleaned)
    }

    fn asked<T: serde::de::DeserializeOwned>(&self, page: &str, parameters: &[(&str, &str)]) -> Result<T, String> {
        let url = &self.url;
        let mut request = self.agent.get(format!("{url}/api/v1/{page}"));
        for (name, value) in parameters {
            request = request.query(name, value);
        }
        if let Some(database) = &self.database {
            request = request.query("database", database);
        }
        let no_answer = |error: ureq::Error| match error {
            ureq::Error::Io(error) => format!("{url} does not answer: {error}"),
            other => format!("{url} does not answer: {other}"),
        };
        let mut response = request.call().map_err(no_answer)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(BYTES).read_to_string().map_err(no_answer)?;
        if status != 200 {
            return Err(format!("{url} answers with status {status}: it is no pgcovenant, or an older one"));
        }
        serde_json::from_str(&body)
            .map_err(|error| format!("{url} answers something else than a pgcovenant of this version: {error}"))
    }
}
