//! What the observer has looked up for a report, and keeps with it: a statement seen before costs additions alone.

use std::sync::Arc;

use super::event::Event;
use super::shapes::{Shape, Shapes};

/// The handles of everything that a text with one report counts into.
#[derive(Debug)]
pub(super) struct Handles {
    /// Its shape, if it has one.
    pub(super) shape: Option<Arc<Shape>>,
}

impl Handles {
    /// Looks everything up.
    pub(super) fn new(shapes: &Shapes, event: &Event) -> Self {
        Self { shape: shapes.of(&event.subject.database, &event.report) }
    }
}
