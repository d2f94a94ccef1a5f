//! Text to meaning and back to text; pure.

pub mod lexer;
pub mod lineage;
pub mod second_opinion;
