//! Draws the live view.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Cell, Paragraph, Row as Line_, Table, TableState, Wrap};

use super::app::{App, Mode};
use super::columns::{COLUMNS, Column, text};
use super::details;
use super::format::{age, cut};
use super::plain::{summary, what};
use super::rates::Row;
use super::sessions;

const KEYS: &str = "q quit  ↑↓ select  enter details  o order  w window  / table  s sessions  p pause  ? help";
const SESSION_KEYS: &str = "q quit  ↑↓ select  enter details  s statements  p pause  ? help";

const HELP: &[(&str, &str)] = &[
    ("q, ctrl-c", "quit"),
    ("up, down, j, k", "select a shape; page up and down, home and end work, too"),
    ("enter", "everything about the selected shape; enter or esc goes back"),
    ("o", "the next order: time, calls, mean, p95, rows, errors, refusals, first_seen, last_seen, seq"),
    ("w", "the next window: a minute, five minutes, since the start, since the last answer"),
    ("/", "show shapes only whose tables have this in their names; esc shows all"),
    ("s", "sessions, the oldest transaction first, and back"),
    ("p", "pause, and go on"),
    ("?", "this page"),
    ("", ""),
    ("*", "first seen after a contract of the database last changed its version"),
    ("TIME%", "the part of the time at the server of all statements"),
    ("ERRORS", "errors of the server in the window; REFUSED are refusals of the proxy"),
    ("PLAN", "how the last plan that was seen finds its rows"),
];

/// All of it.
pub fn draw(frame: &mut Frame<'_>, app: &App) {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(4), Constraint::Min(1), Constraint::Length(1)]).areas(frame.area());
    frame.render_widget(header(app, head.width), head);
    match app.mode {
        Mode::Table | Mode::Filter => rows(frame, app, body),
        Mode::Details => shape(frame, app, body),
        Mode::Help => help(frame, body),
        Mode::Sessions => sessions::draw(frame, app, body),
        Mode::Session => session(frame, app, body),
    }
    let footer = match app.mode {
        Mode::Filter => Line::from(format!("table: {}_   (enter: keep, esc: all)", app.filter)),
        Mode::Sessions | Mode::Session => Line::from(SESSION_KEYS).style(Style::new().add_modifier(Modifier::DIM)),
        Mode::Table | Mode::Details | Mode::Help => Line::from(KEYS).style(Style::new().add_modifier(Modifier::DIM)),
    };
    frame.render_widget(footer, foot);
}

fn header(app: &App, width: u16) -> Text<'static> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut lines = vec![Line::default(); 3];
    if let [first, second, third] = lines.as_mut_slice() {
        *first = Line::styled(format!("pgcovenant top  {}", app.url), bold);
        if let Some(answer) = &app.answer {
            let up = age(answer.at.duration_since(answer.started).as_secs());
            first.push_span(format!("  {}  up {up}  {}", answer.version, answer.at.strftime("%H:%M:%SZ")));
            match &app.sessions {
                Some(told) if matches!(app.mode, Mode::Sessions | Mode::Session) => {
                    *second = Line::from(sessions::summary(told));
                    *third = Line::from(sessions::what(told));
                }
                _ => {
                    *second = Line::from(summary(answer, &app.shown, width));
                    *third = Line::from(what(answer, &app.shown, app.window, app.order));
                    if !app.filter.is_empty() {
                        third.push_span(format!(", tables with \"{}\"", app.filter));
                    }
                }
            }
        } else if app.problem.is_none() {
            *second = Line::from("asking …");
        }
        if app.paused {
            first.push_span(Span::styled("  PAUSED", Style::new().fg(Color::Yellow)));
        }
        if let Some(problem) = &app.problem {
            let told = format!("{problem}; asked again every {:?}", app.interval);
            *third = Line::styled(cut(&told, usize::from(width)), Style::new().fg(Color::Red));
        }
    }
    Text::from(lines)
}

/// The columns for which a terminal of that width has room.
fn columns(width: u16) -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter().filter(move |column| column.from <= width)
}

fn rows(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let align = |column: &Column| if column.right { Alignment::Right } else { Alignment::Left };
    let shown = |row: &Row| {
        let cells = columns(area.width).map(|column| {
            let cell = cut(&(column.cell)(row), usize::from(column.width));
            Cell::from(Text::from(cell).alignment(align(column)))
        });
        let style = if row.counters.calls + row.counters.refusals == 0 {
            Style::new().add_modifier(Modifier::DIM)
        } else {
            Style::new()
        };
        Line_::new(cells.chain([Cell::from(text(row))])).style(style)
    };
    let heads = columns(area.width).map(|column| Cell::from(Text::from(column.head).alignment(align(column))));
    let widths = columns(area.width).map(|column| Constraint::Length(column.width));
    let table = Table::new(app.shown.rows.iter().map(shown), widths.chain([Constraint::Min(10)]))
        .header(Line_::new(heads.chain([Cell::from(" TEXT")])).style(Style::new().add_modifier(Modifier::BOLD)))
        .column_spacing(1)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::default().with_selected(app.selected());
    frame.render_stateful_widget(table, area, &mut state);
}

fn shape(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let (Some(row), Some(answer)) = (app.details(), &app.answer) else { return };
    let told = named(details::lines(row, answer));
    frame.render_widget(Paragraph::new(told).wrap(Wrap { trim: false }).scroll((app.scroll, 0)), area);
}

fn session(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let Some(session) = &app.session else { return };
    let is_over = app.sessions.is_some() && app.session_place().is_none();
    let told = named(sessions::details(session, is_over));
    frame.render_widget(Paragraph::new(told).wrap(Wrap { trim: false }).scroll((app.scroll, 0)), area);
}

fn help(frame: &mut Frame<'_>, area: Rect) {
    let told = named(HELP.iter().map(|(key, what)| (*key, (*what).to_owned())).collect());
    frame.render_widget(Paragraph::new(told).wrap(Wrap { trim: false }), area);
}

fn named(lines: Vec<(&'static str, String)>) -> Text<'static> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let line =
        |(name, what): (&str, String)| Line::from(vec![Span::styled(format!("{name:<16}"), bold), Span::raw(what)]);
    Text::from(lines.into_iter().map(line).collect::<Vec<_>>())
}
