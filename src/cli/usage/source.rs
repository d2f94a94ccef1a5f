//! Where answers come from: the record of usage, the contracts, and the catalog of a server that can be asked.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::evidence::{Dependents, Evidence, TOLERATED, Window, is_complete_of, tolerated, unseen};
use super::names::Object;
use super::store::{Purpose, open};
use crate::cli::Usage;
use crate::cli::input::Input;
use crate::config::Config;
use crate::config::state::{Place, State};
use crate::model::lifecycle::Phase;
use crate::model::usage::{Filter, ObjectRow, Recorded, Total, Unseen, UsageStore};
use crate::policy::compile::Bundle;
use crate::upstream::connect::ServiceAccount;
use crate::upstream::dependents;
use crate::upstream::tls::Trust;

/// Columns on their way out, with what the contract says of them.
#[derive(Debug, Clone)]
pub struct Retiring {
    /// The column, or the table.
    pub object: Object,
    /// Where it stands today.
    pub phase: &'static str,
    /// When it will be treated as dropped.
    pub sunset: Option<String>,
    /// What to use instead.
    pub replaced_by: Option<String>,
}

/// Everything that can be asked.
pub struct Source {
    store: Box<dyn UsageStore>,
    place: String,
    bundle: Option<Arc<Bundle>>,
    account: Result<ServiceAccount, String>,
    runtime: tokio::runtime::Runtime,
    /// The database that was named.
    pub database: Option<String>,
    from: Timestamp,
    now: Timestamp,
    tolerated: Duration,
    unseen: Vec<Unseen>,
}

fn shown(place: &Place) -> String {
    match place {
        Place::File(path) => path.display().to_string(),
        Place::Postgres { url, .. } => url.clone(),
    }
}

impl Source {
    /// Opens the store, and reads the contracts if a configuration is named.
    ///
    /// # Errors
    /// There is no store, or it cannot be read.
    pub fn open(arguments: &Usage) -> anyhow::Result<Self> {
        let config = arguments.source.config.as_deref();
        let named = config.is_some() || Path::new("pgcovenant.yaml").exists();
        let input = if named || arguments.state.is_none() { Some(Input::read(config)?) } else { None };
        if let Some(input) = input.as_ref().filter(|input| input.count().0 > 0) {
            bail!("there are problems in the files\n{}", input.report());
        }
        let config = input.as_ref().and_then(|input| input.config.as_ref());
        let configured = config.and_then(|config| config.state.as_ref());
        let place = match (&arguments.state, configured) {
            (Some(word), _) => Place::named(word),
            (None, Some(State { place, .. })) => place.clone(),
            (None, None) => bail!(
                "no usage is kept: the configuration has no `state`; add `state: ./state.sqlite`, or name a store with --state"
            ),
        };
        if let Place::File(path) = &place
            && !path.exists()
        {
            bail!("there is no {}: no proxy has recorded usage there yet", path.display());
        }
        let tolerated = configured.map_or(TOLERATED, |state| tolerated(state.flush));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let account = config.map_or_else(|| Err("no configuration was named".to_owned()), account);
        let mut store = open(&place, Purpose::Read)?;
        store.prepare()?;
        let now = Timestamp::now();
        let asked = arguments.unused_for.unwrap_or(arguments.since);
        let from = now.checked_sub(SignedDuration::try_from(asked.0)?).context("--since reaches back too far")?;
        let unseen = store.unseen(Some(from.to_zoned(TimeZone::UTC).date()))?;
        let bundle = input.and_then(|input| input.bundle);
        let database = arguments.database.clone();
        Ok(Self { store, place: shown(&place), bundle, account, runtime, database, from, now, tolerated, unseen })
    }

    /// Uses in the time that is asked about.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn uses(&mut self, filter: Filter) -> anyhow::Result<Vec<Recorded>> {
        let since = Some(self.from.to_zoned(TimeZone::UTC).date());
        let database = filter.database.or_else(|| self.database.clone());
        let mut uses = self.store.uses(&Filter { since, database, ..filter })?;
        uses.retain(|row| row.last_seen >= self.from);
        Ok(uses)
    }

    /// Uses of one object.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn uses_of(&mut self, object: &Object) -> anyhow::Result<Vec<Recorded>> {
        self.uses(Filter { texts: true, ..object.filter(None) })
    }

    /// Everything that has a name: in a contract, in the catalog, in the record.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn known(&mut self) -> anyhow::Result<BTreeSet<Object>> {
        let object = |row: ObjectRow| Object {
            database: row.database.into(),
            schema: row.schema.into(),
            relation: row.relation.into(),
            column: row.column.into(),
        };
        let mut known: BTreeSet<Object> = self.store.objects()?.into_iter().map(object).collect();
        known.retain(|object| self.database.as_deref().is_none_or(|only| only == object.database));
        known.extend(self.promised().into_iter().map(|(object, _)| object));
        for database in self.databases(&known) {
            known.extend(self.columns(&database).unwrap_or_default());
        }
        let relations: Vec<Object> = known.iter().map(Object::relation).collect();
        known.extend(relations);
        Ok(known)
    }

    fn databases(&self, known: &BTreeSet<Object>) -> BTreeSet<String> {
        match &self.database {
            Some(database) => BTreeSet::from([database.clone()]),
            None => known.iter().map(|object| object.database.clone()).collect(),
        }
    }

    /// The columns of a database by its catalog, if that can be asked.
    pub fn columns(&self, database: &str) -> Option<Vec<Object>> {
        let account = self.account.as_ref().ok()?;
        let columns = self.runtime.block_on(dependents::columns(account, database)).ok()?;
        let object = |names: [Box<str>; 3]| {
            let [schema, relation, column] = names.map(String::from);
            Object { database: database.to_owned(), schema, relation, column }
        };
        Some(columns.into_iter().map(object).collect())
    }

    /// Columns and tables of the contracts; of those on their way out what is said of that.
    fn promised(&self) -> Vec<(Object, Option<Retiring>)> {
        let mut found = Vec::new();
        let contracts = self.bundle.iter().flat_map(|bundle| bundle.contracts());
        for contract in contracts {
            for database in
                contract.databases().filter(|name| self.database.as_deref().is_none_or(|only| only == *name))
            {
                for (schema, entity) in contract.entities_in(database) {
                    let fields = entity.fields.iter().map(|field| (&*field.name, &field.retirement));
                    for (column, retirement) in fields.chain(std::iter::once(("", &entity.retirement))) {
                        let [database, schema, column] = [database, schema, column].map(str::to_owned);
                        let object = Object { database, schema, relation: entity.name.to_string(), column };
                        let retiring = retirement.as_ref().and_then(|retirement| {
                            let phase = retirement.phase_at(self.now);
                            (phase != Phase::Active).then(|| Retiring {
                                object: object.clone(),
                                phase: phase.as_str(),
                                sunset: retirement.sunset.map(|day| day.to_string()),
                                replaced_by: retirement.replaced_by.as_deref().map(str::to_owned),
                            })
                        });
                        found.push((object, retiring));
                    }
                }
            }
        }
        found
    }

    /// Columns and tables on their way out.
    pub fn retiring(&self) -> Vec<Retiring> {
        let mut found: Vec<Retiring> = self.promised().into_iter().filter_map(|(_, retiring)| retiring).collect();
        found.sort_by(|a, b| a.object.cmp(&b.object));
        found.dedup_by(|a, b| a.object == b.object);
        found
    }

    /// Columns of the contracts and of the catalog.
    pub fn all_columns(&self) -> BTreeSet<Object> {
        let mut all: BTreeSet<Object> = self.promised().into_iter().map(|(object, _)| object).collect();
        for database in self.databases(&all) {
            all.extend(self.columns(&database).unwrap_or_default());
        }
        all.retain(|object| !object.column.is_empty());
        all
    }

    /// Statements and sessions in the time that is asked about.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn totals(&mut self) -> anyhow::Result<Vec<Total>> {
        let mut totals = self.store.totals(Some(self.from.to_zoned(TimeZone::UTC).date()))?;
        totals.retain(|total| self.database.as_deref().is_none_or(|only| only == total.database));
        Ok(totals)
    }

    /// What is known about what is not known. `statements` have touched these objects.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn evidence(&mut self, about: &[Object], statements: i64) -> anyhow::Result<Evidence> {
        let spans = self.store.spans()?;
        let window = Window::of(&spans, self.from, self.now, self.tolerated);
        let dependents = self.dependents(about);
        Ok(Evidence { store: self.place.clone(), window, unseen: unseen(&self.unseen, about), statements, dependents })
    }

    /// Whether the evidence about one object is complete, of evidence about many.
    pub fn evidence_of_relation(&self, object: &Object, evidence: &Evidence) -> bool {
        is_complete_of(object, &evidence.window, &self.unseen)
    }

    fn dependents(&self, about: &[Object]) -> Dependents {
        let account = match &self.account {
            Ok(account) => account,
            Err(why) => return Dependents::NotAsked(why.clone()),
        };
        let mut all = BTreeSet::new();
        for object in about {
            let names = [&*object.schema, &*object.relation, &*object.column];
            match self.runtime.block_on(dependents::of(account, &object.database, names)) {
                Ok(found) => all.extend(found),
                Err(error) => return Dependents::NotAsked(error.to_string()),
            }
        }
        Dependents::Found(all.into_iter().collect())
    }
}

fn account(config: &Config) -> Result<ServiceAccount, String> {
    let service = config.service.as_ref().ok_or("the configuration has no `service`")?;
    let trust = Trust::new(&config.upstream, service.identity.as_ref()).map_err(|error| error.to_string())?;
    ServiceAccount::new(&config.upstream, service, Arc::new(trust)).map_err(|error| error.to_string())
}
