//! Random statements over columns on their way out, each compared with its answer by a twin that holds what they should show.

use crate::sunset::{CHECK, answers, retired};
use crate::support::raw::{self, Raw};
use crate::support::{Proxy, Shop, shop};

/// Statements of a run.
const STATEMENTS: usize = 600;

/// What random statements are put together from: `{}` is the name of the FROM entry.
const ITEMS: &[&str] = &[
    "*",
    "{}.*",
    "{}.id",
    "name",
    "old_code",
    "{}.old_code",
    "{}",
    "({}).id",
    "({}).old_code",
    "row_to_json({})",
    "count(*) OVER ()",
    "{} IS NULL",
    "(SELECT old_code)",
    "(SELECT max(old_code) FROM other)",
    "ARRAY(SELECT o FROM other o ORDER BY 1)",
    "EXISTS (SELECT * FROM parcels p WHERE p.id = {}.id AND old_code = 'a')",
    "{}::text AS x",
    "note",
    "'old_code'",
    "{}.ctid IS NULL",
    "coalesce(name, old_code)",
    "lag({}.id) OVER (ORDER BY {}.id)",
];
const SOURCES: &[&str] = &[
    "tail t",
    "tail AS t (id, name)",
    "tail AS t (id, name, old_code)",
    "(SELECT * FROM tail) t",
    "parcels t",
    "parcels AS t (id, name)",
    "tail t JOIN other USING (id)",
    "tail t JOIN other o USING (id, old_code)",
    "tail t NATURAL JOIN other",
    "other t",
    "tail t LEFT JOIN parcels p ON p.id = t.id + 1",
    "tail t, LATERAL (SELECT t.*) l",
    "tail t, generate_series(1, 2) g",
    "(tail t JOIN other o ON o.id = t.id)",
    "ONLY tail t",
    "other t CROSS JOIN tail u",
    "tail t TABLESAMPLE SYSTEM (100)",
    "(VALUES (1, 'v')) AS t (id, old_code)",
    "(TABLE tail UNION ALL TABLE tail) t",
];
const CONDITIONS: &[&str] = &[
    "",
    "",
    "WHERE {}.id > 0",
    "WHERE old_code IS NULL",
    "WHERE {}.old_code = 'a'",
    "WHERE {} IS NOT NULL",
    "WHERE EXISTS (SELECT 1 FROM other o WHERE o.id = {}.id AND o.old_code = old_code)",
    "WHERE {}.id IN (SELECT id FROM tail WHERE old_code IS NOT NULL)",
    "WHERE name <> ALL (SELECT name FROM tail WHERE name IS NOT NULL)",
];
const CHANGES: &[&str] = &[
    "UPDATE tail t SET name = 'x' FROM other o WHERE o.id = t.id RETURNING @",
    "UPDATE tail t SET name = old_code FROM other o WHERE o.id = t.id RETURNING @",
    "DELETE FROM tail t USING other o WHERE o.id = t.id AND @ IS NOT NULL",
    "INSERT INTO tail AS t SELECT id + 50, name FROM tail RETURNING @",
    "INSERT INTO tail AS t VALUES (1, 'y') ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name RETURNING @",
    "WITH t AS (UPDATE tail SET name = 'z' RETURNING *) SELECT @ FROM t",
    "WITH t AS (SELECT * FROM tail) INSERT INTO other SELECT id, 'c' FROM t WHERE @ IS NULL RETURNING *",
    "MERGE INTO tail t USING other o ON o.id = t.id WHEN MATCHED AND @ IS NULL THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (o.id, 'm')",
];

/// Always the same numbers.
struct Dice(u64);

impl Dice {
    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        choices[usize::try_from(self.0 >> 33).unwrap() % choices.len()]
    }

    fn statement(&mut self) -> String {
        let item = |dice: &mut Self| dice.of(ITEMS).replace("{}", "t");
        if self.of(&["read", "read", "write"]) == "write" {
            let item = item(self);
            return self.of(CHANGES).replace('@', &item);
        }
        let items = [item(self), item(self)].join(", ");
        let (source, condition) = (self.of(SOURCES), self.of(CONDITIONS).replace("{}", "t"));
        let tail = self.of(&["", "", "", " FOR UPDATE OF t", " LIMIT 3", " GROUP BY t.id", " GROUP BY t.id, old_code"]);
        format!("SELECT {items} FROM {source} {condition}{tail}")
    }
}

/// Rows, names, types and whether there is an error; not which of several errors comes first, nor the order of rows.
fn unordered(lines: Vec<String>) -> Vec<String> {
    let mut lines: Vec<_> =
        lines.into_iter().map(|line| if line.starts_with('E') { "E".to_owned() } else { line }).collect();
    lines.sort();
    lines
}

/// Fails where the session through the proxy is answered otherwise than the session with the twin.
fn compare(shop: &Shop, proxy: &Proxy, twin: &Shop, shown: &dyn Fn(String) -> String) {
    let mut model = Raw::connect(shop.cluster.port(), "shop_app", &twin.database);
    let mut session = Raw::connect(proxy.port(), "shop_app", &shop.database);
    let (mut dice, mut wrong, mut answered) = (Dice(20_261_121), Vec::new(), 0);
    for _ in 0..STATEMENTS {
        let sql = dice.statement();
        let frames = [raw::query(&sql)];
        let [expected, seen] = [&mut model, &mut session]
            .map(|session| unordered(answers(session, &frames, CHECK).into_iter().map(shown).collect()));
        answered += usize::from(!expected.iter().any(|line| line == "E"));
        if expected != seen {
            wrong.push(format!("{sql}\n  expected {expected:#?}\n  seen {seen:#?}"));
        }
    }
    assert!(answered > STATEMENTS / 4, "only {answered} statements have an answer");
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong[..wrong.len().min(12)].join("\n"));
}

#[tokio::test]
async fn past_a_sunset_they_are_answered_as_by_the_database_without_the_column() {
    let Some((shop, dropped, proxy, _policies)) = retired("sunset_random") else { return };
    compare(&shop, &proxy, &dropped, &|line| line);
}

const PAIRS: &str = "
    SET ROLE shop_app;
    CREATE TABLE other (id int, old_code text);
    INSERT INTO other VALUES (1, 'x'), (2, NULL), (9, 'a');
    CREATE TABLE parcels (id int, old_code text, region text, note text, new_code text) PARTITION BY LIST (region);
    CREATE TABLE parcels_eu PARTITION OF parcels FOR VALUES IN ('eu');
    CREATE TABLE parcels_us PARTITION OF parcels FOR VALUES IN ('us');
    INSERT INTO parcels VALUES (1, 'p', 'eu', 'x', 'a'), (2, 'q', 'us', NULL, 'b'), (3, 'r', 'eu', 'z', NULL);
    CREATE TABLE tail (id int PRIMARY KEY, name text, old_code text DEFAULT 'd', new_code text DEFAULT 'd');
    INSERT INTO tail VALUES (1, 'one', 'wrong', 'x'), (2, NULL, NULL, 'a'), (3, 'three', 'wrong', NULL);";

const REDIRECTED: &str = "schema:
  - name: parcels
    physicalType: table
    properties:
      - {name: new_code, logicalType: string}
      - name: old_code
        logicalType: string
        customProperties: [{property: pgcovenantLifecycle, value: {phase: active, redirect: read, replacedBy: new_code}}]
  - name: tail
    physicalType: table
    properties:
      - {name: new_code, logicalType: string}
      - name: old_code
        logicalType: string
        customProperties: [{property: pgcovenantLifecycle, value: {phase: active, redirect: read, replacedBy: new_code}}]
";

#[tokio::test]
async fn where_reads_are_redirected_they_are_answered_as_if_the_old_column_held_the_new_values() {
    let Some(shop) = shop("redirect_random") else { return };
    let twin = shop.twin("redirect_random_twin");
    for database in [&shop, &twin] {
        database.sql(PAIRS);
    }
    twin.sql("UPDATE tail SET old_code = new_code; UPDATE parcels SET old_code = new_code");
    let policies = shop.policies();
    policies.replace("contract.odcs.yaml", "schema:\n", REDIRECTED);
    let proxy = shop.proxy_with(&policies, "");
    // The number of the column is that of the new one, and rows have moved in the twin.
    compare(&shop, &proxy, &twin, &|line| match line.strip_prefix("T ") {
        Some(columns) => {
            columns.split(' ').map(|column| column.split(['#', ':']).step_by(2).collect::<Vec<_>>().join(":")).collect()
        }
        None => line,
    });
}
