//! This machine's own addresses and names.

use std::collections::HashSet;
use std::net::{IpAddr, UdpSocket};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Addresses change when a laptop changes networks; looked up again after this time.
const FRESH: Duration = Duration::from_secs(5);

/// Interfaces that other devices on the network cannot reach: bridges, tunnels, containers.
const VIRTUAL: [&str; 16] = [
    "docker",
    "br-",
    "veth",
    "virbr",
    "vmnet",
    "vboxnet",
    "tun",
    "tap",
    "wg",
    "zt",
    "tailscale",
    "utun",
    "cni",
    "flannel",
    "podman",
    "lxc",
];

/// What this machine is called and where it is reached.
pub struct Machine {
    names: HashSet<String>,
    /// Names that lead here by somebody else's doing, such as a tunnel's.
    further: HashSet<String>,
    addresses: RwLock<(Instant, HashSet<IpAddr>)>,
}

impl Machine {
    /// Looks the names up; `further` are more, as browsers send them in `Host`.
    pub fn new(further: &[String]) -> Self {
        let further = further.iter().map(|n| n.to_ascii_lowercase()).collect();
        let mut names = HashSet::from(["localhost".to_owned(), "tablekeep.local".to_owned()]);
        let host = gethostname::gethostname()
            .to_string_lossy()
            .to_ascii_lowercase();
        if !host.is_empty() {
            let short = host.split('.').next().unwrap_or(&host);
            names.insert(format!("{short}.local"));
            names.insert(short.to_owned());
            names.insert(host);
        }
        Self {
            names,
            further,
            addresses: RwLock::new((Instant::now(), addresses())),
        }
    }

    /// Whether `name` is one of this machine's own names.
    pub fn has_name(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        self.names.contains(&name) || name.ends_with(".localhost")
    }

    /// Whether the server answers under `name`: one of its own, or one that it was told.
    pub fn answers_to(&self, name: &str) -> bool {
        let plain = name.trim_end_matches('.').to_ascii_lowercase();
        self.has_name(name) || self.further.contains(&plain)
    }

    /// Whether `ip` is this machine.
    pub fn has_address(&self, ip: IpAddr) -> bool {
        if ip.is_loopback() {
            return true;
        }
        {
            let known = self
                .addresses
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            if known.0.elapsed() < FRESH {
                return known.1.contains(&ip);
            }
        }
        let fresh = addresses();
        let has = fresh.contains(&ip);
        *self
            .addresses
            .write()
            .unwrap_or_else(PoisonError::into_inner) = (Instant::now(), fresh);
        has
    }

    /// IPv4 addresses under which other devices may reach this machine, most likely first: the
    /// one of the default route, private networks, the rest; no virtual adapters.
    pub fn network_addresses(&self) -> Vec<IpAddr> {
        let default = default_route();
        let mut found: Vec<_> = if_addrs::get_if_addrs()
            .unwrap_or_default()
            .into_iter()
            .filter(|i| !i.is_loopback() && i.ip().is_ipv4() && !is_link_local(i.ip()))
            .map(|i| {
                let ip = i.ip();
                let virtual_ = VIRTUAL.iter().any(|prefix| i.name.starts_with(prefix));
                ((Some(ip) != default, virtual_, !is_private(ip)), ip)
            })
            .filter(|((other, virtual_, _), _)| !other || !virtual_)
            .collect();
        found.sort();
        found.dedup();
        found.into_iter().map(|(_, ip)| ip).collect()
    }
}

fn addresses() -> HashSet<IpAddr> {
    let found = if_addrs::get_if_addrs().unwrap_or_default();
    found.into_iter().map(|i| i.ip()).collect()
}

/// The address that this machine would use towards the rest of the world. Connecting a datagram
/// socket only asks the routing table; nothing is sent.
fn default_route() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip())
}

fn is_private(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(v4) if v4.is_private())
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(v4) if v4.is_link_local())
}
