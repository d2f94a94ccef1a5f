//! A child process that cannot outlive the test: it is stopped on drop, and also when the test process is killed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Runs "$@" in the background and stops it when the standard input of the script, held by the test, is closed.
const WATCHDOG: &str = r#"
log=$1 signal=$2 litter=$3
shift 3
exec 3<&0 4>&1 >>"$log" 2>&1
"$@" 3<&- 4>&- </dev/null &
pid=$!
(cat <&3 >/dev/null; : >"$log.closed"; kill -s "$signal" "$pid"; sleep 5; kill -s KILL "$pid") 4>&- &
watchdog=$!
echo "$pid" >&4
exec 4>&-
wait "$pid"
status=$?
kill "$watchdog"
[ -n "$litter" ] && [ -e "$log.closed" ] && rm -rf "$litter"
exit "$status"
"#;

/// A running process and its log.
#[derive(Debug)]
pub struct Process {
    script: Child,
    pid: u32,
    log: PathBuf,
}

/// How a process is started.
#[derive(Debug)]
pub struct Start<'a> {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Environment variables on top of ours.
    pub environment: Vec<(String, String)>,
    /// Where its standard output and error go.
    pub log: &'a Path,
    /// The signal that ends it in order.
    pub signal: &'static str,
    /// A directory to remove once the test has let go of the process, also if it was killed.
    pub litter: Option<&'a Path>,
}

impl Process {
    /// Starts it.
    pub fn start(start: Start<'_>) -> Self {
        let mut script = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(start.log)
            .arg(start.signal)
            .arg(start.litter.unwrap_or(Path::new("")))
            .args(&start.command)
            .envs(start.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh cannot be started");
        let mut pid = String::new();
        let stdout = script.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut pid).expect("the watchdog does not answer");
        Self { script, pid: pid.trim().parse().expect("the watchdog answers with a pid"), log: start.log.to_owned() }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What it has printed.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Sends a signal, such as `TERM` or `HUP`.
    pub fn signal(&self, name: &str) {
        // The shell's own kill: a slim container has no other.
        let status = Command::new("sh").args(["-c", &format!("kill -s {name} {}", self.pid)]).status().expect("sh");
        assert!(status.success(), "cannot signal process {}", self.pid);
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.script.try_wait().expect("wait")
    }

    /// Waits for its end.
    pub fn wait(&mut self, at_most: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + at_most;
        while Instant::now() < until {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        let _ = self.script.wait();
    }
}
