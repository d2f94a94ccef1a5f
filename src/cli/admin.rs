//! How commands speak with the admin listener of a running proxy.

use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

/// Plain HTTP, past the proxies that the environment names: those are for the world outside. An answer is what was asked
/// for, whatever its status, and is not looked for elsewhere.
pub(super) fn http() -> ConfigBuilder<AgentScope> {
    Agent::config_builder().http_status_as_error(false).max_redirects(0).proxy(None)
}
