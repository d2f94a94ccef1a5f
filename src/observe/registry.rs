//! Every metric there is, declared once: name, kind, help and labels.

/// What kind of metric it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, sum and count.
    Histogram,
}

impl Kind {
    /// The word of the exposition format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The declaration of one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its full name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// What it says, for people.
    pub help: &'static str,
    /// The keys of its labels, in the order in which values are given.
    pub labels: &'static [&'static str],
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $ident:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $($(#[$doc])* pub const $ident: Metric =
            Metric { name: $name, kind: Kind::$kind, help: $help, labels: &[$($label),*] };)*

        /// All of them.
        pub const METRICS: &[Metric] = &[$($ident),*];
    };
}

metrics! {
    /// Which program this is.
    BUILD_INFO = Gauge "pgcovenant_build_info" ["version"] "Always 1; the version of the running program.";
    /// What has changed.
    CHANGES = Counter "pgcovenant_changes_total" ["datname", "kind"] "Changes noticed by this process, as /api/v1/changes tells them; datname is empty for what is of no single database.";
    /// Which files are in force.
    BUNDLE_INFO = Gauge "pgcovenant_bundle_info" ["digest"] "Always 1; a digest of the contracts and policies in force, the same wherever the same files are.";
    /// Which contracts are in force.
    CONTRACT_INFO = Gauge "pgcovenant_contract_info" ["contract", "contract_version", "team", "status"] "Always 1; the contracts in force.";
    /// What the contracts say of tables.
    TABLE_INFO = Gauge "pgcovenant_table_info" ["datname", "schemaname", "relname", "contract", "contract_version", "team", "criticality"] "Always 1; the tables of the contracts in force, and whose they are; each once.";
    /// How fast statements are to be.
    TABLE_LATENCY_TARGET = Gauge "pgcovenant_table_latency_target_seconds" ["datname", "schemaname", "relname"] "Target for the 95th percentile of a statement's time at the server, as the contract says; 0.2 where it says nothing.";
    /// Which policies are in force.
    POLICY_INFO = Gauge "pgcovenant_policy_info" ["policy", "version"] "Always 1; the policies in force and their versions.";
    /// Epoch of the snapshot that judges statements.
    POLICY_EPOCH = Gauge "pgcovenant_policy_epoch" [] "Epoch of the last policy reload; grows with every change of policy or catalog.";
    /// Sessions that are open.
    CLIENT_CONNECTIONS = Gauge "pgcovenant_client_connections" ["datname", "application", "state"] "Client sessions that are logged in, by what they are doing, in the words of pg_stat_activity.";
    /// Their connections to the server.
    SERVER_CONNECTIONS = Gauge "pgcovenant_server_connections" ["datname", "state"] "Connections to the server that are held for client sessions, by what they are doing, in the words of pg_stat_activity.";
    /// Sessions that came around the proxy.
    BYPASS_SESSIONS = Gauge "pgcovenant_bypass_sessions" ["datname"] "Sessions at the server in a database of a contract that did not come through this proxy, without those that the configuration expects; absent where the service account may not see the sessions of others.";
    /// Sessions so far.
    SESSIONS = Counter "pgcovenant_sessions_total" ["datname"] "Client sessions that have logged in.";
    /// Connections that never became a session.
    CONNECTION_FAILURES = Counter "pgcovenant_connection_failures_total" ["reason"] "Connections that ended before they became a session.";
    /// Statements.
    STATEMENTS = Counter "pgcovenant_statements_total" ["datname", "application", "operation", "decision"] "Statements by application, by what they do and what was decided.";
    /// Latency of statements.
    STATEMENT_DURATION = Histogram "pgcovenant_statement_duration_seconds" ["datname", "operation"] "Time from forwarding a request to the server's completion; operation is multiple for several statements in one request.";
    /// Latency by table.
    TABLE_DURATION = Histogram "pgcovenant_table_statement_duration_seconds" ["datname", "schemaname", "relname", "operation", "scope"] "Time from forwarding a statement to the server's completion, counted for every relation that it names; scope says whether it names one or more.";
    /// Time of our own by table.
    TABLE_OVERHEAD = Histogram "pgcovenant_table_overhead_seconds" ["datname", "schemaname", "relname", "operation"] "Time that the proxy itself spent on judging a statement, counted for every relation that it names.";
    /// Statements by table.
    TABLE_STATEMENTS = Counter "pgcovenant_table_statements_total" ["datname", "schemaname", "relname", "operation"] "Statements by relation that they name.";
    /// Rows by table.
    TABLE_ROWS = Counter "pgcovenant_table_rows_total" ["datname", "schemaname", "relname", "operation"] "Rows returned or changed by single statements that name one relation only.";
    /// Errors.
    ERRORS = Counter "pgcovenant_errors_total" ["datname", "application", "sqlstate_class", "origin"] "Statements that ended in an error, by application, class of SQLSTATE and whether server or proxy raised it.";
    /// Errors by table.
    TABLE_ERRORS = Counter "pgcovenant_table_errors_total" ["datname", "schemaname", "relname", "sqlstate_class", "origin"] "Statements that ended in an error, counted for every relation that they name, by class of SQLSTATE and whether server or proxy raised it; of requests with several statements, those of which one alone names relations.";
    /// Refusals.
    REFUSALS = Counter "pgcovenant_refusals_total" ["datname", "rule", "sqlstate"] "Statements that the proxy refused; rule is none where no single rule decided.";
    /// Use of deprecated columns.
    DEPRECATED_ACCESS = Counter "pgcovenant_deprecated_access_total" ["datname", "schemaname", "relname", "column", "access", "application"] "References to columns that are deprecated or past their sunset, by kind of access and application.";
    /// When that was.
    DEPRECATED_LAST_ACCESS = Gauge "pgcovenant_deprecated_column_last_access_timestamp_seconds" ["datname", "schemaname", "relname", "column", "application"] "Unix time of the last reference to a column that is deprecated or past its sunset, since the proxy runs.";
    /// The deprecated columns.
    DEPRECATED_COLUMN_INFO = Gauge "pgcovenant_deprecated_column_info" ["datname", "schemaname", "relname", "column", "phase", "sunset"] "Always 1; columns on their way out, with phase and planned date.";
    /// When they are to go.
    DEPRECATED_COLUMN_SUNSET = Gauge "pgcovenant_deprecated_column_sunset_timestamp_seconds" ["datname", "schemaname", "relname", "column"] "Unix time of the planned date; which columns it still holds for is said by pgcovenant_deprecated_column_info.";
    /// Use of classified columns.
    SENSITIVE_ACCESS = Counter "pgcovenant_sensitive_access_total" ["datname", "schemaname", "relname", "column", "classification", "outcome"] "References to classified or protected columns and what became of them; clear_unexpected is a classified column shown although no rule is about it.";
    /// Use of columns by application.
    COLUMN_ACCESS = Counter "pgcovenant_column_access_total" ["datname", "schemaname", "relname", "column", "application", "access", "outcome"] "References to columns that a rule, a lifecycle or a classification is about, by application, kind of access and what became of them.";
    /// Writes of those who may not do everything.
    WRITE_CHECKS = Counter "pgcovenant_write_checks_total" ["datname", "schemaname", "relname", "result"] "Statements that write to a relation in sessions from which a policy protects something, by whether they were allowed.";
    /// Rules in shadow mode.
    SHADOW_FINDINGS = Counter "pgcovenant_shadow_findings_total" ["rule", "action"] "References that a rule in shadow mode would have masked or refused.";
    /// What was not understood.
    UNANALYZABLE = Counter "pgcovenant_unanalyzable_statements_total" ["datname", "reason", "action"] "Statements that could not be analysed in full, by reason and whether they passed.";
    /// What verdicts came from.
    ANALYSIS = Counter "pgcovenant_analysis_total" ["result"] "Texts that were judged: from memory (cached), anew (analysed), or without having been understood in full (unanalyzable).";
    /// Time of our own.
    OVERHEAD = Histogram "pgcovenant_overhead_seconds" ["stage"] "Time that the proxy itself spent on judging a text: all of it (check), and by stage where the text was judged anew.";
    /// Reloads.
    POLICY_RELOADS = Counter "pgcovenant_policy_reloads_total" ["result"] "Attempts to load policies and contracts.";
    /// The last reload.
    POLICY_RELOAD_SUCCESSFUL = Gauge "pgcovenant_policy_last_reload_successful" [] "1 if the last attempt to load policies and contracts succeeded, 0 if the files were refused.";
    /// When the policy was loaded.
    POLICY_RELOAD_TIMESTAMP = Gauge "pgcovenant_policy_last_reload_timestamp_seconds" [] "Unix time of the last successful load of policies and contracts.";
    /// Readings of certificates.
    TLS_RELOADS = Counter "pgcovenant_tls_reloads_total" ["result"] "Attempts to load the certificates of both hops.";
    /// The last reading of certificates.
    TLS_RELOAD_SUCCESSFUL = Gauge "pgcovenant_tls_last_reload_successful" [] "1 if the last attempt to load the certificates of both hops succeeded, 0 if a file was refused.";
    /// When the certificate has to be replaced.
    TLS_EXPIRY = Gauge "pgcovenant_tls_certificate_expiry_timestamp_seconds" [] "Unix time at which the certificate that clients get expires.";
    /// Whether the server answers.
    UPSTREAM_UP = Gauge "pgcovenant_upstream_up" [] "1 if the database server can be reached, 0 if several attempts in a row have failed.";
    /// Readings of catalogs.
    CATALOG_REFRESHES = Counter "pgcovenant_catalog_refreshes_total" ["datname", "result"] "Readings of a database's catalog.";
    /// The last reading.
    CATALOG_REFRESH_SUCCESSFUL = Gauge "pgcovenant_catalog_last_refresh_successful" ["datname"] "1 if the last reading of the catalog succeeded, 0 if it failed.";
    /// Time of readings.
    CATALOG_REFRESH_DURATION = Histogram "pgcovenant_catalog_refresh_duration_seconds" [] "Time that reading a catalog took.";
    /// Audit records.
    AUDIT_EVENTS = Counter "pgcovenant_audit_events_total" ["result"] "Audit records written, dropped because the queue was full, or failed to be written; refused are statements that did not run because they could not be audited.";
    /// Audit records that wait.
    AUDIT_QUEUE = Gauge "pgcovenant_audit_queue_length" [] "Audit records that are not in the file yet.";
    /// Whether the audit is written.
    AUDIT_WRITABLE = Gauge "pgcovenant_audit_writable" [] "1 if the last attempt to write the audit succeeded, 0 if it failed.";
    /// When the audit was last written.
    AUDIT_LAST_WRITE = Gauge "pgcovenant_audit_last_write_timestamp_seconds" [] "Unix time at which a line of the audit was last written.";
    /// Spans.
    SPANS = Counter "pgcovenant_spans_total" ["result"] "Spans of statements exported, dropped because the queue was full, or failed because the collector did not take them.";
    /// Guarded labels.
    LABEL_OVERFLOW = Counter "pgcovenant_label_overflow_total" ["label"] "Label values replaced by __other__ because the label has reached its limit.";
    /// Values of guarded labels.
    LABEL_VALUES = Gauge "pgcovenant_label_values" ["label"] "Distinct values that the label has; consumer stands for pairs of a column and an application.";
    /// Sequential scans.
    SEQ_SCANS = Counter "pgcovenant_seq_scans_total" ["datname", "schemaname", "relname"] "Sequential scans on the table as the server counts them, since the proxy watches.";
    /// Rows of sequential scans.
    SEQ_ROWS = Counter "pgcovenant_seq_rows_total" ["datname", "schemaname", "relname"] "Live rows read by sequential scans as the server counts them, since the proxy watches.";
    /// Index scans by table.
    TABLE_INDEX_SCANS = Counter "pgcovenant_table_index_scans_total" ["datname", "schemaname", "relname"] "Index scans on the table as the server counts them, since the proxy watches.";
    /// Rows of index scans.
    TABLE_INDEX_ROWS = Counter "pgcovenant_table_index_rows_total" ["datname", "schemaname", "relname"] "Live rows fetched by index scans as the server counts them, since the proxy watches.";
    /// Index scans by index.
    INDEX_SCANS = Counter "pgcovenant_index_scans_total" ["datname", "schemaname", "relname", "indexrelname"] "Scans of the index as the server counts them, since the proxy watches.";
    /// Index entries read.
    INDEX_ROWS = Counter "pgcovenant_index_rows_total" ["datname", "schemaname", "relname", "indexrelname"] "Index entries returned by scans of the index as the server counts them, since the proxy watches.";
    /// Sizes of tables.
    TABLE_SIZE = Gauge "pgcovenant_table_size_bytes" ["datname", "schemaname", "relname"] "Size of the table without its indexes.";
    /// Rows of tables.
    TABLE_ROWS_ESTIMATE = Gauge "pgcovenant_table_rows_estimate" ["datname", "schemaname", "relname"] "Live rows of the table as the server estimates them.";
    /// Sizes of indexes.
    INDEX_SIZE = Gauge "pgcovenant_index_size_bytes" ["datname", "schemaname", "relname", "indexrelname"] "Size of the index.";
    /// The indexes.
    INDEX_INFO = Gauge "pgcovenant_index_info" ["datname", "schemaname", "relname", "indexrelname", "kind", "valid"] "Always 1; the indexes, what each is for (primary, unique, exclusion, plain) and whether queries may use it.";
    /// Indexes that nobody needs.
    INDEX_UNUSED = Gauge "pgcovenant_index_unused_seconds" ["datname", "schemaname", "relname", "indexrelname"] "Time since the index was last seen to be scanned, since the proxy watches; 0 while it is scanned.";
    /// Indexes that are gone.
    INDEX_DROPPED = Gauge "pgcovenant_index_dropped_timestamp_seconds" ["datname", "schemaname", "relname", "indexrelname"] "Unix time at which an index of a table was found gone; told for a day, unless it comes back.";
    /// Sessions that wait.
    LOCK_WAITERS = Gauge "pgcovenant_lock_waiters" ["datname", "schemaname", "relname"] "Sessions that wait for a lock on the table or on a row of it.";
    /// Plans.
    PLAN_SAMPLES = Counter "pgcovenant_plan_samples_total" ["datname", "schemaname", "relname", "access_path"] "Plans of sampled statements by how they read the relation: index, index_only, bitmap, seq, tid or other.";
    /// Plans that nobody got.
    PLAN_SAMPLE_FAILURES = Counter "pgcovenant_plan_sample_failures_total" ["datname", "reason"] "Sampled statements whose plan was not asked for, or not told, by reason.";
    /// Changes of plans.
    PLAN_CHANGES = Counter "pgcovenant_plan_changes_total" ["datname", "schemaname", "relname", "change"] "Times that the plan of a statement shape began to read a relation in another way.";
    /// Changes for the worse.
    PLAN_REGRESSION = Gauge "pgcovenant_plan_regression_timestamp_seconds" ["datname", "schemaname", "relname"] "Unix time at which a statement shape that turned from an index to a sequential scan of the relation was found slower; told until it is over, for a day at most.";
    /// Declared queries.
    DECLARED_QUERY = Gauge "pgcovenant_declared_query_satisfied" ["datname", "contract", "query"] "1 if the last plan of a query that a contract declares is as declared, 0 if not; absent until a plan of it was seen.";
    /// Flushes of usage.
    USAGE_FLUSHES = Counter "pgcovenant_usage_flushes_total" ["result"] "Attempts to bring recorded usage to its store, or, without one, to memory.";
    /// Usage that waits.
    USAGE_PENDING = Gauge "pgcovenant_usage_pending" [] "Counts of usage that wait for the store, as of the last attempt.";
    /// The last flush.
    USAGE_FLUSH_TIMESTAMP = Gauge "pgcovenant_usage_last_flush_timestamp_seconds" [] "Unix time of the last successful flush of usage.";
    /// Usage that is not told apart.
    USAGE_MERGED = Counter "pgcovenant_usage_merged_total" [] "Uses that were counted for the application __other__ because memory is bounded.";
    /// Changes of the structure.
    DDL_STATEMENTS = Counter "pgcovenant_ddl_statements_total" ["datname", "command", "action"] "Statements that change the structure of the database or its rights, by command and whether they were allowed or refused.";
    /// Differences between contracts and databases.
    DRIFT_ITEMS = Gauge "pgcovenant_drift_items" ["datname", "relname", "kind", "severity"] "Differences between the contracts and the database; relname is empty for what is of the whole database.";
    /// When they were last compared.
    DRIFT_LAST_CHECK = Gauge "pgcovenant_drift_last_check_timestamp_seconds" ["datname"] "Unix time at which the database was last compared with its contracts.";
    /// How far migrations have come.
    SCHEMA_VERSION_INFO = Gauge "pgcovenant_schema_version_info" ["datname", "tool", "schema_version", "state"] "Always 1; the version that the history table of a migration tool says, and how its worst migration is.";
    /// Columns that may go.
    SAFE_TO_DROP = Gauge "pgcovenant_deprecated_column_safe_to_drop" ["datname", "schemaname", "relname", "column"] "1 if usage was recorded without a gap for 92 days and nobody has used the column, or with an empty column the table, on its way out; 0 if that cannot be said. Absent where no usage is kept.";
    /// Migrations.
    MIGRATION_EVENTS = Counter "pgcovenant_migration_events_total" ["datname", "tool", "result"] "Migrations that were found applied, failed or reverted in the history table of a tool, each once; none at the first look after the start.";
    /// How long they took.
    MIGRATION_DURATION = Histogram "pgcovenant_migration_duration_seconds" ["datname", "tool"] "Time that migrations took, by the history tables of the tools that write it there: flyway, prisma, sqlx, atlas.";
    /// Rows in which a column and its replacement differ.
    DIVERGENT_ROWS = Gauge "pgcovenant_divergent_rows" ["datname", "schemaname", "relname", "column", "replacement"] "Rows read in which a redirected column and its replacement differ; those not backfilled yet are not among them.";
    /// Rows that have been copied to the replacement, and others.
    BACKFILL_ROWS = Gauge "pgcovenant_backfill_rows" ["datname", "schemaname", "relname", "column", "replacement", "state"] "Rows read by whether only the redirected column has a value (missing) or not (done).";
    /// How much of the table was read.
    DIVERGENCE_SHARE = Gauge "pgcovenant_divergence_sampled_ratio" ["datname", "schemaname", "relname", "column", "replacement"] "Share of the table that was read to compare a redirected column with its replacement; 1 is all of it.";
    /// When the columns were compared.
    DIVERGENCE_LAST_CHECK = Gauge "pgcovenant_divergence_last_check_timestamp_seconds" ["datname", "schemaname", "relname", "column", "replacement"] "Unix time at which a redirected column was last compared with its replacement.";
    /// Rows without a partner.
    ORPHAN_ROWS = Gauge "pgcovenant_orphan_rows" ["datname", "schemaname", "relname", "relationship"] "Rows read that refer to a row which is not there, by relationship of the contract; 0 where a foreign key rules that out.";
    /// How much of the table was read.
    ORPHAN_SHARE = Gauge "pgcovenant_orphan_sampled_ratio" ["datname", "schemaname", "relname", "relationship"] "Share of the table that was read to find rows without a partner; 1 is all of it, or that a foreign key rules them out.";
    /// When they were counted.
    ORPHAN_LAST_CHECK = Gauge "pgcovenant_orphan_last_check_timestamp_seconds" ["datname", "schemaname", "relname", "relationship"] "Unix time at which rows without a partner were last counted.";
    /// Age of the newest row.
    DATA_FRESHNESS = Gauge "pgcovenant_data_freshness_seconds" ["datname", "schemaname", "relname"] "Age of the newest row when it was last looked at, by the column that the contract names.";
    /// How old it may be.
    DATA_FRESHNESS_TARGET = Gauge "pgcovenant_data_freshness_target_seconds" ["datname", "schemaname", "relname"] "How old the newest row may be, as the contract says.";
    /// When it was looked at.
    DATA_FRESHNESS_LAST_CHECK = Gauge "pgcovenant_data_freshness_last_check_timestamp_seconds" ["datname", "schemaname", "relname"] "Unix time at which the age of the newest row was last looked at.";
    /// How far consumers of changes are behind.
    SLOT_LAG = Gauge "pgcovenant_replication_slot_lag_bytes" ["datname", "slot"] "Bytes of WAL that the consumer of a replication slot has not confirmed; datname is empty for a physical slot. Absent where the server does not know.";
    /// Whether they are there.
    SLOT_ACTIVE = Gauge "pgcovenant_replication_slot_active" ["datname", "slot"] "1 if somebody streams from the replication slot, 0 if not; datname is empty for a physical slot.";
    /// Statement shapes.
    SHAPES = Gauge "pgcovenant_shapes" ["datname"] "Statement shapes that are remembered.";
    /// Statement shapes that nobody had seen before.
    NEW_SHAPES = Counter "pgcovenant_new_shapes_total" ["datname"] "Statement shapes seen for the first time, under the contract versions in force.";
    /// Statement shapes that are not remembered any more.
    SHAPES_EVICTED = Counter "pgcovenant_shapes_evicted_total" [] "Statement shapes that had to make room for others.";
}
