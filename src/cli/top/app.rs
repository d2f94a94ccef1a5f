//! What the live view knows, and what keys do to it.

use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::rates::{History, Key, Row, Shown, Window, key};
use crate::admin::sessions::answer::{Answer as Sessions, Session};
use crate::admin::shapes::answer::Answer;
use crate::admin::shapes::query::Order;

/// What fills the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The table.
    #[default]
    Table,
    /// Everything about the selected shape.
    Details,
    /// The keys.
    Help,
    /// The table, while the filter is typed.
    Filter,
    /// Who is connected.
    Sessions,
    /// Everything about the selected session.
    Session,
}

/// The state of the view.
#[derive(Debug)]
pub struct App {
    /// Who is asked.
    pub url: String,
    /// How often.
    pub interval: Duration,
    /// The order.
    pub order: Order,
    /// How far to look back.
    pub window: Window,
    /// A part of the name of a relation.
    pub filter: String,
    /// What fills the screen.
    pub mode: Mode,
    /// Answers are not looked at.
    pub paused: bool,
    /// Lines that are above the screen, in details.
    pub scroll: u16,
    /// The last answer.
    pub answer: Option<Answer>,
    /// What is shown of it.
    pub shown: Shown,
    /// The last answer about sessions.
    pub sessions: Option<Sessions>,
    /// The session that is selected, as it was when it was last told of.
    pub session: Option<Session>,
    /// Why there is no later answer.
    pub problem: Option<String>,
    selected: Option<Key>,
    details: Option<Row>,
    history: History,
}

impl App {
    /// Without an answer yet.
    pub fn new(url: &str, order: Order, interval: Duration) -> Self {
        Self {
            url: url.to_owned(),
            interval,
            order,
            window: Window::default(),
            filter: String::new(),
            mode: Mode::default(),
            paused: false,
            scroll: 0,
            answer: None,
            shown: Shown::default(),
            sessions: None,
            session: None,
            problem: None,
            selected: None,
            details: None,
            history: History::default(),
        }
    }

    /// Somebody has answered, or nobody has.
    pub fn answered(&mut self, answer: Result<Answer, String>) {
        match answer {
            Ok(_) if self.paused => {}
            Ok(answer) => {
                self.history.add(&answer);
                self.answer = Some(answer);
                self.problem = None;
                self.refresh();
            }
            Err(problem) => self.problem = Some(problem),
        }
    }

    /// Somebody has answered who is connected, or nobody has.
    pub fn told(&mut self, answer: Result<Sessions, String>) {
        match answer {
            Ok(_) if self.paused => {}
            Ok(answer) => {
                self.sessions = Some(answer);
                if let Some(place) = self.session_place() {
                    self.select_session(place);
                }
            }
            // Whoever looks at statements need not hear that an older proxy cannot tell of sessions.
            Err(problem) if matches!(self.mode, Mode::Sessions | Mode::Session) => self.problem = Some(problem),
            Err(_) => {}
        }
    }

    /// The place of the selected session.
    pub fn session_place(&self) -> Option<usize> {
        let selected = self.session.as_ref()?.session;
        self.sessions.as_ref()?.sessions.iter().position(|one| one.session == selected)
    }

    fn select_session(&mut self, place: usize) {
        let list = self.sessions.iter().flat_map(|answer| &answer.sessions);
        self.session = list.take(place.saturating_add(1)).last().cloned();
    }

    fn session_key(&mut self, code: KeyCode) {
        let next = |step: isize| self.session_place().map_or(0, |place| place.saturating_add_signed(step));
        match code {
            KeyCode::Esc | KeyCode::Char('s') => self.mode = Mode::Table,
            KeyCode::Down | KeyCode::Char('j') => self.select_session(next(1)),
            KeyCode::Up | KeyCode::Char('k') => self.select_session(next(-1)),
            KeyCode::PageDown => self.select_session(next(10)),
            KeyCode::PageUp => self.select_session(next(-10)),
            KeyCode::Home | KeyCode::Char('g') => self.select_session(0),
            KeyCode::End | KeyCode::Char('G') => self.select_session(usize::MAX),
            KeyCode::Enter => {
                if self.session_place().is_none() {
                    self.select_session(0);
                }
                if self.session.is_some() {
                    (self.mode, self.scroll) = (Mode::Session, 0);
                }
            }
            _ => {}
        }
    }

    fn refresh(&mut self) {
        let Some(answer) = &self.answer else { return };
        self.shown = self.history.look(answer, self.window, self.order, &self.filter);
        if let Some(row) = self.selected_row() {
            self.details = Some(row.clone());
        }
    }

    /// The place of the selected shape.
    pub fn selected(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.shown.rows.iter().position(|row| key(&row.shape) == *selected)
    }

    fn selected_row(&self) -> Option<&Row> {
        self.shown.rows.get(self.selected()?)
    }

    /// The shape that details are about: still there when it has left the table.
    pub fn details(&self) -> Option<&Row> {
        self.details.as_ref()
    }

    /// A key was pressed. Returns whether to go on.
    pub fn pressed(&mut self, pressed: KeyEvent) -> bool {
        if pressed.kind == KeyEventKind::Release {
            return true;
        }
        if pressed.modifiers.contains(KeyModifiers::CONTROL) {
            return pressed.code != KeyCode::Char('c');
        }
        match (self.mode, pressed.code) {
            (Mode::Filter, code) => self.typed(code),
            (_, KeyCode::Char('q')) => return false,
            (Mode::Details | Mode::Help, KeyCode::Esc | KeyCode::Enter) => self.mode = Mode::Table,
            (Mode::Session, KeyCode::Esc | KeyCode::Enter) => self.mode = Mode::Sessions,
            (Mode::Table, KeyCode::Char('s')) => self.mode = Mode::Sessions,
            (Mode::Help, KeyCode::Char('?')) => self.mode = Mode::Table,
            (_, KeyCode::Char('?')) => self.mode = Mode::Help,
            (_, KeyCode::Char('p')) => self.paused = !self.paused,
            (Mode::Details | Mode::Session, KeyCode::Down | KeyCode::Char('j')) => {
                self.scroll = self.scroll.saturating_add(1);
            }
            (Mode::Details | Mode::Session, KeyCode::Up | KeyCode::Char('k')) => {
                self.scroll = self.scroll.saturating_sub(1);
            }
            (Mode::Table, code) => self.table_key(code),
            (Mode::Sessions, code) => self.session_key(code),
            (Mode::Details | Mode::Help | Mode::Session, _) => {}
        }
        true
    }

    fn table_key(&mut self, code: KeyCode) {
        match code {
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::PageDown => self.step(10),
            KeyCode::PageUp => self.step(-10),
            KeyCode::Home | KeyCode::Char('g') => self.step(isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.step(isize::MAX),
            KeyCode::Enter => {
                if self.selected().is_none() {
                    self.step(0);
                }
                self.details = self.selected_row().cloned();
                if self.details.is_some() {
                    (self.mode, self.scroll) = (Mode::Details, 0);
                }
            }
            KeyCode::Char('o') => {
                let at = Order::ALL.iter().position(|order| *order == self.order).unwrap_or_default();
                self.order = Order::ALL.iter().copied().cycle().nth(at + 1).unwrap_or_default();
                self.refresh();
            }
            KeyCode::Char('w') => {
                self.window = self.window.next();
                self.refresh();
            }
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Esc => {
                self.filter.clear();
                self.selected = None;
                self.refresh();
            }
            _ => {}
        }
    }

    fn step(&mut self, by: isize) {
        let last = self.shown.rows.len().saturating_sub(1);
        let next = match self.selected() {
            Some(place) => place.saturating_add_signed(by).min(last),
            None if by > 1 => last.min(by.unsigned_abs()),
            None => 0,
        };
        self.selected = self.shown.rows.get(next).map(|row| key(&row.shape));
    }

    fn typed(&mut self, code: KeyCode) {
        match code {
            KeyCode::Char(letter) => self.filter.push(letter),
            KeyCode::Backspace => _ = self.filter.pop(),
            KeyCode::Enter => self.mode = Mode::Table,
            KeyCode::Esc => {
                self.filter.clear();
                self.mode = Mode::Table;
            }
            _ => {}
        }
        self.refresh();
    }
}
