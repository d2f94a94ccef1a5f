//! The pgcovenant binary.

use std::process::ExitCode;

use clap::Parser;
use pgcovenant::cli;

fn main() -> ExitCode {
    cli::run(cli::Cli::parse(), |arguments| cli::serve::run(&arguments))
}
