//! `pgcovenant drift`: where databases and their contracts differ, once.

mod report;

use std::collections::HashMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};

use super::input::Input;
use super::{Drift, FailOn, PROBLEMS};
use crate::config::Config;
use crate::model::drift::{Bypass, Finding, Observed, Severity, compare};
use crate::model::structure::Structure;
use crate::policy::bypass::bypasses;
use crate::policy::compile::Bundle;
use crate::policy::snapshot::{Database, Snapshot};
use crate::sql::lineage;
use crate::upstream::connect::ServiceAccount;
use crate::upstream::tls::Trust;
use crate::upstream::{catalog, structure};
use report::Report;

/// Compares the databases of the contracts with them.
///
/// # Errors
/// The files have errors, a database cannot be read, or the report cannot be written.
pub fn run(arguments: &Drift) -> anyhow::Result<ExitCode> {
    let input = Input::read(arguments.source.config.as_deref())?;
    let bundle = input.usable()?;
    let Some(config) = &input.config else { bail!("drift needs a configuration file: it says where the database is") };
    let known = bundle.databases();
    let databases: Vec<&str> = match arguments.database.as_deref() {
        Some(database) if known.contains(database) => vec![database],
        Some(database) => {
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            bail!("no contract is about the database {database}; known: {known}");
        }
        None => known.into_iter().collect(),
    };
    let account = service_account(config)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    let mut report = Report::default();
    for database in databases {
        let (snapshot, structure) =
            runtime.block_on(read(&account, bundle, database)).with_context(|| format!("cannot read {database}"))?;
        let bypasses = bypasses(&snapshot, database, &structure);
        let found = findings(&snapshot, database, &structure, &bypasses);
        let told = found.into_iter().filter(|finding| !config.drift.ignore.matches(finding));
        report.add(database, told.collect(), &structure);
    }
    let text = report.render(arguments.format);
    std::io::stdout().lock().write_all(text.as_bytes()).context("cannot write the report")?;
    let threshold = match arguments.fail_on {
        FailOn::Breaking => Severity::Breaking,
        FailOn::Risky => Severity::Risky,
        FailOn::Cosmetic => Severity::Cosmetic,
        FailOn::Never => return Ok(ExitCode::SUCCESS),
    };
    Ok(if report.worst() >= Some(threshold) { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS })
}

/// The account that asks the server, as the configuration says.
///
/// # Errors
/// There is none, or it cannot be used.
pub fn service_account(config: &Config) -> anyhow::Result<ServiceAccount> {
    let Some(service) = &config.service else {
        bail!("the configuration has no `service` account to read the database with");
    };
    let trust = Trust::new(&config.upstream, service.identity.as_ref()).context("cannot use TLS")?;
    let account = ServiceAccount::new(&config.upstream, service, Arc::new(trust));
    Ok(account.context("cannot use the service account")?.tuned(&config.tcp))
}

async fn read(account: &ServiceAccount, bundle: &Arc<Bundle>, database: &str) -> anyhow::Result<(Snapshot, Structure)> {
    let mut client = account.connect(database).await?;
    let catalog = catalog::read(&mut client).await?.catalog;
    let structure = structure::read(&mut client, &catalog).await?;
    let known = Database { lineages: lineage::of_views(&catalog), catalog: Arc::new(catalog) };
    let databases = HashMap::from([(Box::from(database), Arc::new(known))]);
    Ok((Snapshot::new(1, Arc::clone(bundle), databases), structure))
}

/// All differences of one database, by what its snapshot and its structure say.
pub fn findings(snapshot: &Snapshot, database: &str, structure: &Structure, bypasses: &[Bypass]) -> Vec<Finding> {
    let Some(known) = snapshot.database(database) else { return Vec::new() };
    let observed = Observed { catalog: &known.catalog, structure, bypasses, now: snapshot.now };
    compare(snapshot.bundle.contracts(), &observed)
}
