//! What is asked of `/api/v1/sessions`.

use crate::admin::parameters::{self, BadParameter, Unfit, each};
use crate::observe::sessions::{Snapshot, State};

/// Sessions of one answer unless another number is asked for, and at most.
const LIMIT: usize = 100;
const HIGHEST_LIMIT: usize = 5000;

/// The words of parameters, in the order of the documentation.
const PARAMETERS: &str = "database, application, user, state, limit";

/// What is asked for; an absent part stands for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The database.
    pub database: Option<String>,
    /// What the application calls itself.
    pub application: Option<String>,
    /// The role that logged in.
    pub user: Option<String>,
    /// What the session is doing.
    pub state: Option<State>,
    /// How many at most.
    pub limit: usize,
}

impl Default for Query {
    fn default() -> Self {
        Self { database: None, application: None, user: None, state: None, limit: LIMIT }
    }
}

impl Query {
    /// What these parameters ask for.
    ///
    /// # Errors
    /// One of them is not understood.
    pub fn of(parameters: &[(String, String)]) -> Result<Self, BadParameter> {
        let mut query = Self::default();
        each(parameters, PARAMETERS, |name, value| query.set(name, value))?;
        Ok(query)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Unfit> {
        match name {
            "database" => self.database = Some(parameters::named(value)?),
            // Those who do not say what they are called have an empty name.
            "application" => self.application = Some(value.to_owned()),
            "user" => self.user = Some(parameters::named(value)?),
            "state" => {
                let state = State::ALL.into_iter().find(|state| state.as_str() == value);
                self.state = Some(state.ok_or_else(|| Some(format!("one of {}", states())))?);
            }
            "limit" => self.limit = parameters::number(value, HIGHEST_LIMIT)?,
            _ => return Err(None),
        }
        Ok(())
    }

    /// Whether a session is among those that are asked for.
    pub fn admits(&self, session: &Snapshot) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        is(&self.database, &session.subject.database)
            && is(&self.application, &session.subject.application)
            && is(&self.user, &session.subject.user)
            && self.state.is_none_or(|state| session.state == state)
    }
}

/// All words for what a session is doing, for people.
fn states() -> String {
    State::ALL.map(State::as_str).join(", ")
}

/// The oldest transaction first; of those without one, who has been in its state for longest.
pub fn sort(sessions: &mut [Snapshot]) {
    sessions.sort_by(|a, b| {
        b.in_transaction
            .cmp(&a.in_transaction)
            .then_with(|| b.in_state.cmp(&a.in_state))
            .then_with(|| a.number.cmp(&b.number))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parameters: &[(&str, &str)]) -> Result<Query, BadParameter> {
        let owned: Vec<_> = parameters.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Query::of(&owned)
    }

    #[test]
    fn every_parameter_is_understood() {
        let query = of(&[
            ("database", "shop"),
            ("application", ""),
            ("user", "ann"),
            ("state", "idle in transaction (aborted)"),
            ("limit", "5000"),
        ]);
        let wanted = Query {
            database: Some("shop".to_owned()),
            application: Some(String::new()),
            user: Some("ann".to_owned()),
            state: Some(State::Aborted),
            limit: 5000,
        };
        assert_eq!(query, Ok(wanted));
    }

    #[test]
    fn a_bad_parameter_is_told_with_what_was_expected() {
        let wrong = |name, value| of(&[(name, value)]).unwrap_err();
        assert!(wrong("state", "waiting").expected.contains("active, idle, idle in transaction"));
        assert!(wrong("limit", "0").expected.contains("from 1 to 5000"));
        assert!(wrong("sort", "age").expected.contains(PARAMETERS));
        assert!(of(&[("limit", "1"), ("limit", "2")]).unwrap_err().error.contains("given twice"));
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_asked_is_understood_or_told_by_its_name(name in "[a-z]{0,12}|state|limit|user", value in ".{0,40}") {
            match of(&[(&name, &value)]) {
                Ok(_) => proptest::prop_assert!(PARAMETERS.contains(&*name)),
                Err(bad) => {
                    proptest::prop_assert_eq!(bad.parameter, name);
                    proptest::prop_assert!(!bad.expected.is_empty() && !bad.error.is_empty());
                }
            }
        }
    }
}
