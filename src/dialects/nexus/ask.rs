//! What a handshake's query asks for.

use actix_web::web::Query;

/// What somebody wants who connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A room of their own: with this code, or with one that the server invents.
    Host(Option<String>),
    /// To be a player in the room with this code.
    Join(String),
}

impl Ask {
    /// Reads a query string as browsers write it. The first of several values counts, an empty one is
    /// none, and `host` counts above `join`.
    pub fn of(query: &str) -> Self {
        let pairs = Query::<Vec<(String, String)>>::from_query(query);
        let mut pairs = pairs.map(Query::into_inner).unwrap_or_default();
        let mut first = |name: &str| {
            let at = pairs.iter().position(|(key, _)| key == name)?;
            Some(pairs.remove(at).1).filter(|value| !value.is_empty())
        };
        if let Some(code) = first("host") {
            return Self::Host(Some(code));
        }
        first("join").map_or(Self::Host(None), Self::Join)
    }

    /// Whether a query is for a room at all, where other protocols share the path.
    pub fn is_in(query: &str) -> bool {
        let mut names = query.split('&').map(|pair| pair.split('=').next());
        names.any(|name| matches!(name, Some("host" | "join")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_says_it_all() {
        let host = |code: &str| Ask::Host(Some(code.into()));
        for (query, expected) in [
            ("", Ask::Host(None)),
            ("host=ABCD", host("ABCD")),
            ("join=abcd", Ask::Join("abcd".into())),
            ("host=", Ask::Host(None)),
            ("join=", Ask::Host(None)),
            ("host=&join=", Ask::Host(None)),
            ("host=&join=AB12", Ask::Join("AB12".into())),
            ("host=&join=AAAA&join=BBBB", Ask::Join("AAAA".into())),
            ("join=BBBB&host=AAAA", host("AAAA")),
            ("host=AAAA&host=BBBB", host("AAAA")),
            ("join=AAAA&join=BBBB", Ask::Join("AAAA".into())),
            ("join=&join=BBBB", Ask::Host(None)),
            ("x=1&join=A%42C+D&y", Ask::Join("ABC D".into())),
            ("join", Ask::Host(None)),
            ("%", Ask::Host(None)),
            ("&&==&", Ask::Host(None)),
        ] {
            assert_eq!(Ask::of(query), expected, "{query}");
        }
    }

    #[test]
    fn other_queries_are_not_for_rooms() {
        for (query, is) in [
            ("host=", true),
            ("a=1&join=X", true),
            ("host", true),
            ("", false),
            ("hosts=1", false),
        ] {
            assert_eq!(Ask::is_in(query), is, "{query}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_query_makes_it_panic(query in ".{0,60}") {
            let _ = (Ask::of(&query), Ask::is_in(&query));
        }
    }
}
