//! An order as text, and as a picture.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};

use super::{Edge, Order, Step, Wait, Why};

/// Above this number of objects the picture shows kinds.
const PICTURE_OBJECTS: usize = 40;
/// Above this number of arrows the picture shows only the order of the waves (GitHub draws no picture with more than 500).
const PICTURE_ARROWS: usize = 150;
const PICTURE_NAME: usize = 60;

/// The nodes of one wave: number → name and how many objects it stands for.
type Boxes<'n> = BTreeMap<usize, (&'n str, usize)>;

impl Why {
    fn verb(self) -> &'static str {
        match self {
            Self::InNamespace => "is in",
            Self::InstanceOf => "is an instance of",
            Self::ConvertedBy => "is converted by",
            Self::Uses => "uses",
            Self::ServedBy => "is served by",
            Self::DependsOn => "depends on",
            Self::ChangeRule => "comes by its change rule after",
        }
    }
}

/// `A (file:line) uses B (file:line), which is in A`.
pub(super) fn cycle(path: &[Step]) -> String {
    let mut text = String::new();
    for (index, Step { id, at, why }) in path.iter().enumerate() {
        let link = if index == 0 { "" } else { ", which" };
        let _ = write!(text, "{id} ({at}){link} {} ", why.verb());
    }
    path.first().map(|first| format!("{text}{}", first.id)).unwrap_or_default()
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, wave) in self.waves.iter().enumerate() {
            writeln!(f, "wave {}: {}", number + 1, wave.name)?;
            for &at in &wave.resources {
                let (id, place) = &self.names[at];
                writeln!(f, "  {id}  ({place})")?;
            }
            if let Wait::Ready(list) = &wave.wait {
                let names: Vec<String> = list.iter().map(|&at| self.names[at].0.to_string()).collect();
                writeln!(f, "  then wait until ready: {}", names.join(", "))?;
            }
        }
        Ok(())
    }
}

impl Order {
    /// A Mermaid flowchart for a step summary: one box for each wave. Large sets show kinds with their counts instead of objects.
    pub fn mermaid(&self) -> String {
        let names: Vec<String> = match self.names.len() > PICTURE_OBJECTS {
            true => self.names.iter().map(|(id, _)| id.kind.clone()).collect(),
            false => self.names.iter().map(|(id, _)| id.to_string()).collect(),
        };
        let (boxes, box_of) = self.boxes(&names);
        let mut text = "flowchart TD\n".to_owned();
        for (wave, members) in boxes.iter().enumerate() {
            let _ = writeln!(text, "  subgraph w{wave}[\"{}\"]", escape(&format!("{} · {}", wave + 1, self.waves[wave].name)));
            for (number, (name, count)) in members {
                let label = if *count > 1 { format!("{name} × {count}") } else { (*name).to_owned() };
                let _ = writeln!(text, "    n{number}[\"{}\"]", escape(&label));
            }
            text += "  end\n";
        }
        for wave in 1..self.waves.len() {
            let _ = writeln!(text, "  w{} --> w{wave}", wave - 1);
        }
        let arrows: BTreeSet<(usize, usize)> =
            self.edges.iter().filter(|edge| is_drawn(edge)).map(|edge| (box_of[edge.before], box_of[edge.after])).collect();
        if arrows.len() <= PICTURE_ARROWS {
            for (before, after) in arrows {
                let _ = writeln!(text, "  n{before} -.-> n{after}");
            }
        }
        text
    }

    /// The nodes of each wave, by number, with name and count; and the node of each object.
    fn boxes<'n>(&self, names: &'n [String]) -> (Vec<Boxes<'n>>, Vec<usize>) {
        let mut box_of = vec![0; names.len()];
        let mut next = 0;
        let mut boxes = Vec::with_capacity(self.waves.len());
        for wave in &self.waves {
            let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
            let mut members = Boxes::new();
            for &at in &wave.resources {
                let number = *numbers.entry(&names[at]).or_insert_with(|| {
                    next += 1;
                    next - 1
                });
                members.entry(number).or_insert((&names[at], 0)).1 += 1;
                box_of[at] = number;
            }
            boxes.push(members);
        }
        (boxes, box_of)
    }
}

/// Every object is in its namespace; an arrow for each of them would hide the others.
fn is_drawn(edge: &Edge) -> bool {
    edge.why != Why::InNamespace
}

/// Names come from manifests: whatever could end a label, a line or the fence around the picture becomes an entity code.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (count, c) in text.chars().enumerate() {
        if count == PICTURE_NAME {
            escaped.push('…');
            break;
        }
        match c {
            c if c.is_alphanumeric() || matches!(c, ' ' | '-' | '.' | '_' | '/' | '·' | '×' | '(' | ')') => escaped.push(c),
            c => {
                let _ = write!(escaped, "#{};", u32::from(c));
            }
        }
    }
    escaped
}
