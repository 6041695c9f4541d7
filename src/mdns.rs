//! The server's name on the local network: multicast DNS (RFC 6762) and service discovery (RFC 6763),
//! so that a TV can be told `tablekeep.local` instead of numbers.
//!
//! A convenience: whatever fails here is one line of warning, and the addresses work without it. The
//! thread that listens and answers is only there while something is announced.

use crate::access::{Policy, leads_out};
use crate::config::Config;
use actix_web::rt::task::JoinHandle;
use actix_web::web::Data;
use mdns_sd::{DaemonEvent, IfKind, IfPredicate, RRType, Receiver, ServiceDaemon, ServiceInfo};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// What is announced: pages.
const SERVICE: &str = "_http._tcp.local.";
/// How often it is looked whether the machine has other addresses, in seconds.
const LOOK_SECONDS: u32 = 15;
/// Within this time the name is usually announced: asking whether it is free takes a second.
const PATIENCE: Duration = Duration::from_secs(5);
/// The goodbye goes out twice, as datagrams get lost: at once, and after 120 ms.
const GOODBYE: Duration = Duration::from_millis(150);
/// How long the thread may take to end.
const END: Duration = Duration::from_millis(200);

/// Whether a server with these settings that listens at `addr` is to be announced.
pub fn is_wanted(config: &Config, addr: SocketAddr) -> bool {
    config.mdns.mdns && !addr.ip().is_loopback()
}

/// What the network is told, as long as it is not stopped.
pub struct Announcement {
    daemon: ServiceDaemon,
    fullname: String,
    follower: JoinHandle<()>,
}

impl Announcement {
    /// Announces the listener at `addr`, and keeps [`Policy::machine`] informed of the name. Waits for
    /// nothing; `None`: it cannot be, which the log says.
    pub fn start(name: &str, policy: &Data<Policy>, addr: SocketAddr) -> Option<Self> {
        let usable = move |interface: &if_addrs::Interface| match addr.ip() {
            ip if ip.is_unspecified() => interface.ip().is_ipv4() && leads_out(interface),
            ip => interface.ip() == ip,
        };
        let daemon = ServiceDaemon::new().and_then(|daemon| announce(daemon, name, addr, usable));
        match daemon {
            Ok((daemon, fullname, events)) => {
                let follower = follow(events, policy.clone(), addr.port());
                Some(Self {
                    daemon,
                    fullname,
                    follower: actix_web::rt::spawn(follower),
                })
            }
            Err(error) => {
                failed(&error);
                None
            }
        }
    }

    /// Tells the network that it is over, so that nobody looks for the server in vain.
    pub async fn stop(self) {
        self.follower.abort();
        if self.daemon.unregister(&self.fullname).is_ok() {
            sleep(GOODBYE).await;
        }
        if let Ok(ended) = self.daemon.shutdown() {
            let _ = timeout(END, ended.recv_async()).await;
        }
    }
}

/// Lets `daemon` announce it on the interfaces that are `usable`.
fn announce(
    daemon: ServiceDaemon,
    name: &str,
    addr: SocketAddr,
    usable: impl Fn(&if_addrs::Interface) -> bool + Send + Sync + 'static,
) -> mdns_sd::Result<(ServiceDaemon, String, Receiver<DaemonEvent>)> {
    let events = daemon.monitor()?;
    daemon.set_ip_check_interval(LOOK_SECONDS)?;
    daemon.disable_interface(IfKind::All)?;
    daemon.enable_interface(IfKind::Predicate(IfPredicate::new(usable)))?;
    let service = service(name, addr)?;
    let fullname = service.get_fullname().to_owned();
    daemon.register(service)?;
    Ok((daemon, fullname, events))
}

/// The records: the service's pointer, its host and port, and the host's addresses.
fn service(name: &str, addr: SocketAddr) -> mdns_sd::Result<ServiceInfo> {
    let host = format!("{name}.local.");
    let path = [("path", "/")];
    let service =
        |ip: &[IpAddr]| ServiceInfo::new(SERVICE, name, &host, ip, addr.port(), &path[..]);
    match addr.ip() {
        // Of each network the address that the machine has in it.
        ip if ip.is_unspecified() => Ok(service(&[])?.enable_addr_auto()),
        ip => service(&[ip]),
    }
}

/// Follows what becomes of the name.
async fn follow(events: Receiver<DaemonEvent>, policy: Data<Policy>, port: u16) {
    let late = Instant::now() + PATIENCE;
    let mut name = Name::new(policy, port);
    loop {
        let next = events.recv_async();
        let event = if name.is_settled() {
            next.await
        } else if let Ok(event) = timeout_at(late, next).await {
            event
        } else {
            name.is_late();
            continue;
        };
        match event {
            Ok(event) => name.follow(event),
            Err(_) => return,
        }
    }
}

/// What has become of the name: it counts from when it is announced, on each interface the one that is
/// announced there.
struct Name {
    policy: Data<Policy>,
    port: u16,
    is_warned: bool,
    /// What it was changed to last.
    renamed: String,
}

impl Name {
    fn new(policy: Data<Policy>, port: u16) -> Self {
        Self {
            policy,
            port,
            is_warned: false,
            renamed: String::new(),
        }
    }

    /// Whether the log has said what there is to say.
    fn is_settled(&self) -> bool {
        self.is_warned || self.policy.machine().is_announced(None)
    }

    fn is_late(&mut self) {
        self.is_warned = true;
        tracing::warn!(
            "the server is not announced by name so far; its addresses work all the same"
        );
    }

    fn follow(&mut self, event: DaemonEvent) {
        let (machine, port) = (self.policy.machine(), self.port);
        match event {
            DaemonEvent::Announce(_, place) => {
                let Some((name, interface)) = announced_name(&place) else {
                    return;
                };
                if !machine.is_announced(None) {
                    tracing::info!(name, "it is also found as http://{name}:{port}");
                }
                machine.announce_as(interface, name);
            }
            DaemonEvent::NameChange(change)
                if matches!(change.rr_type, RRType::A | RRType::AAAA) =>
            {
                let name = change.new_name.trim_end_matches('.');
                if machine.is_announced(Some(&change.intf_name)) {
                    machine.announce_as(&change.intf_name, name);
                }
                // Each of its records says so.
                if self.renamed != name {
                    name.clone_into(&mut self.renamed);
                    tracing::info!(
                        name,
                        "another server on this network is called {}; this one is http://{name}:{port}",
                        change.original.trim_end_matches('.')
                    );
                }
            }
            // What was announced elsewhere stays so.
            DaemonEvent::Error(error) if !self.is_warned => {
                self.is_warned = true;
                failed(&error);
            }
            _ => {}
        }
    }
}

/// The host and the interface of an announcement, `HOST.:INTERFACE`.
fn announced_name(place: &str) -> Option<(&str, &str)> {
    let (name, interface) = place.split_once(".:")?;
    (!name.is_empty() && !interface.is_empty()).then_some((name, interface))
}

fn failed(error: &mdns_sd::Error) {
    tracing::warn!(%error, "the server cannot be announced by name, its addresses work all the same: {error}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Keys, Passes};
    use crate::config::tests::settings;
    use mdns_sd::{ResolvedService, ServiceEvent};
    use std::net::{Ipv4Addr, UdpSocket};
    use tokio::task::yield_now;

    const TIME: Duration = Duration::from_secs(20);
    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// A port that is no one's: nothing of this goes over the network or comes from there.
    fn port() -> u16 {
        UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port()
    }

    fn on_loopback(port: u16) -> ServiceDaemon {
        ServiceDaemon::new_with_port(port).unwrap()
    }

    fn is_loopback(interface: &if_addrs::Interface) -> bool {
        interface.ip() == HERE
    }

    fn policy() -> Data<Policy> {
        let folder = tempfile::tempdir().unwrap();
        let passes = Passes::none(&Keys::open(folder.path()).unwrap());
        Data::new(Policy::new(&settings(&[]), passes))
    }

    /// The server of a test, announced on the loopback interface.
    fn announced(mdns: u16, addr: &str) -> (Announcement, Data<Policy>) {
        let policy = policy();
        let addr: SocketAddr = addr.parse().unwrap();
        let announced = announce(on_loopback(mdns), "tablekeep", addr, is_loopback);
        let (daemon, fullname, events) = announced.unwrap();
        let follower = actix_web::rt::spawn(follow(events, policy.clone(), addr.port()));
        let announcement = Announcement {
            daemon,
            fullname,
            follower,
        };
        (announcement, policy)
    }

    async fn next(found: &Receiver<ServiceEvent>) -> ServiceEvent {
        timeout(TIME, found.recv_async()).await.unwrap().unwrap()
    }

    async fn resolved(found: &Receiver<ServiceEvent>, http: u16) -> Box<ResolvedService> {
        loop {
            match next(found).await {
                ServiceEvent::ServiceResolved(service) if service.port == http => return service,
                _ => {}
            }
        }
    }

    #[actix_web::test]
    async fn it_is_found_by_name_and_says_goodbye_and_another_one_gets_another_name() {
        let port = port();
        let looking = on_loopback(port);
        looking.disable_interface(IfKind::All).unwrap();
        let loopback = IfPredicate::new(is_loopback);
        looking
            .enable_interface(IfKind::Predicate(loopback))
            .unwrap();
        let found = looking.browse(SERVICE).unwrap();

        let (first, _) = announced(port, "127.0.0.1:8010");
        let service = resolved(&found, 8010).await;
        assert_eq!(service.host, "tablekeep.local.");
        assert_eq!(service.fullname, "tablekeep._http._tcp.local.");
        let ips: Vec<_> = service.addresses.iter().map(|ip| ip.to_ip_addr()).collect();
        assert_eq!(ips, [HERE]);

        // Of another machine; on the same one the name may lead to both.
        let (second, policy) = announced(port, "127.0.0.2:8011");
        let service = resolved(&found, 8011).await;
        assert_eq!(service.host, "tablekeep-2.local.");
        let known = async || {
            while !policy.machine().has_name("tablekeep-2.local") {
                yield_now().await;
            }
        };
        timeout(TIME, known()).await.unwrap();
        assert!(!policy.machine().has_name("tablekeep.local"));

        for gone in [first, second] {
            gone.stop().await;
            loop {
                if let ServiceEvent::ServiceRemoved(..) = next(&found).await {
                    break;
                }
            }
        }
        let ended = looking.shutdown().unwrap();
        timeout(TIME, ended.recv_async()).await.unwrap().unwrap();
    }

    #[test]
    fn a_name_counts_on_every_interface_where_it_is_announced_and_not_before() {
        let policy = policy();
        let mut name = Name::new(policy.clone(), 8010);
        let has = |known: &str| policy.machine().has_name(known);
        let announced = |place: &str| DaemonEvent::Announce("x".into(), place.into());
        name.follow(announced("[\"192.0.2.1\"]"));
        assert!(!name.is_settled() && !has("tablekeep.local"));
        name.follow(announced("tablekeep.local.:eth0"));
        assert!(name.is_settled() && has("tablekeep.local"));
        name.follow(announced("tablekeep-2.local.:wlan0:1"));
        name.follow(DaemonEvent::Error(mdns_sd::Error::Again));
        assert!(has("tablekeep.local") && has("tablekeep-2.local"));
    }

    #[test]
    fn a_server_for_this_machine_alone_is_not_announced() {
        let wanted =
            |flags: &[&str], addr: &str| is_wanted(&settings(flags), addr.parse().unwrap());
        assert!(wanted(&[], "0.0.0.0:8010") && wanted(&[], "192.168.1.5:8010"));
        assert!(!wanted(&[], "127.0.0.1:8010") && !wanted(&[], "[::1]:8010"));
        assert!(!wanted(&["--mdns", "false"], "0.0.0.0:8010"));
    }
}
