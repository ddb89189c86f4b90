//! What a kubeconfig says about the program that gives its tokens. Pure.

use std::collections::BTreeMap;

/// An exec plugin as a kubeconfig names it (`client.authentication.k8s.io/v1`).
#[derive(Debug, Clone, Copy)]
pub struct Exec<'a> {
    pub command: &'a str,
    pub args: &'a [String],
    /// Variables that it gets beside those of the process.
    pub env: &'a BTreeMap<String, String>,
    /// The address of the API server that the token is for.
    pub server: &'a str,
}

impl Exec<'_> {
    /// The program's name without its folder and ending.
    pub(super) fn program(&self) -> &str {
        let name = self.command.rsplit(['/', '\\']).next().unwrap_or(self.command);
        name.strip_suffix(".exe").unwrap_or(name)
    }
}

/// A command line, as far as it can be understood without knowing the program: `--name value`, `--name=value`, `-n value`, words.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    given: BTreeMap<String, Option<String>>,
    pub(super) words: Vec<String>,
}

impl Flags {
    pub(super) fn of(args: &[String]) -> Self {
        let mut flags = Self::default();
        let mut args = args.iter().peekable();
        while let Some(arg) = args.next() {
            if !arg.starts_with('-') {
                flags.words.push(arg.clone());
                continue;
            }
            let (name, value) = match arg.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                // The switches of `aws`, which come before its words.
                None if arg.starts_with("--no-") || arg == "--debug" => (arg.as_str(), None),
                None => (arg.as_str(), args.next_if(|next| !next.starts_with('-')).cloned()),
            };
            flags.given.insert(name.to_owned(), value);
        }
        flags
    }

    /// The value of the first of these names that has one.
    pub(super) fn get(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.given.get(*name)?.clone()).filter(|value| !value.is_empty())
    }

    /// Whether a switch is on.
    pub(super) fn has(&self, name: &str) -> bool {
        self.given.get(name).is_some_and(|value| value.as_deref() != Some("false"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(line: &str) -> Flags {
        Flags::of(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn both_forms_of_a_flag_are_read_and_words_stay() {
        let aws = flags("--no-cli-pager --region eu-west-1 eks get-token --cluster-name=shop --output json");
        assert_eq!(aws.words, ["eks", "get-token"]);
        assert_eq!(aws.get(&["--region"]).as_deref(), Some("eu-west-1"));
        assert_eq!(aws.get(&["--cluster-id", "--cluster-name"]).as_deref(), Some("shop"));
        let azure = flags("get-token --legacy --pop-enabled=false -l spn --client-id");
        assert!(azure.has("--legacy") && !azure.has("--pop-enabled"));
        assert_eq!((azure.get(&["-l"]).as_deref(), azure.get(&["--client-id"])), (Some("spn"), None));
    }

    #[test]
    fn a_program_is_known_by_its_name() {
        let env = BTreeMap::new();
        for command in ["aws", "/usr/local/bin/aws", "C:\\tools\\aws.exe"] {
            assert_eq!(Exec { command, args: &[], env: &env, server: "" }.program(), "aws");
        }
    }
}
