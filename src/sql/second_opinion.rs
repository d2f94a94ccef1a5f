//! PostgreSQL's own grammar has the last word.
