//! A conversation cut at random places: what leaves must not depend on the cuts, and an observed session passes every
//! byte.

use pgcovenant::wire::frame;

use crate::messages::{Message, Sender};
use crate::server::Server;
use crate::table::{Rules, Table};
use crate::{A_MOMENT, ITERATIONS};

/// What the client writes before each time that the server answers: any message of a server stands for that.
fn turns(messages: &[Message]) -> Vec<Vec<u8>> {
    let mut turns = vec![Vec::new()];
    for (sender, bytes) in messages.iter().map(Message::frame) {
        match (sender, turns.last_mut()) {
            (Sender::Client, Some(turn)) => turn.extend(bytes),
            _ => turns.push(Vec::new()),
        }
    }
    turns
}

/// A conversation that was played to its end, and whether it had to end.
struct Played {
    table: Table,
    lives: bool,
    answered: Vec<u8>,
}

/// Plays the turns, cut into pieces of these sizes in turn.
fn play(rules: Rules, turns: &[Vec<u8>], sizes: &[u8], decisions: &[u8]) -> Played {
    let mut played = Played { table: Table::new(rules), lives: true, answered: Vec::new() };
    let mut server = Server::new(decisions);
    let mut sizes = sizes.iter().cycle();
    let mut cut = |bytes: &[u8]| -> Vec<Vec<u8>> {
        let mut rest = bytes;
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let size = sizes.next().map_or(rest.len(), |size| usize::from(*size) + 1).min(rest.len());
            let (piece, after) = rest.split_at(size);
            pieces.push(piece.to_vec());
            rest = after;
        }
        pieces
    };
    // What a waiting client sends in the end is answered, too.
    let more = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for turn in turns.iter().chain(&more) {
        for piece in cut(turn) {
            played.lives &= played.table.client(&piece).is_ok();
        }
        let answers = server.answers(&played.table.to_server);
        played.answered.extend(&answers);
        for piece in cut(&answers) {
            played.lives &= played.table.server(&piece).is_ok();
        }
        if !played.lives {
            break;
        }
    }
    played
}

/// Fails at the first message that differs.
fn same(whole: &[u8], cut: &[u8]) {
    let (whole, cut) = (readable(whole), readable(cut));
    for (number, (left, right)) in whole.iter().zip(&cut).enumerate() {
        let before = &whole[number.saturating_sub(8)..number];
        assert_eq!(left, right, "after {before:#?}");
    }
    assert_eq!(whole.len(), cut.len(), "after {:#?}: {:#?}", whole.last(), cut.get(whole.len()));
}

fn readable(mut wire: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(frame) = frame::cut(wire).expect("whole messages") {
        found.push(format!("{} {}", char::from(frame.tag), frame.body.escape_ascii()));
        wire = &wire[frame.bytes.len()..];
    }
    found
}

#[test]
fn what_leaves_does_not_depend_on_the_cuts() {
    bolero::check!()
        .with_type::<(Vec<Message>, Vec<u8>, Vec<u8>)>()
        .with_test_time(A_MOMENT)
        .with_iterations(ITERATIONS)
        .for_each(|(messages, sizes, decisions)| {
            let turns = turns(messages);
            for rules in [Rules::Observed, Rules::Governed] {
                let whole = play(rules, &turns, &[], decisions);
                let cut = play(rules, &turns, sizes, decisions);
                assert_eq!(whole.lives, cut.lives);
                same(&whole.table.to_server, &cut.table.to_server);
                same(&whole.table.to_client, &cut.table.to_client);
                if rules == Rules::Observed {
                    assert!(whole.lives);
                    assert_eq!(whole.table.to_server, turns.concat());
                    assert_eq!(whole.table.to_client, whole.answered);
                }
            }
        });
}
