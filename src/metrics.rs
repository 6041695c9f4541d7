//! What the server counts of itself, for `GET /metrics`.
//!
//! A count is one relaxed atomic addition, so that the live side can afford it for every frame; only
//! the two histograms take a lock, once per commit.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};
use std::time::Duration;

/// Upper ends of the histograms' buckets, in seconds.
const SECONDS: [f64; 14] = [
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];

/// Media type of what [`Metrics::render`] gives.
pub const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The protocol that a member speaks.
#[expect(missing_docs, reason = "the names say it")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Table,
    SpellTable,
    Nexus,
    Chat,
    PeerShare,
    PeerJs,
    Session,
}

impl Dialect {
    /// In the order of the variants.
    const NAMES: [&str; 7] = [
        "table",
        "spelltable",
        "nexus",
        "chat",
        "peershare",
        "peerjs",
        "session",
    ];
}

/// How somebody who came back was brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// With the changes that were missed.
    Resumed,
    /// With the whole scene.
    Snapshot,
    /// With the whole scene, and without the past that they knew.
    Reset,
}

impl Resume {
    /// In the order of the variants.
    const NAMES: [&str; 3] = ["resumed", "snapshot", "reset"];
}

/// How signing in with an account ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// With a token.
    Accepted,
    /// With a refusal.
    Refused,
    /// Before it was looked at: this address had tried too often.
    Slowed,
    /// Not at all: too many passwords waited to be checked.
    Busy,
}

impl Login {
    /// In the order of the variants.
    const NAMES: [&str; 4] = ["accepted", "refused", "slowed", "busy"];
}

/// What the PeerJS broker passes on.
#[expect(missing_docs, reason = "the names say it")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relayed {
    Offer,
    Answer,
    Candidate,
    Leave,
}

impl Relayed {
    /// In the order of the variants.
    const NAMES: [&str; 4] = ["offer", "answer", "candidate", "leave"];
}

/// All counts of one server; share it in an `Arc`.
pub struct Metrics {
    registry: Registry,
    rooms: Gauge,
    groups: Gauge,
    members: [Gauge; Dialect::NAMES.len()],
    deliveries: Counter,
    delivered_bytes: Counter,
    queue_bytes: Gauge,
    coalesced: Counter,
    slow_closes: Counter,
    resumes: [Counter; Resume::NAMES.len()],
    logins: [Counter; Login::NAMES.len()],
    revoked: Counter,
    commits: Histogram,
    fsyncs: Histogram,
    relays: [Counter; Relayed::NAMES.len()],
    expired: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("tablekeep");
        let all = &mut registry;
        let seconds = || Histogram::new(SECONDS);
        Self {
            rooms: add(all, "rooms", "Rooms that are open", Gauge::default()),
            groups: add(
                all,
                "signaling_groups",
                "PeerShare's groups among them",
                Gauge::default(),
            ),
            members: add_labelled(
                all,
                "members",
                "Connected members",
                "dialect",
                Dialect::NAMES,
            ),
            deliveries: add(
                all,
                "deliveries",
                "Messages handed to connections",
                Counter::default(),
            ),
            delivered_bytes: add_with(
                all,
                "delivered",
                "Bytes of the messages handed to connections",
                Unit::Bytes,
                Counter::default(),
            ),
            queue_bytes: add_with(
                all,
                "queue",
                "Bytes that wait for slow connections",
                Unit::Bytes,
                Gauge::default(),
            ),
            coalesced: add(
                all,
                "coalesced_frames",
                "Messages left out because a newer one says it all",
                Counter::default(),
            ),
            slow_closes: add(
                all,
                "slow_closes",
                "Connections closed because they took nothing",
                Counter::default(),
            ),
            resumes: add_labelled(
                all,
                "resumes",
                "Members who came back, by how they were brought up to date",
                "mode",
                Resume::NAMES,
            ),
            logins: add_labelled(
                all,
                "logins",
                "Sign-ins with an account, by how they ended",
                "outcome",
                Login::NAMES,
            ),
            revoked: add(
                all,
                "revoked_sockets",
                "Connections closed because what they were opened with had ended, or the GM removed whose they were",
                Counter::default(),
            ),
            commits: add_with(
                all,
                "commit",
                "From a change's arrival to its being durable",
                Unit::Seconds,
                seconds(),
            ),
            fsyncs: add_with(
                all,
                "fsync",
                "What the disk took to make a commit durable",
                Unit::Seconds,
                seconds(),
            ),
            relays: add_labelled(
                all,
                "peerjs_relays",
                "Messages that PeerJS clients sent each other",
                "type",
                Relayed::NAMES,
            ),
            expired: add(
                all,
                "peerjs_expired",
                "Times that somebody waited in vain for a PeerJS client",
                Counter::default(),
            ),
            registry,
        }
    }

    /// A room came to be.
    pub fn room_opened(&self) {
        self.rooms.inc();
    }

    /// A room ended.
    pub fn room_closed(&self) {
        self.rooms.dec();
    }

    /// One of PeerShare's groups came to be.
    pub fn group_opened(&self) {
        self.groups.inc();
    }

    /// One of PeerShare's groups ended.
    pub fn group_closed(&self) {
        self.groups.dec();
    }

    /// Somebody joined a room.
    pub fn joined(&self, dialect: Dialect) {
        self.members[dialect as usize].inc();
    }

    /// Somebody who had joined has left.
    pub fn left(&self, dialect: Dialect) {
        self.members[dialect as usize].dec();
    }

    /// So many messages with so many bytes in all were handed to connections.
    pub fn delivered(&self, messages: u64, bytes: u64) {
        self.deliveries.inc_by(messages);
        self.delivered_bytes.inc_by(bytes);
    }

    /// The bytes that wait became more, or (below zero) fewer.
    pub fn queue_changed(&self, by_bytes: i64) {
        self.queue_bytes.inc_by(by_bytes);
    }

    /// So many messages were left out because a newer one took their place.
    pub fn coalesced(&self, messages: u64) {
        self.coalesced.inc_by(messages);
    }

    /// A connection was closed for being slow.
    pub fn closed_slow(&self) {
        self.slow_closes.inc();
    }

    /// Somebody came back.
    pub fn resumed(&self, how: Resume) {
        self.resumes[how as usize].inc();
    }

    /// Somebody has tried to sign in with an account.
    pub fn login(&self, how: Login) {
        self.logins[how as usize].inc();
    }

    /// So many connections were closed because what they were opened with had ended.
    pub fn revoked(&self, connections: u64) {
        self.revoked.inc_by(connections);
    }

    /// A change became durable: `took` since it arrived, `fsync` of it for the disk.
    pub fn committed(&self, took: Duration, fsync: Duration) {
        self.commits.observe(took.as_secs_f64());
        self.fsyncs.observe(fsync.as_secs_f64());
    }

    /// A PeerJS client sent something to another.
    pub fn relayed(&self, what: Relayed) {
        self.relays[what as usize].inc();
    }

    /// What a PeerJS client sent was for somebody who never came.
    pub fn expired(&self) {
        self.expired.inc();
    }

    /// As text: OpenMetrics 1.0, which Prometheus reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes any text");
        text
    }
}

fn add<M: Metric + Clone>(all: &mut Registry, name: &str, help: &str, metric: M) -> M {
    all.register(name, help, metric.clone());
    metric
}

/// The unit becomes the end of the name.
fn add_with<M: Metric + Clone>(
    all: &mut Registry,
    name: &str,
    help: &str,
    unit: Unit,
    metric: M,
) -> M {
    all.register_with_unit(name, help, unit, metric.clone());
    metric
}

/// One metric for each value of a label, looked up now so that nobody has to later.
fn add_labelled<M, const N: usize>(
    all: &mut Registry,
    name: &str,
    help: &str,
    label: &'static str,
    values: [&'static str; N],
) -> [M; N]
where
    M: Metric + Clone + Default,
    Family<[(&'static str, &'static str); 1], M>: Metric,
{
    let family: Family<[(&'static str, &'static str); 1], M> = Family::default();
    let metrics = values.map(|value| family.get_or_create_owned(&[(label, value)]));
    all.register(name, help, family);
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_shown() {
        let metrics = Metrics::new();
        metrics.room_opened();
        metrics.room_opened();
        metrics.room_closed();
        metrics.group_opened();
        metrics.joined(Dialect::SpellTable);
        metrics.joined(Dialect::Session);
        metrics.left(Dialect::Session);
        metrics.delivered(3, 600);
        metrics.queue_changed(500);
        metrics.queue_changed(-200);
        metrics.coalesced(7);
        metrics.closed_slow();
        metrics.resumed(Resume::Reset);
        metrics.login(Login::Busy);
        metrics.revoked(2);
        metrics.relayed(Relayed::Candidate);
        metrics.expired();
        metrics.committed(Duration::from_millis(3), Duration::from_micros(100));
        let text = metrics.render();
        let lines: Vec<_> = text.lines().collect();
        for line in [
            "tablekeep_rooms 1",
            "tablekeep_signaling_groups 1",
            "tablekeep_members{dialect=\"spelltable\"} 1",
            "tablekeep_members{dialect=\"session\"} 0",
            "tablekeep_members{dialect=\"table\"} 0",
            "tablekeep_deliveries_total 3",
            "tablekeep_delivered_bytes_total 600",
            "tablekeep_queue_bytes 300",
            "tablekeep_coalesced_frames_total 7",
            "tablekeep_slow_closes_total 1",
            "tablekeep_resumes_total{mode=\"reset\"} 1",
            "tablekeep_resumes_total{mode=\"snapshot\"} 0",
            "tablekeep_logins_total{outcome=\"busy\"} 1",
            "tablekeep_logins_total{outcome=\"accepted\"} 0",
            "tablekeep_revoked_sockets_total 2",
            "tablekeep_commit_seconds_bucket{le=\"0.0025\"} 0",
            "tablekeep_commit_seconds_bucket{le=\"0.005\"} 1",
            "tablekeep_commit_seconds_sum 0.003",
            "tablekeep_fsync_seconds_bucket{le=\"0.00025\"} 1",
            "tablekeep_fsync_seconds_count 1",
            "tablekeep_peerjs_relays_total{type=\"candidate\"} 1",
            "tablekeep_peerjs_relays_total{type=\"leave\"} 0",
            "tablekeep_peerjs_expired_total 1",
            "# EOF",
        ] {
            assert!(lines.contains(&line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn every_label_has_its_name() {
        assert_eq!(Dialect::NAMES[Dialect::Table as usize], "table");
        assert_eq!(Dialect::NAMES[Dialect::PeerJs as usize], "peerjs");
        assert_eq!(Dialect::NAMES.len(), Dialect::Session as usize + 1);
        assert_eq!(Relayed::NAMES.len(), Relayed::Leave as usize + 1);
        assert_eq!(Resume::NAMES.len(), Resume::Reset as usize + 1);
        assert_eq!(Login::NAMES.len(), Login::Busy as usize + 1);
    }
}
