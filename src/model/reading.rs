//! Who may read a relation, and what stands between a reader and its rows.

/// Stands for PUBLIC, which no role can be named.
pub const EVERYBODY: &str = "public";

/// Members may read everything.
pub(super) const READS_ALL: &str = "pg_read_all_data";

/// How a relation is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// `relowner`.
    pub owner: Box<str>,
    /// Roles to which SELECT on the whole relation is granted; [`EVERYBODY`] for PUBLIC.
    pub readers: Vec<Box<str>>,
    /// `relrowsecurity`: policies decide which rows a reader sees.
    pub row_security: bool,
    /// A view with `security_barrier`: nothing may look at its rows before its own conditions.
    pub barrier: bool,
    /// A view with `security_invoker`: read with the rights of the reader, not of the owner.
    pub invoker: bool,
}

impl Default for Reading {
    /// What everybody may read, plainly: nothing else is known of a relation that only a contract describes.
    fn default() -> Self {
        Self {
            owner: Box::default(),
            readers: vec![EVERYBODY.into()],
            row_security: false,
            barrier: false,
            invoker: false,
        }
    }
}
