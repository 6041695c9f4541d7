//! How many are registered, under all keys, and from where.

use crate::access::Client;
use crate::config::PeerJs;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts registrations. Cloning is cheap.
#[derive(Clone)]
pub struct Census(Arc<Inner>);

struct Inner {
    most: usize,
    most_per_address: u32,
    // A lock for a small map, held for a look.
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    all: usize,
    by_address: HashMap<Client, u32>,
}

/// One registration that is counted; counted off when dropped.
pub struct Counted {
    census: Census,
    client: Client,
}

impl Census {
    /// With nobody registered.
    pub fn new(settings: &PeerJs) -> Self {
        Self(Arc::new(Inner {
            most: settings.concurrent_limit,
            most_per_address: settings.max_per_address,
            counts: Mutex::default(),
        }))
    }

    /// Counts one more; or why not, in a sentence.
    pub fn count(&self, client: Client) -> Result<Counted, &'static str> {
        let mut counts = self.counts();
        if counts.all >= self.0.most {
            return Err("too many ids are registered here: try again later");
        }
        let own = counts.by_address.entry(client).or_default();
        if *own >= self.0.most_per_address {
            return Err("too many ids are registered from this address");
        }
        *own += 1;
        counts.all += 1;
        Ok(Counted {
            census: self.clone(),
            client,
        })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.census.counts();
        counts.all -= 1;
        if let Some(own) = counts.by_address.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                counts.by_address.remove(&self.client);
            }
        }
    }
}
