//! What cookies prove: that the GM has signed in, or that somebody has joined a table.

use super::Role;
use super::cookie::{Signer, find, seconds, set};
use super::keys::{Keys, random};
use super::signed_out::SignedOut;
use crate::config::Secret;
use crate::error::{Error, Result};
use crate::model::TableId;
use actix_web::http::header::HeaderMap;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long a sign-in lasts.
pub const SIGN_IN: Duration = Duration::from_secs(12 * 60 * 60);
/// How long somebody who has joined belongs to the table, unless its code is renewed.
const GRANT: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How long a browser is known to have been the GM's.
const DEVICE: Duration = Duration::from_secs(180 * 24 * 60 * 60);

const GM_COOKIE: &str = "tablekeep-gm";
const TABLE_COOKIE: &str = "tablekeep-table";
const DEVICE_COOKIE: &str = "tablekeep-device";

/// Lengths of the signed facts: members one after the other, numbers big-endian.
const GM_FACT: usize = 8 + 16;
const TABLE_FACT: usize = 8 + 8 + 1 + 8 + 16;

/// Says which grants still count. A renewed code is the table's next generation.
pub trait Generations: Send + Sync {
    /// The generation of `table`; `None` when there is no such table.
    fn generation(&self, table: TableId) -> Option<u64>;
}

/// As what and how somebody has joined, in one byte of a cookie.
const DISPLAY: u8 = 0;
const PLAYER: u8 = 1;
const UNINVITED: u8 = 2;

/// Somebody has joined a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The table.
    pub table: TableId,
    /// As what: a player or a display.
    pub role: Role,
    /// By a code or a number, and not because the door was open.
    pub invited: bool,
    /// Made by chance for each joining: tells one member from another.
    pub member: [u8; 16],
    /// Of the table's code.
    pub generation: u64,
    /// When it runs out, in seconds since 1970.
    pub until: u64,
}

/// The GM has signed in with the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GmSession {
    /// Tells this sign-in from others.
    pub id: [u8; 16],
    /// When it runs out, in seconds since 1970.
    pub until: u64,
}

/// What the cookies of a request prove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Proven {
    pub gm: Option<GmSession>,
    pub grant: Option<Grant>,
}

/// Makes cookies, and says what they prove.
pub struct Passes {
    sign_in: Option<SignIn>,
    table: Signer,
    generations: Arc<dyn Generations>,
    signed_out: SignedOut,
}

/// Only when there is a password. All its keys depend on it: another one voids every cookie.
struct SignIn {
    password: Signer,
    right: [u8; 32],
    gm: Signer,
    device: Signer,
}

impl Passes {
    /// `folder` is where the list of ended sign-ins lies. Without a password nobody can sign in.
    pub fn new(
        keys: &Keys,
        password: Option<&Secret>,
        generations: Arc<dyn Generations>,
        folder: &Path,
    ) -> Self {
        Self {
            sign_in: password.map(|password| SignIn::new(keys, password)),
            table: Signer::new(&keys.derive("table cookie", b"")),
            generations,
            signed_out: SignedOut::open(folder.join("signed-out.json")),
        }
    }

    /// For a server without tables and without a GM: cookies prove nothing.
    pub fn none(keys: &Keys) -> Self {
        struct NoTables;
        impl Generations for NoTables {
            fn generation(&self, _: TableId) -> Option<u64> {
                None
            }
        }
        Self {
            sign_in: None,
            table: Signer::new(&keys.derive("table cookie", b"")),
            generations: Arc::new(NoTables),
            signed_out: SignedOut::none(),
        }
    }

    /// Whether there is a password to sign in with.
    pub fn has_password(&self) -> bool {
        self.sign_in.is_some()
    }

    /// The `Set-Cookie` lines of a sign-in.
    ///
    /// Errors: 401 when the password is wrong, 403 when there is none.
    pub fn sign_in(&self, password: &str, now: SystemTime, secure: bool) -> Result<[String; 2]> {
        let Some(sign_in) = &self.sign_in else {
            return Err(Error::Forbidden(
                "nobody can sign in here: start the server with --gm-password".into(),
            ));
        };
        if !self.is_gm_password(password) {
            return Err(Error::Unauthenticated("the password is wrong".into()));
        }
        let fact = [
            &(seconds(now + SIGN_IN)).to_be_bytes()[..],
            &random::<16>()?,
        ]
        .concat();
        let device = random::<16>()?;
        Ok([
            set(GM_COOKIE, &sign_in.gm.sign(&fact), SIGN_IN, secure),
            set(DEVICE_COOKIE, &sign_in.device.sign(&device), DEVICE, secure),
        ])
    }

    /// Whether there is a password and this is it; in constant time.
    pub fn is_gm_password(&self, password: &str) -> bool {
        let sign_in = self.sign_in.as_ref();
        sign_in.is_some_and(|sign_in| sign_in.password.verify(password.as_bytes(), &sign_in.right))
    }

    /// Whether a sign-in of the GM, and a joining, still count.
    pub(super) fn counts(
        &self,
        gm: Option<&GmSession>,
        joined: Option<&Grant>,
        now: SystemTime,
    ) -> bool {
        let now = seconds(now);
        let counts = |gm: &GmSession| now < gm.until && !self.signed_out.contains(&gm.id);
        let current = |grant: &Grant| {
            let generation = self.generations.generation(grant.table);
            now < grant.until && generation == Some(grant.generation)
        };
        gm.is_none_or(counts) && joined.is_none_or(current)
    }

    /// Ends the sign-in of these cookies for good, if there is one, and returns the `Set-Cookie`
    /// line that makes the browser forget it. Blocks.
    pub fn sign_out(&self, headers: &HeaderMap, now: SystemTime, secure: bool) -> Result<String> {
        if let Some(GmSession { id, until }) = self.session(headers, now) {
            self.signed_out.add(&id, until, now)?;
        }
        Ok(set(GM_COOKIE, "", Duration::ZERO, secure))
    }

    /// The `Set-Cookie` line for somebody who joins `table`.
    ///
    /// Errors: 404 when there is no such table (any more).
    pub fn admit(
        &self,
        table: TableId,
        role: Role,
        invited: bool,
        now: SystemTime,
        secure: bool,
    ) -> Result<String> {
        let generation = self.generations.generation(table);
        let generation =
            generation.ok_or_else(|| Error::NotFound(format!("there is no table '{table}'")))?;
        let role = match role {
            Role::Display => DISPLAY,
            // Nobody becomes the GM by joining.
            Role::Player | Role::Gm => PLAYER,
        };
        let how = match invited {
            true => role,
            false => role | UNINVITED,
        };
        let fact = [
            &seconds(now + GRANT).to_be_bytes()[..],
            &table.to_bytes(),
            &[how],
            &generation.to_be_bytes(),
            &random::<16>()?,
        ]
        .concat();
        Ok(set(TABLE_COOKIE, &self.table.sign(&fact), GRANT, secure))
    }

    /// What these cookies prove. They must come from a page of this server, or from no page.
    pub(super) fn read(&self, headers: &HeaderMap, now: SystemTime) -> Proven {
        Proven {
            gm: self.session(headers, now),
            grant: self.grant(headers, now),
        }
    }

    /// The browser that signed in before, whether or not that still counts.
    pub fn device(&self, headers: &HeaderMap) -> Option<[u8; 16]> {
        let device = &self.sign_in.as_ref()?.device;
        device.open(find(headers, DEVICE_COOKIE)?)
    }

    /// A sign-in that counts.
    fn session(&self, headers: &HeaderMap, now: SystemTime) -> Option<GmSession> {
        let sign_in = self.sign_in.as_ref()?;
        let fact: [u8; GM_FACT] = sign_in.gm.open(find(headers, GM_COOKIE)?)?;
        let (until, id) = take_until(&fact, now)?;
        let id: [u8; 16] = id.try_into().ok()?;
        (!self.signed_out.contains(&id)).then_some(GmSession { id, until })
    }

    fn grant(&self, headers: &HeaderMap, now: SystemTime) -> Option<Grant> {
        let fact: [u8; TABLE_FACT] = self.table.open(find(headers, TABLE_COOKIE)?)?;
        let (until, rest) = take_until(&fact, now)?;
        let (table, rest) = rest.split_first_chunk()?;
        let ([how], rest) = rest.split_first_chunk()?;
        let (generation, member) = rest.split_first_chunk()?;
        let table = TableId::from_bytes(*table)?;
        let current = self.generations.generation(table)?;
        (u64::from_be_bytes(*generation) == current).then_some(Grant {
            table,
            role: match how & !UNINVITED {
                DISPLAY => Role::Display,
                _ => Role::Player,
            },
            invited: how & UNINVITED == 0,
            member: member.try_into().ok()?,
            generation: current,
            until,
        })
    }
}

/// Splits off when a fact runs out; `None` when it has.
fn take_until(fact: &[u8], now: SystemTime) -> Option<(u64, &[u8])> {
    let (until, rest) = fact.split_first_chunk()?;
    let until = u64::from_be_bytes(*until);
    (seconds(now) < until).then_some((until, rest))
}

impl SignIn {
    fn new(keys: &Keys, password: &Secret) -> Self {
        let hash = Sha256::digest(password.expose());
        let signer = |purpose| Signer::new(&keys.derive(purpose, &hash));
        let check = signer("password");
        Self {
            right: check.tag(password.expose().as_bytes()),
            password: check,
            gm: signer("GM cookie"),
            device: signer("device cookie"),
        }
    }
}

/// A password for when nobody has chosen one: three groups of four letters without look-alikes,
/// 54 bits. It follows from the key file, so it is the same at every start.
pub fn own_password(keys: &Keys) -> Secret {
    const LETTERS: &[u8; 23] = b"abcdefghjkmnpqrstuvwxyz";
    let key = keys.derive("own password", b"");
    let letters = key.chunks_exact(2).take(12).map(|pair| {
        let number = u16::from_be_bytes([pair[0], pair[1]]);
        char::from(LETTERS[usize::from(number) % LETTERS.len()])
    });
    let mut password = String::new();
    for (nth, letter) in letters.enumerate() {
        if nth == 4 || nth == 8 {
            password.push('-');
        }
        password.push(letter);
    }
    Secret::new(password)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use actix_web::http::header::{self, HeaderValue};
    use std::collections::HashMap;
    use std::sync::Mutex;
    use std::time::UNIX_EPOCH;
    use tempfile::TempDir;

    /// Generations that a test changes.
    #[derive(Default)]
    pub struct Book(pub Mutex<HashMap<TableId, u64>>);

    impl Generations for Book {
        fn generation(&self, table: TableId) -> Option<u64> {
            self.0.lock().unwrap().get(&table).copied()
        }
    }

    const NOW: SystemTime = UNIX_EPOCH;

    fn passes(folder: &TempDir, password: &str) -> (Passes, Arc<Book>) {
        let book = Arc::new(Book::default());
        book.0.lock().unwrap().insert(TableId::MAIN, 7);
        let keys = Keys::new(&[1; 32]);
        let password = Secret::new(password.to_owned());
        let passes = Passes::new(&keys, Some(&password), book.clone(), folder.path());
        (passes, book)
    }

    /// The `Cookie` header of a browser that has received these lines.
    pub fn cookies(lines: &[String]) -> HeaderMap {
        let pairs = lines.iter().map(|line| line.split(';').next().unwrap());
        let mut headers = HeaderMap::new();
        let value = pairs.collect::<Vec<_>>().join("; ");
        headers.insert(header::COOKIE, HeaderValue::from_str(&value).unwrap());
        headers
    }

    #[test]
    fn a_sign_in_lasts_twelve_hours_and_as_long_as_the_password() {
        let folder = tempfile::tempdir().unwrap();
        let (passes, _) = passes(&folder, "secret");
        assert!(passes.sign_in("Secret", NOW, false).is_err());
        assert!(passes.sign_in("", NOW, false).is_err());
        let browser = cookies(&passes.sign_in("secret", NOW, false).unwrap());
        let gm = |passes: &Passes, at| passes.read(&browser, NOW + at).gm.is_some();
        assert!(gm(&passes, Duration::ZERO));
        assert!(gm(&passes, SIGN_IN - Duration::from_secs(1)));
        assert!(!gm(&passes, SIGN_IN));
        assert!(passes.device(&browser).is_some());
        // Another start with the same password, and one with another.
        assert!(gm(&self::passes(&folder, "secret").0, Duration::ZERO));
        let (other, _) = self::passes(&folder, "changed");
        assert!(!gm(&other, Duration::ZERO));
        assert!(other.device(&browser).is_none());
        let none = Passes::new(
            &Keys::new(&[1; 32]),
            None,
            Arc::new(Book::default()),
            folder.path(),
        );
        assert!(!gm(&none, Duration::ZERO) && !none.has_password());
        assert!(matches!(
            none.sign_in("secret", NOW, false),
            Err(Error::Forbidden(_))
        ));
    }

    #[test]
    fn who_has_signed_out_is_out_with_a_copied_cookie_too() {
        let folder = tempfile::tempdir().unwrap();
        let (passes, _) = passes(&folder, "secret");
        let laptop = cookies(&passes.sign_in("secret", NOW, false).unwrap());
        let tablet = cookies(&passes.sign_in("secret", NOW, false).unwrap());
        let cleared = passes.sign_out(&laptop, NOW, false).unwrap();
        assert!(cleared.contains("tablekeep-gm=;") && cleared.contains("Max-Age=0"));
        let gm = |passes: &Passes, browser: &HeaderMap| passes.read(browser, NOW).gm;
        assert_eq!(gm(&passes, &laptop), None);
        let session = gm(&passes, &tablet).unwrap();
        assert!(passes.counts(Some(&session), None, NOW));
        assert!(!passes.counts(Some(&session), None, NOW + SIGN_IN));
        assert_eq!(gm(&self::passes(&folder, "secret").0, &laptop), None);
        passes.sign_out(&tablet, NOW, false).unwrap();
        assert!(!passes.counts(Some(&session), None, NOW));
        passes.sign_out(&HeaderMap::new(), NOW, false).unwrap();
    }

    #[test]
    fn a_grant_is_for_one_table_until_its_code_is_renewed() {
        let folder = tempfile::tempdir().unwrap();
        let (passes, book) = passes(&folder, "secret");
        let admit = |role| cookies(&[passes.admit(TableId::MAIN, role, true, NOW, false).unwrap()]);
        let (phone, tv) = (admit(Role::Player), admit(Role::Display));
        let grant = |browser: &HeaderMap| passes.read(browser, NOW).grant;
        assert_eq!(grant(&phone).unwrap().role, Role::Player);
        assert_eq!(grant(&tv).unwrap().role, Role::Display);
        assert_eq!(grant(&tv).unwrap().table, TableId::MAIN);
        assert_ne!(grant(&tv).unwrap().member, grant(&phone).unwrap().member);
        assert_eq!(passes.read(&phone, NOW).gm, None);
        let joined = grant(&phone).unwrap();
        assert!(passes.counts(None, Some(&joined), NOW));
        assert!(!passes.counts(None, Some(&joined), NOW + GRANT));
        assert_eq!(grant(&admit(Role::Gm)).unwrap().role, Role::Player);
        assert_eq!(passes.read(&phone, NOW + GRANT).grant, None);
        book.0.lock().unwrap().insert(TableId::MAIN, 8);
        assert_eq!(grant(&phone), None);
        assert!(!passes.counts(None, Some(&joined), NOW));
        book.0.lock().unwrap().clear();
        assert_eq!(grant(&phone), None);
        assert!(
            passes
                .admit(TableId::MAIN, Role::Player, true, NOW, false)
                .is_err()
        );
    }

    #[test]
    fn one_kind_of_cookie_is_not_another() {
        let folder = tempfile::tempdir().unwrap();
        let (passes, _) = passes(&folder, "secret");
        let table = passes
            .admit(TableId::MAIN, Role::Player, true, NOW, false)
            .unwrap();
        let [gm, device] = passes.sign_in("secret", NOW, false).unwrap();
        for line in [table, device] {
            let (_, value) = line.split_once('=').unwrap();
            let forged = cookies(&[format!("{GM_COOKIE}={value}")]);
            assert_eq!(passes.read(&forged, NOW), Proven::default());
        }
        let (_, value) = gm.split_once('=').unwrap();
        let forged = cookies(&[format!("{TABLE_COOKIE}={value}")]);
        assert_eq!(passes.read(&forged, NOW), Proven::default());
    }

    #[test]
    fn the_servers_own_password_can_be_read_out_and_stays() {
        let password = own_password(&Keys::new(&[1; 32]));
        let text = password.expose();
        assert_eq!(text.len(), 14);
        for group in text.split('-') {
            assert_eq!(group.len(), 4);
            assert!(
                group
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() && !b"ilo".contains(&b))
            );
        }
        assert_eq!(text, own_password(&Keys::new(&[1; 32])).expose());
        assert_ne!(text, own_password(&Keys::new(&[2; 32])).expose());
    }
}
