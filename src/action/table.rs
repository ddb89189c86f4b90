//! The table of inputs and outputs: the only source of `action.yml`, `docs/inputs.md`, `--help` and the parser.

/// One input of the action.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    pub name: &'static str,
    /// The default as it is written in `action.yml`; empty when unset means something of its own.
    pub default: &'static str,
    /// What it means, in a sentence or two, for people.
    pub help: &'static str,
    /// What is used when it is unset and has no literal default.
    pub unset: &'static str,
    pub sensitivity: Sensitivity,
}

/// Whether a value may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sensitivity {
    Public,
    Secret,
}

const fn input(name: &'static str, default: &'static str, unset: &'static str, help: &'static str) -> Spec {
    Spec { name, default, help, unset, sensitivity: Sensitivity::Public }
}

const fn secret(name: &'static str, unset: &'static str, help: &'static str) -> Spec {
    Spec { name, default: "", help, unset, sensitivity: Sensitivity::Secret }
}

/// All inputs, in the order in which the reference page shows them.
pub const INPUTS: &[Spec] = &[
    input(
        "mode",
        "plan",
        "",
        "`plan` (writes nothing), `retag`, `apply`, `pull-request`, `commit` (as `pull-request`, straight to the base branch) or `render`",
    ),
    input("dry-run", "false", "", "plan against the real registry, cluster and repositories, and stop before the first write"),
    input("version", "", "from the event", "release version or tag to deploy, such as `v1.2.3`; quote it"),
    input(
        "tag-pattern",
        "",
        "`v1.2.3`, `1.2.3`, `api-v1.2.3`, `api/v1.2.3`",
        "regular expression for git tags, with a group `version`: `^release-(?P<version>.+)$`",
    ),
    input(
        "channels",
        "stable: production, rc: staging, beta: staging, alpha: development, prerelease: staging",
        "",
        "pre-release kind → environment; `prerelease` is what only GitHub's release flags as one",
    ),
    input("compose-files", "", "the file that `docker compose` would find", "compose files, merged in order"),
    input("compose-env-file", "", "`.env` beside the first compose file", "values for interpolation; the step's `env:` wins"),
    input("services", "", "all that are ours", "only these services of the compose file"),
    input("registry", "", "", "prefix of our images, put before names that have no registry: `ghcr.io/acme`"),
    input("registry-username", "", "", "user name for `registry`"),
    secret("registry-password", "", "password or token for `registry`"),
    secret("registry-auths", "", "more credentials: JSON, the `auths` of a Docker config file"),
    input("insecure-registries", "", "loopback only", "registries (`host:port`) that are spoken to over plain HTTP"),
    input("ca-bundle", "", "", "file with more root certificates, PEM; for every server, the API server of the cluster as well"),
    input(
        "source",
        "registry",
        "",
        "where the images are: `registry`, `docker` (the daemon that has just built them; it pushes what the registry hasn't got), \
         `oci:FOLDER` (an OCI image layout), or `none` (another step has published the release tag: \
         no registry is contacted)",
    ),
    input(
        "source-tag",
        "",
        "the tag in the compose file, else `latest`",
        "tag to start from; `{{sha}}` and `{{short_sha}}` are the released commit",
    ),
    input(
        "target-registry",
        "",
        "same repository",
        "promote to another registry or prefix, such as `ghcr.io/acme-production`, or `oci:FOLDER`; what follows `registry` in an image's \
         name follows this instead, or the whole path when its name doesn't begin with `registry`",
    ),
    input(
        "copy-referrers",
        "true",
        "",
        "with `target-registry`: signatures, attestations and SBOMs (OCI referrers, cosign's tags) go along",
    ),
    input(
        "tags",
        "{{tag}}",
        "",
        "tags to write: `{{tag}}` (the git tag), `{{version}}`, `{{major}}.{{minor}}`, `{{major}}`, `latest`, `{{sha}}`, `{{short_sha}}`; \
         the first is the release tag",
    ),
    input("overwrite-tags", "false", "", "let a release tag move to another digest"),
    input(
        "verify-revision",
        "auto",
        "",
        "compare the images' `org.opencontainers.image.revision` with the released commit, where the run knows it: `auto` refuses an \
         annotation that names another commit, and costs no request; `require` reads labels too, refuses images that say nothing, and those \
         of which a platform is missing; `off`",
    ),
    input("manifests", "", "", "Kubernetes manifests: files, folders (with what is below them), globs, kustomizations (folder or file)"),
    input("namespace", "", "from the manifest", "namespace of namespaced objects; a manifest that names another one is an error"),
    input("image-pull-secrets", "", "", "names of Secrets to pull images with; added to every pod specification that lacks them"),
    input("image-names", "", "", "`name: service` — a name used in manifests, and the compose service whose image it stands for"),
    input("pin", "digest", "", "how images are written into manifests: `digest` (`repository:tag@sha256:…`) or `tag`"),
    input(
        "variables",
        "",
        "",
        "`NAME=value` for `%%NAME%%` placeholders in manifests; VERSION, TAG, COMMIT_HASH, SHORT_HASH and ENVIRONMENT are there",
    ),
    secret("kubeconfig", "`KUBECONFIG`, then in-cluster", "kubeconfig as content, base64 of it, or a path"),
    input("context", "", "the kubeconfig's current context", "context of the kubeconfig to use"),
    input("app", "", "the repository's name", "names the branches and pull requests of this application"),
    input("wait", "true", "", "wait until what was applied has rolled out"),
    input("timeout", "10m", "", "one deadline for all of the registry's work, and one for the whole rollout: `90s`, `10m`, `1h30m`"),
    input(
        "on-failure",
        "rollback",
        "",
        "after a failed rollout: bring back what was live, configuration included (`rollback`), or leave everything as it is (`keep`)",
    ),
    input(
        "checks",
        "",
        "",
        "Jobs that are run when the application has rolled out, and what belongs to them: files, folders, globs, kustomizations, as in \
         `manifests`; a check that fails fails the release",
    ),
    input(
        "prune",
        "false",
        "",
        "delete what an earlier release of the same `app` has applied and this one no longer has, when everything is ready; begins with the \
         second release that has it",
    ),
    input(
        "config-updates",
        "restart",
        "",
        "when a ConfigMap or Secret of the manifests changes: `restart` the workloads whose pods read it, give them immutable copies \
         `NAME-HASH` that are collected when nothing refers to them any more (`versioned`), or neither (`none`)",
    ),
    input(
        "field-conflicts",
        "human",
        "",
        "fields held by others: take over those of people's tools (`human`), all (`force`), none (`fail`)",
    ),
    input(
        "infra",
        "",
        "",
        "infrastructure repositories, a YAML list: `repository` (`owner/name`, a URL or a folder), `base`, `path`, `environment`, \
         `edit` (`auto`, `kustomize`, `helm`, `manifests`, `placeholders`, `render`), `publish` (`auto`, `api`, `git`), `services`, `values`, `chart-version`, `templates`, \
         `title`, `commit-message`, `labels`, `reviewers`, `team-reviewers`, `assignees`, `draft`, `auto-merge` (`squash`, `merge`, `rebase`), `on-protected` (`fail`, \
         `pull-request`), `allow-downgrade`, `plain-secrets`",
    ),
    secret("infra-token", "", "personal or App installation token for the infrastructure repositories"),
    input(
        "infra-app-id",
        "",
        "",
        "id or client id of a GitHub App that makes a token for just these repositories, instead of `infra-token`",
    ),
    secret("infra-app-key", "", "private key of that App, in PEM"),
    secret(
        "infra-ssh-key",
        "",
        "private key that logs in to infrastructure repositories given as `git@host:…` or `ssh://…`: Ed25519 or ECDSA, without a passphrase",
    ),
    input("infra-ssh-known-hosts", "", "GitHub's", "host keys of servers reached over SSH, as in a known_hosts file; GitHub's are known"),
    secret("infra-signing-key", "", "private SSH key that signs the commits in infrastructure repositories"),
    input("render-folder", "rendered", "", "folder that `mode: render` writes the ordered, pinned manifests into"),
];

/// One output of the action.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    pub name: &'static str,
    pub help: &'static str,
}

const fn output(name: &'static str, help: &'static str) -> Output {
    Output { name, help }
}

/// All outputs.
pub const OUTPUTS: &[Output] = &[
    output("version", "the released version, without the tag's prefix"),
    output("tag", "the git tag of the release"),
    output("channel", "`stable`, or the kind of pre-release"),
    output("environment", "the environment that `channels` gives for the channel"),
    output("prerelease", "`true` or `false`"),
    output("images", "JSON: service, repository, tag and digest of each image"),
    output("digests", "JSON: service → digest; no registry host in it, so it survives the masking of job outputs"),
    output("matrix", "JSON for `strategy.matrix` of a following job: one entry an environment"),
    output("plan", "JSON: what was planned"),
    output("applied", "JSON: the objects of the cluster and what happened to them"),
    output("pull-requests", "JSON: one entry an infrastructure repository"),
    output("changed", "`true` when this run changed anything"),
    output("outcome", "`done`, `unchanged`, `planned`, `failed`, `refused`, `timed-out` or `cancelled`"),
];

/// The input of that name.
pub fn find(name: &str) -> Option<&'static Spec> {
    INPUTS.iter().find(|spec| spec.name == name)
}
