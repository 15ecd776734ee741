//! Distance of names, for suggestions.

use std::collections::HashMap;

/// Smallest number of insertions, deletions, substitutions and exchanges of neighbours that turns `a` into `b`
/// (Damerau-Levenshtein; Lowrance and Wagner 1975).
pub fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // distance[i][j] is that of the first i and j letters, one row and one column later: row and column 0 exclude
    // exchanges of letters before the names.
    let mut distance = vec![vec![a.len() + b.len(); b.len() + 2]; a.len() + 2];
    (0..=a.len()).for_each(|i| distance[i + 1][1] = i);
    (0..=b.len()).for_each(|j| distance[1][j + 1] = j);
    let mut last_row_of = HashMap::new();
    for (i, from) in (1..).zip(&a) {
        let mut last_match = 0;
        for (j, to) in (1..).zip(&b) {
            let row = last_row_of.get(to).copied().unwrap_or(0);
            let exchanged = distance[row][last_match] + (i - row - 1) + 1 + (j - last_match - 1);
            let substituted = distance[i][j] + usize::from(from != to);
            let inserted_or_deleted = distance[i + 1][j].min(distance[i][j + 1]) + 1;
            if from == to {
                last_match = j;
            }
            distance[i + 1][j + 1] = substituted.min(inserted_or_deleted).min(exchanged);
        }
        last_row_of.insert(*from, i);
    }
    distance[a.len() + 1][b.len() + 1]
}

#[cfg(test)]
mod tests {
    use super::edit_distance;

    #[test]
    fn distances_are_those_of_the_oracle() {
        let names = [
            "",
            "a",
            "ab",
            "ba",
            "bca",
            "abc",
            "octave",
            "octaves",
            "ocatves",
            "tolerance",
            "tolernace",
            "max-iter",
            "iter-max",
            "clusters",
            "cluster-table",
            "ünïts",
            "untis",
        ];
        for a in names {
            for b in names {
                let expected = strsim::damerau_levenshtein(a, b);
                assert_eq!(edit_distance(a, b), expected, "{a} {b}");
            }
        }
    }
}
