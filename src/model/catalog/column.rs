//! Columns and their types, as far as masks tell them apart.

use super::Oid;

/// One column of a relation; dropped columns are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// `attname`.
    pub name: Box<str>,
    /// `attnum`, 1-based; gaps are dropped columns.
    pub attnum: i16,
    /// The type, modifier and collation.
    pub ty: ColumnType,
    /// `attnotnull`.
    pub not_null: bool,
    /// `attgenerated <> ''`: the columns of the same relation that the generation expression reads.
    pub generated_from: Vec<i16>,
}

impl Column {
    /// A column of which nothing more is known.
    pub fn new(attnum: i16, name: &str, ty: ColumnType) -> Self {
        Self { name: name.into(), attnum, ty, not_null: false, generated_from: Vec::new() }
    }
}

/// The type of a column, complete enough to write a cast back to exactly it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnType {
    /// `atttypid`.
    pub oid: Oid,
    /// `atttypmod`, -1 for none.
    pub typmod: i32,
    /// The type with its modifier as SQL that does not depend on `search_path`, such as `character varying(32)` or
    /// `public.email_addr`: `format_type` under an empty search path.
    pub sql: Box<str>,
    /// What the type is at the bottom: domains looked through.
    pub base: BaseType,
    /// The collation as qualified SQL, where it is not the type's own default.
    pub collation: Option<Box<str>>,
    /// What a masked value is instead, as SQL: the type below a domain with a CHECK, which a mask need not satisfy. Clients are
    /// told of that type anyway.
    pub masked_as: Option<Box<str>>,
}

/// The families of types that masks tell apart. Domains count as their base type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BaseType {
    /// text, varchar, bpchar, name, citext.
    Text,
    /// int2, int4, int8, numeric, float4, float8, money is `Other`.
    Number,
    /// bool.
    Boolean,
    /// date.
    Date,
    /// timestamp, timestamptz.
    Timestamp,
    /// time, timetz.
    Time,
    /// uuid.
    Uuid,
    /// bytea.
    Bytes,
    /// json, jsonb.
    Json,
    /// Any array type.
    Array,
    /// inet, cidr.
    Network,
    /// interval.
    Interval,
    /// Any enum.
    Enum,
    /// Any range.
    Range,
    /// Any multirange.
    Multirange,
    /// Everything else: composites, geometry, types of extensions.
    Other,
}

impl ColumnType {
    /// Whether `=` of the type tells of nothing but equality. Boxes and circles are equal in it when their areas are, an
    /// array is what its elements are, and what the types of extensions do is not known.
    pub fn has_plain_equality(&self) -> bool {
        match self.base {
            BaseType::Text
            | BaseType::Number
            | BaseType::Boolean
            | BaseType::Date
            | BaseType::Timestamp
            | BaseType::Time
            | BaseType::Uuid
            | BaseType::Bytes
            | BaseType::Network
            | BaseType::Interval
            | BaseType::Enum
            | BaseType::Range
            | BaseType::Multirange => true,
            BaseType::Json => &*self.sql == "jsonb",
            BaseType::Array => false,
            BaseType::Other => PLAIN_EQUALITY.contains(&self.oid.0),
        }
    }
}

/// money, macaddr, macaddr8, bit, varbit, pg_lsn.
const PLAIN_EQUALITY: &[u32] = &[790, 829, 774, 1560, 1562, 3220];
