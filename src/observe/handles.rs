//! What the observer has looked up for a report, and keeps with it: a statement seen before costs additions alone.

use std::sync::Arc;

use super::event::Event;
use super::shapes::{Shape, Shapes};

/// The handles of everything that a text with one report counts into.
#[derive(Debug)]
pub(super) struct Handles {
    /// Its shape, if it is a single statement.
    pub(super) shape: Option<Arc<Shape>>,
}

impl Handles {
    /// Looks everything up.
    pub(super) fn new(shapes: &Shapes, event: &Event) -> Self {
        let single = match event.report.statements.as_slice() {
            [statement] => Some(statement),
            _ => None,
        };
        Self { shape: single.and_then(|statement| shapes.of(&event.subject.database, statement)) }
    }
}
