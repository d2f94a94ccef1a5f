//! The lexer against the rules of scan.l, against any bytes, and against PostgreSQL's own grammar.

use proptest::prelude::*;

use super::TokenKind::{self as K};
use super::*;

fn cut(text: &str) -> Vec<(K, &str)> {
    lex(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .iter()
        .map(|token| (token.kind, token.text(text)))
        .collect()
}

fn kinds(text: &str) -> Vec<K> {
    cut(text).into_iter().map(|(kind, _)| kind).collect()
}

fn words(text: &str) -> Vec<&str> {
    cut(text).into_iter().map(|(_, word)| word).collect()
}

fn fault(text: &str) -> (LexErrorKind, u32) {
    let error = lex(text).expect_err(text);
    (error.kind, error.position)
}

fn value(text: &str) -> Option<String> {
    let tokens = lex(text).unwrap();
    decode_string(text, &tokens[0]).map(|value| value.into_owned())
}

fn name(text: &str) -> Option<String> {
    let tokens = lex(text).unwrap();
    ident(text, &tokens[0]).map(|name| name.as_str().to_owned())
}

#[test]
fn comments_nest_and_end_at_either_line_break() {
    assert_eq!(words("a /* x /* y */ z */ b"), ["a", "b"]);
    assert_eq!(words("a -- x\rb -- y\nc"), ["a", "b", "c"]);
    assert_eq!(words("a /*/**/*/ b"), ["a", "b"]);
    assert_eq!(words("a /***/ b/**//**/c"), ["a", "b", "c"]);
    assert_eq!(fault("a /* /* */"), (LexErrorKind::UnterminatedComment, 2));
    assert_eq!(words("/* 'a */ b --'"), ["b"]);
}

#[test]
fn operators_are_cut_before_comments() {
    assert_eq!(words("1 </* 'a */ 1"), ["1", "<", "1"]);
    assert_eq!(words("1 >-- 'a\n1"), ["1", ">", "1"]);
    assert_eq!(words("a @--x"), ["a", "@"]);
    assert_eq!(words("a @-/*x*/b"), ["a", "@-", "b"]);
    assert_eq!(words("a*/b"), ["a", "*/", "b"]);
}

#[test]
fn a_trailing_sign_belongs_to_the_operator_only_behind_a_special_character() {
    assert_eq!(words("a=-1"), ["a", "=", "-", "1"]);
    assert_eq!(words("a<=+-1"), ["a", "<=", "+", "-", "1"]);
    assert_eq!(words("a@-1"), ["a", "@-", "1"]);
    assert_eq!(words("a?-b"), ["a", "?-", "b"]);
    assert_eq!(words("- - 1"), ["-", "-", "1"]);
    assert_eq!(words("a->>b->-1"), ["a", "->>", "b", "->", "-", "1"]);
    assert_eq!(words("+-+"), ["+", "-", "+"]);
    assert_eq!(words("=>-1"), ["=>", "-", "1"]);
}

#[test]
fn symbols_have_their_kinds() {
    assert_eq!(kinds(":: := => .. <= >= <> != ; , . :"), {
        let mut all = vec![K::TypeCast, K::ColonEquals, K::EqualsGreater, K::DotDot];
        all.extend([K::Operator; 4]);
        all.extend([K::Punctuation; 4]);
        all
    });
    assert_eq!(words(":::=..."), ["::", ":=", "..", "."]);
    assert_eq!(words("=>="), ["=>="]);
    assert_eq!(kinds("=>="), [K::Operator]);
    assert_eq!(fault(&"+@".repeat(40)).0, LexErrorKind::OperatorTooLong);
    for text in ["\\", "{", "}", "\u{7f}", "$", "$ a", "$tag x"] {
        assert_eq!(fault(text).0, LexErrorKind::UnexpectedCharacter, "{text}");
    }
}

#[test]
fn strings_continue_over_a_line_break() {
    assert_eq!(kinds("'a'\n'b'"), [K::String]);
    assert_eq!(value("'a' \t\r 'b''c' -- x ' y\n-- z\n 'd'").as_deref(), Some("ab'cd"));
    assert_eq!(kinds("'a' 'b'"), [K::String, K::String]);
    assert_eq!(kinds("'a' /* \n */ 'b'"), [K::String, K::String]);
    assert_eq!(kinds("'a' -- 'b'"), [K::String]);
    assert_eq!(value("E'a\\'b'\n'c\\n'").as_deref(), Some("a'bc\n"));
    assert_eq!(value("B'10'\n'01'").as_deref(), Some("1001"));
    assert_eq!(kinds("B'10''01'"), [K::BitString, K::String]);
    assert_eq!(kinds("\"a\"\n\"b\""), [K::QuotedIdent, K::QuotedIdent]);
}

#[test]
fn backslashes_escape_only_in_e_strings() {
    assert_eq!(kinds(r"'\', a"), [K::String, K::Punctuation, K::Word]);
    assert_eq!(kinds(r"N'\', a"), [K::NationalString, K::Punctuation, K::Word]);
    assert_eq!(kinds(r"E'\', a'"), [K::EscapeString]);
    assert_eq!(value(r"E'\x41\101\t\u00e9\U0001F600\q'").as_deref(), Some("AA\té😀q"));
    assert_eq!(value(r"E'\uD83D\uDE00'").as_deref(), Some("😀"));
    assert_eq!(value(r"E'\uD83D'"), None);
    assert_eq!(value(r"E'\000'"), None);
    assert_eq!(value(r"E'\xff'"), None);
    assert_eq!(value(r"E'\''''").as_deref(), Some("''"));
    assert_eq!(fault(r"E'\u12'").0, LexErrorKind::InvalidUnicodeEscape);
    assert_eq!(fault(r"E'\").0, LexErrorKind::UnterminatedString);
}

#[test]
fn unicode_literals_are_decoded_unless_they_have_an_escape_of_their_own() {
    assert_eq!(kinds(r#"U&'a' u&"b" u & 'c'"#), [K::UnicodeString, K::UnicodeIdent, K::Word, K::Operator, K::String]);
    assert_eq!(value(r"U&'d\0061t\+000061\\'").as_deref(), Some("data\\"));
    assert_eq!(value(r"U&'\D83D\DE00'").as_deref(), Some("😀"));
    assert_eq!(value(r"U&'\zz'"), None);
    assert_eq!(value(r"U&'d!0061' /* c */ UESCAPE '!'"), None);
    assert_eq!(name(r#"U&"\0073sn""#).as_deref(), Some("ssn"));
    assert_eq!(name("U&\"!0073sn\" uescape '!'"), None);
}

#[test]
fn dollar_strings_end_at_their_own_tag() {
    assert_eq!(cut("$$a$b$$"), [(K::DollarString, "$$a$b$$")]);
    assert_eq!(cut("$a$ $b$ $$ $a$x"), [(K::DollarString, "$a$ $b$ $$ $a$"), (K::Word, "x")]);
    assert_eq!(value("$été$ $x$été$").as_deref(), Some(" $x"));
    assert_eq!(value("$$$$").as_deref(), Some(""));
    assert_eq!(value("$a$$$a$a$").as_deref(), Some("$"));
    assert_eq!(words("a$$b$$ c"), ["a$$b$$", "c"]);
    assert_eq!(fault("$a$ $A$").0, LexErrorKind::UnterminatedDollarString);
    assert_eq!(kinds("$1$2"), [K::Param, K::Param]);
    assert_eq!(fault("$1a"), (LexErrorKind::JunkAfterParameter, 0));
    assert_eq!(fault("$2147483648").0, LexErrorKind::ParameterTooLarge);
}

#[test]
fn numbers_end_where_the_server_ends_them() {
    assert_eq!(kinds("1 1.5 .5 5. 1e10 1.e-5 1E+5"), {
        let mut all = vec![K::Integer];
        all.extend([K::Numeric; 6]);
        all
    });
    assert_eq!(words("1..2"), ["1", "..", "2"]);
    assert_eq!(words("1...5"), ["1", "..", ".5"]);
    assert_eq!(words("1.5.5"), ["1.5", ".5"]);
    assert_eq!(words("a.5"), ["a", ".5"]);
    for text in ["123abc", "1e", "1e+", "1.5a", "1é", "1.a", "1_", "1__0"] {
        assert_eq!(fault(text).0, LexErrorKind::JunkAfterNumber, "{text}");
    }
    for text in ["0x1F", "0X_f", "0o17", "0b1", "1_000", "1_0.5", "1.5_0", "1e5_0"] {
        assert_eq!(kinds(text), [K::NewNumber], "{text}");
    }
    for text in ["0B", "0b2", "0o8", "0xg", "0x_", "0x1_", "0x1__f", "0b12"] {
        assert_eq!(fault(text).0, LexErrorKind::NewNumericSyntax, "{text}");
    }
    assert_eq!(words("0x1F.5"), ["0x1F", ".5"]);
}

#[test]
fn identifiers_hold_letters_digits_dollars_and_anything_beyond_ascii() {
    assert_eq!(words("_a$1é a\u{a0}b \u{feff}x"), ["_a$1é", "a\u{a0}b", "\u{feff}x"]);
    assert_eq!(name("EmaiL").as_deref(), Some("email"));
    assert_eq!(name("\"Em\"\"ail\"").as_deref(), Some("Em\"ail"));
    assert_eq!(fault("\"\""), (LexErrorKind::ZeroLengthIdentifier, 0));
    assert_eq!(fault("a \"b").0, LexErrorKind::UnterminatedIdentifier);
    assert_eq!(name("'a'"), None);
    assert_eq!(words("a\u{c}b"), ["a", "b"]);
    assert_eq!(fault("a\u{b}b"), (LexErrorKind::VerticalTab, 1));
    assert_eq!(words("'a\u{b}'"), ["'a\u{b}'"]);
    for text in ["a\0", "'a\0'", "\"a\0\"", "-- \0", "/* \0 */", "$$\0$$", "E'\\\0'"] {
        assert_eq!(fault(text).0, LexErrorKind::NulByte, "{text:?}");
    }
}

#[test]
fn errors_are_worded_as_the_server_words_them() {
    let text = "SELECT 'abc";
    assert_eq!(lex(text).unwrap_err().describe(text), "unterminated quoted string at or near \"'abc\"");
    let text = "SELECT 123abc FROM t";
    assert_eq!(lex(text).unwrap_err().describe(text), "trailing junk after numeric literal at or near \"123abc\"");
}

/// Bytes that matter to the lexer, in any order.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "'",
        "\"",
        "$$",
        "$a$",
        "/*",
        "*/",
        "--",
        "\n",
        "\r",
        " ",
        "E'",
        "U&'",
        "U&\"",
        "B'",
        "x'",
        "N'",
        "\\",
        "\\u",
        "$1",
        "1",
        "0x",
        "1e",
        ".",
        "..",
        ":",
        "::",
        ":=",
        "=>",
        "<",
        "-",
        "+",
        "@",
        "?",
        "(",
        ")",
        "[",
        "]",
        ";",
        ",",
        "a",
        "é",
        "select",
        "case",
        "end",
        "\u{b}",
        "\0",
        "uescape",
        "order by",
        "::regclass",
        "_",
        "$",
    ]);
    prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
}

fn is_blank(gap: &str) -> bool {
    lex(gap).is_ok_and(|tokens| tokens.is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn tokens_are_in_order_and_between_them_is_nothing(text in prop_oneof![hostile(), any::<String>()]) {
        if let Ok(tokens) = lex(&text) {
            let mut at = 0;
            for token in &tokens {
                prop_assert!(token.start >= at && token.end > token.start);
                let gap = text.get(at as usize..token.start as usize);
                prop_assert!(gap.is_some_and(is_blank), "{:?}", gap);
                prop_assert!(text.get(token.start as usize..token.end as usize).is_some());
                // No token hides a zero byte, which ends tokens in the key.
                prop_assert!(!token.text(&text).contains('\0'));
                let _ = (decode_string(&text, token), ident(&text, token));
                at = token.end;
            }
            prop_assert!(text.get(at as usize..).is_some_and(is_blank));
            let _ = Caps::default().check(&tokens, &text);
        }
    }

    #[test]
    fn a_shape_ignores_comments(text in hostile()) {
        let Ok(tokens) = lex(&text) else { return Ok(()) };
        // A comment cannot go into the place where a literal continues, nor behind a name that UESCAPE may follow.
        let mut commented = String::from("/* x */");
        for token in &tokens {
            commented.push_str(token.text(&text));
            commented.push_str("/* ' */ ");
        }
        let again = lex(&commented);
        prop_assert!(again.is_ok(), "{commented:?}");
        let again = again.unwrap_or_default();
        let kinds = |tokens: &[Token]| tokens.iter().map(|token| token.kind).collect::<Vec<_>>();
        prop_assert_eq!(kinds(&tokens), kinds(&again));
        let (mut first, mut second) = (Vec::new(), Vec::new());
        prop_assert_eq!(shape(&text, &tokens, &mut first), shape(&commented, &again, &mut second));
        prop_assert_eq!(first, second);
    }

    #[test]
    fn what_the_grammar_accepts_is_cut_as_the_grammar_cuts_it(text in hostile()) {
        // The grammar of a newer server; what reads differently there is an error here.
        if let (true, Err(error)) = (pg_raw_parse::parse(&text).is_ok(), lex(&text)) {
            prop_assert!(matches!(error.kind, LexErrorKind::NewNumericSyntax | LexErrorKind::VerticalTab), "{error}");
        }
    }
}
