//! This machine's own addresses and names.

use if_addrs::Interface;
use std::collections::{BTreeMap, HashSet};
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
    /// What the local network is told to call this machine, such as `tablekeep.local`, by interface:
    /// where another one has the name, it is another name.
    announced: RwLock<BTreeMap<String, String>>,
    addresses: RwLock<(Instant, HashSet<IpAddr>)>,
}

impl Machine {
    /// Looks the names up; `further` are more, as browsers send them in `Host`.
    pub fn new(further: &[String]) -> Self {
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
            announced: RwLock::default(),
            addresses: RwLock::new((Instant::now(), addresses())),
        }
    }

    /// Whether `name` is one of this machine's own names. That proves nothing of who asks under it:
    /// others in the network can answer for most of them.
    pub fn has_name(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        self.names.contains(&name)
            || name.ends_with(".localhost")
            || self.announced(|announced| announced.values().any(|known| *known == name))
    }

    /// The network behind `interface` is told that `name` is this machine, and no other name.
    pub fn announce_as(&self, interface: &str, name: &str) {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let mut announced = self
            .announced
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        announced.insert(interface.to_owned(), name);
    }

    /// Whether any network is told a name; of this `interface` alone, if one is given.
    pub fn is_announced(&self, interface: Option<&str>) -> bool {
        self.announced(|announced| match interface {
            Some(interface) => announced.contains_key(interface),
            None => !announced.is_empty(),
        })
    }

    /// The name in the network behind `interface`; where that has none, any.
    fn announced_on(&self, interface: Option<&str>) -> Option<String> {
        self.announced(|announced| {
            let there = interface.and_then(|interface| announced.get(interface));
            there.or_else(|| announced.values().next()).cloned()
        })
    }

    fn announced<T>(&self, read: impl FnOnce(&BTreeMap<String, String>) -> T) -> T {
        read(
            &self
                .announced
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
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
        let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
        let addresses = match addr.ip() {
            ip if ip.is_unspecified() => in_order(&interfaces, default_route()),
            ip if ip.is_loopback() => Vec::new(),
            ip => vec![ip],
        };
        let urls = addresses.iter();
        let urls = urls.map(|ip| format!("http://{}", SocketAddr::new(*ip, addr.port())));
        let mut urls: Vec<_> = urls.take(MOST_WAYS).collect();
        if let Some(first) = addresses.first() {
            let on = interfaces.iter().find(|i| i.ip() == *first);
            if let Some(name) = self.announced_on(on.map(|i| &*i.name)) {
                urls.insert(1, format!("http://{name}:{}", addr.port()));
            }
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
    fn the_name_on_the_network_is_the_second_way_and_counts_once_it_is_announced() {
        let machine = Machine::new(&[]);
        let addr = "192.0.2.5:8010".parse().unwrap();
        assert!(!machine.has_name("game-night.local"));
        assert_eq!(machine.ways(addr), ["http://192.0.2.5:8010"]);
        machine.announce_as("wlan0", "Game-Night.local.");
        assert!(machine.has_name("game-NIGHT.local.") && !machine.has_name("tablekeep.local"));
        let ways = ["http://192.0.2.5:8010", "http://game-night.local:8010"];
        assert_eq!(machine.ways(addr), ways);
        assert!(machine.ways("127.0.0.1:8010".parse().unwrap()).is_empty());
    }

    #[test]
    fn a_machine_in_two_networks_may_have_a_name_in_each() {
        let machine = Machine::new(&[]);
        machine.announce_as("eth0", "game-night.local");
        machine.announce_as("wlan0", "game-night.local");
        // In this one the other name is another machine's.
        machine.announce_as("wlan0", "game-night-2.local.");
        assert!(machine.has_name("game-night-2.local") && machine.has_name("game-night.local"));
        let on = |interface| machine.announced_on(Some(interface)).unwrap();
        assert_eq!(on("wlan0"), "game-night-2.local");
        assert_eq!(
            (on("eth0"), on("eth1")),
            ("game-night.local".into(), on("eth0"))
        );
        assert!(machine.is_announced(Some("eth0")) && !machine.is_announced(Some("eth1")));
        machine.announce_as("eth0", "game-night-2.local.");
        assert!(!machine.has_name("game-night.local"));
    }
}
