//! The tables of the record of usage, and the words that SQLite and PostgreSQL both understand.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// One step of the schema: step n brings it to version n.
pub const MIGRATIONS: &[&[&str]] = &[&[
    "CREATE TABLE consumers (id bigint PRIMARY KEY, database_name text NOT NULL, application text NOT NULL, \
     usr text NOT NULL, network text NOT NULL)",
    "CREATE TABLE objects (id bigint PRIMARY KEY, database_name text NOT NULL, schema_name text NOT NULL, \
     relation text NOT NULL, column_name text NOT NULL)",
    "CREATE INDEX objects_by_name ON objects (relation, column_name)",
    "CREATE TABLE shapes (id bigint PRIMARY KEY, operation text NOT NULL, statement text NOT NULL)",
    "CREATE TABLE uses (object bigint NOT NULL, day text NOT NULL, consumer bigint NOT NULL, access text NOT NULL, \
     via bigint NOT NULL, shape bigint NOT NULL, refused bigint NOT NULL, uses bigint NOT NULL, \
     row_count bigint NOT NULL, first_seen bigint NOT NULL, last_seen bigint NOT NULL, \
     PRIMARY KEY (object, day, consumer, access, via, shape, refused))",
    "CREATE TABLE unanalysed (day text NOT NULL, database_name text NOT NULL, object bigint NOT NULL, \
     reason text NOT NULL, statements bigint NOT NULL, PRIMARY KEY (day, database_name, object, reason))",
    "CREATE TABLE totals (day text NOT NULL, consumer bigint NOT NULL, statements bigint NOT NULL, \
     sessions bigint NOT NULL, PRIMARY KEY (day, consumer))",
    "CREATE TABLE spans (node text NOT NULL, boot text NOT NULL, from_time bigint NOT NULL, until_time bigint NOT NULL, \
     PRIMARY KEY (node, boot))",
    "CREATE TABLE batches (node text NOT NULL, boot text NOT NULL, sequence bigint NOT NULL, written text NOT NULL, \
     PRIMARY KEY (node, boot, sequence))",
]];

/// The version of the schema is the only row of this table.
pub const VERSION_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_version (version bigint NOT NULL)";

/// Node, boot, sequence, day: no row is added where the batch is there already.
pub const ADD_BATCH: &str =
    "INSERT INTO batches (node, boot, sequence, written) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";

/// Node, boot, from, until.
pub const ADD_SPAN: &str = "INSERT INTO spans (node, boot, from_time, until_time) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (node, boot) DO UPDATE SET until_time = excluded.until_time \
     WHERE excluded.until_time > spans.until_time";

/// One table that batches add to.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name and columns.
    pub table: &'static str,
    /// The names of the fields, each with its type.
    pub fields: &'static [(&'static str, &'static str)],
    /// What happens to a row that is there already.
    pub conflict: &'static str,
}

/// Consumers.
pub const CONSUMERS: Target = Target {
    table: "consumers (id, database_name, application, usr, network)",
    fields: &[("id", "bigint"), ("database", "text"), ("application", "text"), ("usr", "text"), ("network", "text")],
    conflict: "DO NOTHING",
};

/// Objects.
pub const OBJECTS: Target = Target {
    table: "objects (id, database_name, schema_name, relation, column_name)",
    fields: &[("id", "bigint"), ("database", "text"), ("schema", "text"), ("relation", "text"), ("column", "text")],
    conflict: "DO NOTHING",
};

/// Shapes.
pub const SHAPES: Target = Target {
    table: "shapes (id, operation, statement)",
    fields: &[("id", "bigint"), ("operation", "text"), ("text", "text")],
    conflict: "DO NOTHING",
};

/// Uses.
pub const USES: Target = Target {
    table: "uses (day, consumer, object, access, via, shape, refused, uses, row_count, first_seen, last_seen)",
    fields: &[
        ("day", "text"),
        ("consumer", "bigint"),
        ("object", "bigint"),
        ("access", "text"),
        ("via", "bigint"),
        ("shape", "bigint"),
        ("refused", "bigint"),
        ("uses", "bigint"),
        ("row_count", "bigint"),
        ("first_seen", "bigint"),
        ("last_seen", "bigint"),
    ],
    conflict: "(object, day, consumer, access, via, shape, refused) DO UPDATE SET uses = uses.uses + excluded.uses, \
     row_count = uses.row_count + excluded.row_count, \
     first_seen = CASE WHEN excluded.first_seen < uses.first_seen THEN excluded.first_seen ELSE uses.first_seen END, \
     last_seen = CASE WHEN excluded.last_seen > uses.last_seen THEN excluded.last_seen ELSE uses.last_seen END",
};

/// What could not be analysed.
pub const UNANALYSED: Target = Target {
    table: "unanalysed (day, database_name, object, reason, statements)",
    fields: &[
        ("day", "text"),
        ("database", "text"),
        ("object", "bigint"),
        ("reason", "text"),
        ("statements", "bigint"),
    ],
    conflict: "(day, database_name, object, reason) DO UPDATE SET statements = unanalysed.statements + excluded.statements",
};

/// Statements and sessions.
pub const TOTALS: Target = Target {
    table: "totals (day, consumer, statements, sessions)",
    fields: &[("day", "text"), ("consumer", "bigint"), ("statements", "bigint"), ("sessions", "bigint")],
    conflict: "(day, consumer) DO UPDATE SET statements = totals.statements + excluded.statements, \
     sessions = totals.sessions + excluded.sessions",
};

/// Whether the texts of shapes are wanted, since, database, schema, relation, column, application; the empty text stands for
/// anything but in the column, where `*` does.
pub const READ_USES: &str = "SELECT o.database_name, o.schema_name, o.relation, o.column_name, c.application, c.usr, c.network, \
     u.access, coalesce(v.schema_name || '.' || v.relation, ''), u.shape, CASE WHEN $1 = 'yes' THEN coalesce(s.statement, '') ELSE '' END, u.refused, \
     CAST(sum(u.uses) AS bigint), CAST(sum(u.row_count) AS bigint), min(u.first_seen), max(u.last_seen) \
     FROM uses u JOIN objects o ON o.id = u.object JOIN consumers c ON c.id = u.consumer \
     LEFT JOIN objects v ON v.id = u.via LEFT JOIN shapes s ON s.id = u.shape \
     WHERE u.day >= $2 AND ($3 = '' OR o.database_name = $3) AND ($4 = '' OR o.schema_name = $4) \
     AND ($5 = '' OR o.relation = $5) AND ($6 = '*' OR o.column_name = $6) AND ($7 = '' OR c.application = $7) \
     GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12";

/// Everything that has a name.
pub const READ_OBJECTS: &str =
    "SELECT id, database_name, schema_name, relation, column_name FROM objects ORDER BY 2, 3, 4, 5";

/// Since.
pub const READ_UNANALYSED: &str = "SELECT u.database_name, coalesce(o.schema_name, ''), coalesce(o.relation, ''), u.reason, \
     CAST(sum(u.statements) AS bigint) FROM unanalysed u LEFT JOIN objects o ON o.id = u.object WHERE u.day >= $1 \
     GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4";

/// Since.
pub const READ_TOTALS: &str = "SELECT c.database_name, c.application, c.usr, CAST(sum(t.statements) AS bigint), \
     CAST(sum(t.sessions) AS bigint) FROM totals t JOIN consumers c ON c.id = t.consumer WHERE t.day >= $1 \
     GROUP BY 1, 2, 3 ORDER BY 1, 2, 3";

/// When usage was recorded.
pub const READ_SPANS: &str = "SELECT node, from_time, until_time FROM spans ORDER BY from_time, node, boot";

/// Day: what is older goes. The keys of batches are needed only for as long as one may be sent again.
pub const EXPIRE: &[&str] =
    &["DELETE FROM uses WHERE day < $1", "DELETE FROM unanalysed WHERE day < $1", "DELETE FROM totals WHERE day < $1"];

/// What nothing refers to any more.
pub const SWEEP: &[&str] = &[
    "DELETE FROM shapes WHERE id NOT IN (SELECT shape FROM uses)",
    "DELETE FROM consumers WHERE id NOT IN (SELECT consumer FROM uses UNION SELECT consumer FROM totals)",
];

/// Day: keys of batches before it.
pub const EXPIRE_BATCHES: &str = "DELETE FROM batches WHERE written < $1";

/// How long the key of a batch is kept: as long as one may be sent again.
const KEYS_DAYS: i64 = 7;

/// Keys of batches of days before this one are not needed any more.
pub fn last_day_of_keys() -> Date {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    today.checked_sub(Span::new().days(KEYS_DAYS)).unwrap_or(today)
}

/// A day, or one that is before all.
pub fn since(day: Option<Date>) -> String {
    day.map_or_else(String::new, |day| day.to_string())
}
