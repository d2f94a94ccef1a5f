//! The one pass over a text: parse, classify, resolve, decide, rewrite, verify.

use std::sync::Arc;

use jiff::Timestamp;

use super::gate::Gate;
use super::judge;
use super::objection::Objection;
use super::refusal::{Refusal, SqlState};
use super::report::{Blind, Effects, Operation, Report, StatementReport, Touched, Touches};
use super::stages::{Stage, Stopwatch};
use super::temporary::Own;
use super::verdict::{Admitted, Verdict};
use crate::model::catalog::{Catalog, SearchPath};
use crate::policy::snapshot::Snapshot;
use crate::policy::view::SubjectView;
use crate::sql::lexer::{self, Caps, Token, TokenKind};
use crate::sql::second_opinion::{self, Outline};
use crate::sql::splice::{self, Splice, Splicer};

/// What the engine must know of the session beside the text.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Database of the session.
    pub database: &'a str,
    /// The subject's rules, taken from the same snapshot that the statement is checked against.
    pub view: &'a Arc<SubjectView>,
    /// Effective search path; none when the session cannot know it at this point.
    pub search_path: Option<&'a SearchPath>,
    /// How the text arrives.
    pub protocol: Protocol,
}

/// How a text arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// A Query message: any number of statements.
    Simple,
    /// A Parse message: at most one statement.
    Extended,
}

/// What decides on changes of the structure beside the text and the policy: it is another at every moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The time.
    pub now: Timestamp,
    /// Whether the session has a `lock_timeout`, as far as that is known.
    pub has_lock_timeout: bool,
}

impl Moment {
    /// The moment of a snapshot, in a session of which nothing is known.
    pub fn of(snapshot: &Snapshot) -> Self {
        Self { now: snapshot.now, has_lock_timeout: false }
    }
}

/// What to do with every text of one shape.
#[derive(Debug)]
pub(super) struct Plan {
    splices: Vec<Splice>,
    report: Arc<Report>,
}

impl Plan {
    /// About how much memory it takes, with what those who watch keep for each relation and column.
    pub(super) fn bytes(&self) -> usize {
        let splices: usize = self.splices.iter().map(|splice| splice.text.len() + size_of::<Splice>()).sum();
        let statements: usize = self
            .report
            .statements
            .iter()
            .map(|statement| {
                let touched = statement.touched.uses.len() * size_of::<Touched>() + statement.touched.shape.len();
                512 + statement.relations.len() * 192 + statement.columns.len() * 224 + touched
            })
            .sum();
        splices + statements
    }

    /// Whether it holds for the next text of the shape as well.
    pub(super) fn lasts(&self) -> bool {
        !self.report.effects.judged_anew
    }

    /// The verdict on a text of the shape that this was made for.
    pub(super) fn carry_out(&self, sql: &str, tokens: &[Token]) -> Verdict {
        if self.splices.is_empty() {
            return Verdict::Admit(Admitted::unchanged(Arc::clone(&self.report)));
        }
        match splice::apply(sql, tokens, &self.splices) {
            Ok((text, placed)) => Verdict::Admit(Admitted::rewritten(text, placed, Arc::clone(&self.report))),
            Err(error) => Verdict::Refuse(
                Objection::not_understood(error.to_string()).into_refusal(sql, Arc::clone(&self.report)),
            ),
        }
    }
}

/// Judges a text: the one call of every statement, from the proxy as from `explain` and the tests.
pub fn check(snapshot: &Snapshot, facts: &Facts<'_>, sql: &str) -> Verdict {
    check_at(snapshot, facts, Moment::of(snapshot), sql)
}

/// The same at a moment: where the report says that the text is to be judged anew, another moment may have another verdict.
pub fn check_at(snapshot: &Snapshot, facts: &Facts<'_>, moment: Moment, sql: &str) -> Verdict {
    match lexer::lex(sql) {
        Err(error) if facts.view.governed => {
            let objection = Objection::new(SqlState::SyntaxError, error.describe(sql)).at(error.position);
            Verdict::Refuse(objection.into_refusal(sql, unanalysed("lexer")))
        }
        Err(_) => Verdict::Admit(Admitted::unchanged(unanalysed("lexer"))),
        Ok(tokens) => match plan((snapshot, moment), facts, sql, &tokens) {
            Ok(plan) => plan.carry_out(sql, &tokens),
            Err(refusal) => Verdict::Refuse(*refusal),
        },
    }
}

/// Finds out what to do with a text of this shape.
pub(super) fn plan(
    (snapshot, moment): (&Snapshot, Moment),
    facts: &Facts<'_>,
    sql: &str,
    tokens: &[Token],
) -> Result<Plan, Box<Refusal>> {
    let watch = Stopwatch::start();
    let database = snapshot.database(facts.database);
    let (shared, lineages) = (database.map(|known| &*known.catalog), database.map(|known| &known.lineages));
    if let Some(number) = reads_otherwise(shared, tokens) {
        if !facts.view.governed {
            return Ok(Plan { splices: Vec::new(), report: unanalysed("lexer") });
        }
        let words = format!("trailing junk after numeric literal at or near \"{}\"", number.text(sql));
        let objection = Objection::new(SqlState::SyntaxError, words).at(number.start);
        return Err(Box::new(objection.into_refusal(sql, unanalysed("lexer"))));
    }
    let outline = match understand(facts, sql, tokens) {
        Ok(Ok(outline)) => outline,
        Ok(Err(why)) => return Ok(Plan { splices: Vec::new(), report: unanalysed(why) }),
        Err(objection) => return Err(Box::new(objection.into_refusal(sql, unanalysed("not_understood")))),
    };
    watch.lap(Stage::Parse);
    if facts.view.governed && facts.protocol == Protocol::Extended && outline.statements.len() > 1 {
        // In the server's words: it looks at this before anything else, too.
        let words = "cannot insert multiple commands into a prepared statement";
        let objection = Objection::new(SqlState::SyntaxError, words);
        return Err(Box::new(objection.into_refusal(sql, unanalysed("several_statements"))));
    }
    let mut report = Report { governed: facts.view.governed, ..Report::default() };
    let mut splicer = Splicer::new(tokens);
    let searched = facts.search_path;
    let mut own = Own::new(searched);
    let mut gate = Gate::new(snapshot, facts, moment);
    let mut failure = None;
    for statement in &outline.statements {
        let (path, copy) = (own.path(searched), own.catalog(shared));
        let facts = Facts { search_path: path.as_ref(), ..*facts };
        let catalog = copy.as_ref().or(shared);
        let case = judge::Text {
            sql,
            tokens,
            facts: &facts,
            catalog,
            lineages,
            earlier: report.effects,
            own: &own,
            watch: &watch,
        };
        let (found, objection) = judge::statement(&case, statement, &mut splicer);
        merge_effects(&mut report.effects, found.effects);
        // What a governed session may change is its own.
        let is_own = facts.view.governed && objection.is_none();
        let shut = if is_own { None } else { gate.pass(&case, statement, &mut report).err() };
        own.follow(&found, shared, searched);
        report.by_name.extend(statement.by_name.clone().map(|by_name| (report.statements.len(), by_name)));
        report.notices.extend(found.notices);
        report.statements.push(found.report);
        failure = failure.or(objection).or(shut);
        watch.lap(Stage::Decide);
    }
    let finished = match failure {
        Some(objection) => Err(objection),
        None => finish(facts, (&own, shared), (sql, tokens), splicer, &watch),
    };
    report.stages = watch.stages();
    let report = Arc::new(report);
    match finished {
        Ok(splices) => Ok(Plan { splices, report }),
        Err(objection) => Err(Box::new(objection.into_refusal(sql, report))),
    }
}

/// The replacements, verified for governed sessions.
fn finish(
    facts: &Facts<'_>,
    (own, shared): (&Own, Option<&Catalog>),
    (sql, tokens): (&str, &[Token]),
    splicer: Splicer<'_>,
    watch: &Stopwatch,
) -> Result<Vec<Splice>, Objection> {
    let finished = splicer.finish();
    watch.lap(Stage::Rewrite);
    let splices = finished.map_err(|error| {
        let objection = Objection::not_understood(error.to_string());
        if facts.view.governed { objection } else { objection.about_retired() }
    })?;
    if facts.view.governed {
        let copy = own.catalog_of_all(shared);
        let verified = judge::verify(facts, copy.as_ref().or(shared), sql, tokens, &splices);
        watch.lap(Stage::Verify);
        verified?;
    }
    Ok(splices)
}

/// From this version on a number may have a radix and underscores.
const NEW_NUMBERS: u32 = 160_000;

/// A number that this server reads as something else than its grammar of today does.
fn reads_otherwise<'t>(catalog: Option<&Catalog>, tokens: &'t [Token]) -> Option<&'t Token> {
    let old = catalog.is_some_and(|catalog| (1..NEW_NUMBERS).contains(&catalog.server_version));
    tokens.iter().filter(|_| old).find(|token| token.kind == TokenKind::NewNumber)
}

/// Bounds and grammar. Governed: anything wrong is an objection. Observed: it passes, and the reason is counted.
fn understand(facts: &Facts<'_>, sql: &str, tokens: &[Token]) -> Result<Result<Outline, &'static str>, Objection> {
    if let Err(exceeded) = Caps::default().check(tokens, sql) {
        if facts.view.governed {
            return Err(Objection::new(SqlState::StatementTooComplex, exceeded.to_string()));
        }
        return Ok(Err("too_complex"));
    }
    match second_opinion::outline(sql) {
        Ok(outline) => Ok(Ok(outline)),
        Err(error) if facts.view.governed => {
            let objection = Objection::new(SqlState::SyntaxError, error.message.clone());
            Err(match error.position {
                Some(position) => objection.at(position),
                None => objection,
            })
        }
        Err(_) => Ok(Err("syntax")),
    }
}

fn merge_effects(all: &mut Effects, more: Effects) {
    all.search_path_may_change |= more.search_path_may_change;
    all.temporary_may_change |= more.temporary_may_change;
    all.ddl |= more.ddl;
    all.names_unknown |= more.names_unknown;
    all.judged_anew |= more.judged_anew;
}

/// The report of a text of which nothing is known.
fn unanalysed(why: &'static str) -> Arc<Report> {
    Arc::new(Report {
        statements: vec![StatementReport {
            operation: Operation::Utility,
            fingerprint: 0,
            relations: Vec::new(),
            columns: Vec::new(),
            unanalysed: Some(why),
            touched: Touches { blind: Blind::Wholly, ..Touches::default() },
        }],
        ..Report::default()
    })
}
