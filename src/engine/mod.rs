//! The one pass: parse, classify, resolve, decide, rewrite, verify; pure.

mod admission;
pub mod cache;
mod calls;
pub mod check;
mod decide;
mod expand;
mod definitions;
pub mod function_call;
mod judge;
mod kind;
mod lookups;
mod objection;
pub mod parameters;
mod predicates;
mod reading;
mod recent;
pub mod refusal;
pub mod report;
mod rewrite;
mod sequences;
mod session;
mod settings;
mod temporary;
mod unknown;
pub mod unreadable;
pub mod verdict;
mod writes;
