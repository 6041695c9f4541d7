//! The settings of the PeerJS broker.

use super::size;
use clap::builder::RangedU64ValueParser;
use std::num::NonZeroU32;
use std::time::Duration;

/// What the broker answers to, and what its clients are held to.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "PeerJS")]
pub struct PeerJs {
    /// Key that clients must name; repeatable, or separated by commas: each has ids of its own
    #[arg(id = "peerjs-key", long = "peerjs-key", env = "TABLEKEEP_PEERJS_KEY", value_name = "KEY", default_value = "peerjs", value_delimiter = ',', value_parser = key)]
    pub keys: Vec<String>,
    /// Ids that may be registered at the same time, under all keys together
    #[arg(id = "peerjs-concurrent-limit", long = "peerjs-concurrent-limit", env = "TABLEKEEP_PEERJS_CONCURRENT_LIMIT", value_name = "N", default_value_t = 5_000, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    pub concurrent_limit: usize,
    /// Milliseconds without any sign of life after which a client is dropped
    #[arg(id = "peerjs-alive-timeout", long = "peerjs-alive-timeout", env = "TABLEKEEP_PEERJS_ALIVE_TIMEOUT", value_name = "MS", default_value = "60000", value_parser = milliseconds)]
    pub alive_timeout: Duration,
    /// Milliseconds that a message waits for somebody who is not there
    #[arg(id = "peerjs-expire-timeout", long = "peerjs-expire-timeout", env = "TABLEKEEP_PEERJS_EXPIRE_TIMEOUT", value_name = "MS", default_value = "5000", value_parser = milliseconds)]
    pub expire_timeout: Duration,
    /// Let everybody list the registered ids
    #[arg(
        id = "peerjs-allow-discovery",
        long = "peerjs-allow-discovery",
        env = "TABLEKEEP_PEERJS_ALLOW_DISCOVERY"
    )]
    pub allow_discovery: bool,
    /// Ids that may be registered at the same time from one address
    #[arg(id = "peerjs-max-per-address", long = "peerjs-max-per-address", env = "TABLEKEEP_PEERJS_MAX_PER_ADDRESS", value_name = "N", default_value_t = 2_500, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_per_address: u32,
    /// Connections a minute from one address, once it has made as many as it may have ids
    #[arg(
        id = "peerjs-max-connects",
        long = "peerjs-max-connects",
        env = "TABLEKEEP_PEERJS_MAX_CONNECTS",
        value_name = "N",
        default_value = "300"
    )]
    pub max_connects: NonZeroU32,
    /// Largest message
    #[arg(id = "peerjs-max-message", long = "peerjs-max-message", env = "TABLEKEEP_PEERJS_MAX_MESSAGE", value_name = "SIZE", default_value = "256K", value_parser = size)]
    pub max_message: u64,
    /// Messages a second of one connection, four seconds' worth at once; one that sends more is
    /// closed
    #[arg(id = "peerjs-max-messages", long = "peerjs-max-messages", env = "TABLEKEEP_PEERJS_MAX_MESSAGES", value_name = "N", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_messages: u32,
    /// Bytes a second of one connection, five seconds' worth at once; it is read later beyond
    #[arg(id = "peerjs-max-bytes", long = "peerjs-max-bytes", env = "TABLEKEEP_PEERJS_MAX_BYTES", value_name = "SIZE", default_value = "256K", value_parser = size)]
    pub max_bytes: u64,
}

/// A key stands in paths as it is.
fn key(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    match text.len() {
        1..=64 if text.bytes().all(plain) && !text.bytes().all(|b| b == b'.') => {
            Ok(text.to_owned())
        }
        _ => Err("expected at most 64 letters, digits, '-', '_', '.' and '~'".into()),
    }
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    match text.parse::<u32>() {
        Ok(ms @ 1..) => Ok(Duration::from_millis(ms.into())),
        _ => Err("expected a number of milliseconds, at least 1".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::settings;

    #[test]
    fn without_a_word_it_is_as_the_original() {
        let peerjs = settings(&[]).peerjs;
        assert_eq!(peerjs.keys, ["peerjs"]);
        assert_eq!(peerjs.concurrent_limit, 5000);
        assert_eq!(peerjs.alive_timeout, Duration::from_secs(60));
        assert_eq!(peerjs.expire_timeout, Duration::from_secs(5));
        assert!(!peerjs.allow_discovery);
    }

    #[test]
    fn there_may_be_several_keys() {
        let peerjs = settings(&["--peerjs-key", "a,b", "--peerjs-key", "c"]).peerjs;
        assert_eq!(peerjs.keys, ["a", "b", "c"]);
        for bad in ["", "a/b", "a b", "..", &"k".repeat(65)] {
            assert!(key(bad).is_err(), "{bad}");
        }
    }
}
