use super::*;
use crate::resource::testing::values;

/// Each document judged; its comment is the name of the case.
fn judged(head: &str, cases: &[(&str, &str)]) -> String {
    cases
        .iter()
        .map(|(case, rest)| {
            let live = &values(&format!("{head}\n{rest}"))[0];
            format!("{case}: {}\n", of(live, 0))
        })
        .collect()
}

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {generation: 2}";

#[test]
fn deployments() {
    let done = "conditions: [{type: Available, status: 'True'}, {type: Progressing, status: 'True', reason: NewReplicaSetAvailable}]";
    let all = "observedGeneration: 2, replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3";
    let status = |fields: &str| format!("spec: {{replicas: 3}}\nstatus: {{{fields}}}");
    let refused =
        "conditions: [{type: ReplicaFailure, status: 'True', reason: FailedCreate, message: 'pods \"a\" is forbidden: exceeded quota: q'}]";
    let flaky = "conditions: [{type: ReplicaFailure, status: 'True', reason: FailedCreate, message: 'etcd leader changed'}]";
    insta::assert_snapshot!(judged(DEPLOYMENT, &[
        ("complete", &status(&format!("{all}, {done}"))),
        ("no status yet", "spec: {replicas: 3}"),
        ("complete, but of the old generation", &status(&format!("{all}, {done}").replace("Generation: 2", "Generation: 1"))),
        ("updating", &status("observedGeneration: 2, replicas: 4, updatedReplicas: 1, readyReplicas: 3, availableReplicas: 3")),
        ("old pods", &status("observedGeneration: 2, replicas: 5, updatedReplicas: 3, readyReplicas: 5, availableReplicas: 5")),
        ("not available", &status("observedGeneration: 2, replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 2")),
        ("not said to be complete", &status(&format!("{all}, conditions: [{{type: Progressing, status: 'True', reason: ReplicaSetUpdated, message: is progressing}}]"))),
        ("no progress deadline", &status(all)),
        ("deadline", &status("observedGeneration: 2, updatedReplicas: 1, conditions: [{type: Progressing, status: 'False', reason: ProgressDeadlineExceeded, message: 'ReplicaSet \"api-1\" has timed out progressing.'}]")),
        ("quota", &status(&format!("observedGeneration: 2, {refused}"))),
        ("a failure that passes", &status(&format!("observedGeneration: 2, {flaky}"))),
        ("a failure of the old replica set", &status(&format!("{all}, {refused}"))),
        ("paused", "spec: {replicas: 3, paused: true}\nstatus: {observedGeneration: 2}"),
        ("scaled to nothing", &format!("spec: {{replicas: 0}}\nstatus: {{observedGeneration: 2, {done}}}")),
        ("one replica by default", "spec: {}\nstatus: {observedGeneration: 2}"),
    ]), @r#"
    complete: ready
    no status yet: its controller has not seen it yet
    complete, but of the old generation: its controller has not seen the change yet
    updating: 1 of 3 replicas are updated
    old pods: 2 old replicas are still there
    not available: 2 of 3 replicas are available
    not said to be complete: is progressing
    no progress deadline: ready
    deadline: failed: no progress for 600 s: ReplicaSet "api-1" has timed out progressing.
    quota: failed: its pods can't be created: pods "a" is forbidden: exceeded quota: q
    a failure that passes: its pods can't be created: etcd leader changed
    a failure of the old replica set: ready
    paused: ready
    scaled to nothing: ready
    one replica by default: 0 of 1 replica is updated
    "#);
}

#[test]
fn an_older_copy_than_our_write_says_nothing() {
    let live = &values(&format!(
        "{DEPLOYMENT}\nstatus: {{observedGeneration: 2, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1}}"
    ))[0];
    assert_eq!(of(live, 2), Status::Ready);
    assert_eq!(of(live, 3).to_string(), "the change has not arrived yet");
}

#[test]
fn stateful_sets() {
    let head = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {generation: 1}";
    let same = "currentRevision: a, updateRevision: a";
    let differ = "currentRevision: a, updateRevision: b";
    let status = |fields: &str| format!("spec: {{replicas: 3}}\nstatus: {{observedGeneration: 1, {fields}}}");
    insta::assert_snapshot!(judged(head, &[
        ("complete", &status(&format!("replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3, {same}"))),
        ("starting", &status(&format!("replicas: 1, updatedReplicas: 1, readyReplicas: 1, {same}"))),
        ("updating", &status(&format!("replicas: 3, updatedReplicas: 1, readyReplicas: 3, {differ}"))),
        ("not ready", &status(&format!("replicas: 3, updatedReplicas: 3, readyReplicas: 2, {differ}"))),
        ("not available", &status(&format!("replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 1, {same}"))),
        ("not finished", &status(&format!("replicas: 3, updatedReplicas: 3, readyReplicas: 3, {differ}"))),
        ("shrinking", &status(&format!("replicas: 4, updatedReplicas: 4, readyReplicas: 4, {same}"))),
        ("partition", &format!("spec: {{replicas: 3, updateStrategy: {{rollingUpdate: {{partition: 2}}}}}}\nstatus: {{observedGeneration: 1, replicas: 3, updatedReplicas: 1, readyReplicas: 3, {differ}}}")),
        ("on delete", "spec: {replicas: 3, updateStrategy: {type: OnDelete}}\nstatus: {observedGeneration: 1}"),
    ]), @"
    complete: ready
    starting: 1 of 3 replicas are there
    updating: 1 of 3 replicas are updated
    not ready: 2 of 3 replicas are ready
    not available: 1 of 3 replicas are available
    not finished: the controller has not finished the update yet
    shrinking: 1 surplus replica is still there
    partition: ready
    on delete: ready
    ");
}

#[test]
fn daemon_and_replica_sets() {
    let head = "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {generation: 1}";
    let counts = |updated, available, ready| {
        format!(
            "status: {{observedGeneration: 1, desiredNumberScheduled: 4, currentNumberScheduled: 4, updatedNumberScheduled: {updated}, numberAvailable: {available}, numberReady: {ready}}}"
        )
    };
    insta::assert_snapshot!(judged(head, &[
        ("complete", &counts(4, 4, 4)),
        ("no status yet", ""),
        ("no nodes", "status: {observedGeneration: 1}"),
        ("updating", &counts(1, 4, 4)),
        ("on delete", &format!("spec: {{updateStrategy: {{type: OnDelete}}}}\n{}", counts(0, 4, 4))),
        ("not available", &counts(4, 3, 4)),
    ]), @"
    complete: ready
    no status yet: its controller has not seen it yet
    no nodes: ready
    updating: 1 of 4 pods are updated
    on delete: ready
    not available: 3 of 4 pods are available
    ");
    let head = "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {generation: 1}\nspec: {replicas: 2}";
    insta::assert_snapshot!(judged(head, &[
        ("complete", "status: {observedGeneration: 1, replicas: 2, readyReplicas: 2, availableReplicas: 2}"),
        ("not ready", "status: {observedGeneration: 1, replicas: 2, readyReplicas: 1}"),
        ("policy", "status: {observedGeneration: 1, conditions: [{type: ReplicaFailure, status: 'True', message: 'pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\"'}]}"),
    ]), @r#"
    complete: ready
    not ready: 1 of 2 replicas are ready
    policy: failed: its pods can't be created: pods "x" is forbidden: violates PodSecurity "restricted:latest"
    "#);
}

#[test]
fn jobs_are_ready_when_they_have_finished() {
    let head = "apiVersion: batch/v1\nkind: Job\nmetadata: {generation: 1}";
    insta::assert_snapshot!(judged(head, &[
        ("complete", "status: {conditions: [{type: Complete, status: 'True'}]}"),
        ("succeeding", "status: {conditions: [{type: SuccessCriteriaMet, status: 'True'}]}"),
        ("failed", "status: {conditions: [{type: Failed, status: 'True', reason: BackoffLimitExceeded, message: Job has reached the specified backoff limit}]}"),
        ("failing", "status: {conditions: [{type: FailureTarget, status: 'True', reason: DeadlineExceeded}]}"),
        ("running", "spec: {completions: 3}\nstatus: {active: 1, succeeded: 1, failed: 2}"),
        ("not started", "spec: {}"),
        ("suspended", "spec: {suspend: true}"),
    ]), @"
    complete: ready
    succeeding: ready
    failed: failed: Job has reached the specified backoff limit
    failing: failed: DeadlineExceeded
    running: 1 of 3 completed, 1 running, 2 failed
    not started: the job has not started yet
    suspended: ready
    ");
}

#[test]
fn pods() {
    let head = "apiVersion: v1\nkind: Pod";
    insta::assert_snapshot!(judged(head, &[
        ("ready", "status: {phase: Running, conditions: [{type: Ready, status: 'True'}]}"),
        ("done", "status: {phase: Succeeded}"),
        ("failed", "status: {phase: Failed, containerStatuses: [{name: a, state: {terminated: {exitCode: 3}}}, {name: b, state: {terminated: {exitCode: 0}}}]}"),
        ("evicted", "status: {phase: Failed, reason: Evicted, message: The node was low on memory}"),
        ("pulling", "status: {phase: Pending, containerStatuses: [{name: a, state: {waiting: {reason: ContainerCreating}}}]}"),
        ("no room", "status: {phase: Pending, conditions: [{type: PodScheduled, status: 'False', reason: Unschedulable, message: 0/3 nodes are available}]}"),
        ("not ready", "status: {phase: Running, conditions: [{type: Ready, status: 'False', reason: ContainersNotReady, message: 'containers with unready status: [a]'}]}"),
        ("nothing yet", "status: {phase: Pending}"),
        ("leaving", "status: {phase: Running}\nmetadata: {deletionTimestamp: '2026-01-01T00:00:00Z'}"),
    ]), @"
    ready: ready
    done: ready
    failed: failed: the pod has failed: container a ended with exit code 3
    evicted: failed: the pod has failed: Evicted: The node was low on memory
    pulling: container a: ContainerCreating
    no room: not scheduled: 0/3 nodes are available
    not ready: containers with unready status: [a]
    nothing yet: the pod has not started yet
    leaving: it is being deleted
    ");
}

#[test]
fn other_built_in_kinds() {
    let cases = [
        ("bound claim", "apiVersion: v1\nkind: PersistentVolumeClaim", "status: {phase: Bound}"),
        ("claim waiting for a pod", "apiVersion: v1\nkind: PersistentVolumeClaim", "status: {phase: Pending}"),
        (
            "claim being provisioned",
            "apiVersion: v1\nkind: PersistentVolumeClaim",
            "metadata: {annotations: {volume.kubernetes.io/storage-provisioner: csi.acme.io}}\nstatus: {phase: Pending}",
        ),
        ("lost claim", "apiVersion: v1\nkind: PersistentVolumeClaim", "status: {phase: Lost}"),
        ("cluster service", "apiVersion: v1\nkind: Service", "spec: {type: ClusterIP}"),
        ("load balancer", "apiVersion: v1\nkind: Service", "spec: {type: LoadBalancer}\nstatus: {loadBalancer: {}}"),
        (
            "load balancer with address",
            "apiVersion: v1\nkind: Service",
            "spec: {type: LoadBalancer}\nstatus: {loadBalancer: {ingress: [{ip: 1.2.3.4}]}}",
        ),
        ("external name", "apiVersion: v1\nkind: Service", "spec: {type: ExternalName}"),
        ("active namespace", "apiVersion: v1\nkind: Namespace", "status: {phase: Active}"),
        ("new namespace", "apiVersion: v1\nkind: Namespace", ""),
        (
            "terminating namespace",
            "apiVersion: v1\nkind: Namespace",
            "metadata: {deletionTimestamp: '2026-01-01T00:00:00Z'}\nstatus: {phase: Terminating}",
        ),
        ("configuration", "apiVersion: v1\nkind: ConfigMap", "data: {}"),
    ];
    let text: String = cases.iter().map(|(case, head, rest)| judged(head, &[(case, rest)])).collect();
    insta::assert_snapshot!(text, @"
    bound claim: ready
    claim waiting for a pod: ready
    claim being provisioned: csi.acme.io has not provided the volume yet
    lost claim: failed: the volume that the claim was bound to is gone
    cluster service: ready
    load balancer: the load balancer has no address yet
    load balancer with address: ready
    external name: ready
    active namespace: ready
    new namespace: the namespace is not active yet
    terminating namespace: failed: the namespace is being deleted
    configuration: ready
    ");
}

#[test]
fn definitions_apis_and_the_kinds_of_operators() {
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition";
    let accepted = "{type: NamesAccepted, status: 'True'}";
    insta::assert_snapshot!(judged(definition, &[
        ("established", &format!("status: {{conditions: [{accepted}, {{type: Established, status: 'True'}}]}}")),
        ("installing", &format!("status: {{conditions: [{accepted}, {{type: Established, status: 'False', reason: Installing, message: the initial names have been accepted}}]}}")),
        ("names taken", "status: {conditions: [{type: NamesAccepted, status: 'False', reason: PluralConflict, message: '\"fleets\" is already in use'}]}"),
        ("new", ""),
    ]), @r#"
    established: ready
    installing: the kind is not served yet
    names taken: failed: its names are not accepted: "fleets" is already in use
    new: the kind is not served yet
    "#);
    insta::assert_snapshot!(judged("apiVersion: apiregistration.k8s.io/v1\nkind: APIService", &[
        ("available", "status: {conditions: [{type: Available, status: 'True'}]}"),
        ("no endpoints", "status: {conditions: [{type: Available, status: 'False', reason: MissingEndpoints, message: no addresses}]}"),
    ]), @"
    available: ready
    no endpoints: no addresses
    ");
    insta::assert_snapshot!(judged("apiVersion: acme.io/v1\nkind: Fleet\nmetadata: {generation: 2}", &[
        ("no status", ""),
        ("not observed", "status: {observedGeneration: 1}"),
        ("ready", "status: {observedGeneration: 2, conditions: [{type: Ready, status: 'True'}]}"),
        ("not ready", "status: {conditions: [{type: Ready, status: 'False', reason: Issuing}]}"),
        ("unknown", "status: {conditions: [{type: Ready, status: Unknown}]}"),
        ("reconciling", "status: {conditions: [{type: Reconciling, status: 'True', message: working}, {type: Ready, status: 'True'}]}"),
        ("stalled", "status: {conditions: [{type: Stalled, status: 'True', message: bad spec}]}"),
    ]), @"
    no status: ready
    not observed: its controller has not seen the change yet
    ready: ready
    not ready: Issuing
    unknown: it is not ready yet
    reconciling: working
    stalled: failed: bad spec
    ");
}

#[test]
fn pods_that_will_not_start() {
    let waiting = |reason: &str, message: &str| {
        format!("status: {{containerStatuses: [{{name: api, state: {{waiting: {{reason: {reason}, message: '{message}'}}}}}}]}}")
    };
    let cases = [
        ("image not found", waiting("ErrImagePull", "rpc error: code = NotFound desc = ghcr.io/acme/api:v9: not found")),
        ("image forbidden", waiting("ImagePullBackOff", "Back-off pulling image \"x\": ErrImagePull: 401 Unauthorized")),
        ("registry is slow", waiting("ErrImagePull", "i/o timeout")),
        ("back-off without a cause", waiting("ImagePullBackOff", "Back-off pulling image \"ghcr.io/acme/api:v9\"")),
        ("no image name", waiting("InvalidImageName", "couldn''t parse image name")),
        ("never pull", waiting("ErrImageNeverPull", "")),
        ("missing config", waiting("CreateContainerConfigError", "configmap \"web\" not found")),
        ("stale cache", waiting("CreateContainerConfigError", "failed to sync configmap cache: timed out")),
        ("crash loop", "status: {containerStatuses: [{name: ok, state: {running: {}}}, {name: api, restartCount: 3, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, reason: Error, message: \"no database\\n\"}}}]}".into()),
        ("init crash loop", "status: {initContainerStatuses: [{name: wait, state: {waiting: {reason: CrashLoopBackOff}}}]}".into()),
        ("cannot run", "status: {containerStatuses: [{name: api, state: {terminated: {reason: ContainerCannotRun, exitCode: 127, message: no such file}}}]}".into()),
        ("node in trouble", "status: {containerStatuses: [{name: api, state: {terminated: {reason: ContainerCannotRun, exitCode: 128}}}]}".into()),
        ("evicted", "status: {reason: Evicted, containerStatuses: [{name: api, state: {waiting: {reason: InvalidImageName}}}]}".into()),
        ("leaving", format!("metadata: {{deletionTimestamp: now}}\n{}", waiting("InvalidImageName", ""))),
        ("creating", waiting("ContainerCreating", "")),
    ];
    let text: String = cases
        .iter()
        .map(|(case, pod)| {
            format!("{case}: {}\n", super::pods::doom(&values(pod)[0]).map_or("may still start".into(), |doom| doom.to_string()))
        })
        .collect();
    insta::assert_snapshot!(text, @r#"
    image not found: container api: ErrImagePull: rpc error: code = NotFound desc = ghcr.io/acme/api:v9: not found
    image forbidden: container api: ImagePullBackOff: Back-off pulling image "x": ErrImagePull: 401 Unauthorized
    registry is slow: may still start
    back-off without a cause: may still start
    no image name: container api: InvalidImageName: couldn't parse image name
    never pull: container api: ErrImageNeverPull
    missing config: container api: CreateContainerConfigError: configmap "web" not found
    stale cache: may still start
    crash loop: container api: CrashLoopBackOff: it ended with exit code 1 (Error) after 3 restarts: no database
    init crash loop: container wait: CrashLoopBackOff
    cannot run: container api: ContainerCannotRun: no such file
    node in trouble: may still start
    evicted: may still start
    leaving: may still start
    creating: may still start
    "#);
}
