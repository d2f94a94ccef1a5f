//! Windows of time in which what is deprecated fails on purpose.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// One entry of `brownouts`. All times are UTC.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Brownout {
    /// Once.
    Once {
        /// Begins.
        from: Timestamp,
        /// Ends.
        until: Timestamp,
    },
    /// On every day, or on some days of the week.
    Daily {
        /// Begins at this time of the day.
        from: Time,
        /// Ends at this time of the same day.
        until: Time,
        /// The days of the week; empty means every day.
        days: Vec<Weekday>,
        /// Not before this day.
        first: Option<Date>,
        /// Not after this day.
        last: Option<Date>,
    },
}

impl Brownout {
    /// When the window ends that `now` lies in; none if it lies in none.
    pub fn end(&self, now: Timestamp) -> Option<Timestamp> {
        let (from, until) = self.window_on(day_of(now))?;
        (from <= now && now < until).then_some(until)
    }

    /// The next moment after `now` at which a window begins or ends, looking a week ahead.
    pub fn next_edge(&self, now: Timestamp) -> Option<Timestamp> {
        let today = day_of(now);
        let edges = (0..=7).filter_map(|days| self.window_on(today.checked_add(days.days()).ok()?));
        edges.flat_map(|(from, until)| [from, until]).filter(|edge| *edge > now).min()
    }

    /// Begin and end of the window of that day.
    fn window_on(&self, day: Date) -> Option<(Timestamp, Timestamp)> {
        match self {
            Self::Once { from, until } => Some((*from, *until)),
            Self::Daily { from, until, days, first, last } => {
                let within = first.is_none_or(|first| first <= day) && last.is_none_or(|last| day <= last);
                let on = days.is_empty() || days.contains(&day.weekday());
                if !within || !on {
                    return None;
                }
                Some((moment(day, *from)?, moment(day, *until)?))
            }
        }
    }
}

/// The day of a moment, in UTC.
pub(super) fn day_of(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

fn moment(day: Date, time: Time) -> Option<Timestamp> {
    Some(day.to_datetime(time).to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_holds_from_its_first_moment_to_before_its_last() {
        let once = Brownout::Once { from: at("2026-04-01T10:00:00Z"), until: at("2026-04-01T10:30:00Z") };
        assert_eq!(once.end(at("2026-04-01T09:59:59Z")), None);
        assert_eq!(once.end(at("2026-04-01T10:00:00Z")), Some(at("2026-04-01T10:30:00Z")));
        assert_eq!(once.end(at("2026-04-01T10:30:00Z")), None);
        assert_eq!(once.next_edge(at("2026-03-01T00:00:00Z")), Some(at("2026-04-01T10:00:00Z")));
        assert_eq!(once.next_edge(at("2026-04-01T10:00:00Z")), Some(at("2026-04-01T10:30:00Z")));
        assert_eq!(once.next_edge(at("2026-04-01T10:30:00Z")), None);
    }

    #[test]
    fn windows_come_back_on_their_days() {
        let tuesdays = Brownout::Daily {
            from: jiff::civil::time(10, 0, 0, 0),
            until: jiff::civil::time(10, 15, 0, 0),
            days: vec![Weekday::Tuesday],
            first: Some(jiff::civil::date(2026, 4, 1)),
            last: Some(jiff::civil::date(2026, 4, 14)),
        };
        // The first of April is a Wednesday.
        assert_eq!(tuesdays.end(at("2026-04-01T10:05:00Z")), None);
        assert_eq!(tuesdays.end(at("2026-04-07T10:05:00Z")), Some(at("2026-04-07T10:15:00Z")));
        assert_eq!(tuesdays.next_edge(at("2026-04-01T10:05:00Z")), Some(at("2026-04-07T10:00:00Z")));
        assert_eq!(tuesdays.next_edge(at("2026-04-14T10:05:00Z")), Some(at("2026-04-14T10:15:00Z")));
        assert_eq!(tuesdays.next_edge(at("2026-04-14T10:15:00Z")), None);
        assert_eq!(tuesdays.end(at("2026-04-21T10:05:00Z")), None);
    }
}
