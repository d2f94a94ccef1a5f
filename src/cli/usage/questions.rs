//! The questions that can be asked.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use serde_json::{Value, json};

use super::Answer;
use super::answer::{self, ways};
use super::evidence::{Evidence, Verdict};
use super::names::{self, Object};
use super::print::Block;
use super::source::{Retiring, Source};
use crate::model::usage::{Filter, Recorded};

/// Statements that touched a relation.
fn statements_on(source: &mut Source, relation: &Object) -> anyhow::Result<i64> {
    let uses = source.uses_of(&relation.relation())?;
    Ok(answer::consumers(&uses).iter().map(|consumer| consumer.uses()).sum::<u64>() as i64)
}

fn ending(evidence: &Evidence, verdict: Verdict) -> [Block; 3] {
    [
        Block::Title("Evidence".to_owned()),
        Block::Facts(evidence.lines()),
        Block::Facts(vec![("verdict", verdict.as_str().to_owned())]),
    ]
}

fn object_json(object: &Object) -> Value {
    let Object { database, schema, relation, column } = object;
    json!({"database": database, "schema": schema, "relation": relation, "column": column})
}

fn lifecycle_json(retiring: Option<&Retiring>) -> Value {
    retiring.map_or(
        Value::Null,
        |retiring| json!({"phase": retiring.phase, "sunset": retiring.sunset, "replaced_by": retiring.replaced_by}),
    )
}

/// What the contract says of it, for people.
fn lifecycle(retiring: &Retiring) -> String {
    let sunset = retiring.sunset.as_ref().map(|day| format!(", sunset {day}")).unwrap_or_default();
    let instead = retiring.replaced_by.as_ref().map(|other| format!(", use {other} instead")).unwrap_or_default();
    format!("{}{sunset}{instead}", retiring.phase)
}

/// Who uses a column or a table.
pub fn object(source: &mut Source, text: &str) -> anyhow::Result<Answer> {
    let known = source.known()?;
    let object = names::meant(text, source.database.as_deref(), &known)?;
    let uses = source.uses_of(&object)?;
    let found = answer::consumers(&uses);
    let statements = statements_on(source, &object)?;
    let evidence = source.evidence(std::slice::from_ref(&object), statements)?;
    let verdict = answer::verdict(&uses, evidence.is_complete());
    let retiring = source.retiring().into_iter().find(|retiring| retiring.object == object);
    let mut blocks = vec![Block::Title(format!("{} of {}", object.display(), object.database))];
    blocks.extend(retiring.as_ref().map(|retiring| Block::Line(lifecycle(retiring))));
    blocks.extend(answer::blocks(&found));
    blocks.extend(ending(&evidence, verdict));
    let value = json!({
        "object": object_json(&object), "lifecycle": lifecycle_json(retiring.as_ref()),
        "consumers": answer::values(&found), "verdict": verdict.as_str(), "evidence": evidence.json(),
    });
    Ok(Answer { blocks, value, verdict: Some(verdict) })
}

/// Uses by object.
fn by_object(uses: Vec<Recorded>) -> BTreeMap<Object, Vec<Recorded>> {
    let mut found: BTreeMap<Object, Vec<Recorded>> = BTreeMap::new();
    for row in uses {
        let (database, schema) = (row.database.clone(), row.schema.clone());
        let object = Object { database, schema, relation: row.relation.clone(), column: row.column.clone() };
        found.entry(object).or_default().push(row);
    }
    found
}

/// What an application uses that is on its way out.
pub fn application(source: &mut Source, application: &str) -> anyhow::Result<Answer> {
    let all = source.totals()?;
    let statements: i64 =
        all.iter().filter(|total| total.application == application).map(|total| total.statements).sum();
    if statements == 0 {
        bail!("nothing was recorded of the application `{application}` in this time");
    }
    let uses = by_object(source.uses(Filter {
        application: Some(application.to_owned()),
        texts: true,
        ..Filter::default()
    })?);
    let retiring = source.retiring();
    let objects: Vec<Object> = retiring.iter().map(|retiring| retiring.object.clone()).collect();
    let evidence = source.evidence(&objects, statements)?;
    let mut blocks = vec![Block::Title(format!("What {application} has to change"))];
    let (mut values, mut rows, mut worst) = (Vec::new(), Vec::new(), Verdict::of(false, false, evidence.is_complete()));
    for retiring in &retiring {
        let Some(found) = uses.get(&retiring.object) else { continue };
        let verdict = answer::verdict(found, evidence.is_complete());
        worst = worst.max(verdict);
        let consumers = answer::consumers(found);
        rows.extend(consumers.iter().flat_map(|consumer| consumer.statements()).map(|line| {
            let mut cells = vec![retiring.object.display(), lifecycle(retiring)];
            // Whose it is was asked for.
            cells.extend(line.into_iter().skip(1));
            cells
        }));
        values.push(json!({
            "object": object_json(&retiring.object), "lifecycle": lifecycle_json(Some(retiring)),
            "consumers": answer::values(&consumers), "verdict": verdict.as_str(),
        }));
    }
    blocks.push(if rows.is_empty() {
        Block::Line("It was not recorded using anything that is on its way out.".to_owned())
    } else {
        let head = ["object", "lifecycle", "access", "via", "uses", "last seen", "statement"];
        Block::Table { head: head.map(str::to_owned).to_vec(), rows }
    });
    blocks.extend(ending(&evidence, worst));
    let value = json!({
        "application": application, "statements": statements, "uses": values, "verdict": worst.as_str(),
        "evidence": evidence.json(),
    });
    Ok(Answer { blocks, value, verdict: Some(worst) })
}

/// Which columns of contracts and catalog nobody uses.
pub fn unused(source: &mut Source) -> anyhow::Result<Answer> {
    let used = by_object(source.uses(Filter::default())?);
    let columns = source.all_columns();
    if columns.is_empty() {
        bail!(
            "no columns are known: name a configuration with `policies`, or with a `service` that can ask the server"
        );
    }
    let relations: BTreeSet<Object> = columns.iter().map(Object::relation).collect();
    let relations: Vec<Object> = relations.into_iter().collect();
    let statements: i64 = source.totals()?.iter().map(|total| total.statements).sum();
    let evidence = source.evidence(&relations, statements)?;
    let evidence = Evidence { dependents: not_in_general(), ..evidence };
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for column in columns.iter() {
        let (by_name, by_star) = used.get(column).map_or((false, false), ways);
        if by_name {
            continue;
        }
        let own = source.evidence_of_relation(column, &evidence);
        let verdict = Verdict::of(by_name, by_star, own);
        rows.push(vec![column.database.clone(), column.display(), verdict.as_str().to_owned()]);
        values.push(json!({"object": object_json(column), "verdict": verdict.as_str()}));
    }
    let head = ["database", "column", "verdict"].map(str::to_owned).to_vec();
    let count = rows.len();
    let mut blocks = vec![Block::Title(format!("Columns that nobody uses by name: {count} of {}", columns.len()))];
    blocks.push(Block::Table { head, rows });
    blocks.push(Block::Title("Evidence".to_owned()));
    blocks.push(Block::Facts(evidence.lines()));
    let value = json!({"columns": columns.len(), "unused": values, "evidence": evidence.json()});
    Ok(Answer { blocks, value, verdict: None })
}

fn not_in_general() -> super::evidence::Dependents {
    super::evidence::Dependents::NotAsked("ask about one column".to_owned())
}

/// Which application is ready for which column to go.
pub fn readiness(source: &mut Source) -> anyhow::Result<Answer> {
    let retiring = source.retiring();
    if retiring.is_empty() {
        bail!("no contract has a column or a table on its way out");
    }
    let objects: Vec<Object> = retiring.iter().map(|retiring| retiring.object.clone()).collect();
    let uses = by_object(source.uses(Filter::default())?);
    let totals = source.totals()?;
    let evidence = source.evidence(&objects, totals.iter().map(|total| total.statements).sum())?;
    let databases: BTreeSet<&str> = objects.iter().map(|object| object.database.as_str()).collect();
    let in_question = totals.iter().filter(|total| databases.contains(total.database.as_str()));
    let applications: BTreeSet<String> = in_question.map(|total| total.application.clone()).collect();
    let cell = |application: Option<&str>, object: &Object| {
        let rows = uses.get(object).into_iter().flatten();
        let rows = rows.filter(|row| application.is_none_or(|only| row.application == only));
        answer::verdict(rows, source.evidence_of_relation(object, &evidence))
    };
    let of_all: Vec<Verdict> = objects.iter().map(|object| cell(None, object)).collect();
    let worst = of_all.iter().copied().max().unwrap_or(Verdict::Unknown);
    let mut blocks = vec![Block::Title("Readiness".to_owned())];
    blocks.push(Block::Facts(
        retiring
            .iter()
            .map(|retiring| ("column", format!("{}: {}", retiring.object.display(), lifecycle(retiring))))
            .collect(),
    ));
    blocks.push(answer::matrix(&objects, &applications, &|application, object| cell(Some(application), object)));
    let all: Vec<String> = objects
        .iter()
        .zip(&of_all)
        .map(|(object, verdict)| format!("{} {}", object.display(), verdict.as_str()))
        .collect();
    blocks.push(Block::Line(format!("  all together: {}", all.join(", "))));
    blocks.extend(ending(&evidence, worst));
    let columns: Vec<Value> = retiring
        .iter()
        .zip(&of_all)
        .map(|(retiring, verdict)| {
            let cells: BTreeMap<&str, &str> = applications
                .iter()
                .map(|application| (application.as_str(), cell(Some(application), &retiring.object).as_str()))
                .collect();
            json!({
                "object": object_json(&retiring.object), "lifecycle": lifecycle_json(Some(retiring)),
                "applications": cells, "verdict": verdict.as_str(),
            })
        })
        .collect();
    let value = json!({"columns": columns, "verdict": worst.as_str(), "evidence": evidence.json()});
    Ok(Answer { blocks, value, verdict: Some(worst) })
}
