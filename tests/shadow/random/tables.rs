//! Tables and views that the generator knows.

use super::types::Ty;

/// A column of a table.
pub type Field = (&'static str, Ty);

/// A table or view that statements are made over.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    pub fields: &'static [Field],
    /// Columns that no governed session may name, and those that the generator knows nothing to do with.
    pub rest: &'static [&'static str],
    /// `id` is unique, and the server knows it.
    pub key: Key,
}

/// What `id` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The primary key.
    Primary,
    /// Unique, but not said to be.
    Unique,
    /// Neither.
    None,
}

const PATIENT: &[Field] = &[
    ("id", Ty::Int),
    ("name", Ty::Text),
    ("email", Ty::Text),
    ("phone", Ty::Text),
    ("born", Ty::Date),
    ("weight", Ty::Num),
    ("blood", Ty::Blood),
    ("tags", Ty::Texts),
    ("aliases", Ty::Texts),
    ("contact", Ty::Contact),
    ("prefs", Ty::Json),
    ("history", Ty::Json),
    ("photo", Ty::Bytes),
    ("home", Ty::Inet),
    ("stay", Ty::Dates),
    ("seen", Ty::Stamp),
    ("handle", Ty::Text),
    ("score", Ty::Float),
    ("note", Ty::Text),
    ("ward", Ty::Text),
    ("active", Ty::Bool),
    ("created_at", Ty::Stamp),
    ("initial", Ty::Text),
    ("search", Ty::Text),
];

const MEASURE: &[Field] = &[
    ("id", Ty::Int),
    ("patient", Ty::Int),
    ("at", Ty::Stamp),
    ("kind", Ty::Text),
    ("value", Ty::Num),
    ("raw", Ty::Json),
];

/// What statements are made over.
pub const TABLES: &[Table] = &[
    // `id` is unique over the children too, but the key is that of the parent alone.
    Table { name: "patients", fields: PATIENT, rest: &["ssn", "token"], key: Key::Primary },
    Table { name: "public.patients", fields: PATIENT, rest: &["ssn", "token"], key: Key::Primary },
    Table { name: "ONLY patients", fields: PATIENT, rest: &["ssn", "token"], key: Key::Primary },
    Table { name: "guests", fields: PATIENT, rest: &["ssn", "token", "valet"], key: Key::Primary },
    Table {
        name: "staff",
        fields: &[("id", Ty::Int), ("name", Ty::Text), ("boss", Ty::Int), ("wage", Ty::Int), ("hired", Ty::Date)],
        rest: &["pin"],
        key: Key::Primary,
    },
    Table {
        name: "visits",
        fields: &[
            ("id", Ty::Int),
            ("patient", Ty::Int),
            ("doctor", Ty::Int),
            ("at", Ty::Stamp),
            ("ward", Ty::Text),
            ("cost", Ty::Num),
            ("diagnosis", Ty::Text),
            ("urgent", Ty::Bool),
        ],
        rest: &[],
        key: Key::Primary,
    },
    Table { name: "measures", fields: MEASURE, rest: &[], key: Key::Unique },
    Table { name: "measures_2024", fields: MEASURE, rest: &[], key: Key::Unique },
    Table { name: "measures_2025_a", fields: MEASURE, rest: &[], key: Key::Unique },
    Table {
        name: "items",
        fields: &[
            ("id", Ty::Int),
            ("name", Ty::Text),
            ("price", Ty::Num),
            ("stock", Ty::Int),
            ("attrs", Ty::Json),
            ("sizes", Ty::Ints),
            ("span", Ty::IntRange),
            ("ratio", Ty::Float),
            ("made", Ty::Date),
            ("code", Ty::Uuid),
            ("grp", Ty::Blood),
            ("share", Ty::Int),
            ("age", Ty::Span),
            ("one", Ty::Pair),
        ],
        rest: &["flags", "spot"],
        key: Key::Primary,
    },
    Table {
        name: "ledger",
        fields: &[("id", Ty::Int), ("owner", Ty::Text), ("ward", Ty::Text), ("amount", Ty::Num), ("memo", Ty::Text)],
        rest: &[],
        key: Key::Primary,
    },
    Table {
        name: "tickets",
        fields: &[
            ("id", Ty::Int),
            ("patient", Ty::Int),
            ("subject", Ty::Text),
            ("state", Ty::Text),
            ("contact", Ty::Text),
        ],
        rest: &[],
        key: Key::Primary,
    },
    Table {
        name: "open_patients",
        fields: &[("id", Ty::Int), ("name", Ty::Text), ("email", Ty::Text), ("born", Ty::Date), ("ward", Ty::Text)],
        rest: &[],
        key: Key::Unique,
    },
    Table {
        name: "nested",
        fields: &[("id", Ty::Int), ("mail", Ty::Text), ("ward", Ty::Text)],
        rest: &[],
        key: Key::Unique,
    },
    Table {
        name: "contacts",
        fields: &[("id", Ty::Int), ("name", Ty::Text), ("line", Ty::Text), ("ward", Ty::Text)],
        rest: &[],
        key: Key::None,
    },
    Table {
        name: "wards",
        fields: &[("ward", Ty::Text), ("n", Ty::Big), ("cheapest", Ty::Num)],
        rest: &[],
        key: Key::None,
    },
    Table { name: "domains", fields: &[("domain", Ty::Text), ("n", Ty::Big)], rest: &[], key: Key::None },
    Table { name: "heavy", fields: &[("id", Ty::Int), ("name", Ty::Text)], rest: &[], key: Key::Unique },
    Table {
        name: "barrier",
        fields: &[("id", Ty::Int), ("name", Ty::Text), ("email", Ty::Text)],
        rest: &[],
        key: Key::Unique,
    },
    Table {
        name: "editable",
        fields: &[("id", Ty::Int), ("name", Ty::Text), ("email", Ty::Text), ("note", Ty::Text), ("ward", Ty::Text)],
        rest: &[],
        key: Key::Unique,
    },
    Table {
        name: "chain",
        fields: &[("id", Ty::Int), ("name", Ty::Text), ("wage", Ty::Int), ("depth", Ty::Int)],
        rest: &[],
        key: Key::Unique,
    },
    Table { name: "totals", fields: &[("ward", Ty::Text), ("total", Ty::Num)], rest: &[], key: Key::None },
    Table { name: "invoker", fields: &[("id", Ty::Int), ("email", Ty::Text)], rest: &["ssn"], key: Key::Unique },
];
