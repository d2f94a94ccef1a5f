//! Other implementations of SCRAM and of channel binding than psql's: a newer libpq, and node-postgres.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Site, Source, site};
use crate::support::{Proxy, project};

/// Runs a script with these arguments: its output, or none where drivers are neither installed nor required.
fn run(program: &Path, arguments: &[&str]) -> Option<String> {
    let drivers = std::env::var_os("PGCOVENANT_DRIVERS").map_or_else(|| project("target/drivers"), PathBuf::from);
    let program = drivers.join(program);
    if !program.exists() || !drivers.exists() {
        let required = std::env::var_os("PGCOVENANT_REQUIRE_PG").is_some_and(|value| value == "1");
        assert!(!required, "{} is missing: ./test installs it", program.display());
        return None;
    }
    let output = Command::new(program).args(arguments).env("NODE_PATH", drivers.join("node_modules")).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&said).trim().to_owned())
}

/// Without verifiers, and with them: the proxies that the drivers connect to, always with TLS on both hops.
fn proxies(site: &Site) -> [(Source, Proxy); 3] {
    [Source::Nowhere, Source::File, Source::Query].map(|source| (source, site.proxy(source, "verify-full")))
}

#[test]
fn libpq_may_insist_on_scram_and_on_binding() {
    let Some(site) = site() else { return };
    let script = "import psycopg,sys\nprint(psycopg.connect(sys.argv[1]).execute('select current_user').fetchone()[0])";
    for (source, proxy) in proxies(&site) {
        for more in [
            "require_auth=scram-sha-256 channel_binding=require",
            "require_auth=scram-sha-256 channel_binding=disable",
            "require_auth=scram-sha-256 sslnegotiation=direct",
            "require_auth=password",
        ] {
            let settings = format!(
                "host=localhost hostaddr=127.0.0.1 port={} user=scram password=secret-scram dbname=postgres sslmode=verify-full sslrootcert={} {more}",
                proxy.port(),
                site.path("ca.crt").display()
            );
            let Some(said) = run(Path::new("venv/bin/python"), &["-c", script, &settings]) else { return };
            let asks_in_clear = source == Source::Nowhere;
            assert_eq!(said == "scram", asks_in_clear == more.contains("password"), "{source:?} {more}: {said}");
        }
    }
}

#[test]
fn node_postgres_binds_to_the_channel() {
    let Some(site) = site() else { return };
    let script = r"
        const {Client} = require('pg'), fs = require('fs'), [port, ca, password, binds] = process.argv.slice(1);
        const client = new Client({host: 'localhost', port, user: 'scram', password, database: 'postgres',
                                   ssl: {ca: fs.readFileSync(ca)}, enableChannelBinding: binds === 'binds'});
        client.connect()
            .then(() => console.log(client.saslSession === null ? 'SASL' : 'in clear', client.connection.stream.encrypted))
            .catch(error => console.log(error.message))
            .finally(() => client.end());
    ";
    let ca = site.path("ca.crt").display().to_string();
    let node = ["/usr/bin/node", "/usr/local/bin/node"].map(Path::new).into_iter().find(|path| path.exists());
    let node = node.unwrap_or(Path::new("/usr/bin/node"));
    let log_in = |port: u16, password, binds| run(node, &["-e", script, &port.to_string(), &ca, password, binds]);
    for (source, proxy) in proxies(&site) {
        for binds in ["binds", "does not bind"] {
            for password in ["secret-scram", "wrong"] {
                let Some(mut direct) = log_in(site.cluster.port(), password, binds) else { return };
                if source == Source::Nowhere {
                    direct = direct.replace("SASL", "in clear");
                }
                assert_eq!(log_in(proxy.port(), password, binds), Some(direct), "{source:?} {binds} {password}");
            }
        }
    }
}
