//! Spans of time as people write them, in files and on the command line.

use std::time::Duration;

use super::measured;

/// The units, in milliseconds. A day has 24 hours.
const UNITS: &[(&str, u64)] =
    &[("ms", 1), ("s", 1000), ("min", 60_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A whole number and a unit: `500ms`, `30s`, `5min` or `5m`, `12h`, `92d`. What is allowed where is for the caller to say.
pub fn time_span(text: &str) -> Option<Duration> {
    measured(text.trim(), UNITS).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_unit_is_understood() {
        for (text, millis) in [
            ("0s", 0),
            ("500ms", 500),
            (" 30 s ", 30_000),
            ("5min", 300_000),
            ("5m", 300_000),
            ("12h", 43_200_000),
            ("92d", 7_948_800_000),
        ] {
            assert_eq!(time_span(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_span_is_none() {
        for text in [
            "",
            "s",
            "5",
            "-5s",
            "+",
            "1.5h",
            "5 minutes",
            "5M",
            "5w",
            "1h30min",
            "5s5",
            "٣s",
            "99999999999999999999d",
            "18446744073709551615d",
        ] {
            assert_eq!(time_span(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_a_span_or_none(text in ".{0,20}") {
            _ = time_span(&text);
        }

        #[test]
        fn a_number_with_a_unit_is_that_many_of_it(number in 0_u32.., unit in 0..UNITS.len()) {
            let (word, millis) = UNITS[unit];
            let expected = Duration::from_millis(u64::from(number) * millis);
            prop_assert_eq!(time_span(&format!("{number}{word}")), Some(expected));
        }
    }
}
