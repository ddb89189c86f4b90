//! Acting as somebody else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

/// Lets a group write ConfigMaps.
fn bind(shop: &Namespace, group: &str) {
    let rbac = "rbac.authorization.k8s.io";
    let rules = json!([
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "create", "patch", "delete"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create", "patch", "delete"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]},
    ]);
    cluster().create(&shop.group_path(&format!("{rbac}/v1"), "roles"), &json!({"metadata": {"name": group}, "rules": rules}));
    let binding = json!({
        "metadata": {"name": group},
        "roleRef": {"apiGroup": rbac, "kind": "Role", "name": group},
        "subjects": [{"apiGroup": rbac, "kind": "Group", "name": group}],
    });
    cluster().create(&shop.group_path(&format!("{rbac}/v1"), "rolebindings"), &binding);
}

#[test]
fn a_kubeconfig_may_act_as_another_user_of_some_groups() {
    let (shop, workspace) = (cluster().namespace("shop"), workspace());
    bind(&shop, "deployers");
    let acting = |groups: Value| {
        let config = kubeconfig(&shop, &cluster().url(), |_, user| {
            user["as"] = json!("ada@acme.example");
            user["as-groups"] = groups;
        });
        STANDARD.encode(config)
    };
    let run = apply(&workspace).secret(ADMIN_TOKEN).input("kubeconfig", &acting(json!(["visitors"]))).run();
    run.exits(3).says("the account may not");
    assert!(cluster().get(&shop.path("configmaps/settings")).is_none());

    let run = apply(&workspace).secret(ADMIN_TOKEN).input("kubeconfig", &acting(json!(["visitors", "deployers"]))).run();
    run.exits(0);
    has_settings(&shop);
}
