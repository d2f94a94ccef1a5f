//! Reads golden pages, and builds from their fixtures what the engine needs.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use pgcovenant::model::catalog::{Catalog, Oid, Relation, RelationKind, Role, UserFunction, UserOperator, UserType};
use pgcovenant::model::contract;
use pgcovenant::model::source::SourceFile;
use pgcovenant::policy::compile::Bundle;
use pgcovenant::policy::snapshot::{Database, Snapshot};
use pgcovenant::policy::subject::Subject;
use pgcovenant::sql::lineage;

/// One page.
pub struct Page {
    /// Blocks before the first case, with their info string.
    pub fixtures: Vec<(String, String)>,
    /// The cases, in order.
    pub cases: Vec<Case>,
}

/// One case.
pub struct Case {
    /// The heading above it.
    pub title: String,
    /// `as=`.
    pub user: String,
    /// `path=`: the effective search path, where it is not the default.
    pub search_path: Option<String>,
    /// The statement.
    pub sql: String,
    /// The answer as the page has it.
    pub expected: String,
    /// Where that stands in the page.
    pub expected_range: Range<usize>,
}

impl Page {
    /// Reads a page: fenced blocks by their info strings, headings as titles.
    pub fn parse(text: &str) -> Self {
        let mut page = Self { fixtures: Vec::new(), cases: Vec::new() };
        let mut title = String::new();
        let mut pending: Option<(String, Option<String>, String)> = None;
        let mut at = 0;
        let mut fence: Option<(String, usize)> = None;
        for line in text.split_inclusive('\n') {
            let next = at + line.len();
            match (&fence, line.trim_end()) {
                (Some((info, start)), "```") => {
                    let body = &text[*start..at];
                    let mut words = info.split_whitespace();
                    match words.next().unwrap_or_default() {
                        "sql" => {
                            let option = |name: &str| {
                                info.split_whitespace().find_map(|word| word.strip_prefix(name)).map(str::to_owned)
                            };
                            let user = option("as=").unwrap_or_else(|| "app".to_owned());
                            pending = Some((user, option("path="), body.trim_end().to_owned()));
                        }
                        "expect" => {
                            let (user, search_path, sql) = pending.take().expect("expect without sql");
                            page.cases.push(Case {
                                title: title.clone(),
                                user,
                                search_path,
                                sql,
                                expected: body.to_owned(),
                                expected_range: *start..at,
                            });
                        }
                        _ => page.fixtures.push((info.clone(), body.to_owned())),
                    }
                    fence = None;
                }
                (Some(_), _) => {}
                (None, trimmed) => {
                    if let Some(info) = trimmed.strip_prefix("```") {
                        fence = Some((info.to_owned(), next));
                    } else if let Some(heading) = trimmed.strip_prefix("## ") {
                        title = heading.to_owned();
                    }
                }
            }
            at = next;
        }
        page
    }
}

/// What a page's fixture blocks describe.
pub struct Fixture {
    /// Model, policy and catalog.
    pub snapshot: Snapshot,
}

impl Fixture {
    /// Builds the fixture; `include=NAME` of an empty block takes the files of `policies/NAME`.
    pub fn build(page: &Page) -> Self {
        let mut files = Vec::new();
        let mut extra = String::new();
        for (info, body) in &page.fixtures {
            match info.split_whitespace().next().unwrap_or_default() {
                "catalog" => extra.push_str(body),
                "yaml" => {
                    let name = info.split_whitespace().nth(1).unwrap_or("policy.yaml");
                    files.push(SourceFile::new(&format!("page/{name}"), body));
                }
                other => panic!("unknown fixture block {other}"),
            }
        }
        let (bundle, problems) = Bundle::from_sources(&files);
        let errors: Vec<_> = problems.iter().map(|problem| format!("{problem:?}")).collect();
        let bundle = bundle.unwrap_or_else(|| panic!("the page's files do not load: {errors:#?}"));
        let mut catalog = contract::to_catalog(bundle.contracts(), "shop");
        for line in extra.lines().filter(|line| !line.trim().is_empty()) {
            extend(&mut catalog, line);
        }
        let lineages = lineage::of_views(&catalog);
        let database = Arc::new(Database { catalog: Arc::new(catalog), lineages });
        let databases = HashMap::from([(Box::from("shop"), database)]);
        Self { snapshot: Snapshot::new(1, Arc::new(bundle), databases) }
    }

    /// A user who is a member of the role of the same name.
    pub fn subject(&self, user: &str) -> Subject {
        Subject {
            user: user.into(),
            database: "shop".into(),
            roles: BTreeSet::from([Box::from(user)]),
            ..Subject::default()
        }
    }
}

/// One line of a `catalog` block.
fn extend(catalog: &mut Catalog, line: &str) {
    let (kind, rest) = line.split_once(' ').expect("a kind and a name");
    match kind {
        // view public.name like public.table(col, col) as SELECT …
        "view" => view(catalog, rest),
        // child public.name of public.parent
        "child" => child(catalog, rest),
        // function public.name LANGUAGE [EXTENSION]
        "function" => {
            let words: Vec<_> = rest.split_whitespace().collect();
            let (schema, name) = words[0].split_once('.').unwrap();
            catalog.functions.push(UserFunction {
                schema: schema.into(),
                name: name.into(),
                arguments: "".into(),
                language: words[1].into(),
                extension: words.get(2).map(|extension| Box::from(*extension)),
            });
        }
        // operator public.name LANGUAGE [EXTENSION]
        "operator" => {
            let words: Vec<_> = rest.split_whitespace().collect();
            let (schema, name) = words[0].split_once('.').unwrap();
            catalog.operators.push(UserOperator {
                schema: schema.into(),
                name: name.into(),
                function: (schema.into(), format!("behind {name}").into()),
                language: words[1].into(),
                extension: words.get(2).map(|extension| Box::from(*extension)),
            });
        }
        // type public.name KIND
        "type" => {
            let words: Vec<_> = rest.split_whitespace().collect();
            let (schema, name) = words[0].split_once('.').unwrap();
            let oid = Oid(30_000 + u32::try_from(catalog.types.len()).unwrap());
            catalog.types.push(UserType {
                oid,
                schema: schema.into(),
                name: name.into(),
                kind: words[1].chars().next().unwrap(),
                array: Oid(0),
                has_unclear_check: words.contains(&"check"),
                runs: Vec::new(),
                extension: None,
            });
        }
        "role" => {
            catalog.roles.insert(rest.trim().into(), Role::default());
        }
        other => panic!("unknown catalog line {other}"),
    }
}

fn next_oid(catalog: &Catalog) -> Oid {
    Oid(catalog.relations().map(|relation| relation.oid.0).max().unwrap_or(20_000) + 10)
}

fn copied(catalog: &Catalog, from: &str, name: &str) -> Relation {
    let (schema, table) = from.split_once('.').unwrap();
    let source = catalog.find(schema, table).unwrap_or_else(|| panic!("no {from}"));
    let (schema, name) = name.split_once('.').unwrap();
    Relation { oid: next_oid(catalog), schema: schema.into(), name: name.into(), ..(**source).clone() }
}

fn view(catalog: &mut Catalog, rest: &str) {
    let (head, definition) = rest.split_once(" as ").unwrap();
    let (name, shape) = head.split_once(" like ").unwrap();
    let (table, columns) = shape.trim_end_matches(')').split_once('(').unwrap();
    let source = copied(catalog, table, name);
    let mut relation = Relation {
        kind: RelationKind::View,
        definition: Some(definition.into()),
        primary_key: Vec::new(),
        columns: Vec::new(),
        ..source.clone()
    };
    for (index, column) in columns.split(',').enumerate() {
        // `name=source` gives a column of another name the type of a source column.
        let (name, like) = column.trim().split_once('=').unwrap_or((column.trim(), column.trim()));
        let mut found = source.column(like).unwrap_or_else(|| panic!("no column {like}")).clone();
        found.name = name.into();
        found.attnum = i16::try_from(index).unwrap() + 1;
        found.generated_from.clear();
        relation.columns.push(found);
    }
    catalog.insert(relation);
}

fn child(catalog: &mut Catalog, rest: &str) {
    let (name, parent) = rest.split_once(" of ").unwrap();
    let mut relation = copied(catalog, parent.trim(), name);
    let (schema, table) = parent.trim().split_once('.').unwrap();
    relation.parents = vec![catalog.find(schema, table).unwrap().oid];
    catalog.insert(relation);
}
