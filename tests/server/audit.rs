//! The audit of a real run: its form, its chain, what is in it and what never is, and what happens when it cannot be written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::proxy::binary;
use crate::support::shop::Policies;
use crate::support::{Proxy, ProxyOptions, Shop, project, shop, until};

/// What no line may hold, as a literal, a value or a name of somebody's own.
const SECRET: &str = "tell_tale_heart";

pub fn proxy(shop: &Shop, policies: &Policies, audit: String) -> Proxy {
    let options = ProxyOptions {
        policies: Some(policies.path().to_owned()),
        service: Some("pgcovenant"),
        environment: vec![("AUDIT_KEY".to_owned(), "the key of the audit".to_owned())],
        audit: Some(audit),
        ..ProxyOptions::default()
    };
    Proxy::start(shop.cluster, options)
}

pub fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

pub fn of_kind(path: &Path, kind: &str) -> Vec<Value> {
    lines(path).into_iter().filter(|line| line["type"] == kind).collect()
}

/// Every file with lines in a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).collect()
}

/// Runs `audit verify`: exit code and report.
pub fn verify(paths: &[PathBuf], more: &[&str]) -> (Option<i32>, String) {
    let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
    let (code, said, problems) = Proxy::run(&[&["audit", "verify"], &paths[..], more].concat());
    (code, said + &problems)
}

pub fn stop(mut proxy: Proxy) -> Proxy {
    proxy.signal("TERM");
    assert!(proxy.wait(Duration::from_secs(60)).is_some(), "{}", proxy.log());
    proxy
}

/// Statements of every kind with the secret wherever somebody can put it.
fn tales() -> Vec<String> {
    let s = SECRET;
    vec![
        format!("SELECT email AS {s} FROM customers AS c WHERE name = '{s}'"),
        format!("SELECT {s}.email FROM customers AS {s} WHERE {s}.name = $${s}$$ -- {s}"),
        format!("WITH {s} AS (SELECT email FROM customers) SELECT '{s}', * FROM {s}"),
        format!("SELECT ssn AS {s} FROM customers WHERE name = E'{s}' /* {s} */"),
        format!("SELECT {s}.ssn FROM customers {s}"),
        format!("SELECT {s} FROM customers"),
        format!("SELECT * FROM {s}"),
        format!("SELECT {s}(email) FROM customers"),
        format!("SELECT email FROM customers ORDER BY '{s}' COLLATE \"{s}\""),
        format!("SELECT '{s}' '{s}' FROM WHERE"),
        format!("SELECT '{s}"),
        format!("INSERT INTO customers (name, email) VALUES ('{s}', '{s}')"),
        format!("UPDATE customers SET name = '{s}' WHERE ssn = '{s}'"),
        format!("DELETE FROM customers WHERE email = '{s}'"),
        format!("MERGE INTO customers {s} USING (SELECT '{s}') x ON {s}.email = '{s}' WHEN MATCHED THEN DELETE"),
        format!("COPY (SELECT ssn AS {s} FROM customers WHERE name = '{s}') TO STDOUT"),
        format!("PREPARE {s} AS SELECT email FROM customers WHERE name = '{s}'"),
        format!("EXECUTE {s}('{s}')"),
        format!("DECLARE {s} CURSOR FOR SELECT ssn FROM customers WHERE name = '{s}'"),
        format!("FETCH ALL FROM {s}"),
        format!("SAVEPOINT {s}"),
        format!("SET application_name = '{s}'"),
        format!("SET {s}.{s} = '{s}'"),
        format!("SET ROLE {s}"),
        format!("DO $${s}$$"),
        format!("CALL {s}('{s}')"),
        format!("EXPLAIN SELECT ssn FROM customers WHERE name = '{s}'"),
        format!("NOTIFY {s}, '{s}'"),
        format!("LISTEN {s}"),
        format!("COMMENT ON COLUMN customers.email IS '{s}'"),
        format!("ALTER TABLE customers ALTER COLUMN email SET DEFAULT '{s}'"),
        format!("ALTER TABLE customers ADD CHECK (email <> '{s}')"),
        format!("CREATE TABLE made_here AS SELECT ssn FROM customers WHERE name = '{s}'"),
        format!("CREATE FUNCTION made_here() RETURNS text LANGUAGE sql AS 'SELECT ''{s}'''"),
        format!("ALTER ROLE support PASSWORD '{s}'"),
        format!("SECURITY LABEL FOR {s} ON TABLE customers IS '{s}'"),
        format!("GARBAGE '{s}' {s}"),
        format!("SELECT email FROM customers WHERE name = U&'{s}' UESCAPE '!'"),
        format!("SELECT phone::{s} FROM customers"),
        format!("VALUES ('{s}'); SELECT email, '{s}' FROM customers; SELECT ssn {s} FROM customers"),
    ]
}

#[tokio::test]
async fn every_line_of_a_run_fits_the_schema_and_holds_no_secret() {
    let Some(shop) = shop("audit_schema") else { return };
    let (folder, policies) = (tempfile::tempdir().unwrap(), shop.policies());
    let path = folder.path().join("audit.jsonl");
    let audit = format!(
        "audit: {{path: {}, sessions: true, fsync: always, rotate: {{bytes: 16384, keep: 100}}}}",
        path.display()
    );
    let proxy = proxy(&shop, &policies, audit);
    for user in ["support", "shop_app"] {
        let session = shop.via(&proxy, user).await;
        for sql in tales() {
            let _ = session.simple(&sql).await;
            let _ = session.client.query(&sql, &[]).await;
        }
        for column in ["email", "ssn"] {
            let sql = format!("SELECT {column} FROM customers WHERE name = $1");
            let _ = session.client.query(&sql, &[&SECRET]).await;
        }
    }
    policies.write("policy.yaml", &fs::read_to_string(project("tests/server/policy.yaml")).unwrap());
    proxy.signal("HUP");
    let logouts = || files(folder.path()).iter().map(|path| of_kind(path, "logout").len()).sum::<usize>();
    let began = Instant::now();
    while logouts() < 2 {
        assert!(began.elapsed() < Duration::from_secs(30), "nobody has logged out");
        // The clients' own tasks say good-bye.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop(proxy);

    let schema: Value = serde_json::from_str(&fs::read_to_string(project("docs/audit.schema.json")).unwrap()).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let mut kinds = std::collections::BTreeSet::new();
    let mut decisions = std::collections::BTreeSet::new();
    for path in files(folder.path()) {
        assert!(!fs::read_to_string(&path).unwrap().contains(SECRET), "{}", path.display());
        for line in lines(&path) {
            let problems: Vec<_> = schema.iter_errors(&line).map(|error| error.to_string()).collect();
            assert!(problems.is_empty(), "{problems:?}\n{line}");
            kinds.insert(line["type"].as_str().unwrap().to_owned());
            decisions.insert(line["decision"].as_str().unwrap_or_default().to_owned());
        }
    }
    for kind in ["opened", "rotated", "start", "stop", "policies", "login", "logout", "statement"] {
        assert!(kinds.contains(kind), "{kind} is not among {kinds:?}");
    }
    assert!(["mask", "deny", "allow"].iter().all(|decision| decisions.contains(*decision)), "{decisions:?}");
    let (code, said) = verify(&files(folder.path()), &[]);
    assert_eq!(code, Some(0), "{said}");
    let page = fs::read_to_string(project("docs/audit.md")).unwrap();
    let shown = page.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(schema.is_valid(&serde_json::from_str(shown).unwrap()), "{shown}");
    // The schema must be able to say no.
    let mut line = lines(&path).remove(0);
    line["sql"] = "SELECT 1".into();
    assert!(!schema.is_valid(&line));
}

/// The recipe of the documentation, for the file in the current directory.
fn recipe() -> String {
    let page = fs::read_to_string(project("docs/audit.md")).unwrap();
    let block = page.split("```sh\n").nth(1).unwrap();
    block.split("```").next().unwrap().to_owned()
}

fn tools() -> bool {
    let found = ["jq", "sha256sum", "openssl"].iter().all(|tool| {
        let asked =
            Command::new(tool).arg("--version").output().or_else(|_| Command::new(tool).arg("version").output());
        asked.is_ok()
    });
    if !found {
        eprintln!("skipped: jq, sha256sum or openssl is not installed");
    }
    found
}

#[tokio::test]
async fn the_recipe_of_the_documentation_verifies_a_chain_with_other_tools() {
    let Some(shop) = shop("audit_recipe") else { return };
    if !tools() {
        return;
    }
    for (more, keyed) in [("", false), (", key_env: AUDIT_KEY", true)] {
        let (folder, policies) = (tempfile::tempdir().unwrap(), shop.policies());
        let path = folder.path().join("audit.jsonl");
        let proxy = proxy(&shop, &policies, format!("audit: {{path: {}{more}}}", path.display()));
        let support = shop.via(&proxy, "support").await;
        for _ in 0..3 {
            support.rows("SELECT email FROM customers LIMIT 1").await;
        }
        stop(proxy);
        let script = recipe();
        let script = if keyed {
            script.replace("sha256sum", "openssl dgst -sha256 -hmac 'the key of the audit' -r")
        } else {
            script
        };
        let run = || {
            let run = Command::new("sh").arg("-c").arg(&script).current_dir(folder.path()).output().unwrap();
            String::from_utf8(run.stdout).unwrap() + &String::from_utf8(run.stderr).unwrap()
        };
        assert_eq!(run(), "");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen("\"type\":\"start\"", "\"type\":\"stort\"", 1)).unwrap();
        assert_eq!(run(), "changed: 2\nunlinked: 3\n");
    }
}

#[tokio::test]
async fn verify_says_where_a_chain_is_broken() {
    let Some(shop) = shop("audit_verify") else { return };
    let (folder, policies) = (tempfile::tempdir().unwrap(), shop.policies());
    let path = folder.path().join("audit.jsonl");
    let proxy = proxy(&shop, &policies, format!("audit: {{path: {}, key_env: AUDIT_KEY}}", path.display()));
    let support = shop.via(&proxy, "support").await;
    for _ in 0..4 {
        support.rows("SELECT email FROM customers LIMIT 1").await;
    }
    support.error("SELECT ssn FROM customers").await;
    until("not everything is written", || of_kind(&path, "statement").len() == 5);
    let (_, answer) = proxy.get("/api/v1/audit").unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let last = lines(&path).pop().unwrap();
    assert_eq!((&answer["seq"], &answer["hash"]), (&last["seq"], &last["hash"]), "{answer}");
    assert_eq!((&answer["file"], &answer["writable"]), (&"audit.jsonl".into(), &true.into()));
    stop(proxy);
    let keyed = |arguments: &[&str]| {
        let output = Command::new(binary())
            .args(["audit", "verify", "--key-env", "AUDIT_KEY"])
            .args(arguments)
            .arg(&path)
            .env("AUDIT_KEY", "the key of the audit")
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = keyed(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1 file: whole (hmac-sha256)"), "{said}");
    let (code, _) = verify(std::slice::from_ref(&path), &[]);
    assert_eq!(code, Some(1), "without the key no hash can be made");
    let (code, said) = verify(std::slice::from_ref(&path), &["--key-env", "NO_SUCH_KEY"]);
    assert!(code == Some(2) && said.contains("NO_SUCH_KEY"), "{said}");
    let (code, said) = verify(&[folder.path().join("nothing.jsonl")], &[]);
    assert!(code == Some(2) && said.contains("nothing.jsonl"), "{said}");

    let text = fs::read_to_string(&path).unwrap();
    let mut changed: Vec<_> = text.lines().map(str::to_owned).collect();
    let at = changed.iter().position(|line| line.contains("\"decision\":\"deny\"")).unwrap();
    changed[at] = changed[at].replace("\"user\":\"support\"", "\"user\":\"nobody\"");
    let seq = at as u64 + 1;
    changed.remove(at - 1);
    fs::write(&path, changed.join("\n") + "\n").unwrap();
    let (code, said) = keyed(&["--format", "json"]);
    assert_eq!(code, Some(1), "{said}");
    let report: Value = serde_json::from_str(&said).unwrap();
    let found: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["fault"].as_str().unwrap(), one["line"].as_u64().unwrap(), one["seq"].as_u64().unwrap()))
        .collect();
    assert_eq!(found, [("changed", at as u64, seq), ("missing", at as u64, seq)], "{said}");
    let (_, said) = keyed(&[]);
    assert!(
        said.contains(&format!(
            "audit.jsonl:{at} (seq {seq}): lines are missing before this one: expected line {}, found line {seq}",
            seq - 1
        )),
        "{said}"
    );
}

#[tokio::test]
async fn logrotate_can_move_the_file_away() {
    let Some(shop) = shop("audit_logrotate") else { return };
    let (folder, policies) = (tempfile::tempdir().unwrap(), shop.policies());
    let (path, moved) = (folder.path().join("audit.jsonl"), folder.path().join("old.jsonl"));
    let proxy = proxy(&shop, &policies, format!("audit: {{path: {}}}", path.display()));
    let support = shop.via(&proxy, "support").await;
    support.rows("SELECT email FROM customers LIMIT 1").await;
    until("it is not written", || of_kind(&path, "statement").len() == 1);
    fs::rename(&path, &moved).unwrap();
    support.rows("SELECT email FROM customers LIMIT 1").await;
    until("it is not written", || of_kind(&moved, "statement").len() == 2);
    proxy.signal("HUP");
    until("there is no new file", || path.exists());
    support.rows("SELECT email FROM customers LIMIT 1").await;
    until("it is not written", || of_kind(&path, "statement").len() == 1);
    stop(proxy);
    let (code, said) = verify(&[path, moved], &[]);
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn a_proxy_that_was_killed_goes_on_with_its_chain() {
    let Some(shop) = shop("audit_killed") else { return };
    let (folder, policies) = (tempfile::tempdir().unwrap(), shop.policies());
    let path = folder.path().join("audit.jsonl");
    let audit = || format!("audit: {{path: {}}}", path.display());
    let mut killed = proxy(&shop, &policies, audit());
    let support = shop.via(&killed, "support").await;
    support.rows("SELECT email FROM customers LIMIT 1").await;
    until("it is not written", || of_kind(&path, "statement").len() == 1);
    killed.signal("KILL");
    killed.wait(Duration::from_secs(20)).unwrap();
    let half = fs::read_to_string(&path).unwrap().lines().next().unwrap()[..70].to_owned();
    let torn = fs::read_to_string(&path).unwrap() + &half;
    fs::write(&path, torn).unwrap();
    stop(proxy(&shop, &policies, audit()));
    let torn = of_kind(&path, "torn");
    let kept = fs::read_to_string(folder.path().join(torn[0]["file"].as_str().unwrap())).unwrap();
    assert_eq!(kept, half, "no evidence is thrown away");
    let (code, said) = verify(&[path], &[]);
    assert_eq!(code, Some(0), "{said}");
}

/// What the readiness page gives as reasons.
pub fn reasons(proxy: &Proxy) -> String {
    proxy.get("/readyz").map(|(_, body)| body).unwrap_or_default()
}

async fn nothing_runs_without_an_audit(shop: &Shop, proxy: &Proxy, break_it: impl Fn(), mend_it: impl Fn()) {
    let (support, app) = (shop.via(proxy, "support").await, shop.via(proxy, "shop_app").await);
    let masked = "SELECT email FROM customers LIMIT 1";
    let prepared = support.client.prepare("SELECT email FROM customers WHERE id = $1::bigint").await.unwrap();
    assert_eq!(support.client.query(&prepared, &[&1_i64]).await.unwrap().len(), 1);
    break_it();
    // On a full disk it takes a record to find out.
    for _ in 0..200 {
        if reasons(proxy).contains("audit_unwritable") {
            break;
        }
        let _ = support.simple("SELECT email FROM customers").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(reasons(proxy).contains("audit_unwritable"), "{}", proxy.log());
    proxy.metric_becomes("pgcovenant_audit_writable", &[], 0.0);
    for _ in 0..2 {
        let refused = support.error(masked).await;
        assert_eq!(
            (refused.code.as_str(), refused.message.as_str()),
            ("58030", "could not write the audit record of this statement")
        );
        assert!(refused.hint.is_some());
    }
    let again = support.client.query(&prepared, &[&1_i64]).await.unwrap_err();
    assert_eq!(again.code().map(|code| code.code()), Some("58030"), "{again}");
    let extended = support.client.query(masked, &[]).await.unwrap_err();
    assert_eq!(extended.code().map(|code| code.code()), Some("58030"), "{extended}");
    assert_eq!(support.error("SELECT ssn FROM customers").await.code, "42501", "what is refused anyway says why");
    assert_eq!(app.value("SELECT count(*) FROM customers").await, "80", "what needs no audit passes");
    assert_eq!(app.error("CREATE TABLE never_made (x int)").await.code, "58030");
    proxy.metric_reaches("pgcovenant_audit_events_total", &[("result", "refused")], 5.0).await;
    mend_it();
    until("it is not written again", || !reasons(proxy).contains("audit_unwritable"));
    proxy.metric_becomes("pgcovenant_audit_writable", &[], 1.0);
    assert_eq!(support.client.query(&prepared, &[&1_i64]).await.unwrap().len(), 1);
    support.rows(masked).await;
    assert_eq!(app.value("SELECT to_regclass('never_made') IS NULL").await, "t");
}

#[tokio::test]
async fn without_its_directory_nothing_runs_that_must_be_audited() {
    let Some(shop) = shop("audit_refuse") else { return };
    let (folder, policies) = (tempfile::tempdir().unwrap(), shop.policies());
    let directory = folder.path().join("audit");
    fs::create_dir(&directory).unwrap();
    let path = directory.join("audit.jsonl");
    let audit = format!("audit: {{path: {}, when_unwritable: refuse}}", path.display());
    let proxy = proxy(&shop, &policies, audit);
    let (broken, mended) = (|| fs::remove_dir_all(&directory).unwrap(), || fs::create_dir(&directory).unwrap());
    nothing_runs_without_an_audit(&shop, &proxy, broken, mended).await;
    until("the end is not written", || of_kind(&path, "statement").len() >= 3);
    let unwritable = of_kind(&path, "unwritable");
    assert!(unwritable[0]["refused"].as_u64().unwrap() >= 5, "{unwritable:?}");
    assert!(of_kind(&path, "lost").is_empty());
}

/// A small file system, which goes with this.
struct Small(TempDir);

impl Small {
    /// None where nobody may mount one.
    fn mounted() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(folder.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        eprintln!("skipped: a file system cannot be mounted here");
        None
    }

    fn filler(&self) -> PathBuf {
        self.0.path().join("filler")
    }

    /// Leaves no room at all.
    fn fill(&self) {
        use std::io::Write as _;
        let mut filler = fs::File::create(self.filler()).unwrap();
        while filler.write_all(&[b'x'; 64]).is_ok() {}
    }

    fn empty(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn on_a_full_disk_nothing_runs_that_must_be_audited() {
    let Some(shop) = shop("audit_full") else { return };
    let Some(disk) = Small::mounted() else { return };
    let policies = shop.policies();
    let path = disk.0.path().join("audit.jsonl");
    let audit = format!("audit: {{path: {}, when_unwritable: refuse, fsync: always}}", path.display());
    let proxy = proxy(&shop, &policies, audit);
    nothing_runs_without_an_audit(&shop, &proxy, || disk.fill(), || disk.empty()).await;
    stop(proxy);
    let unwritable = of_kind(&path, "unwritable");
    assert!(unwritable[0]["error"].as_str().unwrap().contains("No space left"), "{unwritable:?}");
    let (code, said) = verify(&[path], &[]);
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn on_a_full_disk_statements_pass_and_their_records_wait() {
    let Some(shop) = shop("audit_pass") else { return };
    let Some(disk) = Small::mounted() else { return };
    let policies = shop.policies();
    let path = disk.0.path().join("audit.jsonl");
    let proxy = proxy(&shop, &policies, format!("audit: {{path: {}}}", path.display()));
    let support = shop.via(&proxy, "support").await;
    disk.fill();
    let mut ran = 0;
    while proxy.metric("pgcovenant_audit_writable", &[]) == 1.0 {
        support.rows("SELECT email FROM customers LIMIT 1").await;
        ran += 1;
    }
    for _ in 0..20 {
        support.rows("SELECT email FROM customers LIMIT 1").await;
        ran += 1;
    }
    assert!(proxy.metric("pgcovenant_audit_queue_length", &[]) >= 20.0);
    assert!(!reasons(&proxy).contains("audit_unwritable"), "those who let statements pass are ready");
    disk.empty();
    proxy.metric_reaches("pgcovenant_audit_events_total", &[("result", "written")], f64::from(ran)).await;
    assert!(proxy.metric("pgcovenant_audit_last_write_timestamp_seconds", &[]) > 1.7e9);
    stop(proxy);
    assert_eq!(of_kind(&path, "statement").len(), usize::try_from(ran).unwrap(), "nothing is lost");
    assert_eq!(of_kind(&path, "unwritable").len(), 1);
    let (code, said) = verify(&[path], &[]);
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn records_are_shown_to_people() {
    let Some(shop) = shop("audit_show") else { return };
    let (proxy, _policies) = shop.proxy();
    let support = shop.via(&proxy, "support").await;
    support.rows("SELECT email FROM customers LIMIT 1").await;
    support.error("SELECT ssn FROM customers").await;
    support.rows("SELECT card_number FROM payments LIMIT 1").await;
    until("not everything is written", || proxy.audit().lines().count() == 3);
    let path = proxy.audit_file().display().to_string();
    let show = |arguments: &[&str]| Proxy::run(&[&["audit", "show", &path], arguments].concat()).1;
    assert_eq!(show(&[]).lines().count(), 3);
    let denied = show(&["--decision", "deny", "--table", "customers", "--user", "support", "--since", "1h"]);
    assert_eq!(denied.lines().count(), 1, "{denied}");
    assert!(denied.contains("deny 42501 select: public.customers.ssn denied (explicit)"), "{denied}");
    assert_eq!(show(&["--column", "card_number"]).lines().count(), 1);
    assert_eq!(show(&["--user", "nobody"]), "");
    let line = show(&["--table", "public.payments", "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["decision"], "mask");
}
