//! Numbers, times and words for a terminal.

use crate::admin::shapes::answer::Answer;

/// Seconds as people say them: `850us`, `12.3ms`, `1.24s`.
pub fn duration(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(seconds) if seconds < 0.000_999_5 => format!("{:.0}us", seconds * 1e6),
        Some(seconds) if seconds < 0.099_95 => format!("{:.1}ms", seconds * 1e3),
        Some(seconds) if seconds < 0.999_5 => format!("{:.0}ms", seconds * 1e3),
        Some(seconds) if seconds < 99.95 => format!("{seconds:.2}s"),
        Some(seconds) => format!("{seconds:.0}s"),
    }
}

/// A rate or a count in at most six characters: `0`, `0.3`, `12.5`, `1234`, `12.3k`.
pub fn number(value: f64) -> String {
    match value {
        value if value <= 0.0 => "0".to_owned(),
        value if value < 0.005 => "<0.01".to_owned(),
        value if value < 0.095 => format!("{value:.2}"),
        value if value < 99.95 => {
            let text = format!("{value:.1}");
            text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
        }
        value if value < 9_999.5 => format!("{value:.0}"),
        value if value < 999_950.0 => format!("{:.1}k", value / 1e3),
        value if value < 999_950_000.0 => format!("{:.1}M", value / 1e6),
        value => format!("{:.1}G", value / 1e9),
    }
}

/// A time that has passed: `12s`, `5min`, `3h05`, `9d`.
pub fn age(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ ..120 => format!("{seconds}s"),
        seconds @ ..7200 => format!("{}min", seconds / 60),
        seconds @ ..172_800 => format!("{}h{:02}", seconds / 3600, seconds / 60 % 60),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// The beginning of a text in so many characters.
pub fn cut(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    text.chars().take(characters.saturating_sub(1)).chain(['…']).collect()
}

/// What the answer quotes, without characters that would move the cursor or turn the writing around: names and texts are
/// others' own words.
pub fn cleaned(mut answer: Answer) -> Answer {
    for shape in &mut answer.shapes {
        let named = shape.relations.iter_mut().flat_map(|relation| [&mut relation.schema, &mut relation.name]);
        let users = shape.applications.iter_mut().map(|used| &mut used.application);
        named.chain(users).chain([&mut shape.text, &mut shape.database]).for_each(|word| *word = clean(word));
        if let Some(plan) = &mut shape.plan {
            plan.text = plan.text.lines().map(clean).collect::<Vec<_>>().join("\n");
            plan.access_path = clean(&plan.access_path);
        }
    }
    answer
}

/// A word of somebody else's, fit for a terminal.
pub fn clean(word: &str) -> String {
    let harmful = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    word.chars().map(|c| if harmful(c) { ' ' } else { c }).collect()
}
