//! The pgcovenant binary.

use std::process::ExitCode;

use clap::Parser;
use pgcovenant::cli;

fn main() -> ExitCode {
    cli::run(cli::Cli::parse(), |_| anyhow::bail!("serve is not wired in this build"))
}
