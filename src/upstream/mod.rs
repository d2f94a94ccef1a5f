//! Our own questions to PostgreSQL, over the service account.

pub mod keeper;
