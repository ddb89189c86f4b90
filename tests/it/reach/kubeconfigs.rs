//! The forms in which workflows hand over a kubeconfig.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::servers::process::as_root;
use crate::servers::tls::Authority;

#[test]
fn content_base64_and_path_lead_to_the_same_cluster() {
    let (shop, workspace) = (cluster().namespace("shop"), workspace());
    let content = kubeconfig(&shop, &cluster().url(), same);
    let wrapped: String = STANDARD.encode(&content).as_bytes().chunks(76).map(|l| String::from_utf8_lossy(l).into_owned() + "\n").collect();
    workspace.write("ci/kubeconfig", &content);
    apply(&workspace).input("kubeconfig", &content).run().exits(0);
    has_settings(&shop);
    let path = workspace.path().join("ci/kubeconfig").display().to_string();
    let by_path = |path: &str| apply(&workspace).env("INPUT_KUBECONFIG", path);
    for step in [
        apply(&workspace).input("kubeconfig", &STANDARD.encode(&content)),
        apply(&workspace).input("kubeconfig", &wrapped),
        by_path(&path),
        by_path("ci/kubeconfig"),
        apply(&workspace).env("KUBECONFIG", &path),
    ] {
        assert_eq!(step.run().exits(0).output("outcome"), "unchanged");
    }
}

#[test]
fn files_of_a_list_are_merged_as_kubectl_merges_them() {
    let (shop, workspace) = (cluster().namespace("shop"), workspace());
    let config: Value = serde_json::from_str(&kubeconfig(&shop, &cluster().url(), same)).unwrap();
    // Contexts and the current one in the first file, the cluster beside its certificate in the second, the user in the third, which has
    // a wrong cluster of the same name.
    let authority = STANDARD.decode(config["clusters"][0]["cluster"]["certificate-authority-data"].as_str().unwrap()).unwrap();
    workspace.write("two/pki/ca.crt", &String::from_utf8(authority).unwrap());
    let wrong = json!([{"name": "testbed", "cluster": {"server": "https://127.0.0.1:1"}}]);
    let right = json!([{"name": "testbed", "cluster": {"server": cluster().url(), "certificate-authority": "pki/ca.crt"}}]);
    let head = |rest: Value| {
        let mut file = json!({"apiVersion": "v1", "kind": "Config"});
        file.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        file.to_string()
    };
    workspace.write("one.yaml", &head(json!({"contexts": config["contexts"], "current-context": ""})));
    workspace.write("two/config.yaml", &head(json!({"clusters": right, "current-context": "testbed"})));
    workspace.write("three.yaml", &head(json!({"clusters": wrong, "users": config["users"], "current-context": "elsewhere"})));
    let at = |file: &str| workspace.path().join(file).display().to_string();
    let list = [at("one.yaml"), String::new(), at("two/config.yaml"), "/home/runner/.kube/config".to_owned(), at("three.yaml")].join(":");

    let run = apply(&workspace).env("KUBECONFIG", &list).run();
    run.exits(0).says("the kubeconfig file /home/runner/.kube/config isn't here, and is left out of the list");
    has_settings(&shop);

    let kubectl = Command::new(crate::servers::command("kubernetes", "kubectl"))
        .args(["get", "configmap", "settings", "--output", "name"])
        .env("KUBECONFIG", &list)
        .env("HOME", workspace.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&kubectl.stdout).trim(), "configmap/settings", "kubectl reads it so too: {kubectl:?}");

    let run = apply(&workspace).env("KUBECONFIG", "/home/runner/.kube/config:/home/runner/other").run();
    run.exits(2).says("couldn't read the kubeconfig file /home/runner/.kube/config").says("the path is of the runner's host");
}

#[test]
fn paths_that_a_container_does_not_see_are_explained_with_file_and_line() {
    let (shop, workspace) = (cluster().namespace("shop"), workspace());
    let minikube = format!(
        "apiVersion: v1
kind: Config
current-context: minikube
clusters:
- name: minikube
  cluster:
    server: {}
    certificate-authority: /home/runner/.minikube/ca.crt
contexts:
- {{name: minikube, context: {{cluster: minikube, user: minikube, namespace: {}}}}}
users:
- name: minikube
  user:
    client-certificate: /home/runner/.minikube/client.crt
    client-key: /home/runner/.minikube/client.key
",
        cluster().url(),
        shop.name()
    );
    workspace.write("minikube.yaml", &minikube);
    let hint = "put the content into the kubeconfig (`kubectl config view --flatten --raw`); the path is of the runner's host";
    let run = apply(&workspace).env("INPUT_KUBECONFIG", "minikube.yaml").run();
    run.exits(2).says(hint);
    run.says("couldn't read the file \"/home/runner/.minikube/ca.crt\" that line 8 of the kubeconfig minikube.yaml names as certificate-authority");
    let authority = STANDARD.encode(cluster().ca());
    let flattened =
        minikube.replace("certificate-authority: /home/runner/.minikube/ca.crt", &format!("certificate-authority-data: {authority}"));
    let run = apply(&workspace).input("kubeconfig", &STANDARD.encode(&flattened)).run();
    run.exits(2).says(hint);
    run.says("couldn't read the file \"/home/runner/.minikube/client.crt\" that line 14 of the kubeconfig names as client-certificate");
    let run = apply(&workspace).env("INPUT_KUBECONFIG", "/home/runner/.kube/config").run();
    run.exits(2).says("couldn't read the kubeconfig file /home/runner/.kube/config").says("the path is of the runner's host");
}

/// Runs a command with the mounts of a pod, which no other process sees: the folder where every client of Kubernetes looks for its account.
fn in_a_pod(account: &Path) -> Vec<String> {
    // Other shells drop variables with hyphens in their names, which inputs have.
    let script = "mount -t tmpfs tmpfs /run && mkdir -p /var/run/secrets/kubernetes.io/serviceaccount && \
                  cp \"$0\"/* /var/run/secrets/kubernetes.io/serviceaccount && exec \"$@\"";
    let account = account.display().to_string();
    as_root().iter().copied().chain(["unshare", "--mount", "bash", "-c", script, &account]).map(str::to_owned).collect()
}

#[test]
fn a_pod_uses_its_service_account() {
    let (shop, workspace) = (cluster().namespace("shop"), workspace());
    let may = json!([{"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["get", "list", "create", "patch", "delete"]},
                     {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}]);
    let token = shop.token(&may);
    for (file, text) in [("ca.crt", cluster().ca()), ("token", &token), ("namespace", shop.name())] {
        workspace.write(&format!("account/{file}"), text);
    }
    let step = apply(&workspace).env("KUBERNETES_SERVICE_HOST", "127.0.0.1").env("KUBERNETES_SERVICE_PORT", &cluster().port().to_string());
    let run = step.clone().run();
    run.exits(2).says("no kubeconfig is given, and this isn't a pod of a cluster");
    let run = step.clone().behind(&in_a_pod(&workspace.path().join("account"))).run();
    run.exits(0);
    has_settings(&shop);

    // Behind something that looks into TLS.
    let corporate = Authority::new("corporate");
    let proxy = cluster().proxy_as(&corporate.server(&[], &[]));
    workspace.write("corporate.pem", &corporate.certificate);
    let port = proxy.host().rsplit(':').next().unwrap().to_owned();
    let step = step.env("KUBERNETES_SERVICE_PORT", &port).input("ca-bundle", "corporate.pem");
    let run = step.behind(&in_a_pod(&workspace.path().join("account"))).run();
    assert_eq!(run.exits(0).output("outcome"), "unchanged");
}
