//! What goes into the journal of changes.

use super::Observer;
use crate::model::change::{Change, Kind};
use crate::observe::changes::Changes;
use crate::observe::event::{Decision, Event};

impl Observer {
    /// The journal.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Something has changed.
    pub fn changed(&self, change: Change) {
        self.changes.add(&self.metrics, change);
    }

    /// A statement about the structure is over. It may be in a transaction that is rolled back later: what has come of it is
    /// told when the catalog has been read again.
    pub(super) fn ddl(&self, event: &Event) {
        if event.decision == Decision::Deny || event.sqlstate.is_some() {
            return;
        }
        let subject = &event.subject;
        let by = match &*subject.application {
            "" => format!("user {}", subject.user),
            application => format!("user {}, application {application}", subject.user),
        };
        let mut relations = event.report.statements.iter().flat_map(|statement| &statement.relations);
        let about = relations.next().filter(|first| relations.all(|other| other.relation == first.relation));
        let (schema, relation) = about.map_or(("", ""), |one| (&*one.schema, &*one.name));
        for ddl in &event.report.ddl {
            let what = format!("{}; by {by}", ddl.words());
            self.changed(Change::new(Kind::Ddl, what).of(&subject.database).about(schema, relation));
        }
    }
}
