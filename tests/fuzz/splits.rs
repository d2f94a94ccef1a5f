//! A conversation cut at random places: what leaves must not depend on the cuts, and an observed session passes every
//! byte.

use crate::messages::{Message, Sender};
use crate::table::{Rules, Table};
use crate::{A_MOMENT, ITERATIONS};

/// Runs of messages of one sender, as it would have written them.
fn runs(messages: &[Message]) -> Vec<(Sender, Vec<u8>)> {
    let mut runs: Vec<(Sender, Vec<u8>)> = Vec::new();
    for (sender, bytes) in messages.iter().map(Message::frame) {
        match runs.last_mut() {
            Some((last, run)) if *last == sender => run.extend(bytes),
            _ => runs.push((sender, bytes)),
        }
    }
    runs
}

/// Plays the runs, cut into pieces of these sizes in turn; false when the session has ended.
fn play(rules: Rules, runs: &[(Sender, Vec<u8>)], sizes: &[u8]) -> (Table, bool) {
    let mut table = Table::new(rules);
    let mut sizes = sizes.iter().cycle();
    for (sender, bytes) in runs {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let size = sizes.next().map_or(rest.len(), |size| usize::from(*size) + 1).min(rest.len());
            let (piece, after) = rest.split_at(size);
            let result = match sender {
                Sender::Client => table.client(piece),
                Sender::Server => table.server(piece),
            };
            if result.is_err() {
                return (table, false);
            }
            rest = after;
        }
    }
    (table, true)
}

#[test]
fn what_leaves_does_not_depend_on_the_cuts() {
    bolero::check!()
        .with_type::<(Vec<Message>, Vec<u8>)>()
        .with_test_time(A_MOMENT)
        .with_iterations(ITERATIONS)
        .for_each(|(messages, sizes)| {
            let runs = runs(messages);
            for rules in [Rules::Observed, Rules::Governed] {
                let (whole, lives) = play(rules, &runs, &[]);
                let (cut, still_lives) = play(rules, &runs, sizes);
                assert_eq!(lives, still_lives);
                assert_eq!(whole.to_server, cut.to_server, "{rules:?}, to the server");
                assert_eq!(whole.to_client, cut.to_client, "{rules:?}, to the client");
                if rules == Rules::Observed && lives {
                    let all = |wanted| -> Vec<u8> {
                        runs.iter()
                            .filter(|(sender, _)| *sender == wanted)
                            .flat_map(|(_, bytes)| bytes.clone())
                            .collect()
                    };
                    assert_eq!(whole.to_server, all(Sender::Client));
                    assert_eq!(whole.to_client, all(Sender::Server));
                }
            }
        });
}
