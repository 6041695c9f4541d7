//! The settings for how browsers reach each other.

use super::Secret;
use std::num::NonZeroU32;
use std::path::PathBuf;

/// The servers that help browsers to reach each other, and how long a permission for them lasts.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Calls")]
pub struct Ice {
    /// A STUN server that browsers may ask for their address, such as stun:stun.example:3478; repeatable
    #[arg(id = "stun", long = "stun", env = "TABLEKEEP_STUN", value_name = "URL", value_delimiter = ',', value_parser = stun)]
    pub stun: Vec<String>,
    /// A TURN server that passes calls on where there is no other way, such as
    /// turn:turn.example:3478?transport=udp; repeatable
    #[arg(id = "turn", long = "turn", env = "TABLEKEEP_TURN", value_name = "URL", value_delimiter = ',', value_parser = turn)]
    pub turn: Vec<String>,
    /// The secret that the TURN servers know, too (coturn's static-auth-secret); of several, separated
    /// by commas, the first one is used
    ///
    /// Better given as the environment variable, or in a file: other users of this machine can see
    /// a command line.
    #[arg(id = "turn-secret", long = "turn-secret", env = "TABLEKEEP_TURN_SECRET", value_name = "SECRET", value_delimiter = ',', hide_env_values = true, value_parser = super::password, conflicts_with = "turn-secret-file")]
    pub turn_secret: Vec<Secret>,
    /// File with that secret, of several lines the first one; read whenever it is needed, so that it
    /// can be changed at any time
    #[arg(
        id = "turn-secret-file",
        long = "turn-secret-file",
        env = "TABLEKEEP_TURN_SECRET_FILE",
        value_name = "FILE"
    )]
    pub turn_secret_file: Option<PathBuf>,
    /// How long one permission for the TURN servers lasts: at least as long as a call
    #[arg(id = "turn-ttl", long = "turn-ttl", env = "TABLEKEEP_TURN_TTL", value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u32).range(60..=604_800))]
    pub turn_ttl: u32,
    /// How often a minute one address may ask for these servers
    #[arg(
        id = "ice-max-requests",
        long = "ice-max-requests",
        env = "TABLEKEEP_ICE_MAX_REQUESTS",
        value_name = "N",
        default_value = "60"
    )]
    pub max_requests: NonZeroU32,
}

fn stun(text: &str) -> Result<String, String> {
    url(text, ["stun:", "stuns:"])
}

fn turn(text: &str) -> Result<String, String> {
    url(text, ["turn:", "turns:"])
}

/// RFC 7064 and 7065: no slashes, no user.
fn url(text: &str, schemes: [&str; 2]) -> Result<String, String> {
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | '@' | '"' | '#');
    match rest {
        Some(rest) if !rest.is_empty() && rest.chars().all(plain) => Ok(text.to_owned()),
        _ => {
            let [plain, tls] = schemes;
            Err(format!(
                "expected {plain}HOST:PORT or {tls}HOST:PORT, without slashes"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::settings;

    #[test]
    fn servers_are_urls_without_slashes() {
        for fine in ["stun:a", "stuns:a.example:5349", "stun:[::1]:3478"] {
            assert_eq!(stun(fine), Ok(fine.to_owned()));
        }
        assert!(turn("turns:a.example:5349?transport=tcp").is_ok());
        for bad in [
            "",
            "stun:",
            "turn:a",
            "stun://a",
            "a:3478",
            "stun:a b",
            "stun:me@a",
        ] {
            assert!(stun(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_are_a_list_that_is_never_shown() {
        let ice = settings(&["--turn-secret", "new,old", "--stun", "stun:a,stun:b"]).ice;
        assert_eq!(ice.turn_secret[0].expose(), "new");
        assert_eq!((ice.turn_secret.len(), ice.stun.len()), (2, 2));
        assert!(!format!("{ice:?}").contains("new"));
    }
}
