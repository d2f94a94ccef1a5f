//! What the server says of its own accord: notifications, notices, changed settings; and FunctionCall.

use std::time::{Duration, Instant};

use crate::support::conversation::{Await, same, same_governed, turn, until};
use crate::support::raw::{self, Raw, extended, function_call_with, query, sync};
use crate::support::shop;

#[test]
fn notifications_reach_an_idle_client_at_once() {
    let Some(shop) = shop("flow_notify") else { return };
    let (proxy, _policies) = shop.proxy();
    let mut listener = Raw::connect(proxy.port(), "shop_app", &shop.database);
    listener.exchange(&[query("LISTEN news")], 1);
    let mut sender = Raw::connect(proxy.port(), "shop_app", &shop.database);
    let sender_pid = sender.key[..4].to_vec();
    for payload in ["first", "second"] {
        let began = Instant::now();
        sender.exchange(&[query(&format!("NOTIFY news, '{payload}'"))], 1);
        let (kind, body) = listener.message();
        assert_eq!((kind, &body[4..]), (b'A', [b"news\0", payload.as_bytes(), b"\0"].concat().as_slice()));
        assert_eq!(&body[..4], sender_pid, "the number of the server's own process");
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
}

#[test]
fn notifications_stand_where_the_server_puts_them() {
    let Some(shop) = shop("flow_notify_order") else { return };
    let (proxy, _policies) = shop.proxy();
    let turns = [
        turn(&[query("LISTEN a"), query("NOTIFY a, 'x'"), query("SELECT 1")], 3),
        turn(&[extended("NOTIFY a, 'y'"), extended("SELECT 2"), sync(), extended("SELECT 3"), sync()], 2),
        turn(&[query("BEGIN; NOTIFY a, 'z'"), query("SELECT 4"), query("COMMIT"), query("UNLISTEN a")], 4),
    ];
    same(&shop, &proxy, "shop_app", "notifications", &turns);
}

#[test]
fn notices_of_every_level() {
    let Some(shop) = shop("flow_notices") else { return };
    let (proxy, _policies) = shop.proxy();
    let raise = |level: &str| {
        query(&format!(
            "DO $$ BEGIN RAISE {level} 'a % b', 1 USING DETAIL = 'more', HINT = 'do', COLUMN = 'c', ERRCODE = '01007'; END $$"
        ))
    };
    let turns = [
        turn(&[query("SET client_min_messages = debug1"), raise("NOTICE"), raise("WARNING"), raise("INFO")], 4),
        turn(&[raise("LOG"), raise("EXCEPTION"), query("DROP TABLE IF EXISTS nothing"), query("COMMIT")], 4),
        turn(&[query("RESET client_min_messages"), extended("DROP TABLE IF EXISTS nothing"), sync()], 2),
        turn(&[query("DO $$ BEGIN FOR i IN 1..300 LOOP RAISE NOTICE '%', i; END LOOP; END $$")], 1),
    ];
    same(&shop, &proxy, "shop_app", "notices", &turns);
}

#[test]
fn settings_are_reported_when_they_change() {
    let Some(shop) = shop("flow_settings") else { return };
    let (proxy, _policies) = shop.proxy();
    let settings = [
        turn(
            &[query("SET application_name = 'other'"), query("SET TimeZone = 'Asia/Tokyo'"), query("SHOW TimeZone")],
            3,
        ),
        turn(&[query("SET DateStyle = 'German'"), query("SET IntervalStyle = 'iso_8601'"), query("RESET ALL")], 3),
        turn(&[query("BEGIN; SET LOCAL TimeZone = 'UTC'; SELECT 1"), query("ROLLBACK"), query("DISCARD ALL")], 3),
        turn(&[extended("SET application_name = 'third'"), extended("SELECT 1/0"), sync()], 1),
        turn(&[query("SHOW application_name")], 1),
    ];
    same(&shop, &proxy, "shop_app", "settings", &settings);
    same_governed(&shop, &proxy, "support", "settings of a governed session", &settings);
    let encodings = [
        turn(&[query("SET client_encoding = 'LATIN1'"), query("SELECT 'é'"), query("SET NAMES 'UTF8'")], 3),
        turn(&[query("SET standard_conforming_strings = off"), query(r"SELECT '\x41'"), query("RESET ALL")], 3),
    ];
    same(&shop, &proxy, "shop_app", "settings that change how texts are read", &encodings);
}

#[test]
fn a_session_that_the_server_ends_hears_why() {
    let Some(shop) = shop("flow_timeout") else { return };
    let (proxy, _policies) = shop.proxy();
    let idle =
        [turn(&[query("SET idle_in_transaction_session_timeout = 50"), query("BEGIN")], 2), until(&[], Await::End)];
    same(&shop, &proxy, "shop_app", "idle in transaction", &idle);
    same_governed(&shop, &proxy, "support", "idle in transaction, governed", &idle);
    let terminated = [until(&[query("SELECT pg_terminate_backend(pg_backend_pid())")], Await::End)];
    same(&shop, &proxy, "shop_app", "terminated", &terminated);
    let timeout = [turn(&[query("SET statement_timeout = 50"), query("SELECT pg_sleep(5)"), query("SELECT 1")], 3)];
    same(&shop, &proxy, "shop_app", "statement timeout", &timeout);
}

#[test]
fn functions_are_called_by_number() {
    let Some(shop) = shop("flow_function_call") else { return };
    let (proxy, _policies) = shop.proxy();
    let int = |value: i32| value.to_be_bytes();
    let (open, read, write, seek, close, abs) = (952, 954, 955, 956, 953, 1397);
    shop.sql("SELECT lo_create(99001); ALTER LARGE OBJECT 99001 OWNER TO shop_app");
    let oid = int(99_001);
    let read_and_write = int(0x60000);
    let zero = int(0);
    let turns = [
        turn(&[function_call_with(abs, &[Some(&int(-7))]), function_call_with(abs, &[None])], 2),
        turn(&[query("BEGIN"), function_call_with(open, &[Some(&oid), Some(&read_and_write)])], 2),
        turn(&[function_call_with(write, &[Some(&zero), Some(b"large object")])], 1),
        turn(&[function_call_with(seek, &[Some(&zero), Some(&int(6)), Some(&zero)])], 1),
        turn(&[function_call_with(read, &[Some(&zero), Some(&int(100))])], 1),
        turn(&[function_call_with(close, &[Some(&zero)]), query("ROLLBACK")], 2),
        turn(&[extended("SELECT 1"), function_call_with(abs, &[Some(&int(-8))]), extended("SELECT 2"), sync()], 2),
        turn(&[extended("SELECT 1/0"), function_call_with(abs, &[Some(&int(-8))]), sync()], 1),
        turn(&[function_call_with(abs, &[]), function_call_with(1, &[]), function_call_with(0, &[])], 3),
        turn(&[query("BEGIN"), query("SELECT 1/0"), function_call_with(abs, &[Some(&zero)]), query("ROLLBACK")], 4),
        turn(&[raw::function_call(2026 + 100_000), query("SELECT 1")], 2),
    ];
    same(&shop, &proxy, "shop_app", "function calls", &turns);
}
