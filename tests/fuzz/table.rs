//! A conversation with the real engine behind it, and without sockets: bytes in, bytes out.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::BytesMut;
use pgcovenant::engine::cache::VerdictCache;
use pgcovenant::engine::check::{Facts, Protocol, check};
use pgcovenant::engine::function_call::check_function_call;
use pgcovenant::engine::refusal::Refusal;
use pgcovenant::engine::unreadable::{Unreadable, check_unreadable};
use pgcovenant::engine::verdict::Verdict;
use pgcovenant::model::catalog::{Catalog, Column, ColumnId, Oid, Relation, SearchPath};
use pgcovenant::model::contract::types::column_type;
use pgcovenant::policy::compile::Bundle;
use pgcovenant::policy::snapshot::{Database, Snapshot};
use pgcovenant::policy::view::{ColumnRule, Effect, MaskExpression, Predicates, RelationRules, SubjectView, Writes};
use pgcovenant::proxy::client_side::Stop;
use pgcovenant::proxy::judge::{Ending, Judge, Judged, Learning};
use pgcovenant::proxy::outbox::Outbox;
use pgcovenant::proxy::session::{Conversation, Fatal, Pins};
use pgcovenant::proxy::splice::Splice;
use pgcovenant::wire::backend::Status;

use crate::oracle::Oracle;

const DATABASE: &str = "shop";
const CUSTOMERS: Oid = Oid(16_384);
const MAIL: i16 = 2;
const SSN: i16 = 3;
const ORDERS: Oid = Oid(16_386);
const PAYMENTS: Oid = Oid(16_388);
const CARD: i16 = 3;

/// Small, so that texts beyond it are found soon.
pub const STATEMENT_LIMIT: usize = 500;

/// Three tables; in the first, one column is masked and one is denied to a governed session, in the last one is masked.
static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| {
    let mut catalog = Catalog::new(DATABASE, 150_000);
    catalog.insert(table(CUSTOMERS, "customers", &["id", "mail", "ssn", "name", "country"]));
    catalog.insert(table(ORDERS, "orders", &["order_id", "customer_id", "status", "total_amount"]));
    catalog.insert(table(PAYMENTS, "payments", &["payment_id", "order_id", "card_number", "status"]));
    let database = Database { catalog: Arc::new(catalog), lineages: HashMap::new() };
    Snapshot::new(1, Arc::new(Bundle::default()), HashMap::from([(DATABASE.into(), Arc::new(database))]))
});

static CACHE: LazyLock<VerdictCache> = LazyLock::new(|| VerdictCache::new(1 << 20));

fn table(oid: Oid, name: &str, columns: &[&str]) -> Relation {
    let column = |(attnum, name): (i16, &&str)| Column::new(attnum, name, column_type("text"));
    Relation {
        primary_key: vec![1],
        row_type: Oid(oid.0 + 1),
        ..Relation::table(oid, "public", name, (1_i16..).zip(columns).map(column).collect())
    }
}

fn governed_view() -> SubjectView {
    let rule = |effect| ColumnRule {
        effect,
        predicates: Predicates::Masked,
        reason: None,
        shadow: None,
        lifecycle: None,
        classification: None,
        decided: true,
    };
    let mask = || Effect::Mask(Arc::new(MaskExpression::new("left", vec!["pg_catalog.left(".into(), ", 1)".into()])));
    let rules = |columns| Arc::new(RelationRules { columns, ..RelationRules::default() });
    let customers = BTreeMap::from([(MAIL, rule(mask())), (SSN, rule(Effect::Deny))]);
    let payments = BTreeMap::from([(CARD, rule(mask()))]);
    let relations = HashMap::from([(CUSTOMERS, rules(customers)), (PAYMENTS, rules(payments))]);
    let column = |relation, attnum| ColumnId { relation, attnum };
    let writes = Writes {
        update: [column(CUSTOMERS, 4), column(ORDERS, 3), column(PAYMENTS, 4)].into(),
        insert: [column(ORDERS, 2), column(ORDERS, 3)].into(),
        delete: [ORDERS, PAYMENTS].into(),
    };
    SubjectView { fingerprint: 1, governed: true, relations, writes, ..SubjectView::default() }
}

/// The engine's own answer, without what was judged before.
pub fn judge_anew(text: &str, protocol: Protocol) -> Verdict {
    static VIEW: LazyLock<Arc<SubjectView>> = LazyLock::new(|| Arc::new(governed_view()));
    let path = SearchPath::default();
    let facts = Facts { database: DATABASE, view: &VIEW, search_path: Some(&path), protocol };
    check(&SNAPSHOT, &facts, text)
}

/// Judges what is sent, knowing nothing of the engine.
pub fn oracle() -> Oracle {
    let database = SNAPSHOT.database(DATABASE).expect("the only one");
    Oracle::new(&database.catalog, &governed_view())
}

/// Which rules apply to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// None: every byte passes.
    Observed,
    /// Columns are protected.
    Governed,
}

/// The engine, without anything that happens elsewhere.
pub struct RealEngine(Arc<SubjectView>);

impl RealEngine {
    pub fn new(rules: Rules) -> Self {
        Self(Arc::new(match rules {
            Rules::Observed => SubjectView::default(),
            Rules::Governed => governed_view(),
        }))
    }
}

impl Judge for RealEngine {
    fn learning(&self, _: bool) -> Option<Learning> {
        None
    }

    fn refresh(&mut self) {}
    fn epoch(&self) -> u64 {
        SNAPSHOT.epoch
    }
    fn governed(&self) -> bool {
        self.0.governed
    }
    fn text(&self, sql: &str, protocol: Protocol, path: Option<&SearchPath>, _: bool) -> Verdict {
        CACHE.check(&SNAPSHOT, &Facts { database: DATABASE, view: &self.0, search_path: path, protocol }, sql)
    }
    fn parameter_types(&self, _: &[u8]) -> Option<Refusal> {
        None
    }
    fn unreadable(&self, why: Unreadable) -> Verdict {
        check_unreadable(&self.0, why)
    }
    fn function_call(&self) -> Verdict {
        check_function_call(&self.0)
    }
    fn refused(&self, _: &Refusal, _: Duration, _: Option<std::sync::Arc<pgcovenant::observe::event::TraceParent>>) {}
    fn over(&self, _: &Judged, _: &Ending) {}
    fn catalog_changed(&self) {}
    fn statement_limit(&self) -> usize {
        STATEMENT_LIMIT
    }
}

/// A conversation and the bytes that have left it.
pub struct Table {
    mind: Conversation<RealEngine>,
    pub to_server: BytesMut,
    pub to_client: BytesMut,
    unread_client: Vec<u8>,
    unread_server: Vec<u8>,
    waits: bool,
    finished: bool,
}

impl Table {
    pub fn new(rules: Rules) -> Self {
        let pins = Pins { utf8: true, standard_strings: true };
        let mut mind = Conversation::new(RealEngine::new(rules), pins, Status::Idle, SearchPath::default());
        mind.path = Some(SearchPath::default());
        Self {
            mind,
            to_server: BytesMut::new(),
            to_client: BytesMut::new(),
            unread_client: Vec::new(),
            unread_server: Vec::new(),
            waits: false,
            finished: false,
        }
    }

    /// Bytes of the client; they are kept while it has to wait.
    pub fn client(&mut self, bytes: &[u8]) -> Result<(), Fatal> {
        self.unread_client.extend_from_slice(bytes);
        while !self.waits && !self.finished {
            let input = std::mem::take(&mut self.unread_client);
            let mut outbox = Outbox::new(&input, &mut self.to_server);
            let stop = self.mind.from_client(&mut outbox, &mut self.to_client);
            let (consumed, run) = outbox.finish();
            self.to_server.extend_from_slice(run);
            self.unread_client = input[consumed..].to_vec();
            match stop? {
                Stop::NeedsMore => return Ok(()),
                Stop::Waits => self.waits = true,
                Stop::Yields => {}
                // This engine never has anything more to learn.
                Stop::Learns => panic!("waits for nothing"),
                Stop::Finished => self.finished = true,
            }
        }
        Ok(())
    }

    /// Bytes of the server.
    pub fn server(&mut self, bytes: &[u8]) -> Result<(), Fatal> {
        self.unread_server.extend_from_slice(bytes);
        let input = std::mem::take(&mut self.unread_server);
        let mut splice = Splice::new(&input, &mut self.to_client);
        let result = self.mind.from_server(&mut splice);
        let (consumed, run) = splice.finish();
        self.to_client.extend_from_slice(run);
        self.unread_server = input[consumed..].to_vec();
        result?;
        self.waits = false;
        self.client(b"")
    }
}
