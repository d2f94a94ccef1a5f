//! From text to nodes, by parser events, since only those keep duplicate keys and places.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::node::{Entry, Node, Value};
use super::{Problems, SourceFile};

/// Deeper nesting is no document that a person wrote.
const MAX_DEPTH: usize = 64;
/// Nodes that aliases may add: a handful of anchors can otherwise expand without bound.
const MAX_ALIAS_NODES: usize = 10_000;

/// The one document of a file; none if it is not YAML, with the reason among the problems.
pub fn parse(file: &SourceFile, problems: &mut Problems<'_>) -> Option<Node> {
    let offsets = Offsets::new(&file.text);
    let mut builder =
        Builder { offsets, stack: Vec::new(), done: Vec::new(), anchors: HashMap::new(), budget: MAX_ALIAS_NODES };
    for event in Parser::new_from_str(&file.text) {
        let outcome = match event {
            Ok((event, span)) => builder.event(event, span, problems),
            Err(error) => {
                let at = builder.offsets.byte(error.marker().index());
                Err((at..at + 1, format!("this is not YAML: {}", error.info())))
            }
        };
        if let Err((span, message)) = outcome {
            problems.error(&span, message);
            return None;
        }
    }
    if let Some(second) = builder.done.get(1) {
        problems.error_with(&second.span, "a second document in one file", "Put it into a file of its own.");
        return None;
    }
    match builder.done.pop() {
        Some(node) => Some(node),
        None => {
            problems.error(&(0..0), "the file is empty");
            None
        }
    }
}

/// Fatal: the rest of the document makes no sense.
type Fatal = (Range<usize>, String);

struct Builder {
    offsets: Offsets,
    stack: Vec<Open>,
    done: Vec<Node>,
    anchors: HashMap<usize, Node>,
    budget: usize,
}

/// A collection that is being filled.
struct Open {
    start: usize,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map(Vec<Entry>, Option<Node>),
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: Span, problems: &mut Problems<'_>) -> Result<(), Fatal> {
        let span = self.offsets.byte(span.start.index())..self.offsets.byte(span.end.index());
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
            Event::Alias(anchor) => {
                let Some(mut node) = self.anchors.get(&anchor).cloned() else {
                    return Err((span, "this alias has no anchor before it".to_owned()));
                };
                self.budget = match self.budget.checked_sub(size(&node)) {
                    Some(left) => left,
                    None => return Err((span, "aliases expand to too much".to_owned())),
                };
                node.span = span;
                self.add(node, 0, problems)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let forced = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
                let value = scalar(text, style, forced);
                self.add(Node { value, span }, anchor, problems)
            }
            Event::SequenceStart(anchor, _) => self.open(span.start, anchor, Content::List(Vec::new())),
            Event::MappingStart(anchor, _) => self.open(span.start, anchor, Content::Map(Vec::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.stack.pop() else { return Ok(()) };
                let value = match open.content {
                    Content::List(items) => Value::List(items),
                    Content::Map(entries, _) => Value::Map(entries),
                };
                let node = Node { value, span: open.start..span.end.max(open.start) };
                self.add(node, open.anchor, problems)
            }
        }
    }

    fn open(&mut self, start: usize, anchor: usize, content: Content) -> Result<(), Fatal> {
        if self.stack.len() >= MAX_DEPTH {
            return Err((start..start + 1, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.stack.push(Open { start, anchor, content });
        Ok(())
    }

    fn add(&mut self, node: Node, anchor: usize, problems: &mut Problems<'_>) -> Result<(), Fatal> {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.stack.last_mut().map(|open| &mut open.content) {
            None => self.done.push(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map(_, pending @ None)) => *pending = Some(node),
            Some(Content::Map(entries, pending)) => {
                let Some(key) = pending.take() else { return Ok(()) };
                let Some(text) = key_text(&key) else {
                    return Err((key.span.clone(), format!("{} cannot be a key", key.describe())));
                };
                if entries.iter().any(|entry| entry.key == text) {
                    problems.error_with(&key.span, format!("the key `{text}` stands here twice"), "Keep one of them.");
                } else {
                    entries.push(Entry { key: text, key_span: key.span, node });
                }
            }
        }
        Ok(())
    }
}

fn key_text(key: &Node) -> Option<String> {
    match &key.value {
        Value::String(text) | Value::Float(_, text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(value) => Some(value.to_string()),
        Value::Null => Some("null".to_owned()),
        Value::List(_) | Value::Map(_) => None,
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(items) => items.iter().map(size).sum::<usize>(),
        Value::Map(entries) => entries.iter().map(|entry| size(&entry.node)).sum(),
        Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Float(..) | Value::String(_) => 0,
    }
}

/// A scalar by the core schema: only plain ones can be anything but a string.
fn scalar(text: Cow<'_, str>, style: ScalarStyle, forced: bool) -> Value {
    if forced || style != ScalarStyle::Plain {
        return Value::String(text.into_owned());
    }
    match &*text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Boolean(true),
        "false" | "False" | "FALSE" => return Value::Boolean(false),
        _ => {}
    }
    let whole = match text.split_at_checked(2) {
        Some(("0x", digits)) => i64::from_str_radix(digits, 16).ok(),
        Some(("0o", digits)) => i64::from_str_radix(digits, 8).ok(),
        _ => text.parse::<i64>().ok(),
    };
    if let Some(whole) = whole {
        return Value::Integer(whole);
    }
    let numeric = text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'))
        && text.contains(|c: char| c.is_ascii_digit());
    match text.parse::<f64>() {
        Ok(value) if numeric && value.is_finite() => Value::Float(value, text.into_owned()),
        _ => Value::String(text.into_owned()),
    }
}

/// From the parser's character indexes to bytes.
struct Offsets {
    bytes: Vec<usize>,
    end: usize,
}

impl Offsets {
    fn new(text: &str) -> Self {
        Self { bytes: text.char_indices().map(|(at, _)| at).collect(), end: text.len() }
    }

    fn byte(&self, index: usize) -> usize {
        self.bytes.get(index).copied().unwrap_or(self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> (Option<Node>, Vec<super::super::Diagnostic>) {
        let file = SourceFile::new("t.yaml", text);
        let mut problems = Problems::new(&file);
        let node = parse(&file, &mut problems);
        (node, problems.into_found())
    }

    #[test]
    fn nodes_know_their_bytes() {
        let text = "é: [1, 'two', 3.5, ~, yes, true, 2026-01-15, 0x10]\n";
        let (node, problems) = read(text);
        assert!(problems.is_empty());
        let node = node.unwrap();
        let items = node.get("é").unwrap().items().to_vec();
        let texts: Vec<&str> = items.iter().map(|item| &text[item.span.clone()]).collect();
        assert_eq!(texts, ["1", "'two'", "3.5", "~", "yes", "true", "2026-01-15", "0x10"]);
        assert_eq!(items[0].value, Value::Integer(1));
        assert_eq!(items[3].value, Value::Null);
        assert_eq!(items[4].value, Value::String("yes".into()));
        assert_eq!(items[6].value, Value::String("2026-01-15".into()));
        assert_eq!(items[7].value, Value::Integer(16));
    }

    #[test]
    fn duplicate_keys_are_reported_and_reading_goes_on() {
        let (node, problems) = read("a: 1\na: 2\nb: 3\nb: 4\n");
        assert_eq!(problems.len(), 2);
        assert_eq!((problems[1].line, problems[1].column), (4, 1));
        assert_eq!(node.unwrap().get("a").unwrap().value, Value::Integer(1));
    }

    #[test]
    fn broken_text_names_its_place() {
        let (node, problems) = read("a: [1, 2\nb: 3\n");
        assert!(node.is_none());
        assert!(problems[0].message.starts_with("this is not YAML"), "{}", problems[0].message);
        assert_eq!(read("").1[0].message, "the file is empty");
        assert_eq!(read("a: 1\n---\nb: 2\n").1[0].message, "a second document in one file");
    }

    #[test]
    fn aliases_work_within_bounds() {
        let (node, problems) = read("a: &x {k: 1}\nb: *x\n");
        assert!(problems.is_empty());
        assert_eq!(node.unwrap().descend(["b", "k"]).value, Value::Integer(1));
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..8 {
            let before = level - 1;
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![format!("*a{before}"); 10].join(",")));
        }
        assert_eq!(read(&bomb).1[0].message, "aliases expand to too much");
    }

    #[test]
    fn depth_is_bounded() {
        assert!(read(&"[".repeat(5000)).0.is_none());
        assert!(read(&format!("{}{}", "[".repeat(40), "]".repeat(40))).0.is_some());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ -~\n\té\u{1F600}]{0,200}") {
            let (node, problems) = read(&text);
            prop_assert!(node.is_some() || !problems.is_empty());
            for problem in problems {
                prop_assert!(text.get(problem.span.clone()).is_some());
            }
        }
    }
}
