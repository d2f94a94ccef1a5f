//! From tokens to sqlparser's tree.
//!
//! sqlparser never sees the text: it gets tokens that our own lexer cut, so the two can not disagree about where a literal,
//! a comment or an operator ends. A token's column is its byte offset plus one, which makes every span of the tree a byte range.

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
    let stream = translated(text, tokens)?;
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

/// Translates the tokens one by one.
fn translated(text: &str, tokens: &[Token]) -> Result<Vec<TokenWithSpan>, ParseError> {
    tokens.iter().map(|token| Ok(located(translate(text, token)?, token))).collect()
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
        TokenKind::Integer | TokenKind::Numeric | TokenKind::NewNumber => AstToken::Number(raw.to_owned(), false),
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
