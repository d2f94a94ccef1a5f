//! `pgcovenant init`: from a database to a first contract and a policy that only observes.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};

use super::Init;
use super::drift::service_account;
use super::input::Input;
use crate::config::{Service, TlsMode, Upstream};
use crate::model::catalog::Catalog;
use crate::model::draft::{Described, Scope, contract};
use crate::model::personal::looks_like;
use crate::model::structure::Structure;
use crate::policy::draft::policy;
use crate::upstream::connect::ServiceAccount;
use crate::upstream::tls::Trust;
use crate::upstream::{catalog, structure};

const CONTRACT: &str = "contract.odcs.yaml";
const POLICY: &str = "policy.yaml";
const PASSWORD: &str = "PGPASSWORD";

/// Reads a database and writes the two files.
///
/// # Errors
/// The database cannot be read, a file is there already, or cannot be written.
pub fn run(arguments: &Init) -> anyhow::Result<ExitCode> {
    // Before anything is asked: nobody wants to wait for a refusal.
    for name in [CONTRACT, POLICY] {
        let path = arguments.out.join(name);
        if path.exists() && !arguments.force {
            bail!("{} is there already; --force overwrites it, --out writes elsewhere", path.display());
        }
    }
    if let Some(schema) = arguments.schema.iter().find(|schema| schema.contains('.')) {
        bail!("a contract cannot name the schema \"{schema}\": a dot ends the schema there");
    }
    let (account, host, port) = account(arguments)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    let database = &arguments.database;
    let (catalog, structure) =
        runtime.block_on(read(&account, database)).with_context(|| format!("cannot read {database}"))?;
    let mut schemas = arguments.schema.clone();
    schemas.dedup();
    let described = Described::new(&catalog, &structure, &schemas);
    if described.relations().next().is_none() {
        bail!("there is no table or view in schema {} of {database}", schemas.join(", "));
    }
    let scope = Scope { host: &host, port, schemas: &schemas };
    fs::create_dir_all(&arguments.out).with_context(|| format!("cannot create {}", arguments.out.display()))?;
    write(&arguments.out, CONTRACT, &contract(&described, &scope), arguments.force)?;
    write(&arguments.out, POLICY, &policy(&described), arguments.force)?;
    let said = summary(&described, &arguments.out);
    std::io::stdout().lock().write_all(said.as_bytes()).context("cannot write the report")?;
    Ok(ExitCode::SUCCESS)
}

/// Who asks, and where the server is.
fn account(arguments: &Init) -> anyhow::Result<(ServiceAccount, String, u16)> {
    if let Some(path) = &arguments.config {
        let input = Input::read(Some(path))?;
        let Some(config) = &input.config else { bail!("there are problems in the files\n{}", input.report()) };
        return Ok((service_account(config)?, config.upstream.host.clone(), config.upstream.port));
    }
    let upstream = Upstream {
        host: arguments.host.clone(),
        port: arguments.port,
        tls: TlsMode::Prefer,
        ca: None,
        identity: None,
        connect_timeout: Duration::from_secs(10),
    };
    let service = Service {
        user: arguments.user.clone(),
        password_env: env::var_os(PASSWORD).map(|_| PASSWORD.to_owned()),
        identity: None,
        refresh: Duration::from_secs(60),
        divergence: None,
        statistics: Duration::from_secs(10),
    };
    let trust = Trust::new(&upstream, None).context("cannot use TLS")?;
    let account = ServiceAccount::new(&upstream, &service, Arc::new(trust)).context("cannot connect")?;
    Ok((account, upstream.host, upstream.port))
}

async fn read(account: &ServiceAccount, database: &str) -> anyhow::Result<(Catalog, Structure)> {
    let mut client = account.connect(database).await?;
    let catalog = catalog::read(&mut client).await?.catalog;
    let structure = structure::read(&mut client, &catalog).await?;
    Ok((catalog, structure))
}

/// A new file is created as such: one that has come in the meantime is not overwritten.
fn write(folder: &Path, name: &str, text: &str, force: bool) -> anyhow::Result<()> {
    let path = folder.join(name);
    let named = || format!("cannot write {}", path.display());
    let mut options = fs::OpenOptions::new();
    let options = if force { options.create(true).truncate(true) } else { options.create_new(true) };
    options.write(true).open(&path).and_then(|mut file| file.write_all(text.as_bytes())).with_context(named)
}

fn summary(described: &Described<'_>, folder: &Path) -> String {
    let (mut relations, mut columns, mut personal) = (0, 0, 0);
    for relation in described.relations() {
        relations += 1;
        columns += relation.columns.len();
        let tagged =
            relation.columns.iter().filter(|column| looks_like(&relation.name, &column.name, &column.ty).is_some());
        personal += tagged.count();
    }
    let [contract, policy] = [CONTRACT, POLICY].map(|name| folder.join(name).display().to_string());
    let folder = folder.display();
    format!(
        "{contract}: {relations} tables and views, {columns} columns, {personal} to review\n\
         {policy}: rules in mode shadow, nothing is enforced\n\
         next: search for `review me`, then run `pgcovenant check {folder}` and `pgcovenant test {folder}`\n"
    )
}
