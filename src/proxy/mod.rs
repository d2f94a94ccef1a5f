//! Sockets and tasks: one client, one server connection.
