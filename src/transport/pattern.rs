//! The pattern lists of ssh_config and known_hosts: `*`, `?`, and `!` to exclude.

/// Whether `text` matches one pattern, where `*` stands for any run of characters and `?` for one.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.as_bytes(), text.as_bytes());
    // Where to go on from when a match fails: after the last star, one character later than last time.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.split_first(), text.split_first()) {
            (Some((b'*', rest)), _) => {
                retry = Some((rest, text));
                pattern = rest;
            }
            (Some((p, rest)), Some((t, more))) if *p == b'?' || p == t => {
                pattern = rest;
                text = more;
            }
            (None, None) => return true,
            _ => {
                let Some((after_star, from)) = retry else {
                    return false;
                };
                let Some((_, shorter)) = from.split_first() else {
                    return false;
                };
                retry = Some((after_star, shorter));
                (pattern, text) = (after_star, shorter);
            }
        }
    }
}

/// Whether a list of patterns accepts `text`: at least one matches and none of the `!` ones does.
pub(super) fn list_matches<'a>(patterns: impl IntoIterator<Item = &'a str>, text: &str) -> bool {
    let mut found = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(excluded) if matches(excluded, text) => return false,
            Some(_) => {}
            None => found |= matches(pattern, text),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let table = [
            ("", "", true),
            ("*", "", true),
            ("*", "anything", true),
            ("web?", "web1", true),
            ("web?", "web", false),
            ("web?", "web12", false),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("a*b*c", "axxbyybzc", true),
            ("a*b*c", "axxbyybz", false),
            ("[::1]:22", "[::1]:22", true),
            ("**a", "bca", true),
            ("a", "A", false),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn lists() {
        let table = [
            (&["web*", "!web3"][..], "web1", true),
            (&["web*", "!web3"][..], "web3", false),
            (&["!web3", "web*"][..], "web3", false),
            (&["!web3"][..], "web1", false),
            (&[][..], "web1", false),
        ];
        for (list, text, expected) in table {
            assert_eq!(list_matches(list.iter().copied(), text), expected, "{list:?} {text}");
        }
    }
}
