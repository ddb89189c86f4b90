//! From table and edges to waves.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::resource::{Resource, kinds};

use super::annotations::{Stage, Wishes};
use super::{Edge, Error, Step, Until, Wait, Wave, table};

/// Where an object goes, compared field by field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    /// The rank of its sync wave among those of the set.
    segment: usize,
    /// Its row of the table.
    row: usize,
    /// The rank of a hook's weight among those of the same stage.
    turn: usize,
    /// How many edges lead to it inside its row.
    depth: usize,
}

pub(super) fn waves(resources: &[Resource], wishes: &[Wishes], edges: &[Edge]) -> Result<Vec<Wave>, Error> {
    let places: Vec<(usize, usize)> = resources.iter().map(|r| table::place(&r.id)).collect();
    let after = open_edges(resources.len(), edges);
    let sorted = topological(resources, edges, &after)?;
    let mut positions = wanted(&places, wishes);
    pull_forward(&mut positions, wishes, &after, &sorted);
    push_back(&mut positions, &after, &sorted);
    let mut groups: BTreeMap<Position, Vec<usize>> = BTreeMap::new();
    for (at, position) in positions.iter().enumerate() {
        groups.entry(*position).or_default().push(at);
    }
    let mut wave_of = vec![0; resources.len()];
    let mut waves = Vec::with_capacity(groups.len());
    let mut wave_positions = Vec::with_capacity(groups.len());
    for (position, mut members) in groups {
        members.sort_by_key(|&at| {
            let id = &resources[at].id;
            (places[at], &id.group, &id.kind, &id.namespace, &id.name)
        });
        members.iter().for_each(|&at| wave_of[at] = waves.len());
        let name = table::ROWS[position.row].name;
        let name = match position.turn + position.depth {
            0 => name.to_owned(),
            number => format!("{name} ({})", number + 1),
        };
        waves.push(Wave { name, resources: members, wait: Wait::Applied });
        wave_positions.push(position);
    }
    let barriers = barriers(resources, &waves, &wave_positions);
    add_waits(&mut waves, &wave_of, edges, barriers);
    Ok(waves)
}

fn open_edges(objects: usize, edges: &[Edge]) -> Vec<Vec<usize>> {
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); objects];
    edges.iter().for_each(|edge| after[edge.before].push(edge.after));
    after
}

/// Every object behind all that it needs (Kahn's algorithm).
fn topological(resources: &[Resource], edges: &[Edge], after: &[Vec<usize>]) -> Result<Vec<usize>, Error> {
    let mut open = vec![0_usize; resources.len()];
    edges.iter().for_each(|edge| open[edge.after] += 1);
    let mut ready: Vec<usize> = (0..resources.len()).filter(|&at| open[at] == 0).collect();
    let mut sorted = Vec::with_capacity(resources.len());
    while let Some(before) = ready.pop() {
        sorted.push(before);
        for &next in &after[before] {
            open[next] -= 1;
            if open[next] == 0 {
                ready.push(next);
            }
        }
    }
    match sorted.len() == resources.len() {
        true => Ok(sorted),
        false => Err(cycle(resources, edges, &open)),
    }
}

/// Where each object would go by its kind and its annotations alone.
fn wanted(places: &[(usize, usize)], wishes: &[Wishes]) -> Vec<Position> {
    let ranks = |of: &dyn Fn(&Wishes) -> bool| -> BTreeMap<i64, usize> {
        let waves: BTreeSet<i64> = wishes.iter().filter(|wish| of(wish)).map(|wish| wish.wave.unwrap_or(0)).collect();
        waves.into_iter().enumerate().map(|(rank, wave)| (wave, rank)).collect()
    };
    let segments = ranks(&|wish| wish.stage == Stage::Main);
    let last = segments.len().saturating_sub(1);
    let (before, after) = (ranks(&|wish| wish.stage == Stage::Before), ranks(&|wish| wish.stage == Stage::After));
    let checks = ranks(&|wish| wish.stage == Stage::Check);
    let rank = |ranks: &BTreeMap<i64, usize>, wish: &Wishes| ranks.get(&wish.wave.unwrap_or(0)).copied().unwrap_or(0);
    let place = |(&(row, _), wish): (&(usize, usize), &Wishes)| match wish.stage {
        // The settings of a hook are hooks as well, with Helm: they stay with the other settings.
        Stage::Before if row < table::BEFORE => Position { segment: 0, row, turn: 0, depth: 0 },
        Stage::Before => Position { segment: 0, row: table::BEFORE, turn: rank(&before, wish), depth: 0 },
        Stage::After => Position { segment: last, row: table::AFTER, turn: rank(&after, wish), depth: 0 },
        Stage::Check => Position { segment: last, row: table::CHECKS, turn: rank(&checks, wish), depth: 0 },
        Stage::Main | Stage::Never(_) => Position { segment: rank(&segments, wish), row, turn: 0, depth: 0 },
    };
    places.iter().zip(wishes).map(place).collect()
}

/// What an object of an earlier sync wave or a hook needs goes with it, unless it has a wave or a stage of its own.
fn pull_forward(positions: &mut [Position], wishes: &[Wishes], after: &[Vec<usize>], sorted: &[usize]) {
    for &at in sorted.iter().rev().filter(|&&at| wishes[at].stage == Stage::Main && wishes[at].wave.is_none()) {
        for &user in &after[at] {
            let Position { segment, row, .. } = positions[user];
            let own = &mut positions[at];
            own.segment = own.segment.min(segment);
            if row == table::BEFORE && segment <= own.segment {
                own.row = own.row.min(row);
            }
        }
    }
}

/// An object comes behind all that it needs: in its own row if it can, else in the row of what it needs.
fn push_back(positions: &mut [Position], after: &[Vec<usize>], sorted: &[usize]) {
    for &before in sorted {
        let Position { segment, row, turn, depth } = positions[before];
        for &next in &after[before] {
            positions[next] = positions[next].max(Position { segment, row, turn, depth: depth + 1 });
        }
    }
}

/// Objects and the wave that may only begin when they are ready: a sync wave waits for the one before, the workloads for the hooks before
/// them, the hooks at the end for everything, and the checks for the hooks.
fn barriers(resources: &[Resource], waves: &[Wave], positions: &[Position]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut before: Vec<usize> = Vec::new();
    for (number, position) in positions.iter().enumerate() {
        if let Some(last) = number.checked_sub(1) {
            let previous = positions[last];
            if previous.segment != position.segment || position.row >= table::AFTER {
                found.extend(before.drain(..).map(|at| (at, number)));
            } else if previous.row == table::BEFORE {
                found.extend(waves[last].resources.iter().filter(|at| can_be_unready(&resources[**at])).map(|&at| (at, number)));
            }
        }
        before.extend(waves[number].resources.iter().filter(|at| can_be_unready(&resources[**at])));
    }
    found
}

/// Whether there is something to wait for. A load balancer's address may never come, and nothing here needs it.
fn can_be_unready(resource: &Resource) -> bool {
    let id = &resource.id;
    let becomes_ready = match id.group.as_str() {
        "apps" => true,
        "batch" => id.kind == "Job",
        "" => matches!(id.kind.as_str(), "Pod" | "ReplicationController" | "Namespace" | "PersistentVolumeClaim"),
        "apiextensions.k8s.io" | "apiregistration.k8s.io" => true,
        _ => false,
    };
    becomes_ready || kinds::built_in(&id.group, &id.kind).is_none()
}

/// What must be ready is waited for as late as possible: at the end of the wave before the first one that needs it.
fn add_waits(waves: &mut [Wave], wave_of: &[usize], edges: &[Edge], barriers: Vec<(usize, usize)>) {
    let mut first_user: BTreeMap<usize, usize> = BTreeMap::new();
    let by_edge = edges.iter().filter(|edge| edge.until == Until::Ready).map(|edge| (edge.before, wave_of[edge.after]));
    for (before, user) in by_edge.chain(barriers) {
        first_user.entry(before).and_modify(|wave| *wave = user.min(*wave)).or_insert(user);
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
            let wishes: Vec<Wishes> = resources.iter().map(|r| crate::rollout::order::annotations::wishes(r).unwrap()).collect();
            match waves(&resources, &wishes, &edges) {
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
                Err(Error::Annotation(misread)) => prop_assert!(false, "{misread:?}"),
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
