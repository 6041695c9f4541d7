//! What a handshake's query says: who wants to be registered.

use super::queues::Owner;
use actix_web::web::Query;

/// Longest id, in characters.
pub const ID_CHARS: usize = 128;
/// Longest token, in bytes.
pub const TOKEN_BYTES: usize = 4096;

/// Who somebody wants to be who connects.
pub struct Ask {
    /// Which ids are meant.
    pub(super) key: String,
    pub(super) owner: Owner,
}

impl Ask {
    /// Reads a query string as browsers write it; the last of several values counts.
    ///
    /// Errors: a sentence for whoever connects.
    pub fn of(query: &str) -> Result<Self, &'static str> {
        let pairs = Query::<Vec<(String, String)>>::from_query(query);
        let mut pairs = pairs.map(Query::into_inner).unwrap_or_default();
        let mut last = |name: &str| {
            let at = pairs.iter().rposition(|(key, _)| key == name)?;
            Some(std::mem::take(&mut pairs[at].1)).filter(|value| !value.is_empty())
        };
        let (Some(id), Some(token), Some(key)) = (last("id"), last("token"), last("key")) else {
            return Err("id, token and key are needed to connect");
        };
        if id.chars().nth(ID_CHARS).is_some() || id.chars().any(char::is_control) {
            return Err("an id may have at most 128 characters, none of them a control character");
        }
        if token.len() > TOKEN_BYTES {
            return Err("the token is too long");
        }
        let owner = Owner {
            id: id.into(),
            token: token.into(),
        };
        Ok(Self { key, owner })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_says_who_it_is() {
        let long = "x".repeat(ID_CHARS);
        let umlauts = "%C3%A4".repeat(ID_CHARS);
        for (query, id, token, key) in [
            ("key=peerjs&id=a&token=t&version=1.5.5", "a", "t", "peerjs"),
            ("id=a%20b&token=%26%3D&key=k", "a b", "&=", "k"),
            ("id=a&id=b&token=1&token=2&key=x&key=y", "b", "2", "y"),
            (&format!("id={long}&token=t&key=k"), &long, "t", "k"),
            (
                &format!("id={umlauts}&token=t&key=k"),
                &"ä".repeat(ID_CHARS),
                "t",
                "k",
            ),
        ] {
            let ask = Ask::of(query).map_err(str::to_owned).unwrap();
            assert_eq!(
                (&*ask.owner.id, &*ask.owner.token, &*ask.key),
                (id, token, key),
                "{query}"
            );
        }
    }

    #[test]
    fn who_does_not_say_it_is_told_so() {
        let too_long = format!("id={}&token=t&key=k", "x".repeat(ID_CHARS + 1));
        let token = format!("id=a&token={}&key=k", "x".repeat(TOKEN_BYTES + 1));
        for query in [
            "",
            "%",
            "id=a&token=t",
            "id=a&key=k",
            "token=t&key=k",
            "id=&token=t&key=k",
            "id=a&token=&key=k",
            "id=a&token=t&key=",
            "id=a&id=&token=t&key=k",
            "ID=a&token=t&key=k",
            "id=a%0Ab&token=t&key=k",
            "id=%00&token=t&key=k",
            "id=a%C2%85&token=t&key=k",
            &too_long,
            &token,
        ] {
            assert!(Ask::of(query).is_err(), "{query}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_query_makes_it_panic(query in ".{0,60}") {
            let _ = Ask::of(&query);
        }
    }
}
