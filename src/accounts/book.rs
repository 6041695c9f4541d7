//! All accounts and the rules about them; plain state, no disk.

use super::user::{Email, User, UserName};
use crate::access::{AccountRole, Session, Standing};
use std::collections::BTreeMap;

/// All accounts.
#[derive(Clone, Debug, PartialEq)]
pub struct Book {
    users: BTreeMap<u64, User>,
    /// The number of the next account.
    next_id: u64,
}

impl Default for Book {
    /// Without any.
    fn default() -> Self {
        Self {
            users: BTreeMap::new(),
            next_id: 1,
        }
    }
}

/// Why something about accounts cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No account has this number or name.
    #[error("there is no such account")]
    Missing,
    /// Somebody has this name.
    #[error("another account has this name")]
    NameTaken,
    /// Somebody has this address.
    #[error("another account has this email address")]
    EmailTaken,
    /// Without this one, nobody could keep the accounts.
    #[error("this is the only admin who can sign in: make another one first")]
    LastAdmin,
    /// One's own account.
    #[error("Cannot delete yourself")]
    Oneself,
    /// As many as there may be.
    #[error("there are {0} accounts, which is the limit (--max-accounts): delete one first")]
    Full(usize),
    /// There are accounts already, so none is the first.
    #[error("there are accounts already")]
    NotTheFirst,
}

/// Somebody new.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// What it signs in with.
    pub username: UserName,
    /// Where its owner could be written to.
    pub email: Email,
    /// What it may do.
    pub role: AccountRole,
    /// The hash of its password.
    pub password: String,
    /// By chance, so that the tokens of accounts that were moved away do not count for new ones.
    pub generation: u32,
}

/// What becomes otherwise; `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// What it signs in with.
    pub username: Option<UserName>,
    /// Where its owner could be written to.
    pub email: Option<Email>,
    /// The hash of its password.
    pub password: Option<String>,
    /// What it may do.
    pub role: Option<AccountRole>,
    /// Whether it may be used.
    pub is_active: Option<bool>,
}

impl Book {
    /// As it was kept. Errors: what is wrong with it.
    pub(super) fn restore(users: Vec<User>, next_id: u64) -> Result<Self, String> {
        let mut book = Self {
            users: BTreeMap::new(),
            next_id,
        };
        for user in users {
            if user.id >= next_id {
                return Err(format!("the number {} was not given yet", user.id));
            }
            if book.taken(None, Some(&user.username), None).is_err() {
                return Err(format!("two accounts have the name '{}'", user.username));
            }
            book.users.insert(user.id, user);
        }
        Ok(book)
    }

    /// The number of the next account.
    pub(super) fn next_id(&self) -> u64 {
        self.next_id
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// All, by number.
    pub fn users(&self) -> impl ExactSizeIterator<Item = &User> {
        self.users.values()
    }

    /// One. Errors: `Missing`.
    pub fn get(&self, id: u64) -> Result<&User, Refused> {
        self.users.get(&id).ok_or(Refused::Missing)
    }

    /// The one with this name, in either case.
    pub fn by_name(&self, name: &UserName) -> Option<&User> {
        let key = name.key();
        self.users().find(|user| user.username.key() == key)
    }

    /// What a sign-in is worth now.
    pub fn standing(&self, session: &Session) -> Standing {
        match self.users.get(&session.account) {
            None => Standing::Ended,
            Some(user) if !user.is_active => Standing::Inactive,
            Some(user) if user.has(session) => Standing::Good(user.role),
            Some(_) => Standing::Ended,
        }
    }

    /// Adds an account; `most`: how many there may be. `now`: microseconds since 1970.
    pub fn add(&mut self, new: NewUser, most: usize, now: u64) -> Result<User, Refused> {
        self.taken(None, Some(&new.username), Some(&new.email))?;
        if self.users.len() >= most {
            return Err(Refused::Full(self.users.len()));
        }
        let user = User {
            id: self.next_id,
            username: new.username,
            email: new.email,
            role: new.role,
            is_active: true,
            created_at: now,
            updated_at: now,
            admin_state: None,
            password: new.password,
            generation: new.generation.into(),
            ended: Vec::new(),
        };
        self.next_id += 1;
        self.users.insert(user.id, user.clone());
        Ok(user)
    }

    /// Changes an account. Another password, role or state of being active makes its sign-ins void.
    pub fn change(&mut self, id: u64, changes: Changes, now: u64) -> Result<User, Refused> {
        let user = self.get(id)?;
        self.taken(Some(id), changes.username.as_ref(), changes.email.as_ref())?;
        let role = changes.role.unwrap_or(user.role);
        let is_active = changes.is_active.unwrap_or(user.is_active);
        if !(role == AccountRole::Admin && is_active) {
            self.leaves_an_admin(id)?;
        }
        let user = self.users.get_mut(&id).ok_or(Refused::Missing)?;
        if changes.password.is_some() || role != user.role || is_active != user.is_active {
            user.revoke();
        }
        user.role = role;
        user.is_active = is_active;
        user.updated_at = now;
        if let Some(username) = changes.username {
            user.username = username;
        }
        if let Some(email) = changes.email {
            user.email = email;
        }
        if let Some(password) = changes.password {
            user.password = password;
        }
        Ok(user.clone())
    }

    /// Deletes an account. `by`: the number of who asks, if that is an account.
    pub fn remove(&mut self, id: u64, by: Option<u64>) -> Result<User, Refused> {
        self.get(id)?;
        if by == Some(id) {
            return Err(Refused::Oneself);
        }
        self.leaves_an_admin(id)?;
        self.users.remove(&id).ok_or(Refused::Missing)
    }

    /// Keeps what an admin's page wants to be kept.
    pub fn keep_state(&mut self, id: u64, state: String) -> Result<(), Refused> {
        let user = self.users.get_mut(&id).ok_or(Refused::Missing)?;
        user.admin_state = Some(state);
        Ok(())
    }

    /// Ends a sign-in, if it counts. `now`: seconds since 1970.
    pub fn end(&mut self, session: &Session, now: u64) {
        if let Some(user) = self.users.get_mut(&session.account)
            && user.has(session)
        {
            user.end(session, now);
        }
    }

    /// Whether another account than `but` has this name or address.
    fn taken(
        &self,
        but: Option<u64>,
        name: Option<&UserName>,
        email: Option<&Email>,
    ) -> Result<(), Refused> {
        let others = || self.users().filter(|user| Some(user.id) != but);
        let name = name.map(UserName::key);
        if name.is_some_and(|key| others().any(|user| user.username.key() == key)) {
            return Err(Refused::NameTaken);
        }
        let email = email.map(Email::key);
        if email.is_some_and(|key| others().any(|user| user.email.key() == key)) {
            return Err(Refused::EmailTaken);
        }
        Ok(())
    }

    /// Whether somebody could keep the accounts if it were not for this one.
    fn leaves_an_admin(&self, id: u64) -> Result<(), Refused> {
        let keeps = |user: &User| user.role == AccountRole::Admin && user.is_active;
        let was = self.get(id).is_ok_and(keeps);
        if was && !self.users().any(|user| user.id != id && keeps(user)) {
            return Err(Refused::LastAdmin);
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub fn new_user(name: &str, role: AccountRole) -> NewUser {
        let username = UserName::parse(name).unwrap();
        NewUser {
            email: Email::made_for(&username),
            username,
            role,
            password: "hash".into(),
            generation: 7,
        }
    }

    fn name(text: &str) -> UserName {
        UserName::parse(text).unwrap()
    }

    /// Anna, who is admin, and Ben and Cleo, who are viewers.
    fn book() -> Book {
        let mut book = Book::default();
        for (who, role) in [
            ("Anna", AccountRole::Admin),
            ("Ben", AccountRole::Viewer),
            ("Cleo", AccountRole::Viewer),
        ] {
            book.add(new_user(who, role), 10, 1).unwrap();
        }
        book
    }

    fn session(book: &Book, id: u64, which: u8) -> Session {
        Session {
            account: id,
            generation: book.get(id).unwrap().generation,
            id: [which; 16],
            until: 1_000,
        }
    }

    const ADMIN: Standing = Standing::Good(AccountRole::Admin);
    const VIEWER: Standing = Standing::Good(AccountRole::Viewer);

    #[test]
    fn names_and_addresses_are_given_once_in_all_spellings() {
        let mut book = book();
        let mut again = new_user("ANNA", AccountRole::Viewer);
        let taken = book.add(again.clone(), 10, 1);
        assert_eq!(taken.unwrap_err(), Refused::NameTaken);
        again.username = name("Dora");
        again.email = Email::parse("ANNA@tablekeep.local").unwrap();
        assert_eq!(book.add(again, 10, 1).unwrap_err(), Refused::EmailTaken);
        let rename = |book: &mut Book, id, to: &str| {
            let changes = Changes {
                username: Some(name(to)),
                ..Changes::default()
            };
            book.change(id, changes, 2)
        };
        assert_eq!(rename(&mut book, 2, "anna"), Err(Refused::NameTaken));
        let renamed = rename(&mut book, 2, "BEN").unwrap();
        assert_eq!((renamed.username.as_str(), renamed.updated_at), ("BEN", 2));
        assert_eq!(book.by_name(&name("ben")).unwrap().id, 2);
    }

    #[test]
    fn there_are_only_as_many_as_there_may_be_and_no_number_twice() {
        let mut book = book();
        let dora = || new_user("Dora", AccountRole::Viewer);
        assert_eq!(book.add(dora(), 3, 1).unwrap_err(), Refused::Full(3));
        book.remove(3, Some(1)).unwrap();
        assert_eq!(book.add(dora(), 3, 1).unwrap().id, 4);
    }

    #[test]
    fn what_changes_who_one_is_ends_all_sign_ins() {
        let password = Changes {
            password: Some("other".into()),
            ..Changes::default()
        };
        let promoted = Changes {
            role: Some(AccountRole::Admin),
            ..Changes::default()
        };
        let inactive = Changes {
            is_active: Some(false),
            ..Changes::default()
        };
        for (changes, expected) in [
            (password, Standing::Ended),
            (promoted, Standing::Ended),
            (inactive, Standing::Inactive),
        ] {
            let mut book = book();
            let (ben, cleo) = (session(&book, 2, 1), session(&book, 3, 1));
            assert_eq!(book.standing(&ben), VIEWER);
            book.change(2, changes, 2).unwrap();
            assert_eq!(book.standing(&ben), expected);
            assert_eq!(book.standing(&cleo), VIEWER);
            let active = Changes {
                is_active: Some(true),
                ..Changes::default()
            };
            book.change(2, active, 3).unwrap();
            assert_eq!(book.standing(&ben), Standing::Ended);
        }
        let mut book = book();
        let (anna, ben) = (session(&book, 1, 1), session(&book, 2, 1));
        let same = Changes {
            username: Some(name("Benno")),
            role: Some(AccountRole::Viewer),
            is_active: Some(true),
            ..Changes::default()
        };
        book.change(2, same, 2).unwrap();
        assert_eq!(book.standing(&ben), VIEWER);
        book.remove(2, Some(1)).unwrap();
        assert_eq!(book.standing(&ben), Standing::Ended);
        assert_eq!(book.standing(&anna), ADMIN);
    }

    #[test]
    fn signing_out_ends_one_sign_in_and_too_many_end_all() {
        let mut book = book();
        let (laptop, phone) = (session(&book, 2, 1), session(&book, 2, 2));
        book.end(&laptop, 10);
        assert_eq!(book.standing(&laptop), Standing::Ended);
        assert_eq!(book.standing(&phone), VIEWER);
        let kept = |book: &Book| book.get(2).unwrap().ended.len();
        book.end(&laptop, 10);
        assert_eq!(kept(&book), 1);
        for which in 10..41 {
            book.end(&session(&book, 2, which), 10);
        }
        assert_eq!((kept(&book), book.standing(&phone)), (32, VIEWER));
        // Those that have run out are forgotten.
        let mut later = book.clone();
        later.end(&session(&book, 2, 50), 2_000);
        assert_eq!(kept(&later), 1);
        book.end(&session(&book, 2, 50), 10);
        assert_eq!((kept(&book), book.standing(&phone)), (0, Standing::Ended));
        assert_eq!(book.standing(&laptop), Standing::Ended);
    }

    #[test]
    fn the_last_admin_stays_one() {
        let mut book = book();
        let viewer = || Changes {
            role: Some(AccountRole::Viewer),
            ..Changes::default()
        };
        let inactive = || Changes {
            is_active: Some(false),
            ..Changes::default()
        };
        assert_eq!(book.remove(1, Some(1)), Err(Refused::Oneself));
        assert_eq!(book.remove(1, None), Err(Refused::LastAdmin));
        assert_eq!(book.change(1, viewer(), 2), Err(Refused::LastAdmin));
        assert_eq!(book.change(1, inactive(), 2), Err(Refused::LastAdmin));
        let promote = Changes {
            role: Some(AccountRole::Admin),
            ..Changes::default()
        };
        book.change(2, promote, 2).unwrap();
        book.change(1, inactive(), 2).unwrap();
        assert_eq!(book.remove(2, Some(1)), Err(Refused::LastAdmin));
        book.remove(1, Some(2)).unwrap();
        assert_eq!(book.remove(9, Some(2)), Err(Refused::Missing));
    }

    #[test]
    fn a_book_that_contradicts_itself_is_not_taken() {
        let users: Vec<_> = book().users().cloned().collect();
        assert!(Book::restore(users.clone(), 4).is_ok());
        assert!(Book::restore(users.clone(), 3).is_err());
        let mut twice = users;
        twice[1].username = name("anna");
        assert!(Book::restore(twice, 4).is_err());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Add(u8, AccountRole),
        Change(u64, Option<u8>, Option<AccountRole>, Option<bool>, bool),
        Remove(u64, u64),
        SignIn(u64, u8),
        SignOut(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let role = || prop_oneof![Just(AccountRole::Admin), Just(AccountRole::Viewer)];
        let option = proptest::option::of::<BoxedStrategy<AccountRole>>;
        prop_oneof![
            (0..8u8, role()).prop_map(|(name, role)| Step::Add(name, role)),
            (
                1..9u64,
                proptest::option::of(0..8u8),
                option(role().boxed()),
                proptest::option::of(any::<bool>()),
                any::<bool>()
            )
                .prop_map(|(id, name, role, active, password)| {
                    Step::Change(id, name, role, active, password)
                }),
            (1..9u64, 1..9u64).prop_map(|(id, by)| Step::Remove(id, by)),
            (1..9u64, any::<u8>()).prop_map(|(id, which)| Step::SignIn(id, which)),
            any::<prop::sample::Index>().prop_map(|index| Step::SignOut(index.index(64))),
        ]
    }

    proptest! {
        /// Whatever is done: names differ, an admin stays once there was one, numbers are new, and no
        /// sign-in that has ended counts again.
        #[test]
        fn the_rules_hold_whatever_happens(steps in prop::collection::vec(step(), 1..60)) {
            let mut book = Book::default();
            let mut sessions: Vec<(Session, bool)> = Vec::new();
            let (mut had_admin, mut highest) = (false, 0);
            for step in steps {
                match step {
                    Step::Add(who, role) => {
                        if let Ok(user) = book.add(new_user(&format!("user{who}"), role), 6, 1) {
                            prop_assert!(user.id > highest);
                            highest = user.id;
                        }
                    }
                    Step::Change(id, who, role, is_active, password) => {
                        let changes = Changes {
                            username: who.map(|who| name(&format!("USER{who}"))),
                            role,
                            is_active,
                            password: password.then(|| "x".into()),
                            email: None,
                        };
                        let _ = book.change(id, changes, 2);
                    }
                    Step::Remove(id, by) => {
                        let removed = book.remove(id, Some(by));
                        prop_assert!(removed.is_err() || id != by);
                    }
                    Step::SignIn(id, which) => {
                        if book.get(id).is_ok_and(|user| user.is_active) {
                            let new = session(&book, id, which);
                            let used = |(old, _): &(Session, bool)| old.id == new.id;
                            if !sessions.iter().any(used) {
                                sessions.push((new, true));
                            }
                        }
                    }
                    Step::SignOut(at) => {
                        if let Some((session, _)) = sessions.get(at) {
                            book.end(session, 10);
                            prop_assert!(!matches!(book.standing(session), Standing::Good(_)));
                        }
                    }
                }
                for (session, counts) in &mut sessions {
                    let now = matches!(book.standing(session), Standing::Good(_));
                    prop_assert!(*counts || !now, "{session:?} counts again");
                    *counts = now;
                }
                let admins = book.users().filter(|u| u.role == AccountRole::Admin && u.is_active);
                let has_admin = admins.count() > 0;
                prop_assert!(has_admin || !had_admin);
                had_admin |= has_admin;
                let users: Vec<_> = book.users().cloned().collect();
                prop_assert_eq!(Book::restore(users, book.next_id()), Ok(book.clone()));
            }
        }
    }
}
