use super::*;

#[test]
fn the_picture_shows_objects_of_small_sets() {
    insta::assert_snapshot!(order(&resources(SHOP)).unwrap().mermaid(), @r#"
    flowchart TD
      subgraph w0["1 · definitions"]
        n0["Namespace shop"]
      end
      subgraph w1["2 · policy and identity"]
        n1["ServiceAccount shop/api"]
        n2["Role shop/api"]
      end
      subgraph w2["3 · policy and identity (2)"]
        n3["RoleBinding shop/api"]
      end
      subgraph w3["4 · configuration and storage"]
        n4["Secret shop/api"]
        n5["ConfigMap shop/web"]
      end
      subgraph w4["5 · endpoints"]
        n6["Service shop/web"]
      end
      subgraph w5["6 · workloads"]
        n7["Deployment shop/api"]
        n8["Deployment shop/web"]
      end
      subgraph w6["7 · scaling and routing"]
        n9["HorizontalPodAutoscaler shop/api"]
        n10["Ingress shop/web"]
      end
      w0 --> w1
      w1 --> w2
      w2 --> w3
      w3 --> w4
      w4 --> w5
      w5 --> w6
      n1 -.-> n7
      n2 -.-> n3
      n4 -.-> n7
      n5 -.-> n8
      n6 -.-> n10
      n7 -.-> n9
    "#);
}

#[test]
fn the_picture_shows_kinds_of_large_sets() {
    let text: String = (0..50)
        .map(|n| {
            format!(
                "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: c{n}, namespace: x}}}}\n---\n\
                 {{apiVersion: v1, kind: Pod, metadata: {{name: p{n}, namespace: x}}, spec: {{volumes: [{{configMap: {{name: c{n}}}}}]}}}}\n---\n"
            )
        })
        .collect();
    insta::assert_snapshot!(order(&resources(&text)).unwrap().mermaid(), @r#"
    flowchart TD
      subgraph w0["1 · configuration and storage"]
        n0["ConfigMap × 50"]
      end
      subgraph w1["2 · workloads"]
        n1["Pod × 50"]
      end
      w0 --> w1
      n0 -.-> n1
    "#);
}

#[test]
fn names_cannot_break_out_of_the_picture() {
    let text = r#"{apiVersion: v1, kind: ConfigMap, metadata: {name: 'a"]`<b>&;'}}"#;
    insta::assert_snapshot!(order(&resources(text)).unwrap().mermaid(), @r#"
    flowchart TD
      subgraph w0["1 · configuration and storage"]
        n0["ConfigMap a#34;#93;#96;#60;b#62;#38;#59;"]
      end
    "#);
}
