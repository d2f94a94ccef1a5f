//! Sessions with tokio-postgres, and results as plain text for comparisons.

use std::sync::{Arc, Mutex};

use tokio_postgres::error::{ErrorPosition, SqlState};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, SimpleQueryMessage};

/// A session and the notices that it has received.
#[derive(Debug)]
pub struct Session {
    /// The client.
    pub client: Client,
    notices: Arc<Mutex<Vec<Notice>>>,
}

/// A notice of the server, or of the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// WARNING, NOTICE ...
    pub severity: String,
    /// SQLSTATE.
    pub code: String,
    /// Primary message.
    pub message: String,
    /// HINT.
    pub hint: Option<String>,
}

/// Settings of a session on the loopback address; the password is the role's own name, as in the demo.
pub fn settings(port: u16, user: &str, database: &str) -> Config {
    let mut config = Config::new();
    config.host("127.0.0.1").port(port).user(user).password(user).dbname(database).application_name("tests");
    config
}

/// A session, or the error that the server, or the proxy, answered with.
pub async fn try_connect(port: u16, user: &str, database: &str) -> Result<Session, tokio_postgres::Error> {
    try_connect_with(&settings(port, user, database)).await
}

/// A session with these settings, or the error.
pub async fn try_connect_with(settings: &Config) -> Result<Session, tokio_postgres::Error> {
    let (client, mut connection) = settings.connect(NoTls).await?;
    let notices = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&notices);
    tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notice(notice) = message {
                sink.lock().expect("no test panics here").push(Notice {
                    severity: notice.severity().to_owned(),
                    code: notice.code().code().to_owned(),
                    message: notice.message().to_owned(),
                    hint: notice.hint().map(str::to_owned),
                });
            }
        }
    });
    Ok(Session { client, notices })
}

/// A session.
pub async fn connect(port: u16, user: &str, database: &str) -> Session {
    try_connect(port, user, database).await.unwrap_or_else(|error| panic!("{user}@{database}: {error:?}"))
}

impl Session {
    /// Takes the notices received so far.
    pub fn notices(&self) -> Vec<Notice> {
        std::mem::take(&mut *self.notices.lock().expect("no test panics here"))
    }

    /// Runs a text in the simple protocol; rows as lines of `|`-separated values, with a header of column names.
    pub async fn simple(&self, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
        let messages = self.client.simple_query(sql).await?;
        Ok(messages.iter().map(line).collect())
    }

    /// The rows alone, without header and command tag.
    pub async fn rows(&self, sql: &str) -> Vec<String> {
        let messages = self.client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        messages.iter().filter(|message| matches!(message, SimpleQueryMessage::Row(_))).map(line).collect()
    }

    /// The single value of a single row.
    pub async fn value(&self, sql: &str) -> String {
        let mut rows = self.rows(sql).await;
        assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
        rows.remove(0)
    }

    /// Runs texts, none of which may fail.
    pub async fn runs(&self, texts: &[&str]) {
        for text in texts {
            self.simple(text).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
        }
    }

    /// The error that a text must end with.
    pub async fn error(&self, sql: &str) -> Refused {
        match self.client.simple_query(sql).await {
            Ok(answer) => panic!("{sql}: expected an error, got {answer:?}"),
            Err(error) => Refused::of(&error),
        }
    }
}

fn line(message: &SimpleQueryMessage) -> String {
    match message {
        SimpleQueryMessage::RowDescription(columns) => {
            columns.iter().map(|column| column.name()).collect::<Vec<_>>().join("|")
        }
        SimpleQueryMessage::Row(row) => {
            (0..row.len()).map(|at| row.get(at).unwrap_or("\\N")).collect::<Vec<_>>().join("|")
        }
        SimpleQueryMessage::CommandComplete(rows) => format!("({rows})"),
        _ => String::from("?"),
    }
}

/// An error response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// SQLSTATE.
    pub code: String,
    /// Primary message.
    pub message: String,
    /// DETAIL.
    pub detail: Option<String>,
    /// HINT.
    pub hint: Option<String>,
    /// Where in the text, in characters from one.
    pub position: Option<u32>,
}

impl Refused {
    /// Takes the error response out of a client error.
    pub fn of(error: &tokio_postgres::Error) -> Self {
        let answer = error.as_db_error().unwrap_or_else(|| panic!("not an answer of the server: {error:?}"));
        Self {
            code: answer.code().code().to_owned(),
            message: answer.message().to_owned(),
            detail: answer.detail().map(str::to_owned),
            hint: answer.hint().map(str::to_owned),
            position: match answer.position() {
                Some(ErrorPosition::Original(at)) => Some(*at),
                Some(ErrorPosition::Internal { .. }) | None => None,
            },
        }
    }

    /// Fails unless the SQLSTATE is this one.
    pub fn expect(self, code: &SqlState) -> Self {
        assert_eq!(self.code, code.code(), "{self:?}");
        self
    }
}
