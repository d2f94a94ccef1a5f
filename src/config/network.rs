//! The part of the configuration that is about sockets: who may speak for clients, who may replicate, and what the
//! system does for connections whose other end has vanished.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::file::Reader;
use crate::model::source::{Fields, Node, boolean, integer, list, networks, non_empty};

/// Load balancers that say whom they connect for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// Networks of the load balancers; what others send is never read as a header.
    pub from: Vec<IpNet>,
    /// Whether a connection from there must begin with a header.
    pub required: bool,
}

/// Somebody who may open replication connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicationGrant {
    /// The role that logs in.
    pub user: String,
    /// Networks that it may come from; anywhere if not given.
    pub cidr: Option<Vec<IpNet>>,
}

/// Options of TCP sockets on both hops, with the meaning that they have for PostgreSQL's own clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tcp {
    /// Silence after which the other end is asked whether it is still there.
    pub keepalives_idle: Duration,
    /// Pause between such questions.
    pub keepalives_interval: Duration,
    /// Questions without an answer after which the connection is given up.
    pub keepalives_count: u32,
    /// How long sent data may stay unacknowledged; the system's own limit if not given.
    pub user_timeout: Option<Duration>,
}

impl Default for Tcp {
    fn default() -> Self {
        Self {
            keepalives_idle: Duration::from_secs(60),
            keepalives_interval: Duration::from_secs(10),
            keepalives_count: 6,
            // A limit would also end sessions whose client stops reading for a while, as one with a cursor may.
            user_timeout: None,
        }
    }
}

impl ProxyProtocol {
    /// Whether this peer speaks for others.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        contains(&self.from, peer)
    }
}

impl ReplicationGrant {
    /// Whether this is the one who is meant; a unix socket is in no network.
    pub fn fits(&self, user: &str, address: Option<IpAddr>) -> bool {
        let from = |networks: &Vec<IpNet>| address.is_some_and(|address| contains(networks, address));
        self.user == user && self.cidr.as_ref().is_none_or(from)
    }
}

fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

impl Reader<'_, '_> {
    pub(super) fn proxy_protocol(&mut self, node: &Node) -> Option<ProxyProtocol> {
        let mut fields = Fields::of(node, "proxy_protocol", self.problems)?;
        let from = fields.required("from", self.problems).map(|node| networks(node, self.problems));
        let required = fields.optional("required").map_or(Some(true), |node| boolean(node, self.problems));
        fields.finish(self.problems);
        Some(ProxyProtocol { from: from?, required: required? })
    }

    pub(super) fn replication(&mut self, node: &Node) -> Vec<ReplicationGrant> {
        let Some(mut fields) = Fields::of(node, "replication", self.problems) else { return Vec::new() };
        let to = fields.required("to", self.problems);
        fields.finish(self.problems);
        let items = to.map(|node| list(node, self.problems)).unwrap_or_default();
        items.iter().filter_map(|item| self.replication_grant(item)).collect()
    }

    fn replication_grant(&mut self, node: &Node) -> Option<ReplicationGrant> {
        let mut fields = Fields::of(node, "an entry of replication", self.problems)?;
        let user = fields.required("user", self.problems).and_then(|node| non_empty(node, self.problems));
        let cidr = fields.optional("cidr").map(|node| networks(node, self.problems));
        fields.finish(self.problems);
        Some(ReplicationGrant { user: user?, cidr })
    }

    pub(super) fn tcp(&mut self, node: &Node) -> Option<Tcp> {
        let mut fields = Fields::of(node, "tcp", self.problems)?;
        let mut tcp = Tcp::default();
        if let Some(time) = fields.optional("keepalives_idle").and_then(|node| self.seconds(node)) {
            tcp.keepalives_idle = time;
        }
        if let Some(time) = fields.optional("keepalives_interval").and_then(|node| self.seconds(node)) {
            tcp.keepalives_interval = time;
        }
        let count = fields.optional("keepalives_count").and_then(|node| integer(node, 1..=127, self.problems));
        if let Some(count) = count.and_then(|count| u32::try_from(count).ok()) {
            tcp.keepalives_count = count;
        }
        tcp.user_timeout = fields.optional("user_timeout").and_then(|node| self.duration(node));
        fields.finish(self.problems);
        Some(tcp)
    }

    /// A time that the system counts in whole seconds.
    fn seconds(&mut self, node: &Node) -> Option<Duration> {
        let time = self.duration(node)?;
        if time.subsec_nanos() == 0 && time.as_secs() <= 32_767 {
            return Some(time);
        }
        self.problems.error(&node.span, "this must be whole seconds, at most 32767");
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::read;
    use crate::model::source::SourceFile;

    #[test]
    fn sockets_are_read() {
        let text = "upstream: {host: db}\n\
                    proxy_protocol: {from: [10.0.0.0/8, '2001:db8::1'], required: false}\n\
                    replication: {to: [{user: backup, cidr: 10.0.0.0/8}, {user: standby}]}\n\
                    tcp: {keepalives_idle: 30s, keepalives_interval: 5s, keepalives_count: 3, user_timeout: 1500ms}\n";
        let (config, found) = read(&SourceFile::new("pgcovenant.yaml", text));
        assert!(found.is_empty(), "{found:?}");
        let config = config.unwrap();
        let proxies = config.proxy_protocol.unwrap();
        assert!(!proxies.required);
        assert!(proxies.trusts("::ffff:10.1.2.3".parse().unwrap()), "mapped addresses count as what they are");
        assert!(proxies.trusts("2001:db8::1".parse().unwrap()) && !proxies.trusts("2001:db8::2".parse().unwrap()));
        let [backup, standby] = &config.replication[..] else { panic!("{:?}", config.replication) };
        assert!(backup.fits("backup", "10.9.9.9".parse().ok()) && !backup.fits("backup", "11.9.9.9".parse().ok()));
        assert!(!backup.fits("backup", None), "a unix socket is in no network");
        assert!(standby.fits("standby", None) && !standby.fits("Standby", None));
        let expected = Tcp {
            keepalives_idle: Duration::from_secs(30),
            keepalives_interval: Duration::from_secs(5),
            keepalives_count: 3,
            user_timeout: Some(Duration::from_millis(1500)),
        };
        assert_eq!(config.tcp, expected);
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        let text = "upstream: {host: db}\nproxy_protocol: {from: lb}\nreplication: {to: [{cidr: 10.0.0.0/8}]}\n\
                    tcp: {keepalives_idle: 500ms, keepalives_count: 0}\n";
        let found: Vec<_> = read(&SourceFile::new("p.yaml", text)).1.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "p.yaml:2:24: error: `lb` is no network (Write it as 10.0.0.0/8.)",
                "p.yaml:3:21: error: an entry of replication needs the key `user`",
                "p.yaml:4:24: error: this must be whole seconds, at most 32767",
                "p.yaml:4:49: error: 0 is not between 1 and 127",
            ]
        );
    }
}
