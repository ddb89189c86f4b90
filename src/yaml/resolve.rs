use std::borrow::Cow;
use std::collections::HashMap;

use super::{Document, Kind, Node};

/// More nodes than the aliases of any honest document stand for.
const NODE_LIMIT: usize = 100_000;

/// Why a document can't be read as plain data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    #[error("the key {key:?} is there twice, {}", lines(*first, *line))]
    DuplicateKey { key: String, first: u32, line: u32 },
    #[error("the aliases stand for more than {NODE_LIMIT} nodes")]
    TooLarge { line: u32 },
    #[error("a merge key `<<` takes a mapping or a list of mappings")]
    Merge { line: u32 },
}

fn lines(first: u32, second: u32) -> String {
    if first == second { format!("both in line {first}") } else { format!("in lines {first} and {second}") }
}

impl ResolveError {
    /// The line of the problem, counted from 1.
    pub fn line(&self) -> u32 {
        match self {
            Self::DuplicateKey { line, .. } | Self::TooLarge { line } | Self::Merge { line } => *line,
        }
    }
}

impl Document {
    /// The tree with every alias replaced by what it names and merge keys (`<<`, YAML 1.1 type repository) applied:
    /// explicit keys win, and of several merged mappings the first. Nodes keep the place at which they were written.
    ///
    /// # Errors
    /// Duplicate keys, malformed merges, and aliases that stand for more than 100,000 nodes together.
    pub fn resolved(&self) -> Result<Cow<'_, Node>, ResolveError> {
        if is_resolved(&self.root) {
            check_keys(&self.root)?;
            return Ok(Cow::Borrowed(&self.root));
        }
        let mut resolver = Resolver { anchors: HashMap::new(), nodes: 0, copied: 0 };
        resolver.node(&self.root).map(Cow::Owned)
    }
}

/// Whether there are no aliases and no merge keys.
fn is_resolved(node: &Node) -> bool {
    match &node.kind {
        Kind::Alias { .. } => false,
        Kind::Scalar { .. } => true,
        Kind::Sequence { items, .. } => items.iter().all(is_resolved),
        Kind::Mapping { entries, .. } => entries.iter().all(|(key, value)| !is_merge_key(key) && is_resolved(key) && is_resolved(value)),
    }
}

/// Finds duplicate keys, those of inner mappings first.
fn check_keys(node: &Node) -> Result<(), ResolveError> {
    node.items().iter().try_for_each(check_keys)?;
    let entries = node.entries();
    // Few keys are compared faster than they are hashed.
    let mut known: HashMap<&str, u32> = HashMap::new();
    for (number, (key, value)) in entries.iter().enumerate() {
        check_keys(key)?;
        check_keys(value)?;
        let Some(text) = key.as_str() else { continue };
        let first = match entries.len() {
            0..=16 => entries[..number].iter().map(|(key, _)| key).find(|key| key.as_str() == Some(text)).map(|key| key.line),
            _ => known.insert(text, key.line),
        };
        if let Some(first) = first {
            return Err(ResolveError::DuplicateKey { key: text.to_owned(), first, line: key.line });
        }
    }
    Ok(())
}

struct Resolver {
    /// Resolved anchored nodes with their sizes; a later anchor of the same name replaces an earlier one.
    anchors: HashMap<String, (Node, usize)>,
    nodes: usize,
    /// How many of the nodes came by aliases.
    copied: usize,
}

impl Resolver {
    fn node(&mut self, node: &Node) -> Result<Node, ResolveError> {
        let before = self.nodes;
        self.nodes += 1;
        let kind = match &node.kind {
            Kind::Alias { anchor } => return self.alias(anchor, node),
            Kind::Scalar { .. } => node.kind.clone(),
            Kind::Sequence { items, style } => {
                Kind::Sequence { items: items.iter().map(|item| self.node(item)).collect::<Result<_, _>>()?, style: *style }
            }
            Kind::Mapping { entries, style } => Kind::Mapping { entries: self.entries(entries)?, style: *style },
        };
        let resolved = Node { kind, ..node.clone_without_kind() };
        if let Some(name) = &node.anchor {
            self.anchors.insert(name.clone(), (resolved.clone(), self.nodes - before));
        }
        Ok(resolved)
    }

    fn alias(&mut self, anchor: &str, at: &Node) -> Result<Node, ResolveError> {
        // The parser has refused aliases without an anchor before them; one inside its own anchor is the only other case.
        let Some((node, size)) = self.anchors.get(anchor) else { return Err(ResolveError::TooLarge { line: at.line }) };
        self.nodes += size;
        self.copied += size;
        if self.copied > NODE_LIMIT {
            return Err(ResolveError::TooLarge { line: at.line });
        }
        Ok(node.clone())
    }

    fn entries(&mut self, entries: &[(Node, Node)]) -> Result<Vec<(Node, Node)>, ResolveError> {
        let mut own: Vec<(Node, Node)> = Vec::with_capacity(entries.len());
        let mut merged: Vec<Node> = Vec::new();
        let mut lines: HashMap<String, u32> = HashMap::new();
        for (key, value) in entries {
            let is_merge = is_merge_key(key);
            let (key, value) = (self.node(key)?, self.node(value)?);
            if is_merge {
                merged.extend(mappings_of(value)?);
                continue;
            }
            if let Some(text) = key.as_str()
                && let Some(first) = lines.insert(text.to_owned(), key.line)
            {
                return Err(ResolveError::DuplicateKey { key: text.to_owned(), first, line: key.line });
            }
            own.push((key, value));
        }
        for source in merged {
            let Kind::Mapping { entries, .. } = source.kind else { continue };
            for (key, value) in entries {
                let known = key.as_str().is_some_and(|text| lines.contains_key(text));
                if !known {
                    if let Some(text) = key.as_str() {
                        lines.insert(text.to_owned(), key.line);
                    }
                    own.push((key, value));
                }
            }
        }
        Ok(own)
    }
}

fn is_merge_key(key: &Node) -> bool {
    matches!(&key.kind, Kind::Scalar { text, style: super::ScalarStyle::Plain } if text == "<<")
}

fn mappings_of(value: Node) -> Result<Vec<Node>, ResolveError> {
    let fail = |line| Err(ResolveError::Merge { line });
    match value.kind {
        Kind::Mapping { .. } => Ok(vec![value]),
        Kind::Sequence { items, .. } => match items.iter().find(|item| !item.is_mapping()) {
            Some(bad) => fail(bad.line),
            None => Ok(items),
        },
        _ => fail(value.line),
    }
}

impl Node {
    /// Everything but the kind, to build a changed node around.
    fn clone_without_kind(&self) -> Node {
        Node {
            kind: Kind::Sequence { items: Vec::new(), style: super::CollectionStyle::Flow },
            tag: self.tag.clone(),
            anchor: self.anchor.clone(),
            span: self.span.clone(),
            line: self.line,
            column: self.column,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Schema, parse};
    use super::*;

    fn json(text: &str) -> String {
        parse(text).unwrap()[0].resolved().unwrap().to_json(Schema::Yaml11).to_string()
    }

    #[test]
    fn merge_keys_fill_in_what_is_not_there() {
        let base = "x: &a {k: 1, l: 1}\ny: &b {l: 2, m: 2}\n";
        assert!(json(&format!("{base}z: {{<<: *a, k: 9}}\n")).ends_with(r#""z":{"k":9,"l":1}}"#));
        assert!(json(&format!("{base}z: {{k: 9, <<: [*b, *a]}}\n")).ends_with(r#""z":{"k":9,"l":2,"m":2}}"#));
        assert_eq!(json("'<<': 1\n"), r#"{"<<":1}"#, "a quoted one is an ordinary key");
    }

    #[test]
    fn duplicate_keys_name_both_lines() {
        let error = parse("a: 1\nb: 2\na: 3\n").unwrap()[0].resolved().unwrap_err();
        assert_eq!(error.to_string(), r#"the key "a" is there twice, in lines 1 and 3"#);
        let many: String = (0..20).chain([7]).map(|number| format!("k{number}: {{a: 1}}\n")).collect();
        for text in [many.clone(), format!("{many}<<: {{}}\n")] {
            let error = parse(&text).unwrap()[0].resolved().unwrap_err();
            assert_eq!(error.to_string(), r#"the key "k7" is there twice, in lines 8 and 21"#);
        }
        assert!(parse("a: [{b: {c: 1, c: 2}}]\n").unwrap()[0].resolved().is_err());
    }

    #[test]
    fn an_alias_bomb_is_refused_before_it_expands() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let alias = format!("*a{}", level - 1);
            text += &format!("a{level}: &a{level} [{}]\n", vec![alias; 10].join(","));
        }
        assert!(matches!(parse(&text).unwrap()[0].resolved(), Err(ResolveError::TooLarge { .. })));
    }
}
