// node-postgres does the same through the proxy as directly.
//
// Usage: NODE_PATH=…/node_modules node node_check.cjs DIRECT_URL PROXIED_URL
// Each scenario runs on both and returns what an application would see; any difference is an error.

const { Client, Pool } = require("pg");
const Cursor = require("pg-cursor");
const copy = require("pg-copy-streams");
const { pipeline } = require("node:stream/promises");
const { Readable } = require("node:stream");

async function withClient(url, work) {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function errorOf(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return [error.code, error.message, error.severity, error.position];
  }
}

const fields = (result) => result.fields.map((field) => [field.name, field.dataTypeID, field.format]);

const scenarios = {
  async simple(url) {
    return withClient(url, async (client) => {
      const result = await client.query("SELECT * FROM customers ORDER BY id");
      const several = await client.query("SELECT 1 AS a; SELECT 2 AS b; UPDATE orders SET status = status WHERE false");
      return [fields(result), result.rows, several.map((one) => [one.command, one.rowCount, one.rows])];
    });
  },

  async parameters(url) {
    return withClient(url, async (client) => {
      const rows = await client.query("SELECT id, email FROM customers WHERE id = ANY($1) ORDER BY id", [[1, 2, 3]]);
      const typed = await client.query("SELECT $1::int + 1 AS a, $2::jsonb AS b, $3::timestamptz AS c, $4::bytea AS d", [
        41, { k: [1, null] }, "2024-02-29T12:00:00Z", Buffer.from([0, 255]),
      ]);
      const arrays = await client.query({ text: "SELECT id, name FROM employees ORDER BY id", rowMode: "array" });
      return [rows.rows, typed.rows, arrays.rows];
    });
  },

  async prepared(url) {
    return withClient(url, async (client) => {
      const seen = [];
      for (let id = 1; id < 8; id += 1) {
        const result = await client.query({ name: "by-id", text: "SELECT name FROM customers WHERE id = $1", values: [id] });
        seen.push(result.rows);
      }
      const names = await client.query("SELECT name, statement FROM pg_prepared_statements");
      return [seen, names.rows];
    });
  },

  async binary(url) {
    return withClient(url, async (client) => {
      const result = await client.query({ text: "SELECT id, manager_id FROM employees WHERE id < $1 ORDER BY id", values: [9], binary: true });
      return [fields(result), result.rows];
    });
  },

  async queued(url) {
    return withClient(url, async (client) => {
      const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => client.query("SELECT $1::int * 3 AS n", [n])));
      return answers.map((answer) => answer.rows[0].n);
    });
  },

  async errors(url) {
    return withClient(url, async (client) => {
      const seen = [];
      seen.push(await errorOf(client.query("SELECT * FROM nowhere")));
      seen.push(await errorOf(client.query("SELECT 1 / $1::int", [0])));
      seen.push(await errorOf(client.query("SELEC 1")));
      await client.query("BEGIN");
      seen.push(await errorOf(client.query("SELECT 1/0")));
      seen.push(await errorOf(client.query("SELECT 1")));
      await client.query("ROLLBACK");
      seen.push((await client.query("SELECT 1 AS fine")).rows);
      return seen;
    });
  },

  async transactions(url) {
    return withClient(url, async (client) => {
      await client.query("BEGIN");
      await client.query("UPDATE customers SET name = 'nobody' WHERE id = $1", [1]);
      await client.query("SAVEPOINT here");
      await errorOf(client.query("UPDATE orders SET status = 'unheard of'"));
      await client.query("ROLLBACK TO here");
      const inside = await client.query("SELECT name FROM customers WHERE id = 1");
      await client.query("ROLLBACK");
      const after = await client.query("SELECT name FROM customers WHERE id = 1");
      return [inside.rows, after.rows];
    });
  },

  async cursors(url) {
    return withClient(url, async (client) => {
      const cursor = client.query(new Cursor("SELECT order_id, status FROM orders WHERE order_id > $1 ORDER BY order_id", [10]));
      const seen = [await cursor.read(5), await cursor.read(50)];
      await cursor.close();
      seen.push((await client.query("SELECT 2 AS two")).rows);
      return seen;
    });
  },

  async copying(url) {
    return withClient(url, async (client) => {
      const chunks = [];
      const out = client.query(copy.to("COPY (SELECT * FROM order_items ORDER BY 1, 2) TO STDOUT WITH (FORMAT csv)"));
      for await (const chunk of out) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString();
      await client.query("CREATE TEMP TABLE copied (LIKE order_items)");
      const into = client.query(copy.from("COPY copied FROM STDIN WITH (FORMAT csv)"));
      await pipeline(Readable.from([text]), into);
      const count = await client.query("SELECT count(*), sum(price) FROM copied");
      const broken = client.query(copy.from("COPY copied FROM STDIN"));
      const failed = await errorOf(pipeline(Readable.from(["no number\n"]), broken));
      return [text, count.rows, failed && failed[0], (await client.query("SELECT 1 AS fine")).rows];
    });
  },

  async notifications(url) {
    return withClient(url, (listener) => withClient(url, async (sender) => {
      await listener.query("LISTEN shop");
      const arrived = new Promise((resolve) => listener.once("notification", resolve));
      await sender.query("SELECT pg_notify('shop', 'hello')");
      const { channel, payload } = await arrived;
      return [channel, payload];
    }));
  },

  async notices(url) {
    return withClient(url, async (client) => {
      const seen = [];
      client.on("notice", (notice) => seen.push([notice.severity, notice.code, notice.message]));
      await client.query("DO $$ BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two'; END $$");
      return seen;
    });
  },

  async pools(url) {
    const pool = new Pool({ connectionString: url, max: 5 });
    const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => pool.query("SELECT count(*) AS n FROM orders WHERE order_id < $1", [n])));
    await pool.end();
    return answers.map((answer) => answer.rows[0].n);
  },

  async timeouts(url) {
    const client = new Client({ connectionString: url, statement_timeout: 200 });
    await client.connect();
    const failed = await errorOf(client.query("SELECT pg_sleep(10)"));
    const fine = (await client.query("SELECT 1 AS fine")).rows;
    await client.end();
    return [failed, fine];
  },
};

async function run(work, url) {
  try {
    return JSON.stringify(await work(url));
  } catch (error) {
    return `threw ${error.stack}`;
  }
}

async function main() {
  const [direct, proxied] = process.argv.slice(2);
  let failures = 0;
  for (const [name, work] of Object.entries(scenarios)) {
    const expected = await run(work, direct);
    const seen = await run(work, proxied);
    const good = expected === seen && !expected.startsWith("threw");
    failures += good ? 0 : 1;
    console.log(`${good ? "ok  " : "FAIL"} ${name}`);
    if (!good) console.log(`  direct:  ${expected.slice(0, 1500)}\n  proxied: ${seen.slice(0, 1500)}`);
  }
  const total = Object.keys(scenarios).length;
  console.log(`node-postgres ${require("pg/package.json").version}: ${total - failures} of ${total} scenarios are the same`);
  process.exit(failures === 0 ? 0 : 1);
}

main();
