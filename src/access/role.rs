//! Roles, seats at a table, and the extractors that prove them.

use super::Verdict;
use super::account::{AccountProof, AccountRole, SignedIn};
use crate::error::{Error, Result};
use crate::model::TableId;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use std::future::{Ready, ready};

/// What somebody may do. Lower comes first: the effective role is the lower of what a page asks for
/// and what it can prove (`asked.min(proven)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// A screen for all to see: shows the table, changes nothing, says nothing.
    Display,
    /// Sees what the table shows, speaks, moves what is their own.
    Player,
    /// Runs the table.
    Gm,
}

/// Whoever asks; a handler that takes this serves everybody.
#[derive(Clone, Copy, Debug)]
pub struct Visitor {
    /// What they may do.
    pub role: Role,
    /// Where they sit; `None`: they have not joined a table, and need to.
    pub table: Option<TableId>,
}

impl Visitor {
    /// What the gate decided; nobody's guest when it was not asked.
    pub fn of(req: &HttpRequest) -> Self {
        let verdict = req.extensions().get::<Verdict>().copied();
        verdict.map_or(Self::NOBODY, |verdict| verdict.visitor())
    }

    const NOBODY: Self = Self {
        role: Role::Display,
        table: None,
    };

    /// Whether they may see what `table` shows. The GM sees all tables.
    pub fn may_see(&self, table: TableId) -> bool {
        self.role == Role::Gm || self.table == Some(table)
    }

    /// Their seat. Errors: 403 for who has not joined a table.
    pub fn seat(&self) -> Result<Seat> {
        let Some(table) = self.table else {
            return Err(Error::Forbidden(JOIN_FIRST.into()));
        };
        Ok(Seat {
            role: self.role,
            table,
        })
    }

    /// Their seat at one certain table. Errors: 403 for who has not joined that one.
    pub fn seat_at(&self, table: TableId) -> Result<Seat> {
        if !self.may_see(table) {
            return Err(Error::Forbidden(JOIN_FIRST.into()));
        }
        Ok(Seat {
            role: self.role,
            table,
        })
    }
}

const JOIN_FIRST: &str = "join the table first: POST its code, which the GM has, to /tables/join";

/// Proof that somebody sits at a table: a handler that takes this serves what that table shows.
///
/// With `--players open` everybody sits at the table `main` who has not joined another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// What they may do.
    pub role: Role,
    /// Where they sit.
    pub table: TableId,
}

/// Proof that the GM is asking.
#[derive(Clone, Copy, Debug)]
pub struct Gm(());

impl Gm {
    fn check(visitor: Visitor) -> Result<Self> {
        match visitor.role {
            Role::Gm => Ok(Self(())),
            Role::Player | Role::Display => Err(Error::Forbidden(
                "only the GM may do this: sign in with the GM's password (POST /signin), open the page on the \
                 machine that runs the server, or start the server with --gm-from and this device's address, \
                 or with --access open"
                    .into(),
            )),
        }
    }
}

impl SignedIn {
    fn check(req: &HttpRequest) -> Result<Self> {
        let verdict = req.extensions().get::<Verdict>().copied();
        let proof = verdict.map_or(AccountProof::None, |verdict| verdict.account);
        proof.check()
    }
}

/// Proof that an admin's account is asking.
#[derive(Clone, Copy, Debug)]
pub struct Admin(SignedIn);

impl Admin {
    /// The number of the account.
    pub fn account(&self) -> u64 {
        self.0.session.account
    }

    fn check(signed_in: SignedIn) -> Result<Self> {
        match signed_in.role {
            AccountRole::Admin => Ok(Self(signed_in)),
            AccountRole::Viewer => Err(Error::Forbidden("Admin access required".into())),
        }
    }
}

/// Proof that a page of this server is asking, or no page at all: cookies count.
#[derive(Clone, Copy, Debug)]
pub struct OwnPage(());

impl OwnPage {
    fn check(req: &HttpRequest) -> Result<Self> {
        if req
            .extensions()
            .get::<Verdict>()
            .is_some_and(|v| v.own_page)
        {
            return Ok(Self(()));
        }
        Err(Error::Forbidden(
            "cookies count only on pages that this server serves: do this on its own start page"
                .into(),
        ))
    }
}

macro_rules! extractor {
    ($name:ty, $check:expr) => {
        impl FromRequest for $name {
            type Error = Error;
            type Future = Ready<Result<Self>>;

            fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
                ready($check(req))
            }
        }
    };
}

extractor!(Visitor, |req| Ok(Visitor::of(req)));
extractor!(Seat, |req| Visitor::of(req).seat());
extractor!(Gm, |req| Gm::check(Visitor::of(req)));
extractor!(OwnPage, OwnPage::check);
extractor!(SignedIn, SignedIn::check);
extractor!(Admin, |req| SignedIn::check(req).and_then(Admin::check));
