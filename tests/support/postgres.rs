//! Throwaway PostgreSQL clusters.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::certs::Authority;
use super::free_port;
use super::process::{Process, Start};

/// How the server asks clients who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Auth {
    /// It does not.
    #[default]
    Trust,
    /// Cleartext password.
    Password,
    /// MD5.
    Md5,
    /// SCRAM.
    ScramSha256,
}

impl Auth {
    /// The word in `pg_hba.conf`.
    pub const fn method(self) -> &'static str {
        match self {
            Self::Trust => "trust",
            Self::Password => "password",
            Self::Md5 => "md5",
            Self::ScramSha256 => "scram-sha-256",
        }
    }
}

/// What a cluster is to be like.
#[derive(Debug, Clone, Default)]
pub struct ClusterOptions {
    /// Authentication of TCP clients other than the superuser over the unix socket, who is always trusted.
    pub auth: Auth,
    /// Whether the server offers TLS, with a certificate for localhost and 127.0.0.1 of `Cluster::authority`.
    pub tls: bool,
    /// Lines for postgresql.conf.
    pub settings: Vec<String>,
    /// Where the server's programs are, if not where `binaries` finds them.
    pub binaries: Option<PathBuf>,
    /// Lines for pg_hba.conf, before those that follow from `auth`.
    pub hba: Vec<String>,
}

/// A running server with an empty cluster; gone when dropped.
#[derive(Debug)]
pub struct Cluster {
    process: Option<Process>,
    options: ClusterOptions,
    binaries: PathBuf,
    directory: PathBuf,
    port: u16,
    authority: Authority,
}

/// The superuser of every test cluster.
pub const SUPERUSER: &str = "postgres";

/// Settings that make a cluster fast and forgetful.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
autovacuum = off
shared_buffers = 64MB
max_connections = 200
log_min_messages = warning
log_line_prefix = '%m [%p] %q%u@%d '
timezone = 'UTC'
log_timezone = 'UTC'
";

/// Where the server's programs are: `PG_BINDIR`, or the newest version that Debian's packages have installed.
pub fn binaries() -> Option<PathBuf> {
    match std::env::var_os("PG_BINDIR") {
        Some(given) => Some(PathBuf::from(given)).filter(|path| path.join("initdb").exists()),
        None => newest_with("initdb"),
    }
}

/// The programs of the newest installed version that has this one: some packages hold only a server, or only clients.
fn newest_with(program: &str) -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            Some((version, path.join("bin"))).filter(|(_, path)| path.join(program).exists())
        })
        .collect();
    versions.sort();
    versions.pop().map(|(_, path)| path)
}

/// The server refuses to run as root: then it runs as the account that Debian's packages create.
fn as_server_account(program: &Path) -> Vec<String> {
    let mut command = Vec::new();
    if is_root() {
        command.extend(["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"].map(String::from));
    }
    command.push(program.display().to_string());
    command
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id");
    output.stdout.trim_ascii() == b"0"
}

fn run(command: &[String]) {
    let (program, arguments) = command.split_first().expect("an empty command");
    let output = Command::new(program).args(arguments).current_dir("/").output().expect("cannot start");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Cluster {
    /// A new cluster, ready for connections.
    pub fn start(options: ClusterOptions) -> Self {
        let binaries = options.binaries.clone().or_else(binaries).expect("no PostgreSQL server found");
        let directory = tempfile::Builder::new().prefix("pgcovenant-pg-").tempdir().expect("tempdir").keep();
        let authority = Authority::new();
        hand_over(&directory);
        let data = directory.join("data");
        let mut initdb = as_server_account(&binaries.join("initdb"));
        initdb.extend(
            ["--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust", "--username", SUPERUSER, "-D"]
                .map(String::from),
        );
        initdb.push(data.display().to_string());
        run(&initdb);
        let mut cluster = Self { process: None, options, binaries, directory, port: 0, authority };
        cluster.configure();
        cluster.launch();
        cluster
    }

    fn configure(&self) {
        let data = self.data();
        let mut settings = SETTINGS.to_owned();
        settings.push_str(&format!("unix_socket_directories = '{}'\n", self.directory.display()));
        if self.options.auth == Auth::Md5 {
            settings.push_str("password_encryption = md5\n");
        }
        if self.options.tls {
            let issued = self.authority.issue("localhost");
            fs::write(data.join("server.crt"), issued.cert).expect("server.crt");
            fs::write(data.join("server.key"), issued.key).expect("server.key");
            fs::write(data.join("ca.crt"), self.authority.pem()).expect("ca.crt");
            hand_over(&data.join("server.key"));
            run(&["chmod".into(), "600".into(), data.join("server.key").display().to_string()]);
            settings.push_str("ssl = on\n");
        }
        for line in &self.options.settings {
            settings.push_str(line);
            settings.push('\n');
        }
        let written = fs::read_to_string(data.join("postgresql.conf")).expect("postgresql.conf");
        fs::write(data.join("postgresql.conf"), written + &settings).expect("postgresql.conf");
        let method = self.options.auth.method();
        let kind = if self.options.tls { "hostssl" } else { "host" };
        let before = self.options.hba.join("\n");
        let hba = format!(
            "local all {SUPERUSER} trust\n{before}\nlocal all all {method}\nlocal replication all trust\n{kind} all all 127.0.0.1/32 {method}\n"
        );
        fs::write(data.join("pg_hba.conf"), hba).expect("pg_hba.conf");
    }

    fn launch(&mut self) {
        for _ in 0..3 {
            self.start_on(free_port());
            if self.is_ready(Duration::from_secs(30)) {
                return;
            }
        }
        panic!("PostgreSQL does not start:\n{}", self.log());
    }

    fn start_on(&mut self, port: u16) {
        self.process = None;
        let mut command = as_server_account(&self.binaries.join("postgres"));
        command.extend(["-D".into(), self.data().display().to_string(), "-p".into(), port.to_string()]);
        self.port = port;
        self.process = Some(Process::start(Start {
            command,
            environment: Vec::new(),
            log: &self.directory.join("server.log"),
            signal: "QUIT",
            litter: Some(&self.directory),
        }));
    }

    fn is_ready(&mut self, at_most: Duration) -> bool {
        let until = Instant::now() + at_most;
        while Instant::now() < until {
            if self.process.as_mut().is_none_or(|process| process.ended().is_some()) {
                return false;
            }
            let asked = Command::new(self.program("pg_isready"))
                .args(["-q", "-U", SUPERUSER, "-h"])
                .arg(&self.directory)
                .args(["-p", &self.port.to_string()])
                .status();
            if asked.is_ok_and(|status| status.success()) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        false
    }

    /// Stops the server, as a crash would; `restart` brings it back on the same port.
    pub fn crash(&mut self) {
        if let Some(process) = &mut self.process {
            process.signal("QUIT");
            process.wait(Duration::from_secs(10)).expect("PostgreSQL does not stop");
        }
    }

    /// Starts it again on the same port.
    pub fn restart(&mut self) {
        let port = self.port;
        self.start_on(port);
        assert!(self.is_ready(Duration::from_secs(30)), "PostgreSQL does not start again:\n{}", self.log());
    }

    /// Its TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of its unix socket.
    pub fn socket_directory(&self) -> &Path {
        &self.directory
    }

    /// Who signs the certificates of this cluster.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The path of one of PostgreSQL's programs: of the server's own version, or the newest installed.
    pub fn program(&self, name: &str) -> PathBuf {
        let own = self.binaries.join(name);
        if own.exists() {
            return own;
        }
        newest_with(name).unwrap_or_else(|| panic!("{name} is not installed")).join(name)
    }

    /// The major version of the server.
    pub fn major_version(&self) -> u32 {
        let number: u32 = self.sql("postgres", "SHOW server_version_num").parse().expect("a number");
        number / 10_000
    }

    /// Whether pg_dump is as new as the server, as it has to be; says so if not.
    pub fn can_be_dumped(&self) -> bool {
        let output =
            Command::new(self.program("pg_dump")).arg("--version").output().expect("pg_dump cannot be started");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let number = said.split_whitespace().find_map(|word| word.split('.').next()?.parse::<u32>().ok());
        let able = number.is_some_and(|version| version >= self.major_version());
        if !able {
            eprintln!("skipped: {} cannot read a server of version {}", said.trim(), self.major_version());
        }
        able
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.directory.join("server.log")).unwrap_or_default()).into_owned()
    }

    /// Runs SQL as the superuser in one psql session and returns the rows, unaligned, without headers.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        self.psql(database, &["-c", sql])
    }

    /// Runs psql as the superuser with these arguments.
    pub fn psql(&self, database: &str, arguments: &[&str]) -> String {
        let output = Command::new(self.program("psql"))
            .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-U", SUPERUSER, "-h"])
            .arg(&self.directory)
            .args(["-p", &self.port.to_string(), "-d", database])
            .args(arguments)
            .output()
            .expect("psql cannot be started");
        assert!(output.status.success(), "psql {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("psql answers in UTF-8").trim_end().to_owned()
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.process = None;
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Gives a file or directory to the account that the server runs as.
fn hand_over(path: &Path) {
    if is_root() {
        run(&["chown".into(), "-R".into(), "postgres:".into(), path.display().to_string()]);
    }
}
