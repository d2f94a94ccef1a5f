//! What a contract says of the retirement of a column or a table, and what follows from it at a moment.

use jiff::Timestamp;
use jiff::civil::Date;

use super::brownout::{Brownout, day_of};
use super::{Conduct, Lifecycle, Phase, Redirect, RedirectedWrites, Who};
use crate::model::glob::Glob;

/// `pgcovenantLifecycle` as written. The phase in force depends on the moment and on who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retirement {
    /// The phase, where it is given: then dates do not move it.
    pub phase: Option<Phase>,
    /// First day of the deprecation.
    pub since: Option<Date>,
    /// First day on which nobody new may begin to use it.
    pub restricted: Option<Date>,
    /// Windows in which it fails.
    pub brownouts: Vec<Brownout>,
    /// First day on which it counts as dropped.
    pub sunset: Option<Date>,
    /// What to use instead.
    pub replaced_by: Option<Box<str>>,
    /// How old statements go on with the replacement.
    pub redirect: Option<Redirect>,
    /// Why.
    pub reason: Option<Box<str>>,
    /// Consumers who are only warned for a while yet.
    pub exempt: Vec<Exemption>,
    /// Consumers who are in another phase than the rest.
    pub consumers: Vec<(Person, Phase)>,
    /// Who counts as a consumer from before the restriction; none means: whom the record of usage knows.
    pub known: Option<Vec<Person>>,
}

/// Consumers, by what they call themselves and by the role that they log in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// `application_name`; none means any.
    pub application: Option<Glob>,
    /// The role; none means any.
    pub user: Option<Glob>,
}

/// An entry of `exempt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exemption {
    /// Whom it is for.
    pub person: Person,
    /// The last day on which it holds.
    pub expires: Date,
}

impl Person {
    /// Whether that is one of them.
    pub fn is(&self, who: Who<'_>) -> bool {
        self.application.as_ref().is_none_or(|glob| glob.matches(who.application))
            && self.user.as_ref().is_none_or(|glob| glob.matches(who.user))
    }
}

impl Retirement {
    /// The phase at that moment for whom it names no other. A phase that is written stays until it is edited; without one the dates decide.
    pub fn phase_at(&self, now: Timestamp) -> Phase {
        let today = day_of(now);
        let has_come = |day: Option<Date>| day.is_some_and(|day| day <= today);
        match self.phase {
            Some(phase) => phase,
            None if has_come(self.sunset) => Phase::Sunset,
            None if self.brownout_end(now).is_some() => Phase::Brownout,
            None if has_come(self.restricted) => Phase::Restricted,
            None if self.since.is_none_or(|day| day <= today) => Phase::Deprecated,
            None => Phase::Active,
        }
    }

    /// Where it stands for one consumer at that moment; `was_known` tells whether they used it before a day.
    pub fn at(&self, now: Timestamp, who: Who<'_>, was_known: &dyn Fn(Option<Date>) -> bool) -> Lifecycle {
        let own = self.consumers.iter().find(|(person, _)| person.is(who)).map(|(_, phase)| *phase);
        let phase = own.unwrap_or_else(|| self.phase_at(now));
        let conduct = self.conduct(phase, now, who, was_known);
        let text = |day: Option<Date>| day.map(|day| day.to_string().into_boxed_str());
        let until = (phase == Phase::Brownout).then(|| self.brownout_end(now)).flatten();
        Lifecycle {
            phase,
            conduct,
            since: text(self.since),
            sunset: text(self.sunset),
            until: until.map(|end| end.to_string().into_boxed_str()),
            replaced_by: self.replaced_by.clone(),
            redirect: self.redirect.clone().filter(|_| conduct < Conduct::Gone),
            reason: self.reason.clone(),
        }
    }

    /// The next moment after `now` at which something may be different from before.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.brownouts.iter().filter_map(|brownout| brownout.next_edge(now)).min()
    }

    fn conduct(&self, phase: Phase, now: Timestamp, who: Who<'_>, was_known: &dyn Fn(Option<Date>) -> bool) -> Conduct {
        let today = day_of(now);
        let exempt = || self.exempt.iter().any(|entry| today <= entry.expires && entry.person.is(who));
        let full = match phase {
            Phase::Active => Conduct::Allowed,
            Phase::Deprecated => Conduct::Warned,
            Phase::Restricted if self.knows(who, was_known) => Conduct::Warned,
            Phase::Restricted => Conduct::Refused,
            Phase::Brownout if self.brownout_end(now).is_some() => Conduct::Refused,
            // A restriction that has begun goes on between the windows.
            Phase::Brownout if self.restricted.is_some_and(|day| day <= today) && !self.knows(who, was_known) => {
                Conduct::Refused
            }
            Phase::Brownout => Conduct::Warned,
            Phase::Sunset | Phase::Removed => Conduct::Gone,
        };
        if full > Conduct::Warned && exempt() { Conduct::Warned } else { full }
    }

    fn knows(&self, who: Who<'_>, was_known: &dyn Fn(Option<Date>) -> bool) -> bool {
        match &self.known {
            Some(known) => known.iter().any(|person| person.is(who)),
            None => was_known(self.restricted),
        }
    }

    fn brownout_end(&self, now: Timestamp) -> Option<Timestamp> {
        self.brownouts.iter().filter_map(|brownout| brownout.end(now)).max()
    }
}

impl Redirect {
    /// `dualWrite` alone: what is written to one of the two goes to both.
    pub fn dual_write(to: &str) -> Self {
        Self { to: to.into(), reads: false, writes: RedirectedWrites::Both }
    }

    /// `redirect: MODE` with `dualWrite`; none if there is no such mode.
    pub fn of(mode: &str, dual_write: bool, to: &str) -> Option<Self> {
        let (reads, writes) = match mode {
            "read" => (true, RedirectedWrites::AsNamed),
            "write" => (false, RedirectedWrites::Replacement),
            "both" => (true, RedirectedWrites::Replacement),
            _ => return None,
        };
        let writes = if dual_write { RedirectedWrites::Both } else { writes };
        Some(Self { to: to.into(), reads, writes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const NOBODY: Who<'_> = Who { application: "reports", user: "app" };

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn person(application: &str) -> Person {
        Person { application: Some(Glob::new(application)), user: None }
    }

    fn by_dates() -> Retirement {
        let window = Brownout::Once { from: at("2026-04-01T10:00:00Z"), until: at("2026-04-01T11:00:00Z") };
        Retirement {
            since: Some(date(2026, 1, 15)),
            restricted: Some(date(2026, 3, 1)),
            brownouts: vec![window],
            sunset: Some(date(2026, 5, 15)),
            ..Retirement::default()
        }
    }

    #[test]
    fn dates_move_the_phase() {
        let retirement = by_dates();
        for (moment, phase, stranger, known) in [
            ("2026-01-14T23:59:59Z", Phase::Active, Conduct::Allowed, Conduct::Allowed),
            ("2026-01-15T00:00:00Z", Phase::Deprecated, Conduct::Warned, Conduct::Warned),
            ("2026-03-01T00:00:00Z", Phase::Restricted, Conduct::Refused, Conduct::Warned),
            ("2026-04-01T10:30:00Z", Phase::Brownout, Conduct::Refused, Conduct::Refused),
            ("2026-04-01T11:00:00Z", Phase::Restricted, Conduct::Refused, Conduct::Warned),
            ("2026-05-15T00:00:00Z", Phase::Sunset, Conduct::Gone, Conduct::Gone),
        ] {
            assert_eq!(retirement.phase_at(at(moment)), phase, "{moment}");
            assert_eq!(retirement.at(at(moment), NOBODY, &|_| false).conduct, stranger, "{moment}");
            assert_eq!(retirement.at(at(moment), NOBODY, &|_| true).conduct, known, "{moment}");
        }
        assert_eq!(retirement.next_change(at("2026-03-31T00:00:00Z")), Some(at("2026-04-01T10:00:00Z")));
    }

    #[test]
    fn a_written_phase_stays_until_it_is_edited() {
        let written = Retirement { phase: Some(Phase::Deprecated), ..by_dates() };
        assert_eq!(written.at(at("2030-01-01T00:00:00Z"), NOBODY, &|_| false).conduct, Conduct::Warned);
        let early = Retirement { phase: Some(Phase::Sunset), ..by_dates() };
        let lifecycle = early.at(at("2020-01-01T00:00:00Z"), NOBODY, &|_| false);
        assert_eq!((lifecycle.conduct, lifecycle.since.as_deref()), (Conduct::Gone, Some("2026-01-15")));
        let between = Retirement { phase: Some(Phase::Brownout), restricted: None, ..by_dates() };
        assert_eq!(between.at(at("2026-03-01T00:00:00Z"), NOBODY, &|_| false).conduct, Conduct::Warned);
        let within = between.at(at("2026-04-01T10:59:59Z"), NOBODY, &|_| false);
        assert_eq!((within.conduct, within.until.as_deref()), (Conduct::Refused, Some("2026-04-01T11:00:00Z")));
    }

    #[test]
    fn an_exemption_holds_through_its_last_day() {
        let exempt = vec![Exemption { person: person("report*"), expires: date(2026, 6, 1) }];
        let retirement = Retirement { exempt, ..by_dates() };
        let conduct =
            |moment, application| retirement.at(at(moment), Who { application, ..NOBODY }, &|_| false).conduct;
        assert_eq!(conduct("2026-04-01T10:30:00Z", "reports"), Conduct::Warned);
        assert_eq!(conduct("2026-06-01T23:59:59Z", "reports"), Conduct::Warned);
        assert_eq!(conduct("2026-06-02T00:00:00Z", "reports"), Conduct::Gone);
        assert_eq!(conduct("2026-04-01T10:30:00Z", "shop"), Conduct::Refused);
    }

    #[test]
    fn a_consumer_may_be_ahead_of_the_others_or_behind() {
        let consumers = vec![(person("reports"), Phase::Sunset), (person("billing"), Phase::Active)];
        let retirement = Retirement { consumers, ..by_dates() };
        let conduct =
            |application| retirement.at(at("2026-02-01T00:00:00Z"), Who { application, ..NOBODY }, &|_| false).conduct;
        assert_eq!(conduct("reports"), Conduct::Gone);
        assert_eq!(conduct("billing"), Conduct::Allowed);
        assert_eq!(conduct("shop"), Conduct::Warned);
    }

    #[test]
    fn who_is_known_may_be_written_down() {
        let retirement = Retirement { known: Some(vec![person("billing")]), ..by_dates() };
        let conduct =
            |application| retirement.at(at("2026-03-02T00:00:00Z"), Who { application, ..NOBODY }, &|_| true).conduct;
        assert_eq!(conduct("billing"), Conduct::Warned);
        assert_eq!(conduct("shop"), Conduct::Refused, "the record of usage does not count then");
    }
}
