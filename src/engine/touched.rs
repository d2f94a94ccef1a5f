//! Every column that a statement touches, whether or not a rule is about it: what the record of usage is made of.
//!
//! What it reads through views counts for the columns below, and what it does to a partition for the table above. What cannot be
//! followed is said, so that nobody takes silence for proof.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::decide::{self, Case};
use super::judge::Text;
use super::report::{Access, Blind, RelationUse, StatementReport, Touched, Touches};
use crate::model::catalog::{Catalog, Oid, Relation, SearchPath};
use crate::sql::access::{Clause, Resolution, Role, WholeRowRef};
use crate::sql::lexer::{self, Token};
use crate::sql::lineage::{Lineage, ViewLineage};
use crate::sql::second_opinion::{self, OutlineStatement, StatementKind, TableChange};

/// The lineage of the views of a database.
pub(super) type Lineages = HashMap<Oid, ViewLineage>;

/// Bytes of the text of a shape that are kept.
const SHAPE_BYTES: usize = 4096;

/// Views within views that are looked through.
const MAX_DEPTH: usize = 32;

/// What a statement touches whose names are resolved.
pub(super) fn resolved(case: &Case<'_>, lineages: Option<&Lineages>) -> Touches {
    let mut found = Collector::new(case.catalog, lineages);
    let resolution = case.resolution;
    for mention in &resolution.relations {
        if let Some(relation) = mention.relation.and_then(|oid| case.catalog.relation(oid)) {
            found.relation(relation, as_such(mention.role));
        }
    }
    for reference in &resolution.columns {
        let oid = resolution.relations.get(reference.via.0).and_then(|mention| mention.relation);
        if let Some(relation) = oid.and_then(|oid| case.catalog.relation(oid)) {
            let looks_up = case.lookups.is_raw(reference);
            let access = if looks_up { Access::Lookup } else { decide::access(reference.clause) };
            found.column(relation, reference.column.attnum, access);
        }
    }
    // Whoever still names what counts as dropped is refused, and still uses it.
    for name in &resolution.unresolved {
        let Some((_, relation, column, _)) = case.meant(name) else { continue };
        if let Some(relation) = case.catalog.relation(relation.oid) {
            found.column(relation, column.attnum, decide::access(name.clause));
        }
    }
    stars(case, &mut found);
    for row in &resolution.whole_rows {
        whole_row(case, row, &mut found);
    }
    unlisted(resolution, case, &mut found);
    found.finish()
}

/// `*`, and what COPY does without a list of columns.
fn stars(case: &Case<'_>, found: &mut Collector<'_>) {
    for index in case.resolution.stars.iter().flat_map(|star| &star.relations) {
        let relation = case.mention(*index).and_then(|mention| mention.relation);
        if let Some(relation) = relation.and_then(|oid| case.catalog.relation(oid)) {
            found.every_column(case, relation, Access::Star);
        }
    }
    let columns = &case.resolution.columns;
    for mention in &case.resolution.relations {
        let (access, listed) = match mention.role {
            Role::CopyTo => (Access::Star, columns.iter().any(|column| column.clause == Clause::Output)),
            Role::CopyFrom => (Access::Write, columns.iter().any(|column| column.clause == Clause::Insert)),
            Role::Source | Role::Target(_) => continue,
        };
        if let Some(relation) = mention.relation.and_then(|oid| case.catalog.relation(oid)).filter(|_| !listed) {
            found.every_column(case, relation, access);
        }
    }
}

fn whole_row(case: &Case<'_>, row: &WholeRowRef, found: &mut Collector<'_>) {
    let Some(mention) = case.mention(row.via) else { return };
    let Some(relation) = mention.relation.and_then(|oid| case.catalog.relation(oid)) else { return };
    // Under an alias with columns of its own the field has another name.
    let field = row.field.as_ref().filter(|_| mention.alias_columns.is_empty());
    match field.and_then(|field| relation.column(field.as_str())) {
        Some(column) => found.column(relation, column.attnum, decide::access(row.clause)),
        None => found.every_column(case, relation, Access::Star),
    }
}

/// INSERT without a list of columns gives values to the first ones.
fn unlisted(resolution: &Resolution, case: &Case<'_>, found: &mut Collector<'_>) {
    for insert in &resolution.implicit_inserts {
        let relation = case.mention(insert.relation).and_then(|mention| mention.relation);
        let Some(relation) = relation.and_then(|oid| case.catalog.relation(oid)) else { continue };
        let width = insert.width.unwrap_or_default();
        for column in relation.columns.iter().take(width) {
            found.column(relation, column.attnum, Access::Write);
        }
    }
}

/// What a statement touches of which only the outline is known.
pub(super) fn outlined(text: &Text<'_>, outline: &OutlineStatement, tokens: &[Token], used: &[RelationUse]) -> Touches {
    let Some(catalog) = text.catalog else { return Touches::default() };
    let mut found = Collector::new(catalog, text.lineages);
    let changes = matches!(outline.kind, StatementKind::Table(_) | StatementKind::Ddl);
    for used in used {
        let Some(relation) = catalog.relation(used.relation) else { continue };
        let access = if changes { Access::Ddl } else { Access::Explicit };
        found.relation(relation, access);
        if let StatementKind::Table(TableChange::Alter | TableChange::Rename | TableChange::Index) = outline.kind {
            for name in tokens.iter().filter_map(|token| lexer::ident(text.sql, token)) {
                if let Some(column) = relation.column(name.as_str()) {
                    found.column(relation, column.attnum, Access::Ddl);
                }
            }
        }
    }
    found.finish()
}

/// What is said of a statement once everything else is known.
pub(super) fn describe(text: &Text<'_>, outline: &OutlineStatement, tokens: &[Token], report: &mut StatementReport) {
    let touches = &mut report.touched;
    let understood = match report.unanalysed {
        // Its code stands in a literal, or in the database.
        Some(_) if matches!(outline.kind, StatementKind::Do | StatementKind::Call) => Blind::Wholly,
        // The grammar has seen every relation that is named.
        Some(_) if !touches.uses.is_empty() => Blind::Within,
        Some(_) | None if text.catalog.is_none() && !outline.relations.is_empty() => Blind::Wholly,
        Some(_) | None => Blind::No,
    };
    touches.blind = touches.blind.max(understood);
    touches.shape = lexer::shape_text(text.sql, tokens, SHAPE_BYTES).into();
}

/// How a relation is used as such.
fn as_such(role: Role) -> Access {
    match role {
        Role::Source | Role::CopyTo => Access::Explicit,
        Role::Target(_) | Role::CopyFrom => Access::Write,
    }
}

struct Collector<'a> {
    catalog: &'a Catalog,
    lineages: Option<&'a Lineages>,
    found: Vec<Touched>,
    known: HashSet<(Oid, i16, Access, Option<Oid>)>,
    blind: Blind,
}

impl<'a> Collector<'a> {
    fn new(catalog: &'a Catalog, lineages: Option<&'a Lineages>) -> Self {
        Self { catalog, lineages, found: Vec::new(), known: HashSet::new(), blind: Blind::No }
    }

    fn finish(self) -> Touches {
        Touches { uses: self.found.into(), shape: Arc::default(), blind: self.blind }
    }

    /// Whether it is new.
    fn add(&mut self, relation: &Arc<Relation>, attnum: i16, access: Access, via: Option<&Arc<Relation>>) -> bool {
        if relation.is_system() || relation.is_temporary() {
            return false;
        }
        let is_new = self.known.insert((relation.oid, attnum, access, via.map(|via| via.oid)));
        if is_new {
            self.found.push(Touched { relation: Arc::clone(relation), attnum, access, via: via.cloned() });
        }
        is_new
    }

    fn relation(&mut self, relation: &Arc<Relation>, access: Access) {
        if self.add(relation, 0, access, None) {
            self.below(relation, access, relation, 0);
            self.above(relation, 0, access);
        }
    }

    fn column(&mut self, relation: &Arc<Relation>, attnum: i16, access: Access) {
        if attnum > 0 && self.add(relation, attnum, access, None) {
            self.sources(relation, attnum, access, relation, 0);
            self.above(relation, attnum, access);
        }
    }

    /// Every column that the subject can see.
    fn every_column(&mut self, case: &Case<'_>, relation: &Arc<Relation>, access: Access) {
        for column in &relation.columns {
            if !case.rule(relation, column).is_some_and(decide::is_hidden) {
                self.column(relation, column.attnum, access);
            }
        }
    }

    /// The tables that a partition or a child takes its columns from.
    fn above(&mut self, child: &Arc<Relation>, attnum: i16, access: Access) {
        let name = child.column_by_number(attnum).map(|column| &column.name);
        let mut open = child.parents.clone();
        while let Some(parent) = open.pop().and_then(|oid| self.catalog.relation(oid)).cloned() {
            let number = match name {
                None => Some(0),
                Some(name) => parent.column(name).map(|column| column.attnum),
            };
            if let Some(number) = number
                && self.add(&parent, number, access, Some(child))
            {
                open.extend(parent.parents.iter().copied());
            }
        }
    }

    /// The relations below a view, and the columns that decide on its rows.
    fn below(&mut self, view: &Arc<Relation>, access: Access, via: &Arc<Relation>, depth: usize) {
        if view.definition.is_none() || depth > MAX_DEPTH {
            return;
        }
        let Some(lineage) = self.known_lineage(view, access, via) else { return };
        for relation in lineage.relations.iter().filter_map(|oid| self.catalog.relation(*oid)) {
            if self.add(relation, 0, access, Some(via)) {
                self.below(relation, access, via, depth + 1);
            }
        }
        for source in lineage.indirect.union(&lineage.nullness) {
            self.source(source.relation, source.attnum, Access::Filter, via, depth);
        }
    }

    /// The columns that a column of a view is made of.
    fn sources(&mut self, view: &Arc<Relation>, attnum: i16, access: Access, via: &Arc<Relation>, depth: usize) {
        let Some(ViewLineage::Known(lineage)) = self.lineages.and_then(|lineages| lineages.get(&view.oid)) else {
            return;
        };
        let position = view.columns.iter().position(|column| column.attnum == attnum);
        for source in position.and_then(|at| lineage.outputs.get(at)).into_iter().flat_map(|output| &output.sources) {
            self.source(source.relation, source.attnum, access, via, depth);
        }
    }

    fn source(&mut self, relation: Oid, attnum: i16, access: Access, via: &Arc<Relation>, depth: usize) {
        let Some(relation) = self.catalog.relation(relation) else { return };
        if attnum > 0 && depth < MAX_DEPTH && self.add(relation, attnum, access, Some(via)) {
            self.sources(relation, attnum, access, via, depth + 1);
        }
    }

    /// The lineage of a view. Of one that is not understood the relations are recorded that its text names.
    fn known_lineage(&mut self, view: &Arc<Relation>, access: Access, via: &Arc<Relation>) -> Option<&'a Lineage> {
        match self.lineages.and_then(|lineages| lineages.get(&view.oid)) {
            Some(ViewLineage::Known(lineage)) => return Some(lineage),
            Some(ViewLineage::Unknown(_)) | None => {}
        }
        let definition = view.definition.as_deref().unwrap_or_default();
        let Ok(outline) = second_opinion::outline(definition) else {
            self.blind = Blind::Wholly;
            return None;
        };
        self.blind = self.blind.max(Blind::Within);
        for named in outline.statements.iter().flat_map(|statement| &statement.relations) {
            let schema = named.schema.as_deref().map(|schema| self.catalog.find(schema, &named.name));
            let relation = schema.unwrap_or_else(|| self.catalog.resolve(&SearchPath::default(), &named.name));
            if let Some(relation) = relation.and_then(|relation| self.catalog.relation(relation.oid)) {
                self.add(relation, 0, access, Some(via));
            }
        }
        None
    }
}
