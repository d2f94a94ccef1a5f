//! A shop whose structure is about to change: its contract, its policy, and a record of who used what.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use jiff::civil::Date;

use crate::engine::check::{Facts, Moment, Protocol, check_at};
use crate::engine::refusal::Refusal;
use crate::engine::verdict::{Admitted, Verdict};
use crate::model::catalog::{Oid, Relation, RelationKind, SearchPath};
use crate::model::consumers::{Consumer, Ledger, Used};
use crate::model::contract;
use crate::model::lifecycle::Who;
use crate::model::source::SourceFile;
use crate::policy::compile::Bundle;
use crate::policy::snapshot::{Database, Snapshot};
use crate::policy::subject::Subject;
use crate::sql::lineage;

const CONTRACT: &str = r"
apiVersion: v3.1.0
kind: DataContract
id: shop
version: 1.0.0
status: active
servers:
  - {server: main, type: postgresql, host: localhost, port: 5432, database: shop, schema: public}
schema:
  - name: orders
    physicalType: table
    properties:
      - {name: id, logicalType: integer, physicalType: bigint}
      - {name: status, logicalType: string, physicalType: text}
      - name: estimated_delivery
        logicalType: timestamp
        physicalType: timestamptz
        customProperties:
          - property: pgcovenantLifecycle
            value: {sunset: 2026-05-15, since: 2026-01-15, exempt: [{application: batch, expires: 2026-12-31}]}
  - name: customers
    physicalType: table
    properties:
      - {name: id, logicalType: integer, physicalType: bigint}
";

pub(super) const BEFORE: &str = "2026-03-01T12:00:00Z";
pub(super) const AFTER: &str = "2026-06-20T12:00:00Z";

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Who uses what: `public.orders.status`, or `public.orders` for the table as a whole.
#[derive(Debug, Default)]
pub(super) struct Record(Mutex<Vec<(&'static str, Consumer)>>);

impl Record {
    pub(super) fn add(&self, what: &'static str, application: &str, last_seen: &str, star_only: bool) {
        let last_seen = at(last_seen);
        let consumer = Consumer {
            application: application.into(),
            user: "app".into(),
            shapes: 3,
            uses: 1,
            star_only,
            first_seen: last_seen,
            last_seen,
        };
        self.0.lock().unwrap().push((what, consumer));
    }
}

impl Ledger for Record {
    fn consumers(&self, used: Used<'_>, since: Timestamp) -> Vec<Consumer> {
        let column = used.column.map(|column| format!(".{column}")).unwrap_or_default();
        let name = format!("{}.{}{column}", used.schema, used.relation);
        let is_meant = |what: &str| {
            what == name
                || (used.column.is_none() && what.strip_prefix(&name).is_some_and(|rest| rest.starts_with('.')))
        };
        let known = self.0.lock().unwrap();
        let meant = known.iter().filter(|(what, consumer)| is_meant(what) && consumer.last_seen >= since);
        meant.map(|(_, consumer)| consumer.clone()).collect()
    }

    fn was_known(&self, _: Used<'_>, _: Who<'_>, _: Option<Date>) -> bool {
        true
    }
}

/// The shop as of a moment, with a partition, a view, a table that no contract describes, and a section `ddl`.
pub(super) struct Shop {
    pub(super) snapshot: Snapshot,
    pub(super) record: Arc<Record>,
}

impl Shop {
    pub(super) fn new(now: &str, ddl: &str) -> Self {
        let policy = format!(
            "apiVersion: pgcovenant/v1\nkind: Policy\nmetadata: {{name: p, version: 2, owner: dba@example.com}}\nrules: []\n{ddl}"
        );
        let files =
            [SourceFile::new("shop/contract.odcs.yaml", CONTRACT), SourceFile::new("shop/policy.yaml", &policy)];
        let (bundle, problems) = Bundle::from_sources(&files);
        let bundle = bundle.unwrap_or_else(|| panic!("{problems:#?}"));
        let mut catalog = contract::to_catalog(bundle.contracts(), "shop");
        let orders = catalog.find("public", "orders").unwrap().clone();
        let part =
            Relation { oid: Oid(50_001), name: "orders_2026".into(), parents: vec![orders.oid], ..(*orders).clone() };
        let view = Relation {
            oid: Oid(50_002),
            name: "states".into(),
            kind: RelationKind::View,
            definition: Some("SELECT orders.id, orders.status FROM public.orders".into()),
            columns: orders.columns[..2].to_vec(),
            ..(*orders).clone()
        };
        let staging = Relation { oid: Oid(50_003), name: "staging".into(), ..(*orders).clone() };
        [part, view, staging].into_iter().for_each(|relation| catalog.insert(relation));
        let lineages = lineage::of_views(&catalog);
        let databases = HashMap::from([("shop".into(), Arc::new(Database { catalog: Arc::new(catalog), lineages }))]);
        let record = Arc::new(Record::default());
        let ledger: Arc<dyn Ledger> = Arc::clone(&record) as _;
        let snapshot = Snapshot::at(at(now), 1, Arc::new(bundle), databases).with_ledger(ledger);
        Self { snapshot, record }
    }

    pub(super) fn used(self, what: &'static str, application: &str, last_seen: &str) -> Self {
        self.record.add(what, application, last_seen, false);
        self
    }

    pub(super) fn starred(self, what: &'static str, application: &str, last_seen: &str) -> Self {
        self.record.add(what, application, last_seen, true);
        self
    }

    /// Nobody has used anything.
    pub(super) fn forget(&self) {
        self.record.0.lock().unwrap().clear();
    }

    pub(super) fn judge(&self, sql: &str) -> Verdict {
        self.judge_as("anna", SearchPath::default(), false, sql)
    }

    pub(super) fn judge_as(&self, user: &str, path: SearchPath, has_lock_timeout: bool, sql: &str) -> Verdict {
        let roles = BTreeSet::from([Box::from(user)]);
        let subject = Subject { user: user.into(), database: "shop".into(), roles, ..Subject::default() };
        let view = self.snapshot.view(&subject);
        let facts = Facts { database: "shop", view: &view, search_path: Some(&path), protocol: Protocol::Simple };
        let moment = Moment { has_lock_timeout, ..Moment::of(&self.snapshot) };
        check_at(&self.snapshot, &facts, moment, sql)
    }

    pub(super) fn refused(&self, sql: &str) -> Refusal {
        match self.judge(sql) {
            Verdict::Refuse(refusal) => refusal,
            Verdict::Admit(_) => panic!("admitted: {sql}"),
        }
    }

    pub(super) fn admitted(&self, sql: &str) -> Admitted {
        match self.judge(sql) {
            Verdict::Admit(admitted) => admitted,
            Verdict::Refuse(refusal) => panic!("{sql}: {refusal:?}"),
        }
    }
}
