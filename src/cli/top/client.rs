//! Asks the admin listener.

use super::{format, sessions};
use crate::admin::sessions::answer::Answer as Sessions;
use crate::admin::shapes::answer::Answer;
use crate::admin::shapes::query::Order;
use crate::cli::admin::Asked;

/// Shapes that are asked for: the more there are, the longer each answer takes.
const SHAPES: &str = "1000";

/// Sessions that are asked for: those with the oldest transactions.
const SESSIONS: &str = "500";

/// A proxy that is asked again and again.
#[derive(Debug)]
pub struct Client {
    asked: Asked,
    database: Option<String>,
}

impl Client {
    /// For the listener at this address.
    pub fn new(url: String, database: Option<&str>) -> Self {
        Self { asked: Asked::at(url), database: database.map(str::to_owned) }
    }

    /// The address.
    pub fn url(&self) -> &str {
        self.asked.url()
    }

    /// What runs, the first ones in this order.
    ///
    /// # Errors
    /// Nobody answers, or somebody else does: in words.
    pub fn ask(&self, order: Order) -> Result<Answer, String> {
        let mut parameters = vec![("limit", SHAPES), ("order", order.as_str())];
        parameters.extend(self.database());
        self.asked.ask("/api/v1/shapes", &parameters).map(format::cleaned)
    }

    /// Who is connected.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn sessions(&self) -> Result<Sessions, String> {
        let mut parameters = vec![("limit", SESSIONS)];
        parameters.extend(self.database());
        self.asked.ask("/api/v1/sessions", &parameters).map(sessions::cleaned)
    }

    fn database(&self) -> Option<(&str, &str)> {
        self.database.as_deref().map(|database| ("database", database))
    }
}
