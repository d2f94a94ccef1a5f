//! Deterministic mutations of statements: each mutant is decided by its number alone.

mod words;

use pgcovenant::sql::lexer;
use words::{FRAGMENTS, WORDS};

/// SplitMix64: small, and the same everywhere.
pub struct Random(u64);

impl Random {
    /// The numbers that belong to this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66_D1CE_4E5B)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `bound`, which must not be 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// The mutant of this number.
pub fn mutant(seeds: &[&str], number: u64) -> String {
    let mut random = Random::new(number);
    let mut text = random.pick(seeds).to_owned();
    for _ in 0..=random.below(3) {
        text = match random.below(8) {
            0 => insert(&mut random, &text, FRAGMENTS, ""),
            1 => insert(&mut random, &text, FRAGMENTS, " "),
            2 => between_tokens(&mut random, &text, WORDS),
            3 => replace_token(&mut random, &text, WORDS),
            4 => delete(&mut random, &text),
            5 => duplicate(&mut random, &text),
            6 => swap(&mut random, &text),
            _ => {
                let other = random.pick(seeds);
                splice(&mut random, &text, other)
            }
        };
    }
    text
}

/// Tokens as ranges; what cannot be cut is one token.
fn cut(text: &str) -> Vec<(usize, usize)> {
    match lexer::lex(text) {
        Ok(tokens) if !tokens.is_empty() => {
            tokens.iter().map(|token| (token.start as usize, token.end as usize)).collect()
        }
        _ => vec![(0, text.len())],
    }
}

fn insert(random: &mut Random, text: &str, from: &[&str], around: &str) -> String {
    let mut at = random.below(text.len() + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let fragment = random.pick(from);
    format!("{}{around}{fragment}{around}{}", &text[..at], &text[at..])
}

fn between_tokens(random: &mut Random, text: &str, from: &[&str]) -> String {
    let tokens = cut(text);
    let (_, at) = tokens[random.below(tokens.len())];
    format!("{} {} {}", &text[..at], random.pick(from), &text[at..])
}

fn replace_token(random: &mut Random, text: &str, from: &[&str]) -> String {
    let tokens = cut(text);
    let (start, end) = tokens[random.below(tokens.len())];
    format!("{}{}{}", &text[..start], random.pick(from), &text[end..])
}

fn delete(random: &mut Random, text: &str) -> String {
    let tokens = cut(text);
    let first = random.below(tokens.len());
    let last = (first + random.below(3)).min(tokens.len() - 1);
    format!("{}{}", &text[..tokens[first].0], &text[tokens[last].1..])
}

fn duplicate(random: &mut Random, text: &str) -> String {
    let tokens = cut(text);
    let first = random.below(tokens.len());
    let last = (first + random.below(6)).min(tokens.len() - 1);
    let range = &text[tokens[first].0..tokens[last].1];
    let (_, at) = tokens[random.below(tokens.len())];
    format!("{} {range} {}", &text[..at], &text[at..])
}

fn swap(random: &mut Random, text: &str) -> String {
    let tokens = cut(text);
    let (mut one, mut two) = (tokens[random.below(tokens.len())], tokens[random.below(tokens.len())]);
    if one.0 == two.0 {
        return text.to_owned();
    }
    if one.0 > two.0 {
        std::mem::swap(&mut one, &mut two);
    }
    format!("{}{}{}{}{}", &text[..one.0], &text[two.0..two.1], &text[one.1..two.0], &text[one.0..one.1], &text[two.1..])
}

/// Puts a run of tokens of one statement into another, in place of some or beside them.
fn splice(random: &mut Random, text: &str, other: &str) -> String {
    let (tokens, others) = (cut(text), cut(other));
    let first = random.below(others.len());
    let last = (first + random.below(8)).min(others.len() - 1);
    let run = &other[others[first].0..others[last].1];
    let (start, end) = tokens[random.below(tokens.len())];
    let from = if random.below(2) == 0 { start } else { end };
    format!("{} {run} {}", &text[..from], &text[end..])
}

/// The same statement with other literals.
pub fn with_other_literals(random: &mut Random, text: &str) -> Option<String> {
    let tokens = lexer::lex(text).ok()?;
    let mut out = String::new();
    let mut at = 0;
    let mut changed = false;
    for token in &tokens {
        let raw = token.text(text);
        let other = match token.kind {
            lexer::TokenKind::String => random.pick(&["''", "'customers'", "'off'", "'x''y; SELECT ssn'", "'\\'"]),
            lexer::TokenKind::Integer => random.pick(&["0", "7", "2147483648"]),
            _ => continue,
        };
        changed |= other != raw;
        out.push_str(&text[at..token.start as usize]);
        out.push_str(other);
        at = token.end as usize;
    }
    out.push_str(&text[at..]);
    changed.then_some(out)
}
