//! The last word on a text that was rewritten: PostgreSQL's grammar, and what it must find where something was generated.

use crate::engine::admission::Allowed;
use crate::engine::check::Facts;
use crate::engine::objection::Objection;
use crate::model::catalog::Catalog;
use crate::sql::lexer::Token;
use crate::sql::second_opinion::{self, Fragment};
use crate::sql::splice::{self, Generated, Splice};

/// Checks the final text of a governed session with PostgreSQL's grammar.
pub(in crate::engine) fn verify(
    facts: &Facts<'_>,
    catalog: Option<&Catalog>,
    sql: &str,
    tokens: &[Token],
    splices: &[Splice],
) -> Result<(), Objection> {
    let (text, placed) =
        splice::apply(sql, tokens, splices).map_err(|error| Objection::not_understood(error.to_string()))?;
    let mut fragments = Vec::new();
    for placed in &placed {
        collect_fragments(
            u32::try_from(placed.start).unwrap_or(u32::MAX),
            placed.end - placed.start,
            &placed.generated,
            &mut fragments,
        );
    }
    let empty = Catalog::default();
    let allowed = Allowed { catalog: catalog.unwrap_or(&empty), view: facts.view, path: facts.search_path };
    second_opinion::verify(&text, &fragments, &allowed)
        .map_err(|objection| Objection::not_understood(objection.to_string()))
}

/// A replacement as the checker of the final text wants to know it.
fn collect_fragments(start: u32, length: usize, generated: &Generated, found: &mut Vec<Fragment>) {
    let end = start.saturating_add(u32::try_from(length).unwrap_or(u32::MAX));
    match generated {
        Generated::Plain => {}
        Generated::Target => found.push(Fragment::DmlTarget { start }),
        Generated::Expression => found.push(Fragment::Expression { start, end }),
        Generated::Wrapper { open, first_target, relation, close, ends } => found.push(Fragment::Wrapper {
            start: start.saturating_add(*open),
            end: start.saturating_add(*close),
            relation_offset: relation.saturating_sub(*open),
            first_target_offset: Some(first_target.saturating_sub(*open)),
            ends: *ends,
        }),
        Generated::Query(parts) => {
            for (offset, part) in parts {
                // Only wrappers are looked for within, and they know their own length.
                if matches!(part, Generated::Wrapper { .. } | Generated::Query(_)) {
                    collect_fragments(start.saturating_add(*offset), 0, part, found);
                }
            }
        }
    }
}
