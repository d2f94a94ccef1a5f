//! The view of sessions: who is connected, the oldest transaction first.

use std::fmt::Write as _;

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Text;
use ratatui::widgets::{Cell, Row as Line, Table, TableState};

use super::app::App;
use super::format::{age, cut, duration};
use crate::admin::sessions::answer::{Answer, Session};
use crate::cli::admin::clean;
use crate::observe::sessions::State;

/// Characters of a text.
const TEXT: usize = 120;

/// A column.
struct Column {
    head: &'static str,
    width: u16,
    /// Terminals that are not so wide go without it.
    from: u16,
    right: bool,
    cell: fn(&Session) -> String,
}

/// All but the text, which takes what is left.
const COLUMNS: &[Column] = &[
    Column { head: "TRANS", width: 6, from: 0, right: true, cell: |one| passed(one.transaction_seconds) },
    Column { head: "STATE", width: 29, from: 60, right: false, cell: |one| one.state.clone() },
    Column { head: "SINCE", width: 6, from: 0, right: true, cell: |one| passed(Some(one.state_seconds)) },
    Column { head: "APPLICATION", width: 16, from: 0, right: false, cell: application },
    Column { head: "USER", width: 12, from: 90, right: false, cell: |one| one.user.clone() },
    Column { head: "DATABASE", width: 12, from: 150, right: false, cell: |one| one.database.clone() },
    Column { head: "CLIENT", width: 15, from: 170, right: false, cell: client },
    Column { head: "PID", width: 8, from: 40, right: true, cell: pid },
];

/// How long something has lasted.
fn passed(seconds: Option<f64>) -> String {
    match seconds {
        Some(seconds) if seconds >= 99.95 => age(seconds as i64),
        other => duration(other),
    }
}

fn application(session: &Session) -> String {
    if session.application.is_empty() { "(no name)".to_owned() } else { session.application.clone() }
}

fn client(session: &Session) -> String {
    session.client_address.clone().unwrap_or_else(|| "local".to_owned())
}

fn pid(session: &Session) -> String {
    session.backend_pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string())
}

/// The statement; what is over stands in parentheses.
fn statement(session: &Session) -> String {
    match &session.statement {
        None => "-".to_owned(),
        Some(statement) if session.state == State::Active.as_str() => statement.text.clone(),
        Some(statement) => format!("({})", statement.text),
    }
}

/// How many do what.
pub fn summary(answer: &Answer) -> String {
    let states: Vec<_> =
        State::ALL.map(|state| format!("{} {}", answer.count(state), state.as_str())).into_iter().collect();
    format!("sessions {}: {}", answer.matched, states.join(", "))
}

/// What the list is.
pub fn what(answer: &Answer) -> String {
    let shown = answer.sessions.len() as u64;
    let rest = if shown < answer.matched { format!(", the first {shown}") } else { String::new() };
    format!("the oldest transaction first{rest}; (in parentheses: the last statement, which is over)")
}

/// What is quoted, without characters that would move the cursor or turn the writing around.
pub fn cleaned(mut answer: Answer) -> Answer {
    for session in &mut answer.sessions {
        let names = [&mut session.application, &mut session.user, &mut session.database];
        let text = session.statement.as_mut().map(|statement| &mut statement.text);
        names.into_iter().chain(text).for_each(|word| *word = clean(word));
    }
    answer
}

/// All of it as plain text.
pub fn plain(url: &str, answer: &Answer) -> String {
    let at = answer.at.strftime("%Y-%m-%dT%H:%M:%SZ");
    let mut text = format!("pgcovenant {}  {url}  {at}\n", answer.version);
    // Writing to a String cannot fail.
    _ = writeln!(text, "{}\n{}\n", summary(answer), what(answer));
    let line = |cells: Vec<String>, rest: &str| {
        let padded = cells.iter().zip(COLUMNS).map(|(cell, column)| {
            let width = usize::from(column.width);
            if column.right { format!("{cell:>width$}") } else { format!("{:<width$}", cut(cell, width)) }
        });
        format!("{}  {rest}", padded.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    _ = writeln!(text, "{}", line(COLUMNS.iter().map(|column| column.head.to_owned()).collect(), "STATEMENT"));
    for session in &answer.sessions {
        let cells = COLUMNS.iter().map(|column| (column.cell)(session)).collect();
        _ = writeln!(text, "{}", line(cells, &cut(&statement(session), TEXT)));
    }
    text
}

/// Names, and what is said of a session.
pub fn details(session: &Session, is_over: bool) -> Vec<(&'static str, String)> {
    let since = |at: jiff::Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let named = session.statement.as_ref();
    let transaction = session.transaction_since.map_or_else(
        || "none is open".to_owned(),
        |at| format!("open since {}, {}", since(at), passed(session.transaction_seconds)),
    );
    let when = if session.state == State::Active.as_str() { "runs" } else { "ran last" };
    vec![
        (
            "session",
            format!("{}{}", session.session, if is_over { ", not among those that are told any more" } else { "" }),
        ),
        ("application", application(session)),
        ("user", format!("{} in {}", session.user, session.database)),
        ("client", client(session)),
        ("backend pid", pid(session)),
        ("connected", format!("since {}", since(session.connected_since))),
        ("", String::new()),
        (
            "state",
            format!("{} since {}, {}", session.state, since(session.state_since), passed(Some(session.state_seconds))),
        ),
        ("transaction", transaction),
        ("", String::new()),
        (when, named.map_or_else(|| "nothing yet".to_owned(), |statement| statement.text.clone())),
        ("shape", named.map_or_else(|| "-".to_owned(), |statement| statement.fingerprint.clone())),
    ]
}

/// The table.
pub fn draw(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let Some(answer) = &app.sessions else { return };
    let columns = || COLUMNS.iter().filter(|column| column.from <= area.width);
    let align = |column: &Column| if column.right { Alignment::Right } else { Alignment::Left };
    let shown = |session: &Session| {
        let cells = columns().map(|column| {
            let cell = cut(&(column.cell)(session), usize::from(column.width));
            Cell::from(Text::from(cell).alignment(align(column)))
        });
        let style = match session.state.as_str() {
            "idle" => Style::new().add_modifier(Modifier::DIM),
            "idle in transaction (aborted)" => Style::new().fg(Color::Red),
            "idle in transaction" => Style::new().fg(Color::Yellow),
            _ => Style::new(),
        };
        Line::new(cells.chain([Cell::from(statement(session))])).style(style)
    };
    let heads = columns().map(|column| Cell::from(Text::from(column.head).alignment(align(column))));
    let widths = columns().map(|column| Constraint::Length(column.width));
    let table = Table::new(answer.sessions.iter().map(shown), widths.chain([Constraint::Min(10)]))
        .header(Line::new(heads.chain([Cell::from("STATEMENT")])).style(Style::new().add_modifier(Modifier::BOLD)))
        .column_spacing(1)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::default().with_selected(app.session_place());
    frame.render_stateful_widget(table, area, &mut state);
}
