//! A fixed list of session servers, and nothing to remember: a room's id says that it was made here,
//! and where it is.

use super::{Host, SchedError, Scheduler};
use crate::access::Client;
use crate::dialects::session::RoomId;
use crate::dialects::session::room_id::{random_symbols, symbol};
use futures_util::future::{BoxFuture, FutureExt, ready};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Symbols of an id that are random, and those behind them that prove it.
const RANDOM: usize = 12;
const PROOF: usize = 4;

/// The static scheduler. Any number of backends with the same secret and the same list agree.
pub struct Fixed {
    hosts: Vec<Host>,
    key: Hmac<Sha256>,
}

impl Fixed {
    /// Over these servers, at least one.
    pub fn new(hosts: Vec<Host>, secret: &[u8]) -> Self {
        let key = Hmac::new_from_slice(secret).expect("HMAC takes keys of any length");
        Self { hosts, key }
    }

    fn proof(&self, random: &str) -> String {
        let mac = self.key.clone().chain_update(b"room|").chain_update(random);
        let tag: [u8; 32] = mac.finalize().into_bytes().into();
        let (first, _) = tag.split_first_chunk::<8>().expect("a tag has 32 bytes");
        let mut rest = u64::from_be_bytes(*first);
        let mut proof = String::with_capacity(PROOF);
        for _ in 0..PROOF {
            proof.push(symbol((rest % 36) as usize));
            rest /= 36;
        }
        proof
    }

    fn create(&self) -> Option<RoomId> {
        let random = random_symbols(RANDOM).ok()?;
        RoomId::parse(&format!("{random}{}", self.proof(&random)))
    }

    fn is_ours(&self, id: &RoomId) -> bool {
        let parts = id.as_str().split_at_checked(RANDOM);
        parts.is_some_and(|(random, proof)| proof == self.proof(random))
    }

    /// The host with the highest hash: when the list changes, only rooms of hosts that are gone, and
    /// those for which a new host is the highest, move.
    fn host(&self, id: &RoomId) -> Option<&Host> {
        self.hosts.iter().max_by_key(|host| {
            let hash = Sha256::new_with_prefix(host.as_bytes());
            hash.chain_update(b"|").chain_update(id.as_str()).finalize()
        })
    }
}

impl Scheduler for Fixed {
    fn create_room(&self, _: Client) -> BoxFuture<'_, Result<RoomId, SchedError>> {
        ready(self.create().ok_or(SchedError::Unavailable)).boxed()
    }

    fn room_host<'a>(&'a self, id: &'a RoomId) -> BoxFuture<'a, Result<Option<Host>, SchedError>> {
        let host = self.host(id).filter(|_| self.is_ours(id));
        ready(Ok(host.cloned())).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const SECRET: &[u8] = b"a secret of some length";

    fn over(hosts: &[&str]) -> Fixed {
        Fixed::new(hosts.iter().map(|&host| host.to_owned()).collect(), SECRET)
    }

    fn ids(count: usize) -> Vec<RoomId> {
        (0..count).map(|_| over(&["a"]).create().unwrap()).collect()
    }

    fn found(fixed: &Fixed, id: &RoomId) -> Option<Host> {
        fixed.room_host(id).now_or_never().unwrap().unwrap()
    }

    #[test]
    fn every_replica_knows_every_room_and_no_invented_one() {
        let hosts = ["localhost:8000", "localhost:8001"];
        for id in ids(100) {
            let answers = [(); 3].map(|()| found(&over(&hosts), &id));
            assert!(answers[0].is_some() && answers.iter().all(|a| *a == answers[0]));
            let other = Fixed::new(vec!["a".into()], b"another secret");
            assert_eq!(found(&other, &id), None);
            let mut changed = id.as_str().to_owned();
            let first = if changed.starts_with('0') { "1" } else { "0" };
            changed.replace_range(..1, first);
            assert_eq!(
                found(&over(&hosts), &RoomId::parse(&changed).unwrap()),
                None
            );
        }
        for invented in [
            "k3v9x2qa",
            "0123456789abcdef",
            "x",
            "0123456789ab",
            "__proto__",
        ] {
            assert_eq!(
                found(&over(&hosts), &RoomId::parse(invented).unwrap()),
                None
            );
        }
    }

    #[test]
    fn rooms_spread_over_the_servers_and_stay_when_others_change() {
        let ids = ids(3000);
        let before = over(&["a:1", "b:1", "c:1"]);
        let mut counts = HashMap::new();
        for id in &ids {
            *counts.entry(found(&before, id).unwrap()).or_insert(0) += 1;
        }
        assert!(counts.len() == 3 && counts.values().all(|count| (800..1200).contains(count)));
        let fewer = over(&["c:1", "a:1"]);
        let more = over(&["a:1", "b:1", "c:1", "d:1"]);
        for id in &ids {
            let was = found(&before, id).unwrap();
            if was != "b:1" {
                assert_eq!(found(&fewer, id).unwrap(), was);
            }
            let now = found(&more, id).unwrap();
            assert!(now == was || now == "d:1");
        }
    }
}
