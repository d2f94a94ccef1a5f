//! The store of one process: a file of SQLite.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OpenFlags, Row, ToSql, Transaction, params_from_iter};

use crate::model::usage::tables::{self, Target};
use crate::model::usage::{
    Batch, Cell, Filter, ObjectRow, Recorded, Span, StoreError, Total, Unseen, UsageStore, Written,
};

/// How long another process may hold the file.
const PATIENCE: Duration = Duration::from_secs(2);

/// A file of SQLite.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    connection: Option<Connection>,
    read_only: bool,
}

impl SqliteStore {
    /// The file that a proxy writes; it is made if there is none.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), connection: None, read_only: false }
    }

    /// The same file for questions, while a proxy writes it.
    pub fn for_reading(path: &Path) -> Self {
        Self { read_only: true, ..Self::new(path) }
    }

    fn failed(&self, cause: impl ToString) -> StoreError {
        StoreError { place: self.path.display().to_string(), cause: cause.to_string() }
    }

    /// Does something over the connection, which is opened if it is not.
    fn with<T>(&mut self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.open().map_err(|error| self.failed(error))?,
        };
        let result = work(&mut connection).map_err(|error| self.failed(error))?;
        // After an error the file is opened anew: it may have been replaced.
        self.connection = Some(connection);
        Ok(result)
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if self.read_only {
            flags |= OpenFlags::SQLITE_OPEN_READ_ONLY;
        } else {
            flags |= OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        }
        if !self.read_only {
            // Made here, if at all, so that only its owner reads who does what; SQLite gives its other files the same mode. What is
            // wrong with the place is told by the next line.
            drop(OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path));
        }
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        if !self.read_only {
            // Readers do not wait for the writer, nor it for them; what is written survives the end of the process.
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
        }
        Ok(connection)
    }

    fn read<T>(
        &mut self,
        sql: &str,
        parameters: &[&str],
        make: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.with(|connection| {
            let mut statement = connection.prepare(sql)?;
            statement.query_map(params_from_iter(parameters), make)?.collect()
        })
    }

    /// The version of the file must be the program's.
    fn check_version(&mut self) -> Result<(), StoreError> {
        let version = self.read("SELECT version FROM schema_version", &[], |row| row.get::<_, i64>(0))?;
        let known = tables::MIGRATIONS.len() as i64;
        match version.first() {
            Some(version) if *version == known => Ok(()),
            found => Err(self.failed(format!(
                "the tables are of version {}, this program knows version {known}",
                found.copied().unwrap_or_default()
            ))),
        }
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Number(number) => ToSqlOutput::from(*number),
            Self::Text(text) => ToSqlOutput::from(text.as_str()),
        })
    }
}

fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute(tables::VERSION_TABLE, [])?;
    let version: Option<i64> =
        transaction.query_row("SELECT max(version) FROM schema_version", [], |row| row.get(0))?;
    let done = usize::try_from(version.unwrap_or_default()).unwrap_or_default();
    for step in tables::MIGRATIONS.iter().skip(done) {
        for statement in *step {
            transaction.execute(statement, [])?;
        }
    }
    if done < tables::MIGRATIONS.len() {
        transaction.execute("DELETE FROM schema_version", [])?;
        transaction.execute("INSERT INTO schema_version VALUES ($1)", [tables::MIGRATIONS.len() as i64])?;
    }
    transaction.commit()
}

fn fill(transaction: &Transaction<'_>, target: &Target, rows: &[Vec<Cell>]) -> rusqlite::Result<()> {
    let places: Vec<String> = (1..=target.fields.len()).map(|number| format!("${number}")).collect();
    let sql = format!("INSERT INTO {} VALUES ({}) ON CONFLICT {}", target.table, places.join(", "), target.conflict);
    let mut statement = transaction.prepare(&sql)?;
    for row in rows {
        statement.execute(params_from_iter(row))?;
    }
    Ok(())
}

fn write(connection: &mut Connection, batch: &Batch, today: Date) -> rusqlite::Result<Written> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let key = &batch.key;
    let added = transaction.execute(tables::ADD_BATCH, (&*key.node, &*key.boot, key.sequence, today.to_string()))?;
    if added == 0 {
        return Ok(Written::Repeated);
    }
    for (target, rows) in batch.rows() {
        fill(&transaction, &target, &rows)?;
    }
    let (from, until) = (batch.from.as_microsecond(), batch.until.as_microsecond());
    transaction.execute(tables::ADD_SPAN, (&*key.node, &*key.boot, from, until))?;
    transaction.commit()?;
    Ok(Written::Added)
}

fn moment(row: &Row<'_>, index: usize) -> rusqlite::Result<Timestamp> {
    Ok(Timestamp::from_microsecond(row.get(index)?).unwrap_or_default())
}

fn recorded(row: &Row<'_>) -> rusqlite::Result<Recorded> {
    Ok(Recorded {
        database: row.get(0)?,
        schema: row.get(1)?,
        relation: row.get(2)?,
        column: row.get(3)?,
        application: row.get(4)?,
        user: row.get(5)?,
        network: row.get(6)?,
        access: row.get(7)?,
        via: row.get(8)?,
        shape: row.get(9)?,
        text: row.get(10)?,
        refused: row.get::<_, i64>(11)? != 0,
        uses: row.get(12)?,
        rows: row.get(13)?,
        first_seen: moment(row, 14)?,
        last_seen: moment(row, 15)?,
    })
}

impl UsageStore for SqliteStore {
    fn prepare(&mut self) -> Result<(), StoreError> {
        if !self.read_only {
            self.with(migrate)?;
        }
        self.check_version()
    }

    fn write(&mut self, batch: &Batch) -> Result<Written, StoreError> {
        let today = batch.until.to_zoned(jiff::tz::TimeZone::UTC).date();
        self.with(|connection| write(connection, batch, today))
    }

    fn expire(&mut self, before: Date) -> Result<(), StoreError> {
        let (before, yesterday) = (before.to_string(), tables::last_day_of_keys().to_string());
        self.with(|connection| {
            let transaction = connection.transaction()?;
            for statement in tables::EXPIRE {
                transaction.execute(statement, [&before])?;
            }
            for statement in tables::SWEEP {
                transaction.execute(statement, [])?;
            }
            transaction.execute(tables::EXPIRE_BATCHES, [yesterday])?;
            transaction.commit()
        })
    }

    fn written_by_others(&mut self, _: &str) -> Result<Option<i64>, StoreError> {
        Ok(None)
    }

    fn uses(&mut self, filter: &Filter) -> Result<Vec<Recorded>, StoreError> {
        let parameters = filter.parameters();
        let parameters: Vec<&str> = parameters.iter().map(String::as_str).collect();
        self.read(tables::READ_USES, &parameters, recorded)
    }

    fn objects(&mut self) -> Result<Vec<ObjectRow>, StoreError> {
        self.read(tables::READ_OBJECTS, &[], |row| {
            Ok(ObjectRow {
                id: row.get(0)?,
                database: row.get(1)?,
                schema: row.get(2)?,
                relation: row.get(3)?,
                column: row.get(4)?,
            })
        })
    }

    fn unseen(&mut self, since: Option<Date>) -> Result<Vec<Unseen>, StoreError> {
        self.read(tables::READ_UNANALYSED, &[&tables::since(since)], |row| {
            Ok(Unseen {
                database: row.get(0)?,
                schema: row.get(1)?,
                relation: row.get(2)?,
                reason: row.get(3)?,
                statements: row.get(4)?,
            })
        })
    }

    fn totals(&mut self, since: Option<Date>) -> Result<Vec<Total>, StoreError> {
        self.read(tables::READ_TOTALS, &[&tables::since(since)], |row| {
            Ok(Total {
                database: row.get(0)?,
                application: row.get(1)?,
                user: row.get(2)?,
                statements: row.get(3)?,
                sessions: row.get(4)?,
            })
        })
    }

    fn spans(&mut self) -> Result<Vec<Span>, StoreError> {
        self.read(tables::READ_SPANS, &[], |row| {
            Ok(Span { node: row.get(0)?, from: moment(row, 1)?, until: moment(row, 2)? })
        })
    }
}
