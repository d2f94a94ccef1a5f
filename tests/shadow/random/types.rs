//! Types that the generator knows, and its random numbers.

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
