//! Which known word a mistyped one was probably meant to be.

/// Words are compared by their first characters only: keys come from outside and may be long.
const MAX_CHARS: usize = 32;
/// The most words that are compared with one mistyped word.
const MAX_WORDS: usize = 2_000;

/// The known word nearest to `typed` by Levenshtein distance, if at most half of it differs or one begins
/// with the other.
pub(crate) fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed: Vec<char> = typed.chars().take(MAX_CHARS).collect();
    known
        .into_iter()
        .take(MAX_WORDS)
        .filter(|word| word.len() <= 4 * MAX_CHARS)
        .map(|word| (distance(&typed, word), word))
        .min()
        .filter(|(steps, word)| is_near(*steps, &typed, word))
        .map(|(_, word)| word)
}

fn is_near(steps: usize, typed: &[char], word: &str) -> bool {
    let text: String = typed.iter().collect();
    let shared = !text.is_empty() && !word.is_empty() && (word.starts_with(&text) || text.starts_with(word));
    shared || steps <= typed.len().max(word.chars().count()) / 2
}

fn distance(a: &[char], b: &str) -> usize {
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (line, letter) in b.chars().take(MAX_CHARS).enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, other) in a.iter().enumerate() {
            let replaced = diagonal + usize::from(*other != letter);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[a.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_the_word_that_was_meant() {
        let known = ["unit", "value", "valid_from", "valid_to"];
        for (typed, meant) in [
            ("unti", Some("unit")),
            ("uni", Some("unit")),
            ("units", Some("unit")),
            ("valid_form", Some("valid_from")),
        ] {
            assert_eq!(nearest(typed, known), meant, "{typed}");
        }
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
    }
}
