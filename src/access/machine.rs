//! This machine's own addresses and names.

use if_addrs::Interface;
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Addresses change when a laptop changes networks; looked up again after this time.
const FRESH: Duration = Duration::from_secs(5);

/// Addresses that are shown; a machine may have any number.
const MOST_WAYS: usize = 8;

/// Interfaces that other devices on the network cannot reach: bridges, tunnels, containers, virtual
/// machines. What their names begin with, in lower case.
const VIRTUAL: [&str; 18] = [
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
    "virtualbox",
    "vmware",
];

/// What this machine is called and where it is reached.
pub struct Machine {
    names: HashSet<String>,
    /// Names that lead here by somebody else's doing, such as a tunnel's.
    further: HashSet<String>,
    local: RwLock<LocalName>,
    addresses: RwLock<(Instant, HashSet<IpAddr>)>,
}

/// The name on the local network, which another machine may turn out to have.
struct LocalName {
    /// Such as `tablekeep.local`.
    name: String,
    /// Whether the network is told of it.
    is_announced: bool,
}

impl Machine {
    /// Looks the names up; `further` are more, as browsers send them in `Host`, and `local` is the
    /// one on the local network, without `.local`.
    pub fn new(further: &[String], local: &str) -> Self {
        let further = further.iter().map(|n| n.to_ascii_lowercase()).collect();
        let mut names = HashSet::from(["localhost".to_owned()]);
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
            local: RwLock::new(LocalName {
                name: format!("{local}.local"),
                is_announced: false,
            }),
            addresses: RwLock::new((Instant::now(), addresses())),
        }
    }

    /// Whether `name` is one of this machine's own names.
    pub fn has_name(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        self.names.contains(&name)
            || name.ends_with(".localhost")
            || self.local(|local| local.name == name)
    }

    /// Under which name the local network is told to find this machine, such as `tablekeep.local`;
    /// `None`: it is not told.
    pub fn announced_as(&self) -> Option<String> {
        self.local(|local| local.is_announced.then(|| local.name.clone()))
    }

    /// The network is told that `name` is this machine, and no other name; `None`: it is told nothing.
    pub fn announce_as(&self, name: Option<&str>) {
        let mut local = self.local.write().unwrap_or_else(PoisonError::into_inner);
        local.is_announced = name.is_some();
        if let Some(name) = name {
            name.trim_end_matches('.').clone_into(&mut local.name);
        }
    }

    fn local<T>(&self, read: impl FnOnce(&LocalName) -> T) -> T {
        read(&self.local.read().unwrap_or_else(PoisonError::into_inner))
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

    /// Where other devices find a listener at `addr`, such as `http://192.168.1.5:8010`: the address
    /// that is most likely theirs to reach, the name on the local network, further addresses. Empty
    /// when it listens on this machine only, or there is no network.
    pub fn ways(&self, addr: SocketAddr) -> Vec<String> {
        let addresses = match addr.ip() {
            ip if ip.is_unspecified() => network_addresses(),
            ip if ip.is_loopback() => Vec::new(),
            ip => vec![ip],
        };
        let urls = addresses.into_iter();
        let urls = urls.map(|ip| format!("http://{}", SocketAddr::new(ip, addr.port())));
        let mut urls: Vec<_> = urls.take(MOST_WAYS).collect();
        if let Some(name) = self.announced_as()
            && !urls.is_empty()
        {
            urls.insert(1, format!("http://{name}:{}", addr.port()));
        }
        urls
    }
}

/// Whether other devices on the network reach this machine over `interface`: it is no loopback, and
/// neither a tunnel nor a bridge to something inside this machine.
pub fn leads_out(interface: &Interface) -> bool {
    let name = interface.name.to_ascii_lowercase();
    let is_direct = interface.is_loopback() || interface.is_p2p;
    !is_direct && !VIRTUAL.iter().any(|prefix| name.starts_with(prefix))
}

fn network_addresses() -> Vec<IpAddr> {
    let found = if_addrs::get_if_addrs().unwrap_or_default();
    in_order(&found, default_route())
}

/// The IPv4 addresses among these under which other devices may reach this machine, most likely first:
/// the one of the default route, private networks, the rest. A VPN may have the default route; phones
/// are not in it, so its address counts only where there is no other, as do addresses that a network
/// without a router makes up.
fn in_order(found: &[Interface], default: Option<IpAddr>) -> Vec<IpAddr> {
    let found = found
        .iter()
        .filter(|i| !i.is_loopback() && i.ip().is_ipv4());
    let mut ranked: Vec<_> = found
        .map(|i| {
            let ip = i.ip();
            let last_resort = !leads_out(i) || is_link_local(ip);
            (last_resort, Some(ip) != default, !is_private(ip), ip)
        })
        .collect();
    ranked.sort();
    ranked.dedup();
    let best = ranked.first().is_some_and(|(last_resort, ..)| *last_resort);
    let kept = ranked.into_iter().filter(|rank| rank.0 == best);
    kept.map(|(.., ip)| ip).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use if_addrs::{IfAddr, Ifv4Addr};

    fn interface(name: &str, ip: &str) -> Interface {
        let addr = IfAddr::V4(Ifv4Addr {
            ip: ip.parse().unwrap(),
            netmask: [255, 255, 255, 0].into(),
            prefixlen: 24,
            broadcast: None,
        });
        Interface {
            name: name.into(),
            addr,
            index: None,
            oper_status: if_addrs::IfOperStatus::Up,
            is_p2p: false,
        }
    }

    fn order(found: &[(&str, &str)], default: &str) -> Vec<String> {
        let found: Vec<_> = found.iter().map(|(n, ip)| interface(n, ip)).collect();
        let ips = in_order(&found, default.parse().ok());
        ips.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_address_that_phones_can_use_comes_first() {
        let laptop = [
            ("lo", "127.0.0.1"),
            ("docker0", "172.17.0.1"),
            ("eth0", "10.0.0.9"),
            ("wlan0", "192.168.1.5"),
            ("wwan0", "100.70.1.2"),
            ("wg0", "10.8.0.2"),
            ("eth1", "169.254.3.4"),
        ];
        let wifi = ["192.168.1.5", "10.0.0.9", "100.70.1.2"];
        assert_eq!(order(&laptop, "192.168.1.5"), wifi);
        // Everything goes through a VPN, which no phone is in.
        assert_eq!(order(&laptop, "10.8.0.2")[0], "10.0.0.9");
        // Better than nothing.
        assert_eq!(order(&laptop[..2], ""), ["172.17.0.1"]);
        assert_eq!(order(&laptop[6..], ""), ["169.254.3.4"]);
        assert_eq!(
            order(
                &[("vEthernet (WSL)", "172.20.0.1"), ("Wi-Fi", "192.168.1.5")],
                ""
            )[0],
            "192.168.1.5"
        );
        assert!(order(&laptop[..1], "").is_empty());
    }

    #[test]
    fn the_name_on_the_network_is_the_second_way_and_one_of_the_machines_own() {
        let machine = Machine::new(&[], "game-night");
        let addr = "192.168.1.5:8010".parse().unwrap();
        assert!(machine.has_name("Game-Night.local.") && !machine.has_name("tablekeep.local"));
        assert_eq!(machine.ways(addr), ["http://192.168.1.5:8010"]);
        machine.announce_as(Some("game-night-2.local."));
        let ways = ["http://192.168.1.5:8010", "http://game-night-2.local:8010"];
        assert_eq!(machine.ways(addr), ways);
        // The other name is another machine's.
        assert!(machine.has_name("game-night-2.local") && !machine.has_name("game-night.local"));
        assert!(machine.ways("127.0.0.1:8010".parse().unwrap()).is_empty());
        machine.announce_as(None);
        assert!(machine.has_name("game-night-2.local") && machine.ways(addr).len() == 1);
    }
}
