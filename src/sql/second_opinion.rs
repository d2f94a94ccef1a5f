//! stub
#[derive(Debug)]
pub struct GrammarError {
    pub message: String,
    pub position: Option<u32>,
}
#[derive(Debug)]
pub struct Outline {
    pub statements: Vec<OutlineStatement>,
}
#[derive(Debug)]
pub struct OutlineStatement {
    pub start: usize,
    pub end: usize,
    pub kind: StatementKind,
    pub relations: Vec<RelationUse>,
    pub columns: Vec<ColumnUse>,
    pub functions: Vec<NameUse>,
    pub types: Vec<NameUse>,
}
#[derive(Debug)]
pub struct RelationUse {
    pub schema: Option<String>,
    pub name: String,
    pub start: usize,
    pub verb: Verb,
}
#[derive(Debug, Clone, Copy)]
pub enum Verb {
    Read,
    Insert,
}
#[derive(Debug)]
pub struct ColumnUse {
    pub start: usize,
}
#[derive(Debug)]
pub struct NameUse {
    pub parts: Vec<String>,
    pub start: usize,
}
#[derive(Debug, Clone, Copy)]
pub enum TransactionKind {
    RollbackTo,
    Prepare,
    CommitPrepared,
    RollbackPrepared,
}
#[derive(Debug)]
pub enum StatementKind {
    Select,
    Insert,
    Update,
    Delete,
    Merge,
    Copy { to: bool, file: bool, program: bool, query: bool },
    Explain { analyze: bool },
    Prepare { name: String },
    Execute { name: String },
    Deallocate,
    DeclareCursor,
    Fetch,
    ClosePortal,
    Transaction(TransactionKind),
    Set { name: String, local: bool },
    Reset { name: String },
    ResetAll,
    Show { name: String },
    Discard,
    Listen,
    Unlisten,
    Notify,
    Lock,
    CreateTableAs,
    SelectInto,
    Ddl(&'static str),
    Call,
    Do,
    Vacuum,
    Other(&'static str),
}

pub fn outline(s: &str) -> Result<Outline, GrammarError> {
    use pg_raw_parse::Node;
    let parsed = pg_raw_parse::parse(s).map_err(|e| GrammarError { message: e.to_string(), position: None })?;
    let mut statements = vec![];
    for raw in parsed.iter() {
        let start = raw.stmt_location.max(0) as usize;
        let end = if raw.stmt_len == 0 { s.len() } else { start + raw.stmt_len as usize };
        let node = raw.stmt();
        let kind = match node {
            Node::SelectStmt(_) => StatementKind::Select,
            Node::InsertStmt(_) => StatementKind::Insert,
            Node::UpdateStmt(_) => StatementKind::Update,
            Node::DeleteStmt(_) => StatementKind::Delete,
            _ => StatementKind::Other("x"),
        };
        let mut st =
            OutlineStatement { start, end, kind, relations: vec![], columns: vec![], functions: vec![], types: vec![] };
        if !matches!(st.kind, StatementKind::Other(_)) {
            pg_raw_parse::walk::walk(node, |n| match n {
                Node::RangeVar(r) => st.relations.push(RelationUse {
                    schema: r.schemaname().map(str::to_owned),
                    name: r.relname().unwrap_or("").into(),
                    start: r.location as usize,
                    verb: Verb::Read,
                }),
                Node::ColumnRef(c) => st.columns.push(ColumnUse { start: c.location as usize }),
                Node::FuncCall(f) => st.functions.push(NameUse {
                    parts: f.funcname().iter().filter_map(|p| p.as_str().map(str::to_owned)).collect(),
                    start: f.location as usize,
                }),
                _ => {}
            });
        }
        statements.push(st);
    }
    Ok(Outline { statements })
}

pub enum RelationAdmission {
    Unknown,
    Clear,
    Protected,
}
pub enum ColumnAdmission {
    Unknown,
    Clear,
    Protected,
}
pub trait Admission {
    fn relation(&self, s: &str, n: &str) -> RelationAdmission;
    fn column(&self, s: &str, r: &str, c: &str) -> ColumnAdmission;
    fn function(&self, s: Option<&str>, n: &str) -> bool;
    fn operator(&self, s: Option<&str>, n: &str) -> bool;
    fn type_name(&self, s: Option<&str>, n: &str) -> bool;
    fn attribute(&self, n: &str) -> bool;
    fn statement(&self, k: &StatementKind) -> bool;
}
pub enum Fragment {
    Wrapper { start: u32, end: u32, relation_offset: u32, first_target_offset: Option<u32> },
    DmlTarget { start: u32 },
    Expression { start: u32, end: u32 },
}
#[derive(Debug)]
pub struct Objection;
impl std::fmt::Display for Objection {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
pub fn verify(_s: &str, _f: &[Fragment], _a: &dyn Admission) -> Result<(), Objection> {
    Ok(())
}
