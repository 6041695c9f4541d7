//! Roles, and the extractors that prove them.

use super::Verdict;
use crate::error::Error;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use std::future::{Ready, ready};

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Sees what the table shows, changes nothing.
    Player,
    /// Runs the table.
    Gm,
}

/// Whoever asks; a handler that takes this serves everybody.
#[derive(Clone, Copy, Debug)]
pub struct Visitor {
    /// What they may do.
    pub role: Role,
}

impl Visitor {
    /// What the gate decided; nobody's GM when it was not asked.
    pub fn of(req: &HttpRequest) -> Self {
        let role = req
            .extensions()
            .get::<Verdict>()
            .map(|verdict| verdict.role);
        Self {
            role: role.unwrap_or(Role::Player),
        }
    }
}

impl FromRequest for Visitor {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(req)))
    }
}

/// Proof that the GM is asking.
#[derive(Clone, Copy, Debug)]
pub struct Gm(());

impl FromRequest for Gm {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match Visitor::of(req).role {
            Role::Gm => Ok(Self(())),
            Role::Player => Err(Error::Forbidden(
                "only the GM may do this: open the page on the machine that runs the server, or start \
                 the server with --gm-from and this device's address, or with --access open"
                    .into(),
            )),
        })
    }
}
