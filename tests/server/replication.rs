//! Replication connections: for those whom the configuration names and no policy governs.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::support::knock::{self, V3_0, startup};
use crate::support::postgres::Auth;
use crate::support::{self, Cluster, ClusterOptions, Proxy, ProxyOptions, project, until};

fn replicable() -> Option<Cluster> {
    let settings = ["wal_level = logical", "max_wal_senders = 10", "max_replication_slots = 10"];
    let cluster = support::cluster(ClusterOptions {
        auth: Auth::ScramSha256,
        settings: settings.map(String::from).to_vec(),
        ..ClusterOptions::default()
    })?;
    if cluster.program("pg_basebackup").parent() != cluster.program("initdb").parent() {
        // They copy only from servers of their own version or older ones.
        eprintln!("skipped: the tools for replication are not those of the server");
        return None;
    }
    let hba = cluster.sql("postgres", "SHOW hba_file");
    let line = "host replication all 127.0.0.1/32 scram-sha-256";
    cluster.sql("postgres", &format!("COPY (SELECT '{line}') TO PROGRAM 'cat >> {hba}'"));
    cluster.sql(
        "postgres",
        "SELECT pg_reload_conf();
         CREATE ROLE backup LOGIN REPLICATION PASSWORD 'pw';
         CREATE ROLE support LOGIN REPLICATION PASSWORD 'pw';
         CREATE ROLE pgcovenant LOGIN PASSWORD 'pgcovenant'",
    );
    Some(cluster)
}

fn tool(cluster: &Cluster, program: &str, port: u16, user: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(cluster.program(program));
    command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", user, "-w"]).args(arguments);
    command.env("PGPASSWORD", "pw").stdin(Stdio::null());
    command
}

fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn allowing(cluster: &Cluster, more: &str) -> Proxy {
    Proxy::start(cluster, ProxyOptions { more: more.to_owned(), ..ProxyOptions::default() })
}

#[test]
fn nobody_may_by_default() {
    let Some(cluster) = replicable() else { return };
    let target = tempfile::tempdir().unwrap();
    let target = target.path().join("base").display().to_string();
    let refused = "the proxy rejects replication connection for user \"backup\"";
    let proxy = allowing(&cluster, "");
    let mut backup = tool(&cluster, "pg_basebackup", proxy.port(), "backup", &["-X", "none", "-D", &target]);
    assert!(complaint(&backup.output().unwrap()).contains(refused));
    for value in ["true", "database"] {
        let packet = startup(V3_0, &[("user", "backup"), ("database", "postgres"), ("replication", value)]);
        assert_eq!(knock::field(&knock::ask(proxy.port(), &packet), 'C').as_deref(), Some("28000"));
    }
    let others = allowing(&cluster, "replication: {to: [{user: other}, {user: backup, cidr: 10.0.0.0/8}]}");
    let mut backup = tool(&cluster, "pg_basebackup", others.port(), "backup", &["-X", "none", "-D", &target]);
    assert!(complaint(&backup.output().unwrap()).contains(refused));
    assert!(!Path::new(&target).exists());
}

#[test]
fn a_base_backup_and_the_log_behind_it() {
    let Some(cluster) = replicable() else { return };
    let mut proxy =
        allowing(&cluster, "replication: {to: [{user: backup, cidr: 127.0.0.0/8}]}\nlimits: {drain_timeout: 1s}");
    let folder = tempfile::tempdir().unwrap();
    let (base, log) = (folder.path().join("base"), folder.path().join("log"));
    std::fs::create_dir(&log).unwrap();
    let arguments = ["-X", "stream", "-c", "fast", "-D", base.to_str().unwrap()];
    let backup = tool(&cluster, "pg_basebackup", proxy.port(), "backup", &arguments).output().unwrap();
    assert!(backup.status.success(), "{backup:?}\n{}", proxy.log());
    let verified = Command::new(cluster.program("pg_verifybackup")).arg(&base).output().unwrap();
    assert!(verified.status.success(), "{verified:?}");

    let arguments = ["-D", log.to_str().unwrap(), "--synchronous", "--no-loop"];
    let mut receiver = tool(&cluster, "pg_receivewal", proxy.port(), "backup", &arguments).spawn().unwrap();
    let received = || {
        std::fs::read_dir(&log).unwrap().filter(|entry| entry.as_ref().unwrap().path().extension().is_none()).count()
    };
    cluster.sql("postgres", "CREATE TABLE t (x int)");
    until("no segment of the log comes", || {
        cluster.sql("postgres", "INSERT INTO t VALUES (1); SELECT pg_switch_wal()");
        received() >= 2
    });
    assert_eq!(proxy.metric("pgcovenant_connection_failures_total", &[]), 0.0, "{}", proxy.log());
    // A stream is never idle: it ends with the time that sessions have.
    proxy.signal("TERM");
    assert_eq!(proxy.wait(Duration::from_secs(10)).and_then(|status| status.code()), Some(0));
    until("the receiver does not notice", || receiver.try_wait().unwrap().is_some());
}

#[test]
fn logical_decoding() {
    let Some(cluster) = replicable() else { return };
    let proxy = allowing(&cluster, "replication: {to: [{user: backup}]}");
    cluster.sql("postgres", "CREATE TABLE t (x int)");
    let receive = |arguments: &[&str]| {
        let common = ["-d", "postgres", "--slot", "s"];
        tool(&cluster, "pg_recvlogical", proxy.port(), "backup", &[&common[..], arguments].concat()).output().unwrap()
    };
    let created = receive(&["--create-slot", "-P", "test_decoding"]);
    if !created.status.success() && String::from_utf8_lossy(&created.stderr).contains("test_decoding") {
        eprintln!("skipped: the server has no test_decoding");
        return;
    }
    assert!(created.status.success(), "{created:?}");
    cluster.sql("postgres", "SET synchronous_commit = on; INSERT INTO t VALUES (4711)");
    let end = cluster.sql("postgres", "SELECT pg_current_wal_lsn()");
    let decoded = receive(&["--start", "-f", "-", "--endpos", &end]);
    assert!(String::from_utf8_lossy(&decoded.stdout).contains("INSERT: x[integer]:4711"), "{decoded:?}");
}

/// A copy of the data would go around the policy: neither now nor from the moment on when there is one.
#[test]
fn nobody_whom_a_policy_governs() {
    let Some(cluster) = replicable() else { return };
    support::shop::load(&cluster, "shop");
    let policies = tempfile::tempdir().unwrap();
    let copy = |from: &str, to: &str| {
        let text = std::fs::read_to_string(project(from)).unwrap();
        let draft = policies.path().join(format!(".{to}"));
        std::fs::write(&draft, text).unwrap();
        std::fs::rename(draft, policies.path().join(to)).unwrap();
    };
    copy("policies/shop/contract.odcs.yaml", "contract.odcs.yaml");
    let proxy = Proxy::start(
        &cluster,
        ProxyOptions {
            policies: Some(policies.path().to_owned()),
            service: Some("pgcovenant"),
            more: "replication: {to: [{user: support}, {user: backup}]}".to_owned(),
            ..ProxyOptions::default()
        },
    );
    let log = tempfile::tempdir().unwrap();
    let arguments = ["-n", "-D", log.path().to_str().unwrap()];
    let mut receiver =
        tool(&cluster, "pg_receivewal", proxy.port(), "support", &arguments).stderr(Stdio::piped()).spawn().unwrap();
    let senders = "SELECT count(*) FROM pg_stat_replication WHERE usename = 'support'";
    until("no replication before there is a policy", || cluster.sql("postgres", senders) == "1");
    copy("tests/server/policy.yaml", "policy.yaml");
    until("replication goes on under a policy", || receiver.try_wait().unwrap().is_some());
    let again = complaint(&tool(&cluster, "pg_receivewal", proxy.port(), "support", &arguments).output().unwrap());
    assert!(again.contains("a policy protects columns of database \"shop\" from user \"support\""), "{again}");
    let sql = ["-XAtqc", "IDENTIFY_SYSTEM", "-d", "dbname=postgres replication=database"];
    let logical = complaint(&tool(&cluster, "psql", proxy.port(), "support", &sql).output().unwrap());
    assert!(logical.contains("a policy protects columns"), "{logical}");
    let free = tool(&cluster, "psql", proxy.port(), "backup", &sql).output().unwrap();
    assert!(free.status.success(), "{free:?}");
}
