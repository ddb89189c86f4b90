//! Drafts: Gitea has no field to set, but reads the title (`WORK_IN_PROGRESS_PREFIXES`, by default `WIP:` and `[WIP]`). Pure.

const PREFIXES: [&str; 2] = ["WIP:", "[WIP]"];

/// The title of a draft.
pub(super) fn mark(title: &str) -> String {
    format!("{} {title}", PREFIXES[0])
}

/// The mark of a draft with the blanks behind it, and the title itself.
pub(super) fn split(title: &str) -> (&str, &str) {
    let is_marked = |prefix: &str| title.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let Some(prefix) = PREFIXES.into_iter().find(|prefix| is_marked(prefix)) else { return ("", title) };
    let rest = title[prefix.len()..].trim_start();
    title.split_at(title.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_of_a_draft_is_no_part_of_its_title() {
        assert_eq!(split(&mark("Deploy shop v1")), ("WIP: ", "Deploy shop v1"));
        assert_eq!(split("[wip]Deploy"), ("[wip]", "Deploy"));
        assert_eq!(split("Deploy WIP: x"), ("", "Deploy WIP: x"));
        assert_eq!(split("é"), ("", "é"));
        assert_eq!(split("WIP:"), ("WIP:", ""));
    }
}
