//! Who uses what a change touches.

use super::case::Case;
use super::touched::Touched;
use crate::model::consumers::{Consumer, Used};
use crate::model::lifecycle::{Conduct, Retirement, Who};

impl Case<'_> {
    /// Who has used it in the time that counts, or tried to.
    ///
    /// Whoever reached a column only by `*` counts as long as `*` shows it to them: past its sunset that leaves it out.
    pub(super) fn consumers(&self, touched: &Touched<'_>) -> Vec<Consumer> {
        let Touched { relation, column } = *touched;
        let used =
            Used { database: self.gate.facts.database, schema: &relation.schema, relation: &relation.name, column };
        let since = self.gate.moment.now.saturating_sub(self.rules.window);
        let since = since.unwrap_or(jiff::Timestamp::MIN);
        let mut consumers = self.gate.snapshot.ledger.consumers(used, since);
        let retirements: Vec<&Retirement> = column.map(|column| self.retirements(touched, column)).unwrap_or_default();
        consumers.retain(|consumer| !(consumer.star_only && self.is_gone(&retirements, consumer)));
        consumers
    }

    fn is_gone(&self, retirements: &[&Retirement], consumer: &Consumer) -> bool {
        let who = Who { application: &consumer.application, user: &consumer.user };
        let now = self.gate.moment.now;
        retirements.iter().any(|retirement| retirement.at(now, who, &|_| true).conduct == Conduct::Gone)
    }

    /// What contracts say of the retirement of a column, be it as one of the table that this is a part of.
    fn retirements(&self, touched: &Touched<'_>, column: &str) -> Vec<&Retirement> {
        let about = self.described().filter(|described| self.is_described_by(touched.relation, described));
        let fields = about.flat_map(|described| &described.entity.fields).filter(|field| &*field.name == column);
        fields.filter_map(|field| field.retirement.as_ref()).collect()
    }
}
