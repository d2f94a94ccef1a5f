//! Types and tables that the generator knows.

/// The type of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ty {
    Int,
    Big,
    Num,
    Float,
    Text,
    Bool,
    Date,
    Stamp,
    Span,
    Json,
    Texts,
    Ints,
    Uuid,
    Bytes,
    Inet,
    Blood,
    Contact,
    Pair,
    Dates,
    IntRange,
}

/// All of them, the common ones more than once.
pub const TYPES: &[Ty] = &[
    Ty::Int,
    Ty::Int,
    Ty::Int,
    Ty::Num,
    Ty::Num,
    Ty::Text,
    Ty::Text,
    Ty::Text,
    Ty::Text,
    Ty::Text,
    Ty::Bool,
    Ty::Bool,
    Ty::Date,
    Ty::Date,
    Ty::Stamp,
    Ty::Json,
    Ty::Json,
    Ty::Big,
    Ty::Float,
    Ty::Span,
    Ty::Texts,
    Ty::Ints,
    Ty::Uuid,
    Ty::Bytes,
    Ty::Inet,
    Ty::Blood,
    Ty::Contact,
    Ty::Pair,
    Ty::Dates,
    Ty::IntRange,
];

impl Ty {
    /// The type's name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "integer",
            Self::Big => "bigint",
            Self::Num => "numeric",
            Self::Float => "double precision",
            Self::Text => "text",
            Self::Bool => "boolean",
            Self::Date => "date",
            Self::Stamp => "timestamptz",
            Self::Span => "interval",
            Self::Json => "jsonb",
            Self::Texts => "text[]",
            Self::Ints => "integer[]",
            Self::Uuid => "uuid",
            Self::Bytes => "bytea",
            Self::Inet => "inet",
            Self::Blood => "blood",
            Self::Contact => "contact",
            Self::Pair => "pair",
            Self::Dates => "daterange",
            Self::IntRange => "int4range",
        }
    }

    /// Some literals; the first is the smallest.
    pub fn literal(self, number: usize) -> String {
        let values: &[&str] = match self {
            Self::Int => &["0", "1", "3", "7", "-2", "12", "100000"],
            Self::Big => &["5::bigint", "9000000000", "-1::bigint"],
            Self::Num => &["1.5", "0.25", "-3.0", "50", "80.0", "1e3"],
            Self::Float => &["0.5::float8", "2.25::float8", "-100::float8"],
            Self::Text => &[
                "'x'",
                "'a'",
                "''",
                "'north'",
                "'[closed]'",
                "'b****@example.org'",
                "'it''s'",
                "E'a\\\\b'",
                "$q$dollar$q$",
                "'+31*****03'",
            ],
            Self::Bool => &["true", "false", "NULL::boolean"],
            Self::Date => &["date '2024-03-05'", "date '1970-01-01'", "'2000-01-01'::date", "DATE '1955-01-01'"],
            Self::Stamp => &["timestamptz '2024-02-01 00:00+00'", "timestamptz '2020-01-01'"],
            Self::Span => &["interval '1 day'", "'2 hours'::interval", "INTERVAL '3' MONTH"],
            Self::Json => &["'{\"lang\": \"nl\"}'::jsonb", "'[1, 2]'::jsonb", "'null'::jsonb", "jsonb '3'"],
            Self::Texts => &["'{t1,t2}'::text[]", "ARRAY['a', NULL]", "'{}'::text[]"],
            Self::Ints => &["'{1,2}'::integer[]", "ARRAY[3, 4, 5]", "'{}'::int[]"],
            Self::Uuid => &["'c4ca4238-a0b9-2382-0dcc-509a6f75849b'::uuid", "NULL::uuid"],
            Self::Bytes => &["'\\x00ff'::bytea", "''::bytea"],
            Self::Inet => &["inet '10.0.0.1'", "'10.0.0.0/8'::inet"],
            Self::Blood => &["'ab'::blood", "'a'::blood"],
            Self::Contact => &["ROW('p', 's')::contact", "NULL::contact"],
            Self::Pair => &["ROW(1, 'p1')::pair", "'(2,p2)'::pair"],
            Self::Dates => &["daterange('2020-01-01', '2020-02-01')", "'empty'::daterange"],
            Self::IntRange => &["int4range(1, 5)", "'[3,9]'::int4range"],
        };
        values[number % values.len()].to_owned()
    }
}

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

/// SplitMix64.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers that belong to this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x2545_F491_4F6C_DD1D)
    }

    /// Below `bound`, which must not be 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    /// Once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
