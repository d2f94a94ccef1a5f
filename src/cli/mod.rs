//! One file per subcommand. Each returns its exit code: 0 fine, 1 problems found, 2 could not run.

mod admin;
pub mod audit;
pub mod changes;
pub mod check;
pub mod drift;
pub mod diff;
pub mod explain;
pub mod health;
pub mod init;
pub mod input;
pub mod serve;
pub mod test;
pub mod top;
pub mod usage;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Could not run at all.
pub const CANNOT_RUN: u8 = 2;
/// Ran, and found problems.
pub const PROBLEMS: u8 = 1;

/// A PostgreSQL proxy that enforces data contracts.
#[derive(Debug, Parser)]
#[command(name = "pgcovenant", version, about, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the proxy. SIGTERM lets open sessions finish, SIGINT and SIGQUIT do not, SIGHUP reads policies and certificates again.
    Serve(Serve),
    /// Report every problem of configuration, contracts and policies. Exit code 0: no errors, 1: errors, 2: cannot run.
    Check(Check),
    /// Run the tests inside policies; needs no server.
    Test(Test),
    /// Show how a statement is understood, what is decided about it and why, and the SQL that is sent.
    Explain(Explain),
    /// Compare databases with their contracts. Exit code 0: nothing at or above --fail-on, 1: something, 2: cannot run.
    Drift(Drift),
    /// Write a first contract and a policy that only observes, from a database.
    Init(Init),
    /// Compare two sets of contracts and policies: what breaks, for whom, and which version that asks for.
    Diff(diff::Diff),
    /// Verify the chain of an audit, or show its records.
    Audit(audit::Audit),
    /// Tell who uses a column or a table, on what evidence. Works while the proxy runs.
    Usage(Usage),
    /// Ask a running proxy whether it is ready or alive; for health checks of containers.
    Health(health::Health),
    /// Tell what has changed, and when: files, structure, indexes, plans, migrations, the server.
    Changes(changes::Changes),
    /// Show which statement shapes run, how often and how long, live in the terminal.
    Top(top::Top),
}

/// Which files to read.
#[derive(Debug, Args)]
pub struct Source {
    /// The configuration file, or a folder of contracts and policies.
    #[arg(short, long, value_name = "FILE|DIR", env = "PGCOVENANT_CONFIG")]
    pub config: Option<PathBuf>,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
#[command(after_help = "Logs go to standard error; RUST_LOG chooses what is logged (error, warn, info, debug).")]
pub struct Serve {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", env = "PGCOVENANT_CONFIG", default_value = "pgcovenant.yaml")]
    pub config: PathBuf,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Which files to read.
    #[command(flatten)]
    pub source: Source,
    /// The same as --config.
    #[arg(value_name = "FILE|DIR", conflicts_with = "config")]
    pub path: Option<PathBuf>,
    /// How to report.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Arguments of `test`.
#[derive(Debug, Args)]
pub struct Test {
    /// Which files to read.
    #[command(flatten)]
    pub source: Source,
    /// The same as --config.
    #[arg(value_name = "FILE|DIR", conflicts_with = "config")]
    pub path: Option<PathBuf>,
    /// The day on which to run them, for policies with dates; today by default.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub on: Option<jiff::civil::Date>,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// Which files to read.
    #[command(flatten)]
    pub source: Source,
    /// Who asks: user=, database=, role= (each role it is a member of; no server is asked), application=, address=, cert=.
    #[arg(long = "as", value_name = "KEY=VALUE,…")]
    pub subject: String,
    /// How to report.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// The day on which it is asked; today by default.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub on: Option<jiff::civil::Date>,
    /// The statement.
    #[arg(value_name = "SQL")]
    pub sql: String,
}

/// Arguments of `drift`.
#[derive(Debug, Args)]
pub struct Drift {
    /// Which files to read.
    #[command(flatten)]
    pub source: Source,
    /// Only this database; all that contracts are about otherwise.
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,
    /// How to report.
    #[arg(long, value_enum, default_value_t)]
    pub format: DriftFormat,
    /// From which severity on the exit code is 1.
    #[arg(long, value_enum, default_value_t)]
    pub fail_on: FailOn,
}

/// How to report drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum DriftFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For a pull request.
    Markdown,
}

/// From which severity on drift is a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum FailOn {
    /// A promise of a contract is false.
    #[default]
    Breaking,
    /// Something is open or unknown that should not be.
    Risky,
    /// Anything.
    Cosmetic,
    /// Nothing.
    Never,
}

/// Arguments of `init`.
#[derive(Debug, Args)]
#[command(after_help = "Without --config, the password is read from the environment variable PGPASSWORD.")]
pub struct Init {
    /// A configuration file whose upstream and service account are used.
    #[arg(short, long, value_name = "FILE", env = "PGCOVENANT_CONFIG", conflicts_with_all = ["host", "port", "user"])]
    pub config: Option<PathBuf>,
    /// The server.
    #[arg(long, env = "PGHOST", default_value = "127.0.0.1")]
    pub host: String,
    /// Its port.
    #[arg(long, env = "PGPORT", default_value_t = 5432)]
    pub port: u16,
    /// The role that asks; it needs no right but to connect.
    #[arg(long, env = "PGUSER", default_value = "pgcovenant")]
    pub user: String,
    /// The database.
    #[arg(long, env = "PGDATABASE", value_name = "NAME")]
    pub database: String,
    /// A schema to describe; may be given several times.
    #[arg(long, value_name = "NAME", default_value = "public")]
    pub schema: Vec<String>,
    /// Where the files go.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// Overwrite files.
    #[arg(long)]
    pub force: bool,
}

/// Arguments of `usage`.
#[derive(Debug, Args)]
#[command(after_help = "Exit code with --fail-if-used: 0 unused on complete evidence, 1 in use, 2 it cannot be told.")]
pub struct Usage {
    /// Which files to read; the store of usage is the one that the configuration names.
    #[command(flatten)]
    pub source: Source,
    /// SCHEMA.TABLE.COLUMN, SCHEMA.TABLE or TABLE.COLUMN: who uses it.
    #[arg(value_name = "OBJECT")]
    pub object: Option<String>,
    /// Another store of usage: a file, or postgres://user@host/database.
    #[arg(long, value_name = "PATH|URL")]
    pub state: Option<String>,
    /// Only of this database.
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,
    /// What this application uses that is on its way out.
    #[arg(long, value_name = "NAME")]
    pub application: Option<String>,
    /// Which columns of contracts and catalog nobody has used for so long, such as 92d.
    #[arg(long, value_name = "TIME")]
    pub unused_for: Option<usage::Lookback>,
    /// Which application still uses which column that is on its way out.
    #[arg(long)]
    pub readiness: bool,
    /// How far to look back: 92d, 12h, 30min or 10s.
    #[arg(long, value_name = "TIME", default_value = "92d")]
    pub since: usage::Lookback,
    /// How to report.
    #[arg(long, value_enum, default_value_t)]
    pub format: UsageFormat,
    /// Exit with 1 if it is in use, with 2 if that cannot be told.
    #[arg(long)]
    pub fail_if_used: bool,
}

/// How to report usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum UsageFormat {
    /// For the terminal.
    #[default]
    Table,
    /// For programs.
    Json,
    /// For pull requests and wikis.
    Markdown,
}

/// How to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Runs what was asked for; `serve` is handed to the function that wires the proxy.
pub fn run(cli: Cli, serve: impl FnOnce(Serve) -> anyhow::Result<ExitCode>) -> ExitCode {
    let outcome = match cli.command {
        Command::Serve(arguments) => serve(arguments),
        Command::Changes(arguments) => changes::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Drift(arguments) => drift::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Usage(arguments) => usage::run(&arguments),
        Command::Health(arguments) => health::run(&arguments),
        Command::Top(arguments) => top::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        let mut stderr = std::io::stderr();
        // Nobody is left to be told if standard error is closed.
        _ = std::io::Write::write_fmt(&mut stderr, format_args!("pgcovenant: {error:#}\n"));
        ExitCode::from(CANNOT_RUN)
    })
}
