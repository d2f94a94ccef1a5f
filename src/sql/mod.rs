//! Text to meaning and back to text; pure.

pub mod access;
pub mod clauses;
pub mod functions;
pub mod grammar;
pub mod inner;
pub mod lexer;
pub mod lineage;
pub mod lower;
pub mod parse;
pub mod resolve;
pub mod scope;
pub mod second_opinion;
pub mod splice;
pub mod tree;
