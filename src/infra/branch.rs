//! Names of branches (git-check-ref-format(1)). Pure.

/// A file name of 255 bytes less `.lock`, which git adds while it writes a reference.
const PART_LIMIT: usize = 100;

/// The one branch of an application and an environment: `tagboat/<app>/<environment>`.
pub fn name(app: &str, environment: &str) -> String {
    format!("tagboat/{}/{}", part(app), part(environment))
}

/// One part of a reference's name, made of any text. Slashes become dashes, so that no name is a folder of another.
fn part(text: &str) -> String {
    let legal = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '=') { c } else { '-' };
    let mut name = String::new();
    for character in text.trim().chars().map(legal) {
        if name.len() + character.len_utf8() > PART_LIMIT {
            break;
        }
        if !(matches!(character, '.' | '-') && name.ends_with(character)) {
            name.push(character);
        }
    }
    loop {
        let trimmed = name.trim_matches(['.', '-']);
        let trimmed = trimmed.strip_suffix(".lock").unwrap_or(trimmed);
        if trimmed.len() == name.len() {
            break;
        }
        name = trimmed.to_owned();
    }
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_stay_readable() {
        let table = [
            ("shop", "production", "tagboat/shop/production"),
            ("acme/shop", "overlays/eu west", "tagboat/acme-shop/overlays-eu-west"),
            ("a..b~^:?*[\\", "x.lock", "tagboat/a.b/x"),
            ("", "@{-1}", "tagboat/unnamed/1"),
            ("x.lock.lock", "é", "tagboat/x/é"),
        ];
        for (app, environment, expected) in table {
            assert_eq!(name(app, environment), expected);
        }
    }

    proptest! {
        #[test]
        fn every_name_is_one_that_git_takes(app in "\\PC{0,120}", environment in "[.@{}~a/ -]{0,20}(\\.lock)?") {
            let name = name(&app, &environment);
            prop_assert!(git2::Branch::name_is_valid(&name).unwrap_or(false), "{name}");
        }
    }
}
