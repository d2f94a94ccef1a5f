//! The shop of the demo, small: one cluster per test process, one database per test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use tempfile::TempDir;

use super::sql::{self, Session};
use super::{Cluster, ClusterOptions, Proxy, ProxyOptions, installed, project};

/// A database with the shop's tables, on the shared cluster.
#[derive(Debug)]
pub struct Shop {
    /// The shared cluster.
    pub cluster: &'static Cluster,
    /// The name of the database.
    pub database: String,
}

/// A directory of contract and policy that applies to one database, to be edited by a test.
#[derive(Debug)]
pub struct Policies {
    directory: TempDir,
}

static CLUSTER: OnceLock<Cluster> = OnceLock::new();
static COPYING: Mutex<()> = Mutex::new(());

const TEMPLATE: &str = "shop_template";

/// A database of this name with the shop's data in it, or none where PostgreSQL is not installed and not required.
pub fn shop(name: &str) -> Option<Shop> {
    if !installed() {
        return None;
    }
    let cluster = CLUSTER.get_or_init(|| {
        let cluster = Cluster::start(ClusterOptions::default());
        load(&cluster, TEMPLATE);
        // A session in it, of a proxy that looks around for instance, would be in the way of a copy.
        cluster.sql("postgres", &format!("ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false"));
        cluster
    });
    let database = format!("shop_{name}");
    copy(cluster, &database, TEMPLATE);
    Some(Shop { cluster, database })
}

/// Creates a database and fills it with the shop's tables, a hundredth of the demo's rows.
pub fn load(cluster: &Cluster, database: &str) {
    cluster.sql("postgres", &format!("CREATE DATABASE {database}"));
    let file = |name: &str| project(name).display().to_string();
    cluster.psql(database, &["-f", &file("deploy/demo/schema.sql")]);
    cluster.psql(database, &["-v", "scale=0.01", "-f", &file("deploy/demo/data.sql")]);
}

/// Copies a database to which nobody is connected.
pub fn copy(cluster: &Cluster, database: &str, template: &str) {
    let _one_at_a_time = COPYING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    cluster.sql("postgres", &format!("CREATE DATABASE {database} TEMPLATE {template}"));
}

impl Shop {
    /// A second database of this name with the same rows.
    pub fn twin(&self, name: &str) -> Shop {
        let database = format!("shop_{name}");
        copy(self.cluster, &database, TEMPLATE);
        Shop { cluster: self.cluster, database }
    }

    /// A proxy with the tests' policies for this database.
    pub fn proxy(&self) -> (Proxy, Policies) {
        let policies = self.policies();
        let proxy = self.proxy_with(&policies, "");
        (proxy, policies)
    }

    /// A proxy with these policies and more lines of configuration.
    pub fn proxy_with(&self, policies: &Policies, more: &str) -> Proxy {
        Proxy::start(
            self.cluster,
            ProxyOptions {
                policies: Some(policies.path().to_owned()),
                service: Some("pgcovenant"),
                more: more.to_owned(),
                ..ProxyOptions::default()
            },
        )
    }

    /// A proxy without policies.
    pub fn transparent_proxy(&self) -> Proxy {
        Proxy::start(self.cluster, ProxyOptions { service: Some("pgcovenant"), ..ProxyOptions::default() })
    }

    /// The contract of policies/shop and the policy of the tests, for this database.
    pub fn policies(&self) -> Policies {
        let directory = tempfile::Builder::new().prefix("pgcovenant-policies-").tempdir().expect("tempdir");
        let policies = Policies { directory };
        let contract = fs::read_to_string(project("policies/shop/contract.odcs.yaml")).expect("policies/shop");
        assert!(contract.contains("database: shop\n"), "the contract names no database shop");
        let contract = contract.replace("database: shop\n", &format!("database: {}\n", self.database));
        policies.write("contract.odcs.yaml", &contract);
        policies.write("policy.yaml", &fs::read_to_string(project("tests/server/policy.yaml")).expect("policy.yaml"));
        policies
    }

    /// A session through a proxy.
    pub async fn via(&self, proxy: &Proxy, user: &str) -> Session {
        sql::connect(proxy.port(), user, &self.database).await
    }

    /// A session through a proxy, of an application that calls itself so.
    pub async fn application(&self, proxy: &Proxy, user: &str, application: &str) -> Session {
        let mut settings = sql::settings(proxy.port(), user, &self.database);
        sql::try_connect_with(settings.application_name(application)).await.expect("a session")
    }

    /// A session with the server itself.
    pub async fn direct(&self, user: &str) -> Session {
        sql::connect(self.cluster.port(), user, &self.database).await
    }

    /// Runs SQL as the superuser, not through a proxy.
    pub fn sql(&self, sql: &str) -> String {
        self.cluster.sql(&self.database, sql)
    }
}

impl Policies {
    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The file that holds the rules.
    pub fn policy_file(&self) -> PathBuf {
        self.path().join("policy.yaml")
    }

    /// The file that holds the model.
    pub fn contract_file(&self) -> PathBuf {
        self.path().join("contract.odcs.yaml")
    }

    /// Replaces a file in one step, as editors and configuration management do.
    pub fn write(&self, file: &str, text: &str) {
        let draft = self.path().join(format!(".{file}.draft"));
        fs::write(&draft, text).expect("tempdir");
        fs::rename(&draft, self.path().join(file)).expect("tempdir");
    }

    /// Edits a file; fails if there is nothing to replace.
    pub fn replace(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path().join(file)).expect("a policy file");
        assert!(text.contains(from), "{file} does not contain {from:?}");
        self.write(file, &text.replace(from, to));
    }
}
