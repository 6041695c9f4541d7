//! The server's name on the local network.

/// How it is found by name.
#[derive(Clone, Debug, clap::Args)]
pub struct Mdns {
    /// Announce the server on the local network as NAME.local (mDNS)
    ///
    /// Only where it listens beyond this machine. Another server that has the name keeps it; this one
    /// is NAME-2.local then.
    #[arg(long, env = "TABLEKEEP_MDNS", value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub mdns: bool,

    /// The name under which it is announced
    #[arg(long, env = "TABLEKEEP_MDNS_NAME", value_name = "NAME", default_value = "tablekeep", value_parser = label, hide_short_help = true)]
    pub mdns_name: String,
}

/// One label of a host name (RFC 1123, section 2.1), with room for `-2`; in lower case.
fn label(text: &str) -> Result<String, String> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let fits = (1..=50).contains(&text.len()) && text.chars().all(inner);
    if !fits || text.starts_with('-') || text.ends_with('-') {
        return Err(
            "expected a name of letters, digits and hyphens, such as game-night; .local is added"
                .into(),
        );
    }
    Ok(text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_label() {
        assert_eq!(label("Game-Night"), Ok("game-night".to_owned()));
        let long = "a".repeat(51);
        for bad in ["", "a.b", "tablekeep.local", "-a", "a-", "ä", "a b", &long] {
            assert!(label(bad).is_err(), "{bad}");
        }
    }
}
