//! A file of SCRAM verifiers, in the form of PgBouncer's `userlist.txt`: `"user" "SCRAM-SHA-256$…"` on each line.
//!
//! Problems name the line and say what is expected, and never repeat what stands there: it may be a password.

use std::collections::HashMap;

use super::scram::verifier::{NotAVerifier, Verifier};
use crate::model::source::{Diagnostic, Problems, SourceFile};

/// Users and their verifiers.
#[derive(Debug, Default)]
pub struct Userlist(HashMap<Box<str>, Verifier>);

impl Userlist {
    /// The verifier of a user.
    pub fn get(&self, user: &str) -> Option<&Verifier> {
        self.0.get(user)
    }
}

const FORM: &str = "Write each line as \"user\" \"SCRAM-SHA-256$…\", as in rolpassword of pg_authid.";

/// Reads a file, with every problem. Lines with problems are left out.
pub fn read(file: &SourceFile) -> (Userlist, Vec<Diagnostic>) {
    let mut problems = Problems::new(file);
    let mut users = HashMap::new();
    let mut begin = 0;
    for line in file.text.split_inclusive('\n') {
        let span = begin..begin + line.trim_end().len();
        begin += line.len();
        let line = line.trim();
        if line.is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        let Some((user, secret)) = fields(line) else {
            problems.error_with(&span, "this is no line of a file of verifiers", FORM);
            continue;
        };
        match Verifier::parse(&secret) {
            Ok(verifier) => {
                if users.insert(user.into_boxed_str(), verifier).is_some() {
                    problems.error_with(&span, "this user has a verifier already", "Leave one of the lines out.");
                }
            }
            Err(problem) => {
                let help = match problem {
                    NotAVerifier::Md5 => "Leave the user out, and its password is asked for as the server wants it.",
                    NotAVerifier::Damaged | NotAVerifier::Other => FORM,
                };
                problems.error_with(&span, problem.to_string(), help);
            }
        }
    }
    (Userlist(users), problems.into_found())
}

/// The same file with nothing in it but its lines: what may be shown to people beside a problem.
pub fn without_secrets(file: &SourceFile) -> SourceFile {
    let hidden: String = file.text.bytes().map(|byte| if byte == b'\n' { '\n' } else { '*' }).collect();
    SourceFile::new(&file.path, &hidden)
}

/// The two quoted fields of a line; what follows them may only be a comment.
fn fields(line: &str) -> Option<(String, String)> {
    let (user, rest) = quoted(line)?;
    let (secret, rest) = quoted(rest.trim_start())?;
    let rest = rest.trim_start();
    let proper = !user.is_empty() && (rest.is_empty() || rest.starts_with([';', '#']));
    proper.then_some((user, secret))
}

/// A text between quotes, in which a quote is written twice, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('"')?;
    let mut found = String::new();
    loop {
        let (part, after) = rest.split_once('"')?;
        found.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                found.push('"');
                rest = more;
            }
            None => return Some((found, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VERIFIER: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    fn read_text(text: &str) -> (Userlist, Vec<String>) {
        let (users, problems) = read(&SourceFile::new("users.txt", text));
        (users, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn users_are_read_with_their_quotes_and_comments() {
        let text = format!(
            "; pgbouncer\n# or this\n\n\"ann\" \"{VERIFIER}\"\r\n  \"o\"\"neil\"\t\"{VERIFIER}\" ; more\n\"b;#\" \"{VERIFIER}\""
        );
        let (users, problems) = read_text(&text);
        assert_eq!(problems, Vec::<String>::new());
        for user in ["ann", "o\"neil", "b;#"] {
            assert!(users.get(user).is_some(), "{user}");
        }
        assert!(users.get("ANN").is_none());
    }

    #[test]
    fn every_bad_line_is_reported_and_none_is_repeated() {
        let text = format!(
            "\"ann\" \"hunter2\"\n\"bob\" \"md50123456789abcdef0123456789abcdef\"\nhunter3\n\"eve\" \"{}\"\n\"zoe\" \"{VERIFIER}\" hunter4\n\"max\" \"{VERIFIER}\"\n\"max\" \"{VERIFIER}\"\n",
            &VERIFIER[..60]
        );
        let (users, problems) = read_text(&text);
        assert!(users.get("max").is_some() && users.get("ann").is_none());
        let starts: Vec<_> = problems.iter().map(|problem| problem.split(" (").next().unwrap()).collect();
        assert_eq!(
            starts,
            [
                "users.txt:1:1: error: this is no SCRAM verifier",
                "users.txt:2:1: error: this is an md5 hash",
                "users.txt:3:1: error: this is no line of a file of verifiers",
                "users.txt:4:1: error: this SCRAM verifier is damaged",
                "users.txt:5:1: error: this is no line of a file of verifiers",
                "users.txt:7:1: error: this user has a verifier already",
            ]
        );
        assert!(problems.iter().all(|problem| !problem.contains("hunter") && problem.contains(" (")), "{problems:?}");
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "[\"a-z ;#\\n]{0,60}") {
            let _ = read_text(&text);
        }
    }
}
