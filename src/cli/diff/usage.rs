//! The record of usage that `--usage` names.

use anyhow::bail;

use crate::model::diff::Usage;

/// Opens the record.
///
/// # Errors
/// There is none in that place.
pub(super) fn open(state: &str) -> anyhow::Result<Box<dyn Usage>> {
    bail!("{state}: there is no record of usage that could be read")
}
