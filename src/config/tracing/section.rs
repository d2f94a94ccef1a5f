//! The section as it is written in the file.

use super::{Sample, Tracing, is_http};
use crate::config::file::Reader;
use crate::model::source::{Fields, Node, Value, non_empty};

impl Reader<'_, '_> {
    pub(in crate::config) fn tracing(&mut self, node: &Node) -> Option<Tracing> {
        let mut fields = Fields::of(node, "tracing", self.problems)?;
        let mut tracing = Tracing {
            otlp: fields.optional("otlp").and_then(|node| self.collector(node)),
            sample: fields.optional("sample").and_then(|node| self.sample(node)),
            service_name: fields.optional("service_name").and_then(|node| non_empty(node, self.problems)),
            headers_env: fields.optional("headers_env").and_then(|node| non_empty(node, self.problems)),
            ca: fields.optional("ca").and_then(|node| self.path(node)),
            ..Tracing::default()
        };
        if let Some(node) = fields.optional("protocol")
            && let Some(protocol) = non_empty(node, self.problems)
            && protocol != "http/protobuf"
        {
            let message = format!("`{protocol}` is no protocol that spans are sent by");
            self.problems.error_with(&node.span, message, "possible: http/protobuf, usually on port 4318");
        }
        if let Some(entry) = fields.entry("headers") {
            let help = "Put them into an environment variable, and name that in `headers_env`.";
            self.problems.error_with(
                &entry.key_span,
                "headers, which may hold a key, do not belong into this file",
                help,
            );
        }
        if let Some(time) = fields.optional("timeout").and_then(|node| self.duration(node)) {
            tracing.timeout = time;
        }
        if let Some(node) = fields.optional("resource") {
            tracing.resource = self.resource(node);
        }
        fields.finish(self.problems);
        Some(tracing)
    }

    fn collector(&mut self, node: &Node) -> Option<String> {
        let url = non_empty(node, self.problems)?;
        if !is_http(&url) {
            let help = "Write it as http://collector:4318.";
            self.problems.error_with(&node.span, "this is no URL of a collector", help);
            return None;
        }
        if url.contains('@') {
            let help = "Put it into a header, `authorization=…`, and name its environment variable in `headers_env`.";
            self.problems.error_with(&node.span, "a password does not belong into this file", help);
            return None;
        }
        Some(url)
    }

    fn sample(&mut self, node: &Node) -> Option<Sample> {
        let found = match &node.value {
            Value::Integer(0) => Some(Sample::parent(0.0)),
            Value::Integer(1) => Some(Sample::parent(1.0)),
            Value::Float(share, _) if (0.0..=1.0).contains(share) => Some(Sample::parent(*share)),
            Value::String(word) if word == "always" => Some(Sample { parent_based: false, roots: 1.0 }),
            Value::String(word) if word == "parent" => Some(Sample::parent(0.0)),
            _ => None,
        };
        if found.is_none() {
            let help = "Write a share of the statements such as 0.01, or `parent`, or `always`.";
            self.problems.error_with(&node.span, "this says nothing about which statements become spans", help);
        }
        found
    }

    fn resource(&mut self, node: &Node) -> Vec<(String, String)> {
        let Value::Map(entries) = &node.value else {
            let help = "Write it as `resource: {deployment.environment.name: prod}`.";
            self.problems.error_with(&node.span, "resource is a list of names and values", help);
            return Vec::new();
        };
        let pairs =
            entries.iter().filter_map(|entry| Some((entry.key.clone(), non_empty(&entry.node, self.problems)?)));
        pairs.collect()
    }
}
