//! Parsing `Host` and `Origin` (RFC 9110 section 7.2, RFC 6454 section 7).

use std::net::IpAddr;

/// The host part of `Host: name:port` or of an origin, brackets and port removed; `None` when it
/// is neither a name nor an address.
pub(super) fn host_name(authority: &str) -> Option<&str> {
    let name = match authority.strip_prefix('[') {
        Some(rest) => {
            let (inner, behind) = rest.split_once(']')?;
            inner.parse::<std::net::Ipv6Addr>().ok()?;
            if !is_port(behind) {
                return None;
            }
            inner
        }
        None => match authority.split_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            Some(_) => return None,
            None => authority,
        },
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
    (!name.is_empty() && name.bytes().all(plain)).then_some(name)
}

fn is_port(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
}

/// The authority (`host:port`) of `http(s)://host:port`; `None` for `null` and other schemes.
pub(super) fn authority(origin: &str) -> Option<&str> {
    origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"))
        .filter(|rest| !rest.contains('/'))
}

/// The address, when the name is one. Browsers write addresses in their plain form only.
pub(super) fn as_ip(name: &str) -> Option<IpAddr> {
    name.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_lose_their_port() {
        assert_eq!(host_name("a.local:8010"), Some("a.local"));
        assert_eq!(host_name("[::1]:8010"), Some("::1"));
        assert_eq!(host_name("[::1]"), Some("::1"));
        assert_eq!(host_name("10.0.0.1"), Some("10.0.0.1"));
        for bad in [
            "", ":80", "a:b", "[::1", "[x]", "a b", "a/b", "user@a", "[::1]x",
        ] {
            assert_eq!(host_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_web_origins_have_an_authority() {
        assert_eq!(authority("http://a:1"), Some("a:1"));
        assert_eq!(authority("null"), None);
        assert_eq!(authority("file://"), None);
        assert_eq!(authority("http://a/b"), None);
    }
}
