//! One large layer, streamed from a registry to another: how much memory, and how long.
//!
//! Without the proxy, which holds bodies in memory, and so without its delay and its counts.

use std::io::Write as _;
use std::time::Instant;

use ring::digest::{Context, SHA256};
use serde_json::json;

use super::{Bench, Row, STREAM, crane_copy, installed, largest, regctl, skopeo};
use crate::servers::Registry;
use crate::servers::http1::{Head, read_body};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const PIECE: usize = 1 << 20;

/// A layer of random bytes, behind the first bytes of a gzip file: skopeo would compress what doesn't look compressed.
struct Layer {
    size: u64,
}

impl Layer {
    /// Hands out the same bytes every time, piece by piece.
    fn pieces(&self, mut take: impl FnMut(&[u8])) {
        let mut piece = vec![0_u8; PIECE];
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for word in piece.chunks_exact_mut(8) {
            // xorshift64 (Marsaglia, Xorshift RNGs, 2003)
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        let mut left = self.size;
        for number in 0_u64.. {
            if left == 0 {
                return;
            }
            let head = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0], &number.to_le_bytes()[..]].concat();
            piece[..16].copy_from_slice(&head);
            let now = left.min(PIECE as u64);
            take(&piece[..usize::try_from(now).unwrap()]);
            left -= now;
        }
    }

    fn digest(&self) -> String {
        let mut context = Context::new(&SHA256);
        self.pieces(|piece| context.update(piece));
        hex(context.finish().as_ref())
    }
}

fn hex(digest: &[u8]) -> String {
    format!("sha256:{}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// Puts an image with one large layer into a registry without having it in memory.
fn push(registry: &Registry, repository: &str, layer: &Layer) -> String {
    let config = json!({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}).to_string();
    let config_digest = hex(ring::digest::digest(&SHA256, config.as_bytes()).as_ref());
    let digest = layer.digest();
    upload(registry, repository, &config_digest, config.len() as u64, |take| take(config.as_bytes()));
    upload(registry, repository, &digest, layer.size, |take| layer.pieces(take));
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config_digest, "size": config.len()},
        "layers": [{"mediaType": LAYER, "digest": digest, "size": layer.size}],
    });
    registry.put_manifest(repository, "build", "application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes())
}

fn upload(registry: &Registry, repository: &str, digest: &str, size: u64, pieces: impl Fn(&mut dyn FnMut(&[u8]))) {
    let upstream = registry.upstream();
    let begun = upstream.send("POST", &format!("/v2/{repository}/blobs/uploads/"), &[], b"").unwrap();
    let location = begun.get("location").unwrap_or_else(|| panic!("{}", begun.text()));
    let path = &location[location.find("/v2/").unwrap()..];
    let mut head = Head { start: format!("PUT {path}&digest={digest} HTTP/1.1"), headers: Vec::new() };
    for (name, value) in [
        ("Host", upstream.address.to_string()),
        ("Content-Type", "application/octet-stream".to_owned()),
        ("Connection", "close".to_owned()),
    ] {
        head.set(name, value);
    }
    head.set("Content-Length", size.to_string());
    let mut connection = upstream.connect().unwrap();
    connection.get_mut().write_all(&head.to_bytes()).unwrap();
    pieces(&mut |piece| connection.get_mut().write_all(piece).unwrap());
    let reply = Head::read(&mut connection).unwrap().unwrap();
    read_body(&mut connection, reply.response_framing("PUT").unwrap()).unwrap();
    assert_eq!(reply.status().unwrap(), 201);
}

/// Each tool gets an empty target, which is removed before the next one has its own.
pub(super) fn between_registries(bench: &mut Bench) {
    let layer = Layer { size: if bench.is_small { 20_000_000 } else { 2_000_000_000 } };
    let source = Registry::start();
    let digest = push(&source, "shop/large", &layer);
    let from = source.upstream().address.to_string();
    let names = ["large".to_owned()];
    let row = |bench: &mut Bench, tool: &'static str, run: &dyn Fn(&Bench, &str) -> Option<u64>| {
        let target = Registry::start();
        let to = target.upstream().address.to_string();
        let hosts = json!({"hosts": {from.as_str(): {"tls": "disabled"}, to.as_str(): {"tls": "disabled"}}});
        std::fs::write(bench.home.path().join("regctl.json"), hosts.to_string()).unwrap();
        let begun = Instant::now();
        let memory = run(bench, &to);
        let wall = begun.elapsed();
        assert_eq!(target.digest("prod/large", "1.2.3").as_ref(), Some(&digest), "{tool}");
        println!("{STREAM}: {tool}: {:.2} s, {:.1} MB of memory", wall.as_secs_f64(), memory.unwrap_or(0) as f64 / 1e6);
        bench.rows.push(Row { work: STREAM, tool, requests: 0, writes: 0, blobs: 0, wall, memory });
    };
    row(bench, "tagboat", &|bench, to| {
        let (registry, target) = (format!("{from}/shop"), format!("{to}/prod"));
        let more = ["--registry", &registry, "--target-registry", &target];
        bench.tagboat_at(&from, "shop", &names, "{{version}}", &more)
    });
    let peers: [(&'static str, &str, super::Peer); 3] =
        [("skopeo copy", "skopeo", skopeo), ("crane copy", "crane", crane_copy), ("regctl image copy", "regctl", regctl)];
    for (tool, program, command) in peers {
        let Some(program) = installed(program) else {
            println!("{tool}: not installed");
            continue;
        };
        row(bench, tool, &|bench, to| {
            largest(command(bench, &program, &format!("{from}/shop/large:build"), &format!("{to}/prod/large:1.2.3")).spawn().unwrap())
        });
    }
}
