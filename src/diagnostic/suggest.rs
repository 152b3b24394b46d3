//! "Did you mean": the nearest of the names that would have fitted.

/// So many names are suggested at most.
const MOST: usize = 3;

/// Returns the candidate nearest to `name`, if one is near enough to have been meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    near(name, candidates).into_iter().next()
}

/// The candidates that are equally near, as far as they are near enough to have been meant.
fn near<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let limit = (name.chars().count() / 3).clamp(1, 4);
    let mut found: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter(|candidate| *candidate != name && !name.is_empty())
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    found.sort_unstable();
    found.dedup();
    let least = found.first().map(|(distance, _)| *distance);
    found.into_iter().take_while(|(distance, _)| Some(*distance) == least).map(|(_, candidate)| candidate).collect()
}

/// Writes "did you mean `x`?" for the nearest candidate, or for several that are equally near.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let near = near(name, candidates);
    (!near.is_empty()).then(|| {
        let names: Vec<String> = near.iter().take(MOST).map(|candidate| format!("`{candidate}`")).collect();
        format!("did you mean {}?", names.join(" or "))
    })
}

/// Edit distance (insert, delete, replace, swap of neighbours), blind to case and to `-` against `_`.
fn distance(a: &str, b: &str) -> usize {
    let fold = |text: &str| -> Vec<char> { text.to_lowercase().replace('-', "_").chars().collect() };
    let (a, b) = (fold(a), fold(b));
    if a.len().abs_diff(b.len()) > 4 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let get = |cells: &[usize], k: usize| cells.get(k).copied().unwrap_or(usize::MAX / 2);
            let mut best = (get(&last, j) + usize::from(ca != cb)).min(get(&last, j + 1) + 1).min(get(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(cb) && b.get(j - 1) == Some(ca);
            if swapped {
                best = best.min(get(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = ["redis_maxmemory", "redis_port", "template"];
        assert_eq!(nearest("redis_max_memory", names), Some("redis_maxmemory"));
        assert_eq!(nearest("tmeplate", names), Some("template"));
        assert_eq!(nearest("hostname", names), None);
        assert_eq!(nearest("", ["d"]), None);
        assert_eq!(
            did_you_mean("web_pot", ["web_put", "web_port", "web"]).as_deref(),
            Some("did you mean `web_port` or `web_put`?")
        );
    }
}
