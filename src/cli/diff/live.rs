//! A database as the service account reads it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::config;
use crate::model::catalog::Catalog;
use crate::model::source::{read_file, render};
use crate::upstream::catalog;
use crate::upstream::connect::ServiceAccount;
use crate::upstream::tls::Trust;

pub(super) fn catalog(database: &str, config: Option<&Path>) -> anyhow::Result<Catalog> {
    let Some(path) = config else {
        bail!("pg:{database} needs --config FILE, which names the server and the service account");
    };
    let file = read_file(path).context("cannot read the configuration")?;
    let (config, diagnostics) = config::file::read(&file);
    let config = config.with_context(|| {
        format!("there are problems in the configuration\n{}", render(&diagnostics, std::slice::from_ref(&file)))
    })?;
    let Some(service) = &config.service else {
        bail!("{} names no service account, which pg:{database} is read with", path.display());
    };
    let trust = Trust::new(&config.upstream, service.identity.as_ref()).context("cannot use TLS towards the server")?;
    let account = ServiceAccount::new(&config.upstream, service, Arc::new(trust))
        .context("cannot use the service account")?
        .tuned(&config.tcp);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    let read = async {
        let mut client = account.connect(database).await?;
        catalog::read(&mut client).await
    };
    let found = runtime.block_on(read).with_context(|| format!("cannot read the database {database}"))?;
    Ok(found.catalog)
}
