//! The one pass: parse, classify, resolve, decide, rewrite, verify; pure.

pub mod cache;
pub mod check;
pub mod function_call;
pub mod refusal;
pub mod report;
pub mod unreadable;
pub mod verdict;
