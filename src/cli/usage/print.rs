//! Answers as text: tables for the terminal, and Markdown.

use std::fmt::Write as _;

/// A part of an answer.
#[derive(Debug, Clone)]
pub enum Block {
    /// A heading.
    Title(String),
    /// A sentence.
    Line(String),
    /// A table.
    Table {
        /// The heads of its columns.
        head: Vec<String>,
        /// Its rows.
        rows: Vec<Vec<String>>,
    },
    /// Names and what is said of them.
    Facts(Vec<(&'static str, String)>),
}

/// Characters of a cell on the terminal.
const CELL: usize = 120;

/// For the terminal.
pub fn terminal(blocks: &[Block]) -> String {
    let mut text = String::new();
    for block in blocks {
        // Writing to a String cannot fail.
        match block {
            Block::Title(title) => _ = writeln!(text, "{}{title}", if text.is_empty() { "" } else { "\n" }),
            Block::Line(line) => _ = writeln!(text, "{line}"),
            Block::Table { head, rows } => table(&mut text, head, rows),
            Block::Facts(facts) => {
                for (name, fact) in facts {
                    _ = writeln!(text, "  {name:<13} {fact}");
                }
            }
        }
    }
    text
}

fn table(text: &mut String, head: &[String], rows: &[Vec<String>]) {
    let shown = |cell: &String| match cell.char_indices().nth(CELL) {
        Some((end, _)) => format!("{}…", cell.get(..end).unwrap_or_default()),
        None => cell.clone(),
    };
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| one_line(&shown(cell))).collect()).collect();
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in std::iter::once(head).chain(rows.iter().map(Vec::as_slice)) {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        _ = writeln!(text, "  {}", cells.join("  ").trim_end());
    }
}

/// Control characters would move the cursor of whoever reads it: names are the client's own words.
fn one_line(cell: &str) -> String {
    cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// For pull requests and wikis.
pub fn markdown(blocks: &[Block]) -> String {
    let mut text = String::new();
    for block in blocks {
        match block {
            Block::Title(title) => {
                _ = writeln!(text, "{}## {}\n", if text.is_empty() { "" } else { "\n" }, escaped(title))
            }
            Block::Line(line) => _ = writeln!(text, "{}\n", escaped(line)),
            Block::Table { head, rows } => {
                let line = |cells: &[String]| cells.iter().map(|cell| escaped(cell)).collect::<Vec<_>>().join(" | ");
                _ = writeln!(text, "| {} |\n|{}", line(head), " --- |".repeat(head.len()));
                for row in rows {
                    _ = writeln!(text, "| {} |", line(row));
                }
            }
            Block::Facts(facts) => {
                for (name, fact) in facts {
                    _ = writeln!(text, "- {name}: {}", escaped(fact));
                }
            }
        }
    }
    text
}

/// What Markdown or HTML would take for more than text.
fn escaped(text: &str) -> String {
    let mut shown = String::new();
    for c in one_line(text).chars() {
        if matches!(c, '|' | '*' | '_' | '`' | '<' | '>' | '[' | ']' | '\\') {
            shown.push('\\');
        }
        shown.push(c);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_call_themselves_stays_in_its_cell() {
        let rows = vec![vec!["a|b\n\u{1b}[2J".to_owned(), "x".repeat(500)]];
        let blocks = [Block::Table { head: vec!["who".to_owned(), "what".to_owned()], rows }];
        let shown = terminal(&blocks);
        assert_eq!(shown.lines().count(), 2);
        assert!(!shown.contains('\u{1b}') && shown.contains('…'), "{shown}");
        let shown = markdown(&blocks);
        assert_eq!(shown.lines().count(), 3);
        assert!(shown.contains("a\\|b"), "{shown}");
    }
}
