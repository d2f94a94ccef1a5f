//! Tools that look into the catalogs: what they ask is answered to a governed session as it is to any other, but for what is
//! closed on purpose, which is listed here.

use std::fmt::Write;
use std::process::Command;

use crate::support::sql::{Refused, Session};
use crate::support::{Proxy, Shop, project, shop};

/// psql's own questions. Behind `~` what is answered otherwise, and why.
const COMMANDS: &str = r"
\d
\d orders
\d members
\d+ members
\d vips
\d+ events
\d events_2024
\d orders_status_idx
\d members_label_idx
\d+ plain_members
\d+ tier_counts
\d distant
\d tickets
\d audit.*
\d pg_class
\d information_schema.columns
\da
\dA+
\dAc btree
\dAf btree text_ops
\dAo btree text_ops
\dAp btree text_ops
\db+
\dc
\dC text
\dconfig+ work_mem
\dd
\ddp
~ \dD | definitions of domains belong to no relation: literals are left out
~ \dD+ | the same
\des
\dew+
\det+
\deu
~ \df | the same for arguments of functions
\df public.touch
\df+ pg_catalog.abs
\dF+
\dFd+ english_stem
\dFp+
\dFt
\dg
\di+
\dl
\dL+
\dm
\dm+
\dn+
\do public.*
\do+ pg_catalog.@@
\dO+ und*
\dp
\dP+
\drds shop_app
\dRp+
\ds+
\dt
\dt+
\dT+
\dT+ tier
\du
\dv+
\dx
\dx+ pg_trgm
\dX
\dy
\l template0
\l+ template0
\sf pg_catalog.obj_description(oid)
~ \sf public.touch | the source of a function of somebody's is not shown
\sv plain_members
\sv+ active_customers
\z
\z members
\dES
\dconfig *work*
~ \d customers | literals in the definitions of a protected table are left out
";

fn psql(shop: &Shop, port: u16, command: &str) -> String {
    let output = Command::new(shop.cluster.program("psql"))
        .args(["-X", "-c", command])
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", port.to_string())
        .env("PGUSER", "support")
        .env("PGDATABASE", &shop.database)
        .output()
        .unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A shop with objects of all kinds.
fn furnished(name: &str) -> Option<(Shop, Proxy)> {
    let shop = shop(name)?;
    shop.cluster.psql(&shop.database, &["-f", &project("tests/server/tools.sql").display().to_string()]);
    let policies = shop.policies();
    policies.replace("policy.yaml", "unmodelled: deny", "unmodelled: allow");
    let proxy = shop.proxy_with(&policies, "");
    Some((shop, proxy))
}

/// The lines of one text that the other does not have, however wide their columns are.
fn difference(one: &str, other: &str) -> String {
    let words = |line: &str| {
        let words =
            line.split_whitespace().filter(|word| !word.trim_matches(['-', '+', '|']).is_empty() || *word == "|");
        words.collect::<Vec<_>>().join(" ")
    };
    let only = |one: &str, other: &str, mark: &str| {
        let known: Vec<_> = other.lines().map(words).collect();
        let missing = one.lines().filter(|line| !known.contains(&words(line)));
        missing.fold(String::new(), |told, line| told + mark + line + "\n")
    };
    only(one, other, "  - ") + &only(other, one, "  + ")
}

/// Whether an answer differs in nothing but the literals that are left out of stored definitions.
fn is_the_same(direct: &str, governed: &str) -> bool {
    let told = difference(direct, governed);
    // Or but for expressions as the server keeps them, which are NULL where they hold such a literal.
    told.lines().filter(|line| line.starts_with("  + ")).all(|line| line.contains("****") || line.contains("\\N"))
        && told.lines().filter(|line| line.starts_with("  - ")).all(|line| {
            // An older psql asks for columns that a newer server has no more; its error keeps no hint in a governed session.
            line.contains('\'') || line.contains('{') || line.starts_with("  - HINT:")
        })
}

#[test]
fn psql_describes_what_there_is() {
    let Some((shop, proxy)) = furnished("described") else { return };
    let mut wrong = String::new();
    for line in COMMANDS.lines().filter(|line| !line.is_empty()) {
        let (command, closed) = match line.strip_prefix("~ ") {
            Some(rest) => (rest.split_once(" | ").unwrap().0, true),
            None => (line, false),
        };
        let (direct, governed) = (psql(&shop, shop.cluster.port(), command), psql(&shop, proxy.port(), command));
        if is_the_same(&direct, &governed) == closed && !(closed && direct != governed) {
            let _ = writeln!(wrong, "{line}\n{}", difference(&direct, &governed));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn pg_dump_writes_the_schema() {
    let Some((shop, proxy)) = furnished("schema_dump") else { return };
    if !shop.cluster.can_be_dumped() {
        return;
    }
    let dump = |port: u16, arguments: &[&str]| {
        let output = Command::new(shop.cluster.program("pg_dump"))
            .args(["--schema-only"])
            .args(arguments)
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", "support", &shop.database])
            .output()
            .unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {complaints}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_random = |line: &&str| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict");
        text.lines().filter(is_random).fold(String::new(), |all, line| all + line + "\n")
    };
    // Literals in definitions of unprotected tables are left out as well: a protected value may stand in them.
    for arguments in
        [&["-t", "members", "-t", "events*", "-t", "orders", "-t", "plain_members", "-t", "tickets"][..], &[]]
    {
        let direct = dump(shop.cluster.port(), arguments);
        let told = difference(&direct, &dump(proxy.port(), arguments));
        // Literals in definitions of domains, functions and protected tables, sources of functions, options of servers.
        let on_purpose = ["****", "$$$$", "CREATE SERVER far FOREIGN DATA WRAPPER nowhere;", "notes text DEFAULT ,"];
        let meant = |line: &str| on_purpose.iter().any(|part| line.contains(part));
        let wrong: Vec<_> = told.lines().filter(|line| line.starts_with("  +") && !meant(line)).collect();
        assert!(wrong.is_empty(), "{told}");
    }
}

/// A question of the corpus.
struct Question {
    tool: String,
    sql: String,
    closed: bool,
}

fn questions() -> Vec<Question> {
    let text = std::fs::read_to_string(project("tests/server/introspection.sql")).unwrap();
    let (mut found, mut tool, mut closed, mut sql) = (Vec::new(), String::new(), false, String::new());
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("-- # ") {
            tool = name.to_owned();
        } else if line.starts_with("-- ~ ") {
            closed = true;
        } else if !line.starts_with("--") {
            sql += line;
            sql.push('\n');
            if line.ends_with(';') {
                let sql = std::mem::take(&mut sql).trim_end().trim_end_matches(';').to_owned();
                found.push(Question { tool: tool.clone(), sql, closed: std::mem::take(&mut closed) });
            }
        }
    }
    found
}

/// Names and types of the columns that the answer has.
async fn described(session: &Session, sql: &str) -> Option<Vec<String>> {
    let statement = session.client.prepare(sql).await.ok()?;
    Some(statement.columns().iter().map(|column| format!("{} {}", column.name(), column.type_())).collect())
}

#[tokio::test]
async fn what_tools_ask_is_answered() {
    let Some((shop, proxy)) = furnished("introspection") else { return };
    shop.sql("ALTER TABLE orders ADD channel text DEFAULT 'Some Shop'");
    let (direct, governed) = (shop.direct("support").await, shop.via(&proxy, "support").await);
    let mut wrong = String::new();
    let questions = questions();
    assert!(questions.len() > 50);
    for Question { tool, sql, closed } in &questions {
        let of = |error: tokio_postgres::Error| vec![Refused::of(&error).code];
        let expected = direct.simple(sql).await.unwrap_or_else(of);
        let found = governed.simple(sql).await.unwrap_or_else(of);
        if is_the_same(&expected.join("\n"), &found.join("\n")) == *closed && !(*closed && expected != found) {
            let _ = writeln!(wrong, "[{tool}] {sql}\n{}", difference(&expected.join("\n"), &found.join("\n")));
        }
        let (expected, found) = (described(&direct, sql).await, described(&governed, sql).await);
        if expected != found && !closed {
            let _ = writeln!(wrong, "[{tool}] {sql}\n  {expected:?}\n  {found:?}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
