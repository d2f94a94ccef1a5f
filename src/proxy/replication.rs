//! Replication connections: what the server says there is a copy of the data itself, which no policy on columns can reach.
//! So they are for those only whom the configuration names, and never for anybody whom a policy governs in any database.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, copy_bidirectional_with_sizes};
use tokio::sync::watch;

use super::auth::Accepted;
use super::judge::{EngineJudge, Judge};
use super::relay::End;
use super::server::{Collaborators, Phase};
use super::session::Fatal;
use crate::policy::subject::Subject;

/// Bytes that are moved at once: base backups are large.
const BUFFER: usize = 64 * 1024;

/// How soon a new policy is noticed by a connection that is open.
const LOOK: Duration = Duration::from_secs(1);

/// Whether the configuration lets this client ask for replication.
///
/// # Errors
/// It does not.
pub fn granted(collaborators: &Collaborators, subject: &Subject) -> Result<(), Fatal> {
    let grants = &collaborators.config.replication;
    if grants.iter().any(|grant| grant.fits(&subject.user, subject.address)) {
        return Ok(());
    }
    Err(Fatal {
        code: "28000",
        message: format!("the proxy rejects replication connection for user \"{}\"", subject.user),
        hint: Some("Name the user under \"replication\" in the configuration of the proxy."),
    })
}

/// Whether policies leave this client ungoverned in all databases, for a replication connection reaches all of them.
///
/// # Errors
/// They do not, or nobody can tell.
pub async fn ungoverned(collaborators: &Arc<Collaborators>, subject: &Subject) -> Result<(), Fatal> {
    let snapshot = collaborators.store.load();
    for database in snapshot.bundle.databases() {
        if let Err(error) = collaborators.keeper.ensure(database).await {
            tracing::error!(%error, database, "cannot read the catalog");
            return Err(Fatal::new("57P03", format!("the policy of database \"{database}\" cannot be applied now")));
        }
        let there = Subject { database: database.into(), ..subject.clone() };
        if EngineJudge::new(Arc::clone(collaborators), 0, there).governed() {
            let message =
                format!("a policy protects columns of database \"{database}\" from user \"{}\"", subject.user);
            let hint = Some("Replication would go around it: use a role that no policy governs.");
            return Err(Fatal { code: "42501", message, hint });
        }
    }
    Ok(())
}

/// Moves bytes until either side ends, the process stops, or a new policy forbids it.
pub async fn relay(
    accepted: Accepted,
    collaborators: &Arc<Collaborators>,
    subject: &Subject,
    mut phase: watch::Receiver<Phase>,
) -> End {
    tokio::select! {
        // Neither side can be told of a failure of the other better than by the end of the stream.
        _ = copy(accepted) => End::Closed,
        // A message of ours could come in the middle of one of the server's.
        _ = phase.wait_for(|phase| *phase == Phase::Stopping) => End::Ended,
        () = forbidden(collaborators, subject) => End::Ended,
    }
}

async fn copy(accepted: Accepted) -> io::Result<()> {
    let (mut client, from_client) = accepted.client.into_parts();
    let (mut server, from_server) = accepted.server.into_parts();
    client.write_all(&accepted.greeting).await?;
    client.write_all(&from_server).await?;
    client.flush().await?;
    server.write_all(&from_client).await?;
    server.flush().await?;
    copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER).await.map(|_| ())
}

/// Returns when a policy has come into force that governs the subject.
async fn forbidden(collaborators: &Arc<Collaborators>, subject: &Subject) {
    let mut known = collaborators.store.epoch();
    loop {
        tokio::time::sleep(LOOK).await;
        let now = collaborators.store.epoch();
        if now != known {
            known = now;
            if let Err(fatal) = ungoverned(collaborators, subject).await {
                tracing::warn!(user = %subject.user, why = fatal.message, "a replication connection is ended");
                return;
            }
        }
    }
}
