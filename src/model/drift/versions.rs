//! How far migrations have come, and whether they are well.

use super::{Finding, Kind, Observed, Severity};
use crate::model::contract::{Contract, ExpectedVersion};
use crate::model::migrations::{History, State};

pub(super) fn compare(contracts: &[&Contract], observed: &Observed<'_>, findings: &mut Vec<Finding>) {
    findings.extend(observed.structure.histories.iter().filter_map(|history| trouble(history, observed)));
    for expected in contracts.iter().filter_map(|contract| contract.schema_version.as_ref()) {
        findings.extend(another_version(expected, observed));
    }
}

fn about(history: &History, kind: Kind, severity: Severity, observed: &Observed<'_>) -> Finding {
    let (schema, name) = &history.table;
    observed.finding(kind, severity).of(schema, name)
}

/// A tool that is at work is no trouble; one that has stopped half-way is.
fn trouble(history: &History, observed: &Observed<'_>) -> Option<Finding> {
    match history.state {
        State::Applied | State::InProgress => return None,
        State::Dirty | State::Failed => {}
    }
    let (tool, state) = (history.tool.as_str(), history.state.as_str());
    let version = history.troubled.as_deref().unwrap_or("?");
    let message = format!("{tool} says of migration {version}: {state}");
    let help = "The schema may be between two versions. Repair it by hand, then tell the tool.";
    let finding = about(history, Kind::HistoryFailed, Severity::Breaking, observed);
    Some(finding.expected(State::Applied.as_str()).found(format!("{version} {state}")).says(message, help))
}

fn another_version(expected: &ExpectedVersion, observed: &Observed<'_>) -> Option<Finding> {
    let meant = |history: &&History| expected.tool.is_none_or(|tool| tool == history.tool);
    let histories: Vec<&History> = observed.structure.histories.iter().filter(meant).collect();
    let tool = expected.tool.map_or("any tool", |tool| tool.as_str());
    let wanted = format!("{tool} {}", expected.version);
    let Some(first) = histories.first() else {
        let finding = observed.finding(Kind::VersionMismatch, Severity::Risky).expected(&wanted).found(tool);
        let unread =
            observed.structure.unread.iter().find(|unread| expected.tool.is_none_or(|tool| tool == unread.tool));
        return Some(match unread {
            Some(unread) => finding.says(
                format!("the contract expects {wanted}, and {} cannot be read: {}", unread.table, unread.why),
                format!("GRANT SELECT ON {} to the service account.", unread.table),
            ),
            None => finding.says(
                format!("the contract expects {wanted}, and there is no history of migrations"),
                "Correct pgcovenantSchemaVersion, or run the migrations.",
            ),
        });
    };
    let Some(at) = histories.iter().find(|history| history.is_at(&expected.version)) else {
        let is = if first.version.is_empty() { "nothing" } else { &first.version };
        let message = format!("{} has come to {is}, the contract expects {}", first.tool.as_str(), expected.version);
        let help = "Run the migrations that are missing, or bring the contract to the version that is there.";
        let finding = about(first, Kind::VersionMismatch, Severity::Breaking, observed);
        return Some(finding.expected(&*expected.version).found(is).says(message, help));
    };
    let wanted = expected.digest.as_deref().filter(|digest| *digest != &*at.digest)?;
    let message =
        format!("{} is at {}, but by other migrations than the contract expects", at.tool.as_str(), at.version);
    let help = "A migration was edited after it had been applied, or left out. Compare the checksums.";
    let finding = about(at, Kind::HistoryChecksumChanged, Severity::Risky, observed);
    Some(finding.expected(wanted).found(&*at.digest).says(message, help))
}
