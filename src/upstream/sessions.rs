//! Which sessions the server has, whoever they came through.

use std::net::SocketAddr;
use std::time::Duration;

use super::connect::{ServiceAccount, UpstreamError};
use super::rows::{get, optional_text, text};
use crate::model::bypass::ServerSession;

/// How long one reading may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Sessions of clients that are told at most: a server has thousands, not millions.
const SESSIONS: &str = "
SELECT a.pid, (extract(epoch FROM a.backend_start) * 1000000)::bigint AS began, a.datname::text AS database,
       a.usename::text AS username, a.application_name AS application, pg_catalog.host(a.client_addr) AS address,
       a.client_port AS port
  FROM pg_catalog.pg_stat_activity a
 WHERE a.datname::text = ANY ($1) AND a.usename IS NOT NULL AND a.backend_start IS NOT NULL
   AND a.backend_type IN ('client backend', 'walsender')
 LIMIT 20000";

/// Without this right, the server tells of the sessions of others that they are there, and nothing else.
const MAY_SEE: &str = "SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS may_see";

/// The sessions of these databases, asked for in one of them; none where the account may not see those of others.
///
/// # Errors
/// The server cannot be asked.
pub async fn read(
    account: &ServiceAccount,
    database: &str,
    of: &[String],
) -> Result<Option<Vec<ServerSession>>, UpstreamError> {
    let reading = async {
        // Not kept open: a database that somebody is connected to can be neither dropped nor copied nor renamed.
        let client = account.connect(database).await?;
        let may_see: bool = get(&client.query_one(MAY_SEE, &[]).await?, "may_see")?;
        if !may_see {
            return Ok(None);
        }
        let mut sessions = Vec::new();
        for row in client.query(SESSIONS, &[&of]).await? {
            let address = optional_text(&row, "address")?.and_then(|address| address.parse::<std::net::IpAddr>().ok());
            let port = get::<Option<i32>>(&row, "port")?.and_then(|port| u16::try_from(port).ok());
            sessions.push(ServerSession {
                pid: u32::try_from(get::<i32>(&row, "pid")?).unwrap_or_default(),
                began: get(&row, "began")?,
                database: text(&row, "database")?,
                user: text(&row, "username")?,
                application: optional_text(&row, "application")?.unwrap_or_default(),
                client: address.zip(port).map(|(address, port)| SocketAddr::new(address.to_canonical(), port)),
            });
        }
        Ok(Some(sessions))
    };
    tokio::time::timeout(LIMIT, reading).await.unwrap_or(Err(UpstreamError::Timeout(LIMIT.as_secs())))
}
