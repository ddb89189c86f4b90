//! "Did you mean …?": the known word that a misspelt one was probably meant to be.

/// The candidate nearest to `word`, upper and lower case being the same, when it is near enough to be worth telling: at most one
/// slip of the keyboard (a letter too many, too few, wrong or swapped) for every three letters. Of equally near ones the first in the alphabet.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let wanted = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_of_the_keyboard_is_forgiven_and_another_word_is_not() {
        let words = ["version", "short_sha", "sha", "tag"];
        for (typed, meant) in [("verison", "version"), ("VERSION", "version"), ("shortsha", "short_sha"), ("tags", "tag")] {
            assert_eq!(nearest(typed, words), Some(meant), "{typed}");
        }
        assert_eq!(nearest("destroy", ["apply", "plan", "retag"]), None);
        assert_eq!(nearest("", words), None);
    }

    #[test]
    fn of_equally_near_words_the_first_in_the_alphabet_is_told() {
        assert_eq!(nearest("ap", ["aq", "ab"]), Some("ab"));
    }
}
