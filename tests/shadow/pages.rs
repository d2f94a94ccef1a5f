//! Reads the pages of attacks.
//!
//! A page is Markdown. A block `attacks` holds attacks with an empty line between them: a title after `-- `, what is sent, and
//! after `=> ` what comes of it. What is sent is one Query, or steps that each begin with `> `:
//!
//! | step | what it does |
//! |---|---|
//! | `query SQL`, `extended SQL`, `binary SQL` | one statement in that protocol, the last with results in binary |
//! | `parse NAME SQL`, `bind PORTAL NAME [VALUES]`, `describe S NAME`, `execute PORTAL ROWS`, `close S NAME` | a message; `-` is the unnamed one |
//! | `sync` | Sync; what was collected is sent |
//! | `call FUNCTION(TYPES) [VALUES]` | FunctionCall with text arguments |
//! | `data TEXT`, `done` | the data of a COPY |
//! | `login KEY=VALUE …`, `session N` | another session, and back to one of them |
//! | `admin SQL` | the superuser, on the server itself |
//! | `wait` | listens for a moment |
//!
//! `{patients.email:3}` is the value of A in the row with this id: a guess that is right there and wrong in B. `{nl}` is a new
//! line, `{db}` the database, `{repeat:N:TEXT}` a text many times.

use std::ops::Range;

/// One attack of a page.
#[derive(Debug, Clone)]
pub struct Attack {
    /// Its title.
    pub title: String,
    /// Who tries it.
    pub user: String,
    /// What is sent.
    pub steps: Vec<String>,
    /// What the page says comes of it.
    pub pinned: String,
    /// Where that stands in the page.
    pub place: Range<usize>,
}

/// The attacks of a page, in order.
pub fn read(text: &str) -> Vec<Attack> {
    let mut attacks = Vec::new();
    let mut user = None;
    let mut lines: Vec<&str> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let line = line.trim_end_matches('\n');
        if let Some(info) = line.strip_prefix("```attacks") {
            user = Some(info.trim().strip_prefix("as=").unwrap_or("chief").to_owned());
        } else if line == "```" {
            assert!(lines.is_empty(), "an attack without `=> `: {lines:?}");
            user = None;
        } else if let Some(user) = &user {
            match line.strip_prefix("=>") {
                Some(pinned) => {
                    let place = start..start + line.len();
                    attacks.push(attack(user, &std::mem::take(&mut lines), pinned.trim(), place));
                }
                None if line.is_empty() && lines.is_empty() => {}
                None => lines.push(line),
            }
        }
    }
    attacks
}

fn attack(user: &str, lines: &[&str], pinned: &str, place: Range<usize>) -> Attack {
    let (title, body) = lines.split_first().expect("an attack has a title");
    let title = title.strip_prefix("-- ").unwrap_or_else(|| panic!("not a title: {title}")).to_owned();
    let steps = match body.first() {
        Some(first) if first.starts_with("> ") => body.iter().map(|line| line[2..].to_owned()).collect(),
        _ => vec![format!("query {}", body.join("\n"))],
    };
    Attack { title, user: user.to_owned(), steps, pinned: pinned.to_owned(), place }
}

/// The page with other verdicts.
pub fn pinned(text: &str, verdicts: &[(Range<usize>, String)]) -> String {
    let mut written = String::new();
    let mut at = 0;
    for (place, verdict) in verdicts {
        written.push_str(&text[at..place.start]);
        written.push_str("=> ");
        written.push_str(verdict);
        at = place.end;
    }
    written + &text[at..]
}
