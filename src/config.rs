//! How this process is set up.
