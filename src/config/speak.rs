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
    /// The PeerJS broker.
    PeerJs,
}

impl Speaker {
    /// Those that there are.
    pub const ALL: [Self; 4] = [Self::Nexus, Self::NexusAssets, Self::Chat, Self::PeerJs];

    /// As it stands in settings and in the lines at start.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nexus => "nexus",
            Self::NexusAssets => "nexus-assets",
            Self::Chat => "chat",
            Self::PeerJs => "peerjs",
        }
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

/// One `--speak`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speak {
    /// What is spoken.
    pub speaker: Speaker,
    /// On which port; 0 picks a free one.
    pub port: u16,
}

/// One `--client`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientBuild {
    /// On whose listener it is served.
    pub speaker: Speaker,
    /// The folder.
    pub folder: PathBuf,
}

pub(super) fn speak(text: &str) -> Result<Speak, String> {
    let (name, port) = text
        .split_once('@')
        .ok_or("expected a dialect and a port, such as nexus@5000")?;
    Ok(Speak {
        speaker: Speaker::parse(name)?,
        port: port
            .parse()
            .map_err(|_| "expected a port behind the @, such as nexus@5000")?,
    })
}

pub(super) fn client(text: &str) -> Result<ClientBuild, String> {
    let (name, folder) = text
        .split_once('=')
        .filter(|(_, folder)| !folder.is_empty())
        .ok_or("expected a dialect and a folder, such as nexus=/srv/nexus/dist")?;
    let speaker = Speaker::parse(name)?;
    if speaker == Speaker::NexusAssets {
        return Err("nexus-assets is asked by Nexus' client, which belongs to nexus=DIR".into());
    }
    if speaker == Speaker::PeerJs {
        return Err("peerjs has no client of its own: its users serve their own pages".into());
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
        let found = speak("nexus@5000").unwrap();
        assert_eq!((found.speaker, found.port), (Speaker::Nexus, 5000));
        for speaker in Speaker::ALL {
            let found = speak(&format!("{}@0", speaker.name())).unwrap();
            assert_eq!(found, Speak { speaker, port: 0 });
        }
        for bad in [
            "",
            "nexus",
            "nexus@",
            "nexus@x",
            "nexus@70000",
            "@5000",
            "morse@1",
            "session@8000",
        ] {
            assert!(speak(bad).is_err(), "{bad}");
        }
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
        ] {
            assert!(client(bad).is_err(), "{bad}");
        }
    }
}
