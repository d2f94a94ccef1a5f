//! What was prepared, bound or opened under an earlier policy.

use super::*;

#[test]
fn a_statement_that_a_new_policy_refuses_is_refused_at_bind() {
    let mut table = Table::new(true);
    table.client(&[parse("s", "select later"), sync()].concat()).unwrap();
    table.server(&[message(b'1', b""), ready(b'I')].concat()).unwrap();
    table.sent();
    table.mind.judge.next_epoch = 2;
    table.mind.refresh().unwrap();
    table.mind.path = Some(SearchPath::default());
    table.client(&[bind("", "s"), execute(""), sync()].concat()).unwrap();
    let sent = table.sent();
    assert!(sent[0].starts_with('P') && sent[0].contains("pgcovenant refused"), "{sent:?}");
    table.shown();
    table.server(&[error("42703"), ready(b'I')].concat()).unwrap();
    assert!(table.shown()[0].contains("42501"));
}

#[test]
fn a_statement_that_a_new_policy_rewrites_is_prepared_again_unseen() {
    let mut table = Table::new(false);
    table.client(&[parse("s", "select soon"), sync()].concat()).unwrap();
    table.server(&[message(b'1', b""), ready(b'I')].concat()).unwrap();
    table.sent();
    table.shown();
    table.mind.judge.next_epoch = 2;
    table.client(&[bind("", "s"), execute(""), sync()].concat()).unwrap();
    let sent = table.sent();
    assert_eq!(sent[..3], ["D Ss", "C Ss", "P sSELECT SOON"]);
    let answers = [
        message(b't', b"\0\0"),
        message(b'T', b"\0\0"),
        message(b'3', b""),
        message(b'1', b""),
        message(b'2', b""),
        message(b'C', b"SELECT 1\0"),
        ready(b'I'),
    ];
    table.server(&answers.concat()).unwrap();
    assert_eq!(table.shown(), ["2", "C SELECT 1", "Z I"]);
    table.client(&[bind("", "s"), sync()].concat()).unwrap();
    assert_eq!(table.sent().len(), 2, "once is enough");
}

#[test]
fn an_open_portal_does_not_outlive_its_policy() {
    let mut table = Table::new(true);
    table.client(&[parse("", "select soon"), bind("p", ""), sync()].concat()).unwrap();
    table.server(&[message(b'1', b""), message(b'2', b""), ready(b'T')].concat()).unwrap();
    table.sent();
    table.mind.judge.next_epoch = 2;
    table.client(&[execute("p"), sync()].concat()).unwrap();
    assert!(table.sent()[0].contains("pgcovenant refused"));
}

#[test]
fn what_sql_prepared_or_opened_does_not_outlive_its_policy() {
    for (make, uses, gives_up) in [("prepare x", "execute x", "deallocate x"), ("declare c", "fetch c", "close c")] {
        let mut table = Table::new(true);
        table.client(&query(make)).unwrap();
        table.server(&[message(b'C', b"OK\0"), ready(b'I')].concat()).unwrap();
        table.mind.judge.next_epoch = 2;
        table.mind.refresh().unwrap();
        table.mind.path = Some(SearchPath::default());
        table.sent();
        table.shown();
        table.client(&query(uses)).unwrap();
        assert!(table.sent().is_empty() && table.shown()[0].contains("55000"));
        table.client(&query(gives_up)).unwrap();
        assert_eq!(table.sent(), [format!("Q {gives_up}")]);
    }
}

/// A governed session in which `messages` were answered under the first epoch, and the second one is in force.
fn after_a_swap(messages: &[Vec<u8>], answers: &[Vec<u8>]) -> Table {
    let mut table = Table::new(true);
    table.client(&messages.concat()).unwrap();
    table.server(&answers.concat()).unwrap();
    table.mind.judge.next_epoch = 2;
    table.mind.refresh().unwrap();
    table.mind.path = Some(SearchPath::default());
    table.sent();
    table.shown();
    table
}

#[test]
fn sql_does_not_reach_around_the_check_of_what_the_protocol_prepared() {
    let prepared = [parse("s", "select later"), sync()];
    let answers = [message(b'1', b""), ready(b'I')];
    let mut table = after_a_swap(&prepared, &answers);
    table.client(&query("execute s")).unwrap();
    assert!(table.sent().is_empty() && table.shown()[0].contains("55000"));
    table.client(&query("prepare t as select 1")).unwrap();
    assert_eq!(table.sent(), ["Q prepare t as select 1"]);
    table.server(&[message(b'C', b"PREPARE\0"), ready(b'I')].concat()).unwrap();
    table.client(&query("deallocate s")).unwrap();
    assert_eq!(table.sent(), ["Q deallocate s"]);
    let bound = [parse("", "select later"), bind("p", ""), sync()];
    let answers = [message(b'1', b""), message(b'2', b""), ready(b'T')];
    let mut table = after_a_swap(&bound, &answers);
    table.client(&query("fetch all from p")).unwrap();
    assert!(table.sent()[0].contains("pgcovenant refused"));
}

#[test]
fn a_name_means_what_it_means_to_the_server_which_reads_63_bytes_of_it() {
    let name = |tail: &str| format!("{}{tail}", "n".repeat(63));
    let prepared = [parse(&name("one"), "select later"), sync()];
    let mut table = after_a_swap(&prepared, &[message(b'1', b""), ready(b'I')]);
    table.client(&[bind("", &name("two")), execute(""), sync()].concat()).unwrap();
    assert!(table.sent()[0].contains("pgcovenant refused"));
    let bound = [parse("", "select soon"), bind(&name("one"), ""), sync()];
    let answers = [message(b'1', b""), message(b'2', b""), ready(b'T')];
    let mut table = after_a_swap(&bound, &answers);
    table.client(&[execute(&name("two")), sync()].concat()).unwrap();
    assert!(table.sent()[0].contains("pgcovenant refused"));
}

#[test]
fn a_text_too_large_to_be_read_takes_the_place_of_the_unnamed_one_before_it() {
    let mut table = Table::new(false);
    let huge = parse("", &"x".repeat(400_000));
    table.client(&[parse("", "select 1"), huge.clone(), sync()].concat()).unwrap();
    table.server(&[message(b'1', b""), message(b'1', b""), ready(b'I')].concat()).unwrap();
    assert!(table.mind.dialogue.statement(b"").is_none());
    table.mind.judge.governed = true;
    table.mind.judge.next_epoch = 2;
    table.mind.refresh().unwrap();
    table.mind.path = Some(SearchPath::default());
    table.to_server.clear();
    table.client(&[bind("", ""), execute(""), sync()].concat()).unwrap();
    assert!(table.sent()[0].contains("pgcovenant refused"));
    let mut table = Table::new(false);
    table.client(&parse("", "select 1")).unwrap();
    table.client(&huge[..7]).unwrap();
    table.client(&huge[7..]).unwrap();
    assert!(table.mind.dialogue.statement(b"").is_none(), "also when it comes in pieces");
}

#[test]
fn what_names_something_unknown_is_judged_again_after_a_reading_and_only_once() {
    for bytes in [query("select unheard"), parse("", "select unheard")] {
        let mut table = Table::new(true);
        assert_eq!(table.client(&bytes), Ok(Stop::Learns));
        assert_eq!(table.sent(), Vec::<String>::new());
        assert_eq!(table.log(), ["learns"]);
        // The reading is over, and has found nothing new.
        assert_eq!(table.client(&[]), Ok(Stop::NeedsMore));
        assert_eq!(table.sent().len(), 1);
        assert_eq!(table.log(), Vec::<String>::new());
        // The next one is another message.
        assert_eq!(table.client(&bytes), Ok(Stop::Learns));
    }
    let mut observed = Table::new(false);
    assert_eq!(observed.client(&query("select unheard")), Ok(Stop::NeedsMore));
}
