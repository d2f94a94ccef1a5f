//! A generated statement as a tree that can be made smaller without knowing SQL.

use super::types::Ty;

/// A piece of a statement.
#[derive(Debug, Clone)]
pub enum Part {
    /// Words.
    Text(String),
    /// What may change.
    Node(Node),
}

/// A stretch of a statement.
#[derive(Debug, Clone)]
pub struct Node {
    role: Role,
    parts: Vec<Part>,
}

/// How a stretch may be made smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Only what is in it.
    Fixed,
    /// An expression: by a literal, or by an expression of the same type within.
    Value(Ty),
    /// By leaving it out.
    Optional,
    /// Items with commas between: by leaving one out.
    List,
    /// A query: by a query within.
    Query,
}

impl From<&str> for Part {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Part {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Node> for Part {
    fn from(node: Node) -> Self {
        Self::Node(node)
    }
}

/// A node of parts: `node![Role::Fixed; "lower(", inner, ")"]`.
macro_rules! node {
    ($role:expr; $($part:expr),* $(,)?) => {
        $crate::random::tree::Node::new($role, vec![$($crate::random::tree::Part::from($part)),*])
    };
}
pub(super) use node;

impl Node {
    /// A node.
    pub fn new(role: Role, parts: Vec<Part>) -> Self {
        Self { role, parts }
    }

    /// Items with commas between.
    pub fn list(items: Vec<Node>) -> Self {
        Self::new(Role::List, items.into_iter().map(Part::Node).collect())
    }

    /// Its type, of an expression.
    pub fn ty(&self) -> Option<Ty> {
        match self.role {
            Role::Value(ty) => Some(ty),
            Role::Fixed | Role::Optional | Role::List | Role::Query => None,
        }
    }

    /// The text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) {
        for (at, part) in self.parts.iter().enumerate() {
            if at > 0 && self.role == Role::List {
                text.push_str(", ");
            }
            match part {
                Part::Text(words) => text.push_str(words),
                Part::Node(node) => node.write(text),
            }
        }
    }

    /// Every tree that is one step smaller, the greatest steps first.
    pub fn smaller(&self) -> Vec<Node> {
        let mut found = Vec::new();
        match self.role {
            Role::Optional if !self.parts.is_empty() => found.push(Self::new(Role::Optional, Vec::new())),
            Role::List if self.parts.len() > 1 => {
                found.extend((0..self.parts.len()).map(|at| {
                    let mut parts = self.parts.clone();
                    parts.remove(at);
                    Self::new(Role::List, parts)
                }));
            }
            Role::Value(ty) if !self.is_leaf() => {
                found.push(node![Role::Value(ty); ty.literal(0)]);
                let mut inner = Vec::new();
                self.collect(Role::Value(ty), &mut inner);
                found.extend(inner);
            }
            Role::Query => self.collect(Role::Query, &mut found),
            Role::Value(_) | Role::Fixed | Role::Optional | Role::List => {}
        }
        for (at, part) in self.parts.iter().enumerate() {
            let Part::Node(child) = part else { continue };
            found.extend(child.smaller().into_iter().map(|smaller| {
                let mut parts = self.parts.clone();
                parts[at] = Part::Node(smaller);
                Self::new(self.role, parts)
            }));
        }
        found
    }

    fn is_leaf(&self) -> bool {
        !self.parts.iter().any(|part| matches!(part, Part::Node(_)))
    }

    /// The outermost nodes of a role within.
    fn collect(&self, role: Role, found: &mut Vec<Node>) {
        for part in &self.parts {
            let Part::Node(child) = part else { continue };
            if child.role == role {
                found.push(child.clone());
            } else {
                child.collect(role, found);
            }
        }
    }
}
