//! One look as plain text.

use std::fmt::Write as _;

use super::columns::{COLUMNS, text as text_of};
use super::format::{age, cut, duration, number};
use super::rates::{Shown, Window};
use crate::admin::shapes::answer::Answer;
use crate::admin::shapes::query::Order;

/// Characters of a text.
const TEXT: usize = 120;

/// Shapes that are told: whoever wants all of them asks for JSON.
const SHAPES: usize = 50;

/// What is told of the window as a whole, on a terminal of that width: the most important first.
pub fn summary(answer: &Answer, shown: &Shown, width: u16) -> String {
    let rate = |count| number(shown.rate(count));
    let Shown { totals, p95, .. } = shown;
    let (calls, errors, refusals) = (rate(totals.calls), rate(totals.errors), rate(totals.refusals));
    let p95 = duration(*p95);
    if width < 70 {
        return format!("{calls}/s  err {errors}/s  ref {refusals}/s  p95 {p95}");
    }
    format!(
        "statements {calls}/s  errors {errors}/s  refusals {refusals}/s  p95 {p95}  mean {}  sessions {}  rows {}/s",
        duration(totals.mean()),
        answer.sessions,
        rate(totals.rows)
    )
}

/// Which shapes there are, and how they are shown.
pub fn what(answer: &Answer, shown: &Shown, window: Window, order: Order) -> String {
    let new = answer.shapes.iter().filter(|shape| shape.new).count();
    let over = match window {
        Window::Start => format!("since the start, {}", age(shown.seconds as i64)),
        Window::Interval | Window::Minute | Window::FiveMinutes => {
            format!("in the last {}", age(shown.seconds.round() as i64))
        }
    };
    let shapes = if answer.matched == 1 { "shape" } else { "shapes" };
    format!("{} {shapes}, {new} new (*), by {}, {over}", answer.matched, order.as_str())
}

/// All of it.
pub fn text(url: &str, answer: &Answer, shown: &Shown, window: Window, order: Order) -> String {
    let at = answer.at.strftime("%Y-%m-%dT%H:%M:%SZ");
    let mut text = format!("pgcovenant {}  {url}  {at}\n", answer.version);
    // Writing to a String cannot fail.
    _ = writeln!(text, "{}\n{}\n", summary(answer, shown, u16::MAX), what(answer, shown, window, order));
    let line = |cells: Vec<String>, rest: &str| {
        let padded = cells.iter().zip(COLUMNS).map(|(cell, column)| {
            let width = usize::from(column.width);
            if column.right { format!("{cell:>width$}") } else { format!("{:<width$}", cut(cell, width)) }
        });
        format!("{}  {rest}", padded.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    _ = writeln!(text, "{}", line(COLUMNS.iter().map(|column| column.head.to_owned()).collect(), " TEXT"));
    for row in shown.rows.iter().take(SHAPES) {
        let cells = COLUMNS.iter().map(|column| (column.cell)(row)).collect();
        _ = writeln!(text, "{}", line(cells, &cut(&text_of(row), TEXT)));
    }
    if shown.rows.len() > SHAPES {
        _ = writeln!(text, "… and {} more: --format json has them", shown.rows.len() - SHAPES);
    }
    text
}
