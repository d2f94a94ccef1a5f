//! The pgcovenant binary.

fn main() {}
