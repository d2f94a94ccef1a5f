//! The store of a fleet: tables in a schema of a PostgreSQL database, which all processes write.
//!
//! It is asked from the thread that writes usage, which may wait: so every call runs to its end here.

mod write;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use tokio::runtime::Runtime;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Row};

use super::connect::UpstreamError;
use super::tls::{Connector, Trust};
use crate::config::{TlsMode, Upstream};
use crate::model::usage::tables;
use crate::model::usage::{Batch, Filter, ObjectRow, Recorded, Span, StoreError, Total, Unseen, UsageStore, Written};

/// How long one call may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Nothing of the role or the database decides on what our texts mean.
const OPTIONS: &str = "-c search_path=pgcovenant_usage -c statement_timeout=10s -c default_transaction_read_only=off";

/// A database of PostgreSQL.
pub struct PostgresStore {
    config: Config,
    trust: Arc<Trust>,
    place: String,
    runtime: Runtime,
    client: Option<Client>,
    read_only: bool,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PostgresStore").field("place", &self.place).finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// The store at `postgres://user@host:port/database?sslmode=…`; nothing is opened yet.
    ///
    /// # Errors
    /// The address cannot be understood, or the password is not in the environment variable.
    pub fn new(url: &str, password_env: Option<&str>) -> Result<Self, StoreError> {
        let failed = |cause: String| StoreError { place: url.to_owned(), cause };
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| failed(describe(&error)))?;
        if let Some(variable) = password_env {
            let password = std::env::var(variable)
                .map_err(|_| failed(format!("environment variable \"{variable}\" with its password is not set")))?;
            config.password(password);
        }
        config.application_name("pgcovenant usage").options(OPTIONS).connect_timeout(LIMIT);
        let trust = Trust::new(&as_upstream(&config), None).map_err(|error| failed(error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let place = url.to_owned();
        Ok(Self { config, trust: Arc::new(trust), place, runtime, client: None, read_only: false })
    }

    /// The same for questions only: no table is made.
    #[must_use]
    pub fn for_reading(self) -> Self {
        Self { read_only: true, ..self }
    }

    fn with<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, StoreError> {
        let Self { config, trust, place, runtime, client, .. } = self;
        let known = client.take().filter(|client| !client.is_closed());
        let result = runtime.block_on(async {
            let all = async {
                let mut client = match known {
                    Some(client) => client,
                    None => connect(config, trust).await?,
                };
                let value = work(&mut client).await?;
                Ok::<_, tokio_postgres::Error>((client, value))
            };
            tokio::time::timeout(LIMIT, all).await
        });
        let failed = |cause: String| StoreError { place: place.clone(), cause };
        match result {
            Ok(Ok((used, value))) => {
                // After an error the connection is not used again: nobody knows what it is in the middle of.
                *client = Some(used);
                Ok(value)
            }
            Ok(Err(error)) => Err(failed(describe(&error))),
            Err(_) => Err(failed(UpstreamError::Timeout(LIMIT.as_secs()).to_string())),
        }
    }

    fn read<T>(
        &mut self,
        sql: &str,
        parameters: &[String],
        make: impl Fn(&Row) -> Result<T, tokio_postgres::Error>,
    ) -> Result<Vec<T>, StoreError> {
        self.with(async |client| {
            let types = vec![Type::TEXT; parameters.len()];
            let statement = client.prepare_typed(sql, &types).await?;
            let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|text| text as _).collect();
            client.query(&statement, &parameters).await?.iter().map(make).collect()
        })
    }
}

/// What TLS has to know of it.
fn as_upstream(config: &Config) -> Upstream {
    let host = config.get_hosts().first().map_or_else(
        || "localhost".to_owned(),
        |host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        },
    );
    let tls = match config.get_ssl_mode() {
        _ if host.starts_with('/') => TlsMode::Disable,
        SslMode::Disable => TlsMode::Disable,
        SslMode::Require => TlsMode::Require,
        _ => TlsMode::Prefer,
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    Upstream { host, port, tls, ca: None, identity: None, connect_timeout: LIMIT }
}

fn describe(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(answer), _) => format!("{} (SQLSTATE {})", answer.message(), answer.code().code()),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}

async fn connect(config: &Config, trust: &Trust) -> Result<Client, tokio_postgres::Error> {
    match trust.current().map(Connector) {
        None => {
            let (client, connection) = config.connect(NoTls).await?;
            // It ends with the client; what went wrong is told to whoever asks next.
            tokio::spawn(async move { connection.await.ok() });
            Ok(client)
        }
        Some(tls) => {
            let (client, connection) = config.connect(tls).await?;
            tokio::spawn(async move { connection.await.ok() });
            Ok(client)
        }
    }
}

fn moment(row: &Row, index: usize) -> Result<Timestamp, tokio_postgres::Error> {
    Ok(Timestamp::from_microsecond(row.try_get(index)?).unwrap_or_default())
}

fn recorded(row: &Row) -> Result<Recorded, tokio_postgres::Error> {
    Ok(Recorded {
        database: row.try_get(0)?,
        schema: row.try_get(1)?,
        relation: row.try_get(2)?,
        column: row.try_get(3)?,
        application: row.try_get(4)?,
        user: row.try_get(5)?,
        network: row.try_get(6)?,
        access: row.try_get(7)?,
        via: row.try_get(8)?,
        shape: row.try_get(9)?,
        text: row.try_get(10)?,
        refused: row.try_get::<_, i64>(11)? != 0,
        uses: row.try_get(12)?,
        rows: row.try_get(13)?,
        first_seen: moment(row, 14)?,
        last_seen: moment(row, 15)?,
    })
}

impl UsageStore for PostgresStore {
    fn prepare(&mut self) -> Result<(), StoreError> {
        if !self.read_only {
            self.with(async |client| write::migrate(client).await)?;
        }
        let version = self.read("SELECT version FROM schema_version", &[], |row| row.try_get::<_, i64>(0))?;
        let known = tables::MIGRATIONS.len() as i64;
        match version.first() {
            Some(version) if *version == known => Ok(()),
            found => {
                let found = found.copied().unwrap_or_default();
                let cause = format!("the tables are of version {found}, this program knows version {known}");
                Err(StoreError { place: self.place.clone(), cause })
            }
        }
    }

    fn write(&mut self, batch: &Batch) -> Result<Written, StoreError> {
        self.with(async |client| write::write(client, batch).await)
    }

    fn expire(&mut self, before: Date) -> Result<(), StoreError> {
        let (before, keys) = (before.to_string(), tables::last_day_of_keys().to_string());
        self.with(async |client| write::expire(client, &before, &keys).await)
    }

    fn written_by_others(&mut self, boot: &str) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT coalesce(sum(sequence), 0)::bigint FROM (SELECT max(sequence) AS sequence FROM batches \
                   WHERE boot <> $1 GROUP BY node, boot) AS last";
        Ok(self.read(sql, &[boot.to_owned()], |row| row.try_get(0))?.first().copied())
    }

    fn uses(&mut self, filter: &Filter) -> Result<Vec<Recorded>, StoreError> {
        self.read(tables::READ_USES, &filter.parameters(), recorded)
    }

    fn objects(&mut self) -> Result<Vec<ObjectRow>, StoreError> {
        self.read(tables::READ_OBJECTS, &[], |row| {
            let name = |index| row.try_get::<_, String>(index).map(String::into_boxed_str);
            let (database, schema, relation, column) = (name(1)?, name(2)?, name(3)?, name(4)?);
            Ok(ObjectRow { id: row.try_get(0)?, database, schema, relation, column })
        })
    }

    fn unseen(&mut self, since: Option<Date>) -> Result<Vec<Unseen>, StoreError> {
        self.read(tables::READ_UNANALYSED, &[tables::since(since)], |row| {
            Ok(Unseen {
                database: row.try_get(0)?,
                schema: row.try_get(1)?,
                relation: row.try_get(2)?,
                reason: row.try_get(3)?,
                statements: row.try_get(4)?,
            })
        })
    }

    fn totals(&mut self, since: Option<Date>) -> Result<Vec<Total>, StoreError> {
        self.read(tables::READ_TOTALS, &[tables::since(since)], |row| {
            Ok(Total {
                database: row.try_get(0)?,
                application: row.try_get(1)?,
                user: row.try_get(2)?,
                statements: row.try_get(3)?,
                sessions: row.try_get(4)?,
            })
        })
    }

    fn spans(&mut self) -> Result<Vec<Span>, StoreError> {
        self.read(tables::READ_SPANS, &[], |row| {
            Ok(Span { node: row.try_get(0)?, from: moment(row, 1)?, until: moment(row, 2)? })
        })
    }
}
