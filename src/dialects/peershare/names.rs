//! Names that are unique in a group, whatever people call themselves.

use super::wire::NAME_CHARS;

/// The name that somebody gets who wants to be called `wanted`: that, or with the lowest counter
/// behind it that makes it nobody else's. Case makes no difference between names, and the result is
/// as long as a name may be at most. `wanted` and all names are ASCII.
pub fn free_name<'a>(wanted: &str, taken: impl Iterator<Item = &'a str> + Clone) -> String {
    let is_taken = |name: &str| taken.clone().any(|other| other.eq_ignore_ascii_case(name));
    if !is_taken(wanted) {
        return wanted.to_owned();
    }
    let counters = 1..=u32::MAX;
    let mut candidates = counters.map(|counter| {
        let counter = counter.to_string();
        let base = &wanted[..wanted.len().min(NAME_CHARS - counter.len())];
        format!("{base}{counter}")
    });
    candidates
        .find(|name| !is_taken(name))
        .unwrap_or_else(|| wanted.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn taken_names_get_the_lowest_free_counter() {
        let mut names: Vec<String> = vec!["Alice".into()];
        for (wanted, got) in [
            ("alice", "alice1"),
            ("ALICE", "ALICE2"),
            ("alice1", "alice11"),
            ("bob", "bob"),
        ] {
            let name = free_name(wanted, names.iter().map(String::as_str));
            assert_eq!(name, got);
            names.push(name);
        }
        // A name is free again as soon as nobody has it.
        names.retain(|name| name != "alice1");
        assert_eq!(
            free_name("aLICE", names.iter().map(String::as_str)),
            "aLICE1"
        );
    }

    #[test]
    fn a_long_name_is_shortened_to_fit_its_counter() {
        let long = "x".repeat(NAME_CHARS);
        let mut names = vec![long.clone()];
        for n in 1..=100 {
            let name = free_name(&long, names.iter().map(String::as_str));
            assert_eq!(name.len(), NAME_CHARS);
            assert!(name.ends_with(&n.to_string()));
            names.push(name);
        }
    }

    proptest! {
        #[test]
        fn nobody_ever_gets_anothers_name(wanted in prop::collection::vec("[aAb1]{1,3}|[xX]{49,50}", 1..60)) {
            let mut names: Vec<String> = Vec::new();
            for wanted in wanted {
                let name = free_name(&wanted, names.iter().map(String::as_str));
                prop_assert!((1..=NAME_CHARS).contains(&name.len()));
                prop_assert!(names.iter().all(|other| !other.eq_ignore_ascii_case(&name)));
                names.push(name);
            }
        }
    }
}
