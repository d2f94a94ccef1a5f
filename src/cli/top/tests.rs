//! Tests of the view: what stands on the screen, and what keys do.

use std::time::Duration;

use jiff::Timestamp;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::app::{App, Mode};
use super::rates::{History, Window};
use super::*;
use crate::admin::sessions::answer::{Answer as Sessions, Count, Session, Statement};
use crate::admin::shapes::answer::{Answer, Application, LastError, Plan, Relation, Shape, Totals, Under, Version};
use crate::observe::sessions::State;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_793_000_000 + second).unwrap()
}

fn shape(fingerprint: &str, text: &str, table: &str, calls: u64, mean: f64) -> Shape {
    let relation = Relation { schema: "public".to_owned(), name: table.to_owned(), operation: "select".to_owned() };
    Shape {
        fingerprint: fingerprint.to_owned(),
        database: "shop".to_owned(),
        operation: "select".to_owned(),
        relations: vec![relation],
        text: text.to_owned(),
        calls,
        total_seconds: calls as f64 * mean,
        mean_seconds: Some(mean),
        min_seconds: Some(mean / 2.0),
        max_seconds: Some(mean * 2.0),
        p50_seconds: Some(mean),
        p95_seconds: Some(mean),
        p99_seconds: Some(mean),
        rows: calls * 2,
        errors: 0,
        refusals: 0,
        last_error: None,
        masked: false,
        masked_calls: 0,
        first_seen: at(-100),
        last_seen: at(60),
        new: false,
        first_seen_under: None,
        applications: vec![Application { application: "web".to_owned(), calls, refusals: 0 }],
        plan: None,
        plan_samples: 0,
        plan_samples_seq: 0,
        buckets: if mean < 0.01 { vec![calls, 0, 0] } else { vec![0, calls, 0] },
    }
}

/// So many seconds after the first answer; what runs has run `times` as often.
fn answer(second: i64, times: u64) -> Answer {
    let mut orders =
        shape("00000000000000aa", "SELECT status FROM orders WHERE order_id = ?", "orders", 600 * times, 0.002);
    orders.plan = Some(Plan {
        at: at(-5),
        access_path: "index".to_owned(),
        text: "Index Scan using orders_pkey on orders\n  Index Cond: (order_id = $1)".to_owned(),
    });
    (orders.plan_samples, orders.plan_samples_seq) = (3, 1);
    let mut customers = shape(
        "00000000000000bb",
        "SELECT email, ssn FROM customers WHERE lower(name) = ?",
        "customers",
        60 * times,
        0.08,
    );
    customers.refusals = 6 * times;
    customers.last_error =
        Some(LastError { sqlstate: "42501".to_owned(), class: "42".to_owned(), origin: "proxy".to_owned() });
    customers.new = true;
    let version = |name: &str, version: &str| Version { name: name.to_owned(), version: version.to_owned() };
    customers.first_seen_under =
        Some(Under { contracts: vec![version("shop", "1.4.0")], policies: vec![version("privacy", "3")] });
    let idle = shape("00000000000000cc", "VACUUM", "", 7, 1.5);
    let mut shapes = vec![orders, customers, idle];
    if let Some(idle) = shapes.last_mut() {
        idle.relations.clear();
    }
    let mut totals = Totals { buckets: vec![0; 3], ..Totals::default() };
    for shape in &shapes {
        totals.calls += shape.calls;
        totals.total_seconds += shape.total_seconds;
        totals.rows += shape.rows;
        totals.refusals += shape.refusals;
        totals.buckets.iter_mut().zip(&shape.buckets).for_each(|(sum, count)| *sum += count);
    }
    Answer {
        at: at(second),
        started: at(-3600),
        version: "0.1.0".to_owned(),
        order: "time".to_owned(),
        remembered: 3,
        matched: 3,
        evicted: 0,
        statements_without_shape: 0,
        sessions: 12,
        totals,
        bucket_bounds_seconds: vec![0.01, 0.1],
        contracts: Vec::new(),
        shapes,
    }
}

fn app() -> App {
    let mut app = App::new("http://127.0.0.1:9930", Order::Time, Duration::from_secs(2));
    app.answered(Ok(answer(0, 1)));
    app.answered(Ok(answer(60, 2)));
    app
}

fn screen(app: &App, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(frame, app)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(line).collect::<Vec<_>>().join("\n")
}

fn press(app: &mut App, code: KeyCode) -> bool {
    app.pressed(KeyEvent::new(code, KeyModifiers::NONE))
}

fn type_(app: &mut App, word: &str) {
    word.chars().for_each(|letter| assert!(press(app, KeyCode::Char(letter))));
}

/// The texts on the screen from the top, by their first word after the table.
fn tables(app: &App) -> Vec<String> {
    app.shown.rows.iter().map(columns::table).collect()
}

#[test]
fn a_wide_screen_shows_everything() {
    let expected = "\
pgcovenant top  http://127.0.0.1:9930  0.1.0  up 61min  07:34:20Z
statements 11/s  errors 0/s  refusals 0.1/s  p95 50.5ms  mean 9.1ms  sessions 12  rows 22/s
3 shapes, 1 new (*), by time, in the last 60s

CALLS/S TIME%   MEAN    P95 ROWS/S ERRORS REFUSED PLAN       TABLE             TEXT
      1  80.0 80.0ms 95.5ms      2      0       6 -          customers        *SELECT email, ssn FROM customers WHERE lower(name) =
     10  20.0  2.0ms  9.5ms     20      0       0 index      orders            SELECT status FROM orders WHERE order_id = ?
      0   0.0      -      -      0      0       0 -          -                 VACUUM

q quit  ↑↓ select  enter details  o order  w window  / table  s sessions  p pause  ? help";
    assert_eq!(screen(&app(), 132, 10), expected);
}

#[test]
fn a_narrow_screen_keeps_what_matters() {
    let expected = "\
pgcovenant top  http://127.0.0.1:9930  0
11/s  err 0/s  ref 0.1/s  p95 50.5ms
3 shapes, 1 new (*), by time, in the las

CALLS/S TIME%  TEXT
      1  80.0 *SELECT email, ssn FROM cu
     10  20.0  SELECT status FROM orders
q quit  ↑↓ select  enter details  o orde";
    assert_eq!(screen(&app(), 40, 8), expected);
    for (width, height) in [(1, 1), (5, 3), (20, 6), (300, 100)] {
        screen(&app(), width, height);
    }
}

#[test]
fn details_tell_everything_about_a_shape() {
    let mut app = app();
    press(&mut app, KeyCode::Enter);
    assert_eq!(app.mode, Mode::Details);
    let expected = "\
shape           00000000000000bb in shop
operation       select
tables          customers
first seen      2026-10-26T07:31:40Z, 2min ago, new (*)
                under contract shop 1.4.0; policy privacy 3
last seen       2026-10-26T07:34:20Z, 0s ago

calls           120 since the start, 240 rows
time            9.60s in all; min 40.0ms, mean 80.0ms, p50 80.0ms, p95 80.0ms, p99 80.0ms, max 160ms
errors          0 of the server, 12 refused by the proxy; the last was 42501 of the proxy
masked          never

applications    web: 120 calls, 0 refused

plan            none seen

text            SELECT email, ssn FROM customers WHERE lower(name) = ?
";
    let shown = screen(&app, 100, 26);
    assert!(shown.contains(expected), "{shown}");
    press(&mut app, KeyCode::Esc);
    press(&mut app, KeyCode::Char('j'));
    press(&mut app, KeyCode::Enter);
    let shown = screen(&app, 100, 26);
    assert!(shown.contains("plan            index, 2026-10-26T07:33:15Z, 65s ago; 1 of 3 seen scan sequentially\n                Index Scan using orders_pkey on orders\n"), "{shown}");
    press(&mut app, KeyCode::Char('j'));
    assert!(!screen(&app, 100, 26).contains("shape           "), "one line down");
}

#[test]
fn orders_and_windows_change_by_keys() {
    let mut app = app();
    assert_eq!(tables(&app), ["customers", "orders", "-"]);
    press(&mut app, KeyCode::Char('o'));
    assert_eq!((app.order, tables(&app)), (Order::Calls, vec!["orders".into(), "customers".into(), "-".into()]));
    press(&mut app, KeyCode::Char('w'));
    press(&mut app, KeyCode::Char('w'));
    assert_eq!(app.window, Window::Start);
    let shown = screen(&app, 132, 10);
    assert!(shown.contains("by calls, since the start, 61min"), "{shown}");
    assert!(shown.contains("1.50s"), "what has not run lately has run since the start: {shown}");
    (1..Order::ALL.len()).for_each(|_| _ = press(&mut app, KeyCode::Char('o')));
    assert_eq!(app.order, Order::Time, "around");
}

#[test]
fn the_selection_stays_with_its_shape() {
    let mut app = app();
    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Down);
    assert_eq!(app.selected(), Some(1));
    press(&mut app, KeyCode::Char('o'));
    assert_eq!((app.selected(), &*tables(&app)[0]), (Some(0), "orders"));
    press(&mut app, KeyCode::Char('G'));
    assert_eq!(app.selected(), Some(2));
    press(&mut app, KeyCode::Char('g'));
    press(&mut app, KeyCode::Up);
    assert_eq!(app.selected(), Some(0));
}

#[test]
fn a_filter_leaves_the_tables_that_have_it_in_their_names() {
    let mut app = app();
    press(&mut app, KeyCode::Char('/'));
    type_(&mut app, "ordq");
    assert!(tables(&app).is_empty(), "q is a letter while one types");
    press(&mut app, KeyCode::Backspace);
    assert_eq!(tables(&app), ["orders"]);
    assert!(screen(&app, 80, 8).ends_with("table: ord_   (enter: keep, esc: all)"));
    press(&mut app, KeyCode::Enter);
    assert!(screen(&app, 80, 8).contains("in the last 60s, tables with \"ord\""));
    press(&mut app, KeyCode::Esc);
    assert_eq!(tables(&app).len(), 3);
}

#[test]
fn a_pause_keeps_the_screen_and_q_or_ctrl_c_end_it() {
    let mut app = app();
    press(&mut app, KeyCode::Char('p'));
    let paused = screen(&app, 132, 10);
    assert!(paused.contains("PAUSED"), "{paused}");
    app.answered(Ok(answer(120, 9)));
    assert_eq!(screen(&app, 132, 10), paused);
    press(&mut app, KeyCode::Char('p'));
    app.answered(Ok(answer(180, 10)));
    assert_ne!(screen(&app, 132, 10), paused);
    assert!(press(&mut app, KeyCode::Char('?')));
    assert!(screen(&app, 100, 20).contains("quit"));
    assert!(!press(&mut app, KeyCode::Char('q')));
    assert!(!app.pressed(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
}

#[test]
fn a_proxy_that_goes_away_is_told_and_the_table_stays() {
    let mut app = app();
    app.answered(Err("http://127.0.0.1:9930 does not answer: Connection refused".to_owned()));
    let shown = screen(&app, 132, 10);
    assert!(shown.contains("does not answer: Connection refused; asked again every 2s"), "{shown}");
    assert!(shown.contains("SELECT status FROM orders"), "{shown}");
    // The one that comes back counts from zero: nothing of that is a rate.
    app.answered(Ok(Answer { started: at(110), ..answer(120, 1) }));
    assert!(!screen(&app, 132, 10).contains("does not answer"));
    assert!((app.shown.seconds - 10.0).abs() < 1e-6, "since its start: {}", app.shown.seconds);
    app.answered(Ok(Answer { started: at(110), ..answer(130, 2) }));
    assert_eq!(app.shown.totals.calls, 660);
}

#[test]
fn what_comes_late_into_the_list_has_no_rate_of_its_past() {
    let mut history = History::default();
    let mut first = answer(0, 1);
    first.shapes.remove(0);
    history.add(&first);
    let second = answer(60, 2);
    history.add(&second);
    let shown = history.look(&second, Window::Minute, Order::Time, "orders");
    assert_eq!(shown.rows[0].counters.calls, 0, "first seen long ago, but not among those that were told");
    let mut third = answer(60, 2);
    third.shapes[0].first_seen = at(30);
    let shown = history.look(&third, Window::Minute, Order::Time, "orders");
    assert_eq!(shown.rows[0].counters.calls, 1200, "first seen within the window");
}

#[test]
fn a_window_reaches_back_as_far_as_its_name() {
    let mut history = History::default();
    (0..200).for_each(|number| history.add(&answer(number * 2, 1 + number as u64)));
    let last = answer(398, 200);
    let seconds = |window| history.look(&last, window, Order::Time, "").seconds;
    assert!((seconds(Window::Interval) - 2.0).abs() < 1e-6);
    assert!((60.0..66.1).contains(&seconds(Window::Minute)), "{}", seconds(Window::Minute));
    assert!((300.0..306.1).contains(&seconds(Window::FiveMinutes)), "{}", seconds(Window::FiveMinutes));
    assert!((seconds(Window::Start) - 3998.0).abs() < 1e-6);
    let minute = history.look(&last, Window::Minute, Order::Time, "orders");
    assert!((minute.rows[0].calls_per_second - 300.0).abs() < 1e-6, "600 every two seconds");
}

#[test]
fn plain_text_has_one_line_for_a_shape() {
    let mut history = History::default();
    let answer = answer(0, 1);
    history.add(&answer);
    let shown = history.look(&answer, Window::Start, Order::Calls, "");
    let text = plain::text("http://127.0.0.1:9930", &answer, &shown, Window::Start, Order::Calls);
    let expected = "\
pgcovenant 0.1.0  http://127.0.0.1:9930  2026-10-26T07:33:20Z
statements 0.2/s  errors 0/s  refusals <0.01/s  p95 55.2ms  mean 24.7ms  sessions 12  rows 0.4/s
3 shapes, 1 new (*), by calls, since the start, 60min

CALLS/S  TIME%    MEAN     P95  ROWS/S  ERRORS  REFUSED  PLAN        TABLE              TEXT
    0.2    7.3   2.0ms   9.5ms     0.3       0        0  index       orders             SELECT status FROM orders WHERE order_id = ?
   0.02   29.1  80.0ms  95.5ms    0.03       0        6  -           customers         *SELECT email, ssn FROM customers WHERE lower(name) = ?
  <0.01   63.6   1.50s  95.5ms   <0.01       0        0  -           -                  VACUUM
";
    assert_eq!(text, expected);
}

#[test]
fn others_words_cannot_move_the_cursor() {
    let mut hostile = answer(0, 1);
    hostile.shapes[0].text = "SELECT \"a\u{1b}[2J\nb\u{202e}\"".to_owned();
    hostile.shapes[0].applications[0].application = "web\r\u{7}".to_owned();
    hostile.shapes[0].plan.as_mut().unwrap().text = "Seq\u{1b}c Scan\n  Filter".to_owned();
    let cleaned = format::cleaned(hostile);
    assert_eq!(cleaned.shapes[0].text, "SELECT \"a [2J b \"");
    assert_eq!(cleaned.shapes[0].applications[0].application, "web  ");
    assert_eq!(cleaned.shapes[0].plan.as_ref().unwrap().text, "Seq c Scan\n  Filter");
}

#[test]
fn numbers_and_times_are_short() {
    let numbers = [0.0, 0.004, 0.3, 12.0, 99.94, 1234.0, 12_345.0, 1.5e6, 2e9].map(format::number);
    assert_eq!(numbers, ["0", "<0.01", "0.3", "12", "99.9", "1234", "12.3k", "1.5M", "2.0G"]);
    let times = [0.000_85, 0.0123, 0.5, 1.239, 250.0].map(|seconds| format::duration(Some(seconds)));
    assert_eq!(times, ["850us", "12.3ms", "500ms", "1.24s", "250s"]);
    assert_eq!([5, 300, 11_100, 864_000].map(format::age), ["5s", "5min", "3h05", "10d"]);
}

#[test]
fn an_interval_is_a_number_with_a_unit() {
    assert_eq!("2s".parse::<Interval>(), Ok(Interval(Duration::from_secs(2))));
    assert_eq!("500ms".parse::<Interval>(), Ok(Interval(Duration::from_millis(500))));
    assert_eq!("1min".parse::<Interval>(), Ok(Interval(Duration::from_secs(60))));
    for wrong in ["2", "50ms", "2h", "", "s", "99999999999999999999s", "-1s"] {
        assert!(wrong.parse::<Interval>().unwrap_err().contains("500ms"), "{wrong}");
    }
}

fn sessions() -> Sessions {
    let session =
        |number, application: &str, state: &str, in_state: f64, transaction: Option<f64>, text: &str| Session {
            session: number,
            database: "shop".to_owned(),
            application: application.to_owned(),
            user: "shop_app".to_owned(),
            client_address: Some("10.0.0.7".to_owned()),
            backend_pid: Some(4000 + u32::try_from(number).unwrap()),
            state: state.to_owned(),
            state_since: at(0),
            state_seconds: in_state,
            transaction_since: None,
            transaction_seconds: transaction,
            connected_since: at(-100),
            statement: Some(Statement {
                fingerprint: "00000000000000aa".to_owned(),
                operation: "update".to_owned(),
                text: text.to_owned(),
            }),
        };
    let list = vec![
        session(1, "nightly", "idle in transaction", 655.0, Some(5000.0), "UPDATE orders SET status = ?"),
        session(2, "evil\u{1b}[2J", "active", 0.25, Some(0.25), "SELECT ?"),
        session(3, "", "idle", 12.0, None, "COMMIT"),
    ];
    let counts = State::ALL.map(|state| Count {
        state: state.as_str().to_owned(),
        sessions: list.iter().filter(|session| session.state == state.as_str()).count() as u64,
    });
    let (states, version) = (counts.to_vec(), "0.1.0".to_owned());
    super::sessions::cleaned(Sessions { at: at(0), version, open: 9, matched: 4, states, sessions: list })
}

#[test]
fn the_view_of_sessions_has_the_oldest_transaction_first() {
    let mut app = app();
    app.told(Ok(sessions()));
    press(&mut app, KeyCode::Char('s'));
    let expected = "\
pgcovenant top  http://127.0.0.1:9930  0.1.0  up 61min  07:34:20Z
sessions 4: 1 active, 1 idle, 1 idle in transaction, 0 idle in transaction (aborted)
the oldest transaction first, the first 3; (in parentheses: the last statement, which is over)

 TRANS STATE                          SINCE APPLICATION      USER              PID STATEMENT
 83min idle in transaction            10min nightly          shop_app         4001 (UPDATE orders SET st
 250ms active                         250ms evil [2J         shop_app         4002 SELECT ?
     - idle                          12.00s (no name)        shop_app         4003 (COMMIT)

q quit  ↑↓ select  enter details  s statements  p pause  ? help";
    assert_eq!(screen(&app, 104, 10), expected);
    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Up);
    press(&mut app, KeyCode::Enter);
    let details = screen(&app, 60, 20);
    assert!(details.contains("ran last        UPDATE orders SET status = ?") && details.contains("4001"), "{details}");
    app.told(Ok(Sessions { sessions: Vec::new(), ..sessions() }));
    let details = screen(&app, 60, 20);
    assert!(details.contains("session         1, not among those") && details.contains("nightly"), "{details}");
    press(&mut app, KeyCode::Esc);
    app.told(Ok(sessions()));
    for (width, height) in [(1, 1), (5, 3), (20, 6), (300, 100)] {
        screen(&app, width, height);
    }
    press(&mut app, KeyCode::Char('s'));
    assert!(screen(&app, 104, 10).contains("CALLS/S"));
}
