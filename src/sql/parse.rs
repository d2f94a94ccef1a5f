//! From tokens to sqlparser's tree.
//!
//! sqlparser never sees the text: it gets tokens that our own lexer cut, so the two can not disagree about where a literal,
//! a comment or an operator ends. A token's column is its byte offset plus one, which makes every span of the tree a byte range.
//!
//! Clauses that say nothing about names, and that sqlparser does not know, are left out of the token stream. They stay in
//! the text that is sent: the tree only serves to find out what the text refers to.

use sqlparser::ast::Statement;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token as AstToken, TokenWithSpan};

use super::lexer::{self, Token, TokenKind};

/// Nesting that sqlparser may follow; the caps on the token stream are stricter.
const RECURSION_LIMIT: usize = 200;

/// Why there is no tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(pub String);

/// Parses the one statement that these tokens of `text` make up.
///
/// # Errors
/// sqlparser does not know the statement, or more follows after it.
pub fn statement(text: &str, tokens: &[Token]) -> Result<Statement, ParseError> {
    let stream = simplify(text, tokens)?;
    let dialect = PostgreSqlDialect {};
    let mut parser = Parser::new(&dialect).with_recursion_limit(RECURSION_LIMIT).with_tokens_with_locations(stream);
    let statement = parser.parse_statement().map_err(unknown)?;
    match parser.peek_token().token {
        AstToken::EOF => Ok(statement),
        other => Err(ParseError(format!("unexpected `{other}` after the statement"))),
    }
}

fn unknown(error: ParserError) -> ParseError {
    ParseError(match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
            // The place behind it is that of a token stream, which nobody sees.
            message.split(" at Line:").next().unwrap_or_default().to_owned()
        }
        ParserError::RecursionLimitExceeded => "nested too deeply".to_owned(),
    })
}

/// Translates the tokens, leaving out clauses that carry no names.
fn simplify(text: &str, tokens: &[Token]) -> Result<Vec<TokenWithSpan>, ParseError> {
    let mut stream = Vec::with_capacity(tokens.len() + 4);
    let mut rest = tokens;
    while let Some((token, tail)) = rest.split_first() {
        let skipped = skippable(text, rest).max(skip_after(text, &stream, rest));
        if skipped > 0 {
            rest = rest.get(skipped..).unwrap_or_default();
            continue;
        }
        if token.is_word(text, "table") && starts_query(stream.last()) {
            for word in ["SELECT", "*", "FROM"] {
                let replaced = if word == "*" { AstToken::Mul } else { AstToken::make_word(word, None) };
                stream.push(located(replaced, token));
            }
        } else {
            stream.push(located(translate(text, token)?, token));
        }
        rest = tail;
    }
    Ok(stream)
}

/// TABLE starts a query where nothing, a parenthesis or a set operator stands before it.
fn starts_query(previous: Option<&TokenWithSpan>) -> bool {
    match previous.map(|token| &token.token) {
        None => true,
        Some(AstToken::LParen) => true,
        Some(AstToken::Word(word)) => {
            word.quote_style.is_none()
                && ["union", "all", "intersect", "except", "for"]
                    .iter()
                    .any(|keyword| word.value.eq_ignore_ascii_case(keyword))
        }
        Some(_) => false,
    }
}

/// Clauses without names that sqlparser does not know, as words; the number of tokens to leave out.
fn skippable(text: &str, tokens: &[Token]) -> usize {
    const CLAUSES: &[(&[&str], usize)] = &[
        (&["no", "key", "update"], 2),
        (&["key", "share"], 1),
        (&["overriding", "system", "value"], 3),
        (&["overriding", "user", "value"], 3),
        (&["exclude", "current", "row"], 3),
        (&["exclude", "no", "others"], 3),
        (&["exclude", "ties"], 2),
        (&["exclude", "group"], 2),
        (&["variadic"], 1),
    ];
    for (words, count) in CLAUSES {
        let matches =
            words.iter().enumerate().all(|(at, word)| tokens.get(at).is_some_and(|token| token.is_word(text, word)));
        if matches && plausible(text, tokens, words) {
            return *count;
        }
    }
    skip_only(text, tokens)
}

/// What is left out because of what stands before it: the names behind FOR UPDATE OF, which are names of FROM items, and
/// the parentheses around the number of FETCH FIRST.
fn skip_after(text: &str, stream: &[TokenWithSpan], tokens: &[Token]) -> usize {
    let before = |back: usize, words: &[&str]| {
        let found = stream.len().checked_sub(back).and_then(|at| stream.get(at)).map(|token| &token.token);
        matches!(found, Some(AstToken::Word(word)) if word.quote_style.is_none()
            && words.iter().any(|wanted| word.value.eq_ignore_ascii_case(wanted)))
    };
    let kind = |at: usize| tokens.get(at).map(|token| token.kind);
    let symbol = |at: usize, wanted: &str| tokens.get(at).is_some_and(|token| token.is_symbol(text, wanted));
    let rows =
        |at: usize| tokens.get(at).is_some_and(|token| token.is_word(text, "rows") || token.is_word(text, "row"));
    let is_name = |at: usize| matches!(kind(at), Some(TokenKind::Word | TokenKind::QuotedIdent));
    if tokens.first().is_some_and(|token| token.is_word(text, "of"))
        && before(1, &["update", "share"])
        && before(2, &["for"])
        && is_name(1)
    {
        let mut end = 2;
        while symbol(end, ",") && is_name(end + 1) {
            end += 2;
        }
        return end;
    }
    let is_count = |at: usize| matches!(kind(at), Some(TokenKind::Integer | TokenKind::Param));
    let opens = symbol(0, "(") && is_count(1) && symbol(2, ")") && rows(3);
    let closes = symbol(0, ")") && rows(1) && before(2, &["first", "next"]) && before(3, &["fetch"]);
    usize::from((opens && before(1, &["first", "next"]) && before(2, &["fetch"])) || closes)
}

/// ONLY before a relation; the relation's own range is widened again when it is wrapped.
fn skip_only(text: &str, tokens: &[Token]) -> usize {
    let only = tokens.first().is_some_and(|token| token.is_word(text, "only"));
    let named = tokens.get(1).is_some_and(|token| {
        matches!(token.kind, TokenKind::Word | TokenKind::QuotedIdent) && !token.is_word(text, "as")
    });
    usize::from(only && named)
}

/// Words that may also be names are taken for a clause only where the next token cannot follow a name.
fn plausible(text: &str, tokens: &[Token], words: &[&str]) -> bool {
    if words != ["variadic"] {
        return true;
    }
    tokens.get(1).is_some_and(|next| !matches!(next.text(text), "," | ")" | "." | "("))
}

fn located(token: AstToken, at: &Token) -> TokenWithSpan {
    TokenWithSpan { token, span: Span::new(location(at.start), location(at.end)) }
}

fn location(offset: u32) -> Location {
    Location { line: 1, column: u64::from(offset) + 1 }
}

fn translate(text: &str, token: &Token) -> Result<AstToken, ParseError> {
    let raw = token.text(text);
    Ok(match token.kind {
        TokenKind::Word => AstToken::make_word(raw, None),
        TokenKind::QuotedIdent | TokenKind::UnicodeIdent => {
            let ident = lexer::ident(text, token).ok_or_else(|| ParseError("identifier with UESCAPE".to_owned()))?;
            AstToken::make_word(ident.as_str(), Some('"'))
        }
        TokenKind::String
        | TokenKind::EscapeString
        | TokenKind::UnicodeString
        | TokenKind::NationalString
        | TokenKind::BitString
        | TokenKind::HexString
        | TokenKind::DollarString => AstToken::SingleQuotedString(String::new()),
        TokenKind::Integer | TokenKind::Numeric => AstToken::Number(raw.to_owned(), false),
        TokenKind::Param => AstToken::Placeholder(raw.to_owned()),
        TokenKind::TypeCast => AstToken::DoubleColon,
        TokenKind::ColonEquals => AstToken::Assignment,
        TokenKind::EqualsGreater => AstToken::RArrow,
        TokenKind::DotDot => return Err(ParseError("unexpected `..`".to_owned())),
        TokenKind::Punctuation => punctuation(raw)?,
        TokenKind::Operator => operator(raw),
    })
}

fn punctuation(raw: &str) -> Result<AstToken, ParseError> {
    Ok(match raw {
        "(" => AstToken::LParen,
        ")" => AstToken::RParen,
        "[" => AstToken::LBracket,
        "]" => AstToken::RBracket,
        "," => AstToken::Comma,
        ";" => AstToken::SemiColon,
        "." => AstToken::Period,
        ":" => AstToken::Colon,
        _ => return Err(ParseError(format!("unexpected `{raw}`"))),
    })
}

fn operator(raw: &str) -> AstToken {
    match raw {
        "*" => AstToken::Mul,
        "=" => AstToken::Eq,
        "<>" | "!=" => AstToken::Neq,
        "<" => AstToken::Lt,
        ">" => AstToken::Gt,
        "<=" => AstToken::LtEq,
        ">=" => AstToken::GtEq,
        "+" => AstToken::Plus,
        "-" => AstToken::Minus,
        "/" => AstToken::Div,
        "%" => AstToken::Mod,
        "||" => AstToken::StringConcat,
        "^" => AstToken::Caret,
        "&" => AstToken::Ampersand,
        "|" => AstToken::Pipe,
        "#" => AstToken::Sharp,
        "~" => AstToken::Tilde,
        "~*" => AstToken::TildeAsterisk,
        "!~" => AstToken::ExclamationMarkTilde,
        "!~*" => AstToken::ExclamationMarkTildeAsterisk,
        "~~" => AstToken::DoubleTilde,
        "~~*" => AstToken::DoubleTildeAsterisk,
        "!~~" => AstToken::ExclamationMarkDoubleTilde,
        "!~~*" => AstToken::ExclamationMarkDoubleTildeAsterisk,
        "!!" => AstToken::DoubleExclamationMark,
        "@" => AstToken::AtSign,
        "|/" => AstToken::PGSquareRoot,
        "||/" => AstToken::PGCubeRoot,
        other => AstToken::CustomBinaryOperator(other.to_owned()),
    }
}
