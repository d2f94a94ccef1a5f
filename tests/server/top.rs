//! `pgcovenant top` against a running proxy: in a terminal, and without one.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::proxy::binary;
use crate::support::{Proxy, shop};

const SCRIPT: &str = "/usr/bin/script";

/// Whether there is a program that makes a pseudo-terminal.
fn has_terminal() -> bool {
    if Path::new(SCRIPT).exists() {
        return true;
    }
    assert!(std::env::var_os("PGCOVENANT_REQUIRE_PG").is_none(), "{SCRIPT} is not installed");
    eprintln!("skipped: {SCRIPT} is not installed");
    false
}

/// A terminal in which a shell runs commands.
struct Terminal {
    script: Child,
    keys: ChildStdin,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Terminal {
    fn run(columns: u16, commands: &str) -> Self {
        let commands = format!("stty rows 30 cols {columns}\n{commands}");
        let mut script = Command::new(SCRIPT)
            .args(["-qefc", &commands, "/dev/null"])
            .env("TERM", "xterm-256color")
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let rows = |number: u16| number.try_into().unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows(30), rows(columns), 0)));
        let (mut output, shown) = (script.stdout.take().unwrap(), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                shown.lock().unwrap().process(&bytes[..read]);
            }
        });
        Self { keys: script.stdin.take().unwrap(), script, screen }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits until the screen has these words.
    fn shows(&self, words: &str) -> String {
        self.until(words, |screen| screen.contents().contains(words))
    }

    fn until(&self, what: &str, holds: impl Fn(&vt100::Screen) -> bool) -> String {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            {
                let screen = self.screen.lock().unwrap();
                if holds(screen.screen()) {
                    return screen.screen().contents();
                }
                assert!(Instant::now() < end, "no {what}:\n{}", screen.screen().contents());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn in_other_screen(&self) -> (bool, bool) {
        let screen = self.screen.lock().unwrap();
        (screen.screen().alternate_screen(), screen.screen().hide_cursor())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

/// A place that stays the same, with whoever listens at the port at the moment, or nobody if that is 0.
fn place(target: &Arc<AtomicU16>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, target) = (listener.local_addr().unwrap().port(), Arc::clone(target));
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", target.load(Ordering::SeqCst))) else { continue };
            let (mut asked, mut answered) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let (mut from, mut to) = (server, client);
            std::thread::spawn(move || std::io::copy(&mut asked, &mut answered));
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                to.shutdown(std::net::Shutdown::Both)
            });
        }
    });
    port
}

fn top(proxy: &Proxy, more: &str) -> String {
    format!("{} top --url http://127.0.0.1:{} --interval 200ms {more}", binary(), proxy.admin_port())
}

#[tokio::test]
async fn the_shape_that_runs_is_on_the_screen_and_q_leaves_the_terminal_as_it_was() {
    let Some(shop) = shop("top") else { return };
    if !has_terminal() {
        return;
    }
    let (proxy, _policies) = shop.proxy();
    let app = shop.application(&proxy, "shop_app", "billing").await;
    let commands = format!("echo before; {}; echo ended with $?; stty -a; echo after", top(&proxy, ""));
    let mut terminal = Terminal::run(140, &commands);
    terminal.shows("q quit");
    assert_eq!(terminal.in_other_screen(), (true, true));
    for number in 1..=20 {
        app.rows(&format!("SELECT status FROM orders WHERE order_id = {number}")).await;
    }
    let shown = terminal.shows("SELECT status FROM orders WHERE order_id = ?");
    assert!(shown.contains("sessions 1"), "{shown}");
    let line = shown.lines().find(|line| line.contains("order_id")).unwrap();
    assert!(line.contains(" orders "), "{line}");

    terminal.press("\r");
    let details = terminal.shows("billing: ");
    assert!(details.contains("first seen") && details.contains("server-tests 1"), "{details}");
    terminal.press("\x1b");
    terminal.shows("CALLS/S");
    terminal.press("o");
    terminal.shows("by calls");
    terminal.press("/customers\r");
    terminal.until("filter", |screen| !screen.contents().contains("order_id = ?"));
    terminal.press("\x1b");
    terminal.shows("order_id = ?");

    terminal.press("s");
    let sessions = terminal.shows("TRANS ");
    assert!(sessions.contains("sessions 1: 0 active, 1 idle") && sessions.contains("billing"), "{sessions}");
    assert!(sessions.contains("(SELECT status FROM orders WHERE"), "{sessions}");
    terminal.press("s");
    terminal.shows("CALLS/S");

    terminal.press("q");
    let after = terminal.shows("after");
    assert!(after.contains("before") && after.contains("ended with 0"), "the screen from before: {after}");
    assert!(!after.contains("CALLS/S"), "{after}");
    assert_eq!(terminal.in_other_screen(), (false, false), "the cursor is back");
    let words: Vec<_> = after.split([' ', '\n', ';']).collect();
    assert!(words.contains(&"icanon") && words.contains(&"echo") && words.contains(&"isig"), "{after}");
}

#[tokio::test]
async fn a_proxy_that_goes_away_is_told_and_asked_again() {
    let Some(shop) = shop("top_away") else { return };
    if !has_terminal() {
        return;
    }
    let proxy = shop.transparent_proxy();
    let target = Arc::new(AtomicU16::new(proxy.admin_port()));
    let place = place(&target);
    let command = format!("{} top --url http://127.0.0.1:{place} --interval 200ms", binary());
    let mut terminal = Terminal::run(60, &format!("{command}; echo ended with $?"));
    terminal.shows("0 shapes");
    target.store(0, Ordering::SeqCst);
    drop(proxy);
    terminal.shows("does not answer");

    // Another process in the same place.
    let another = shop.transparent_proxy();
    target.store(another.admin_port(), Ordering::SeqCst);
    terminal.until("answer", |screen| !screen.contents().contains("does not answer"));
    terminal.press("\x03");
    terminal.shows("ended with 0");
}

#[tokio::test]
async fn a_signal_leaves_the_terminal_as_it_was() {
    let Some(shop) = shop("top_signal") else { return };
    if !has_terminal() {
        return;
    }
    let proxy = shop.transparent_proxy();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let commands =
        format!("sh -c 'echo $$ >{}; exec {}'; echo ended with $?; stty -a", file.display(), top(&proxy, ""));
    let terminal = Terminal::run(100, &commands);
    terminal.shows("q quit");
    let pid = std::fs::read_to_string(&file).unwrap();
    assert!(Command::new("sh").args(["-c", &format!("kill -s TERM {pid}")]).status().unwrap().success());
    let after = terminal.shows("ended with 0");
    assert_eq!(terminal.in_other_screen(), (false, false), "{after}");
}

#[tokio::test]
async fn without_a_terminal_it_tells_once() {
    let Some(shop) = shop("top_once") else { return };
    let (proxy, _policies) = shop.proxy();
    let app = shop.via(&proxy, "shop_app").await;
    for number in 1..=3 {
        app.rows(&format!("SELECT status FROM orders WHERE order_id = {number}")).await;
    }
    app.rows("SELECT count(*) FROM customers").await;
    let url = format!("http://127.0.0.1:{}", proxy.admin_port());
    proxy.metric_becomes("pgcovenant_shapes", &[("datname", &shop.database)], 2.0);
    let (code, text, problem) = Proxy::run(&["top", "--url", &url, "--once", "--order", "calls"]);
    assert_eq!(code, Some(0), "{problem}");
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("pgcovenant ") && lines[0].contains(&url), "{text}");
    assert!(lines[2].starts_with("2 shapes, 2 new (*), by calls, since the start"), "{text}");
    assert!(lines[5].ends_with("*SELECT status FROM orders WHERE order_id = ?"), "{text}");
    assert!(lines[6].ends_with("*SELECT count(*) FROM customers"), "{text}");
    let (code, same, _) = Proxy::run(&["top", "--url", &url, "--order", "calls"]);
    assert_eq!((code, same.lines().nth(5).map(|line| line.contains("order_id = ?"))), (Some(0), Some(true)), "{same}");
    let (_, soon, _) = Proxy::run(&["top", "--url", &url, "--once", "--interval", "100ms"]);
    assert!(soon.contains("2 shapes, 2 new (*), by time, in the last "), "{soon}");

    let (code, json, _) = Proxy::run(&["top", "--url", &url, "--format", "json", "--database", &shop.database]);
    let answer: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &answer["matched"]), (Some(0), &2.into()));
    let (_, json, _) = Proxy::run(&["top", "--url", &url, "--format", "json", "--database", "elsewhere"]);
    assert!(json.contains("\"matched\": 0"), "{json}");
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    let run = |arguments: &[&str]| {
        let (code, _, problem) = Proxy::run(&[&["top", "--once"], arguments].concat());
        assert_eq!(code, Some(2), "{problem}");
        problem
    };
    assert!(run(&["--url", "http://127.0.0.1:1"]).contains("http://127.0.0.1:1 does not answer: "));
    assert!(run(&["--url", "https://127.0.0.1:1"]).contains("speaks plain HTTP"));
    assert!(run(&["--order", "size"]).contains("write one of time, calls"));
    assert!(run(&["--interval", "2"]).contains("write it as 2s, 500ms"));
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("pgcovenant.yaml");
    let path = config.display().to_string();
    let with = |text: &str| {
        std::fs::write(&config, format!("listen: ['127.0.0.1:6432']\nupstream: {{host: 127.0.0.1}}\n{text}")).unwrap();
        run(&["--config", &path])
    };
    assert!(with("").contains("has no `admin`: add `admin: {listen: \"127.0.0.1:9930\"}`"));
    assert!(with("admin: {listen: '127.0.0.1:0'}\n").contains("name the address with --url"));
    assert!(with("admin: {listen: '0.0.0.0:1'}\n").contains("http://127.0.0.1:1 does not answer"));
    assert!(with("admin: {lissen: '0.0.0.0:1'}\n").contains("lissen"));
}
