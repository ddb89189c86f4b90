use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn is_read_or_explained(lines in proptest::collection::vec(
        proptest::sample::select(vec![
            "services:", "  a:", "  b: {image: x}", "  c: &c {image: '$X:-', build: .}", "    image: a:${X:-1}", "    image: !reset", "    <<: *c",
            "    extends: b", "    extends: {file: compose.yaml, service: a}", "    build: {tags: [a, a]}", "    build: !override", "    x-tagboat: {skip: 1}",
            "include: [compose.yaml]", "include: [b.yaml]", "---", "name: $X", "  - a", "x: [*c", "\tx", "a: ? b", "    profiles: &c [*c]",
        ]), 0..12,
    )) {
        let content = lines.join("\n");
        let shown = shop(&[("compose.yaml", &content), ("b.yaml", "services: {b: {image: x}}"), (".env", "X=${Y-}")]).show();
        prop_assert!(!shown.is_empty());
    }
}
