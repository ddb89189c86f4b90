//! From table and edges to waves.

use std::collections::{BTreeMap, HashSet};

use crate::resource::Resource;

use super::{Edge, Error, Step, Until, Wait, Wave, table};

/// A row of the table, and how many edges lead to an object inside its row.
type Position = (usize, usize);

pub(super) fn waves(resources: &[Resource], edges: &[Edge]) -> Result<Vec<Wave>, Error> {
    let places: Vec<(usize, usize)> = resources.iter().map(|r| table::place(&r.id)).collect();
    let positions = positions(resources, &places, edges)?;
    let mut groups: BTreeMap<Position, Vec<usize>> = BTreeMap::new();
    for (at, position) in positions.iter().enumerate() {
        groups.entry(*position).or_default().push(at);
    }
    let mut wave_of = vec![0; resources.len()];
    let mut waves = Vec::with_capacity(groups.len());
    for ((row, depth), mut members) in groups {
        members.sort_by_key(|&at| {
            let id = &resources[at].id;
            (places[at], &id.group, &id.kind, &id.namespace, &id.name)
        });
        members.iter().for_each(|&at| wave_of[at] = waves.len());
        let name = match depth {
            0 => table::ROWS[row].name.to_owned(),
            _ => format!("{} ({})", table::ROWS[row].name, depth + 1),
        };
        waves.push(Wave { name, resources: members, wait: Wait::Applied });
    }
    add_waits(&mut waves, &wave_of, edges);
    Ok(waves)
}

/// Places every object behind all that it needs (Kahn's algorithm): in its own row if it can, else in the row of what it needs.
fn positions(resources: &[Resource], places: &[(usize, usize)], edges: &[Edge]) -> Result<Vec<Position>, Error> {
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); resources.len()];
    let mut open = vec![0_usize; resources.len()];
    for edge in edges {
        after[edge.before].push(edge.after);
        open[edge.after] += 1;
    }
    let mut positions: Vec<Position> = places.iter().map(|(row, _)| (*row, 0)).collect();
    let mut ready: Vec<usize> = (0..resources.len()).filter(|&at| open[at] == 0).collect();
    let mut done = 0;
    while let Some(before) = ready.pop() {
        done += 1;
        let (row, depth) = positions[before];
        for &next in &after[before] {
            positions[next] = positions[next].max((row, depth + 1));
            open[next] -= 1;
            if open[next] == 0 {
                ready.push(next);
            }
        }
    }
    match done == resources.len() {
        true => Ok(positions),
        false => Err(cycle(resources, edges, &open)),
    }
}

/// What must be ready is waited for as late as possible: at the end of the wave before the first one that needs it.
fn add_waits(waves: &mut [Wave], wave_of: &[usize], edges: &[Edge]) {
    let mut first_user: BTreeMap<usize, usize> = BTreeMap::new();
    for edge in edges.iter().filter(|edge| edge.until == Until::Ready) {
        let user = wave_of[edge.after];
        first_user.entry(edge.before).and_modify(|wave| *wave = user.min(*wave)).or_insert(user);
    }
    for (at, user) in first_user {
        match &mut waves[user - 1].wait {
            Wait::Ready(list) => list.push(at),
            wait => *wait = Wait::Ready(vec![at]),
        }
    }
    let rank: Vec<usize> = {
        let mut rank = vec![0; wave_of.len()];
        waves.iter().flat_map(|wave| &wave.resources).enumerate().for_each(|(place, &at)| rank[at] = place);
        rank
    };
    for wave in waves {
        if let Wait::Ready(list) = &mut wave.wait {
            list.sort_by_key(|&at| rank[at]);
        }
    }
}

/// Objects that were never placed have a need that was never placed either; going from need to need must come back. The walk
/// begins at the smallest identity and always takes the smallest need, so that it doesn't depend on the order of the files.
fn cycle(resources: &[Resource], edges: &[Edge], open: &[usize]) -> Error {
    let mut needs: BTreeMap<usize, &Edge> = BTreeMap::new();
    for edge in edges.iter().filter(|edge| open[edge.before] > 0 && open[edge.after] > 0) {
        let smallest = needs.entry(edge.after).or_insert(edge);
        if resources[edge.before].id < resources[smallest.before].id {
            *smallest = edge;
        }
    }
    let mut path: Vec<&Edge> = Vec::new();
    let mut seen = HashSet::new();
    let mut at = needs.keys().copied().min_by_key(|&at| &resources[at].id).unwrap_or_default();
    while let Some(edge) = needs.get(&at).filter(|_| seen.insert(at)) {
        path.push(edge);
        at = edge.before;
    }
    // The walk may have come to the cycle from outside: the path begins where it was closed, and is told from its smallest member.
    let start = path.iter().position(|edge| edge.after == at).unwrap_or(0);
    let mut path = path.split_off(start);
    let first = (0..path.len()).min_by_key(|&i| &resources[path[i].after].id).unwrap_or_default();
    path.rotate_left(first);
    let step = |edge: &&Edge| Step { id: resources[edge.after].id.clone(), at: resources[edge.after].at.clone(), why: edge.why };
    Error::Cycle { path: path.iter().map(step).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::testing::resources;
    use crate::rollout::order::Why;
    use proptest::prelude::*;

    const KINDS: [&str; 5] = ["Namespace", "ServiceAccount", "ConfigMap", "Service", "Pod"];

    fn set(kinds: &[usize]) -> Vec<Resource> {
        let object = |(n, kind): (usize, &usize)| format!("{{apiVersion: v1, kind: {}, metadata: {{name: o{n}}}}}\n---\n", KINDS[*kind]);
        resources(&kinds.iter().enumerate().map(object).collect::<String>())
    }

    proptest! {
        #[test]
        fn whatever_the_edges_every_object_comes_behind_its_needs_or_a_true_circle_is_told(
            kinds in prop::collection::vec(0..KINDS.len(), 1..12),
            pairs in prop::collection::vec((0..12_usize, 0..12_usize, prop::bool::ANY), 0..20),
        ) {
            let resources = set(&kinds);
            let until = |ready| if ready { Until::Ready } else { Until::Applied };
            let edges: Vec<Edge> = pairs
                .into_iter()
                .filter(|(before, after, _)| before != after && (*before).max(*after) < kinds.len())
                .map(|(before, after, ready)| Edge { before, after, until: until(ready), why: Why::Uses })
                .collect();
            match waves(&resources, &edges) {
                Ok(waves) => {
                    let mut wave_of = vec![None; resources.len()];
                    for (number, wave) in waves.iter().enumerate() {
                        wave.resources.iter().for_each(|&at| assert_eq!(wave_of[at].replace(number), None, "once"));
                    }
                    for edge in &edges {
                        prop_assert!(wave_of[edge.before].unwrap() < wave_of[edge.after].unwrap());
                        let between = wave_of[edge.before].unwrap()..wave_of[edge.after].unwrap();
                        let waited = between.clone().any(|n| matches!(&waves[n].wait, Wait::Ready(list) if list.contains(&edge.before)));
                        prop_assert!(edge.until == Until::Applied || waited);
                    }
                }
                Err(Error::Cycle { path }) => {
                    prop_assert!(path.len() > 1);
                    for (index, step) in path.iter().enumerate() {
                        let next = &path[(index + 1) % path.len()];
                        prop_assert!(edges.iter().any(|e| resources[e.after].id == step.id && resources[e.before].id == next.id));
                    }
                }
            }
        }
    }
}
