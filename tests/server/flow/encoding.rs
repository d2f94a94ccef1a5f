//! Other encodings than UTF-8: an observed session's bytes pass as they are, whatever they look like.

use crate::support::conversation::{alike, play, turn};
use crate::support::raw::{Raw, bind_with, copy_data, copy_done, describe_of, execute, frame, parse, query, sync};
use crate::support::shop;

/// Texts as clients of these encodings send them. The second byte of a Shift JIS letter can be a backslash or a quote's
/// neighbour; none of them is valid UTF-8.
const TEXTS: &[(&str, &[u8])] = &[
    ("LATIN1", b"caf\xe9 \xdcber"),
    ("SJIS", b"\x83\x5c\x95\x5c\x8e\xa6"),
    ("EUC_JP", b"\xa5\xbd\xc9\xbd\xbc\xa8"),
    ("WIN1252", b"\x80 \x93quoted\x94"),
];

fn query_of(parts: &[&[u8]]) -> Vec<u8> {
    frame(b'Q', [parts.concat().as_slice(), b"\0"].concat())
}

#[test]
fn bytes_pass_as_they_are() {
    let Some(shop) = shop("flow_encoding") else { return };
    let (proxy, _policies) = shop.proxy();
    for (encoding, text) in TEXTS {
        let parameters = [("user", "shop_app"), ("database", &shop.database), ("client_encoding", encoding)];
        let prepared = frame(b'P', [b"\0SELECT $1::text || '", *text, b"'\0\0\0"].concat());
        let turns = [
            turn(
                &[query_of(&[b"SELECT '", text, b"' AS \"", text, b"\", length('", text, b"'), '", text, b"'::bytea"])],
                1,
            ),
            turn(
                &[query_of(&[b"SELECT * FROM \"", text, b"\""]), query_of(&[b"/* ", text, b" */ SELECT 1 -- ", text])],
                2,
            ),
            turn(
                &[prepared, describe_of(b'S', ""), bind_with("", "", &[], &[Some(text)], &[]), execute("", 0), sync()],
                1,
            ),
            turn(&[query("CREATE TEMP TABLE t (a text)")], 1),
            turn(&[query("COPY t FROM STDIN"), frame(b'd', [text, b"\n".as_slice()].concat()), copy_done()], 1),
            turn(
                &[query("SELECT a, octet_length(a) FROM t"), query("COPY t TO STDOUT"), query("COPY t FROM STDIN")],
                2,
            ),
            turn(&[copy_data("\u{fffd}\n"), copy_done(), query_of(&[b"RAISE '", text, b"'"])], 2),
            turn(&[query("SET client_encoding = 'UTF8'"), query("TABLE t"), query_of(&[b"SELECT '", text, b"'"])], 3),
        ];
        let expected = play(&mut Raw::connect_with(shop.cluster.port(), &parameters), &turns);
        let seen = play(&mut Raw::connect_with(proxy.port(), &parameters), &turns);
        alike(encoding, &expected, &seen);
        assert!(seen.iter().filter(|line| line.starts_with("D ")).count() >= 5, "{seen:#?}");
    }
}
