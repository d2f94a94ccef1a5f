//! Three databases with the same clinic, and a proxy in front of two of them.

use std::fmt::Write;

use crate::support::proxy::{Proxy, ProxyOptions};
use crate::support::{Cluster, ClusterOptions, cluster, project};
use crate::wire::Wire;

/// The clinic.
pub const A: &str = "clinic_a";
/// The same, but for protected values.
pub const B: &str = "clinic_b";
/// The same as A with masked values in place of the protected ones.
pub const ORACLE: &str = "clinic_c";

/// A running world.
pub struct World {
    /// The server.
    pub cluster: Cluster,
    /// The proxy in front of it.
    pub proxy: Proxy,
    _policies: tempfile::TempDir,
}

/// A world of one's own, or none where PostgreSQL is not installed and not required.
pub fn world() -> Option<World> {
    let settings = [
        "wal_level = logical",
        "max_wal_senders = 4",
        "max_replication_slots = 4",
        "max_prepared_transactions = 4",
        "shared_preload_libraries = ''",
        "lo_compat_privileges = on",
        "jit = off",
        // Workers take rows in whatever order they come to them, and sums of doubles depend on the order: A and B would
        // differ by chance in the last digit.
        "max_parallel_workers_per_gather = 0",
    ];
    let settings = settings.map(String::from).to_vec();
    let hba = vec!["host replication all 127.0.0.1/32 trust".to_owned()];
    let cluster = cluster(ClusterOptions { settings, hba, ..ClusterOptions::default() })?;
    let file = |name: &str| project(&format!("tests/shadow/world/{name}")).display().to_string();
    cluster.sql("postgres", "CREATE DATABASE clinic");
    cluster.psql("clinic", &["-f", &file("schema.sql")]);
    for (database, salt) in [(A, "a"), (B, "b"), (ORACLE, "a")] {
        cluster.sql("postgres", &format!("CREATE DATABASE {database} TEMPLATE clinic"));
        cluster.psql(database, &["-v", &format!("salt={salt}"), "-f", &file("data.sql")]);
        foreign_table(&cluster, database);
    }
    cluster.psql(ORACLE, &["-f", &file("oracle.sql")]);
    let policies = tempfile::Builder::new().prefix("pgcovenant-policies-").tempdir().expect("tempdir");
    std::fs::write(policies.path().join("contract.odcs.yaml"), contract(&cluster)).expect("contract");
    std::fs::copy(file("policy.yaml"), policies.path().join("policy.yaml")).expect("policy");
    let options = ProxyOptions {
        policies: Some(policies.path().to_owned()),
        service: Some("watcher"),
        more: "replication: {to: [{user: chief}]}".to_owned(),
        ..ProxyOptions::default()
    };
    let proxy = Proxy::start(&cluster, options);
    Some(World { cluster, proxy, _policies: policies })
}

/// Another way to the same rows: through the server itself.
fn foreign_table(cluster: &Cluster, database: &str) {
    if cluster.sql(database, "SELECT count(*) FROM pg_extension WHERE extname = 'postgres_fdw'") == "0" {
        return;
    }
    let port = cluster.port();
    cluster.sql(
        database,
        &format!(
            "CREATE SERVER itself FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '{port}', dbname '{database}');
             CREATE USER MAPPING FOR PUBLIC SERVER itself OPTIONS (user 'postgres', password 'Zq8-mapping');
             CREATE FOREIGN TABLE remote (id integer, email text, ssn text) SERVER itself OPTIONS (table_name 'patients');
             GRANT ALL ON remote TO nurse"
        ),
    );
}

/// What the contract says: every table as it is, but for the vault and the schema `lab`.
fn contract(cluster: &Cluster) -> String {
    let columns = cluster.sql(
        A,
        "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), \
                coalesce(array_position(i.indkey::int[], a.attnum::int), 0) \
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition \
           AND c.relname <> 'vault' ORDER BY c.oid, a.attnum",
    );
    let mut text = String::from(
        "apiVersion: v3.1.0\nkind: DataContract\nid: clinic\nversion: 1.0.0\nstatus: active\nservers:\n\
           - {server: a, type: postgresql, host: localhost, port: 5432, database: clinic_a, schema: public}\n\
           - {server: b, type: postgresql, host: localhost, port: 5432, database: clinic_b, schema: public}\n\
         customProperties: [{property: pgcovenantFunctions, value: [public.age_group]}]\nschema:\n",
    );
    let mut last = "";
    for line in columns.lines() {
        let [table, column, ty, _key] = line.split('|').collect::<Vec<_>>()[..] else { panic!("{line}") };
        if table != last {
            let _ =
                writeln!(text, "  - name: {table}\n    logicalType: object\n    physicalType: table\n    properties:");
            last = table;
        }
        let _ = writeln!(text, "      - {{name: \"{column}\", logicalType: string, physicalType: \"{ty}\"}}");
    }
    text
}

impl World {
    /// A governed session through the proxy.
    pub fn via(&self, user: &str, database: &str) -> Wire {
        Wire::connect(self.proxy.port(), &[("user", user), ("database", database), ("application_name", "shadow")])
    }

    /// A session with the server itself.
    pub fn direct(&self, user: &str, database: &str) -> Wire {
        Wire::connect(
            self.cluster.port(),
            &[("user", user), ("database", database), ("application_name", "shadow"), ("client_encoding", "UTF8")],
        )
    }
}
