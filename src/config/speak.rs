//! Further listeners: which system's clients on which port.

use std::path::PathBuf;

/// A protocol that can have a listener of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// Nexus' room server.
    Nexus,
    /// Nexus' library of pictures.
    NexusAssets,
    /// The encrypted chat.
    Chat,
    /// Scalable Chat's backend: login and rooms.
    Login,
    /// Scalable Chat's session server.
    Session,
    /// The PeerJS broker.
    PeerJs,
    /// PeerShare's groups as its first version has them: HTTP, and sockets under every path.
    PeerShare,
    /// A further port of the same for sockets alone.
    PeerShareSocket,
    /// PeerShare's groups as its newest version has them: HTTP, and sockets at `/ws`.
    PeerShareNew,
}

impl Speaker {
    /// Those that there are.
    pub const ALL: [Self; 9] = [
        Self::Nexus,
        Self::NexusAssets,
        Self::Chat,
        Self::Login,
        Self::Session,
        Self::PeerJs,
        Self::PeerShare,
        Self::PeerShareSocket,
        Self::PeerShareNew,
    ];

    /// As it stands in settings and in the lines at start.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nexus => "nexus",
            Self::NexusAssets => "nexus-assets",
            Self::Chat => "chat",
            Self::Login => "login",
            Self::Session => "session",
            Self::PeerJs => "peerjs",
            Self::PeerShare => "peershare",
            Self::PeerShareSocket => "peershare-socket",
            Self::PeerShareNew => "peershare-new",
        }
    }

    /// Whether PeerShare is spoken there, in any version.
    pub fn is_peershare(self) -> bool {
        matches!(
            self,
            Self::PeerShare | Self::PeerShareSocket | Self::PeerShareNew
        )
    }

    fn parse(name: &str) -> Result<Self, String> {
        let known = Self::ALL;
        let found = known.into_iter().find(|speaker| speaker.name() == name);
        found.ok_or_else(|| {
            let names = known.map(Self::name).join(" or ");
            format!("expected one of the dialects that can be spoken so far: {names}")
        })
    }
}

/// One listener of `--speak`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speak {
    /// What is spoken.
    pub speaker: Speaker,
    /// On which port; 0 picks a free one.
    pub port: u16,
    /// Whether nobody has said on which port.
    pub(super) by_default: bool,
}

/// One `--client`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientBuild {
    /// On whose listener it is served.
    pub speaker: Speaker,
    /// The folder.
    pub folder: PathBuf,
}

/// What one `--speak` says: a list of `DIALECT@PORT`, separated by commas. Behind `peershare@PORT` may
/// stand a second port, for its sockets. `peershare` and `peershare-new` alone have the ports of their own
/// server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpeakList(pub(super) Vec<Speak>);

pub(super) fn speak(text: &str) -> Result<SpeakList, String> {
    let mut found: Vec<Speak> = Vec::new();
    for part in text.split(',') {
        let (speaker, port) = match part.split_once('@') {
            Some((name, port)) => (Speaker::parse(name)?, port),
            None if part == Speaker::PeerShare.name() => {
                found.extend([
                    own(Speaker::PeerShare, 3000),
                    own(Speaker::PeerShareSocket, 3001),
                ]);
                continue;
            }
            None if part == Speaker::PeerShareNew.name() => {
                found.push(own(Speaker::PeerShareNew, 3000));
                continue;
            }
            None if found.last().map(|last| last.speaker) == Some(Speaker::PeerShare) => {
                (Speaker::PeerShareSocket, part)
            }
            None => return Err("expected a dialect and a port, such as nexus@5000".into()),
        };
        let port = port
            .parse()
            .map_err(|_| "expected a port behind the @, such as nexus@5000")?;
        found.push(Speak {
            speaker,
            port,
            by_default: false,
        });
    }
    Ok(SpeakList(found))
}

fn own(speaker: Speaker, port: u16) -> Speak {
    Speak {
        speaker,
        port,
        by_default: true,
    }
}

pub(super) fn client(text: &str) -> Result<ClientBuild, String> {
    let (name, folder) = text
        .split_once('=')
        .filter(|(_, folder)| !folder.is_empty())
        .ok_or("expected a dialect and a folder, such as nexus=/srv/nexus/dist")?;
    let speaker = Speaker::parse(name)?;
    match speaker {
        Speaker::NexusAssets => {
            return Err(
                "nexus-assets is asked by Nexus' client, which belongs to nexus=DIR".into(),
            );
        }
        Speaker::PeerJs => {
            return Err("peerjs has no client of its own: its users serve their own pages".into());
        }
        Speaker::PeerShareSocket => {
            return Err("that port has no pages: the client belongs to peershare=DIR".into());
        }
        Speaker::Nexus
        | Speaker::Chat
        | Speaker::Login
        | Speaker::Session
        | Speaker::PeerShare
        | Speaker::PeerShareNew => {}
    }
    Ok(ClientBuild {
        speaker,
        folder: folder.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_a_dialect_and_a_port() {
        for speaker in Speaker::ALL {
            let found = speak(&format!("{}@0", speaker.name())).unwrap();
            let expected = Speak {
                speaker,
                port: 0,
                by_default: false,
            };
            assert_eq!(found.0, [expected]);
        }
        for bad in [
            "",
            "nexus",
            "nexus@",
            "nexus@x",
            "nexus@70000",
            "@5000",
            "morse@1",
            "nexus@5000,",
            "nexus@5000,5001",
            "peershare@3000,3001,3002",
            "peershare@3000,x",
            "peershare,3001",
            "peershare-new,3001",
            "peershare-socket",
        ] {
            assert!(speak(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn listeners_are_listed_and_peershares_may_have_a_second_port() {
        let found = speak("nexus@5000,peershare@3000,3001,chat@9001").unwrap();
        let found = found.0.iter().map(|one| (one.speaker.name(), one.port));
        let expected = [
            ("nexus", 5000),
            ("peershare", 3000),
            ("peershare-socket", 3001),
            ("chat", 9001),
        ];
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_client_is_a_dialect_and_a_folder() {
        let found = client("nexus=/srv/a=b").unwrap();
        assert_eq!(found.folder, PathBuf::from("/srv/a=b"));
        for bad in [
            "",
            "nexus",
            "nexus=",
            "=x",
            "morse=x",
            "nexus-assets=/srv",
            "peerjs=/srv",
            "peershare-socket=/srv",
        ] {
            assert!(client(bad).is_err(), "{bad}");
        }
    }
}
