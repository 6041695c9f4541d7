//! `If-Match` and `If-None-Match: *` on writes (RFC 9110, section 13.1).

use super::etag_of;
use crate::error::{Error, Result};
use crate::store::Stamp;
use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};
use actix_web::{FromRequest, HttpRequest};
use std::future::{Ready, ready};

/// What must hold of the file that is about to be overwritten. SpellTable's pages send none.
#[derive(Clone, Debug, Default)]
pub struct Precondition {
    must_match: Option<String>,
    must_not_match: Option<String>,
}

impl Precondition {
    /// Fails with 412 when it does not hold for the file as it is now (`None`: there is none).
    pub fn check(&self, current: Option<&Stamp>) -> Result<()> {
        self.check_tag(current.map(etag_of).as_deref())
    }

    /// The same for something with this entity tag, quotes included (`None`: there is none).
    pub fn check_tag(&self, tag: Option<&str>) -> Result<()> {
        let listed = |list: &str| {
            list.trim() == "*" && tag.is_some()
                || list.split(',').any(|one| Some(one.trim()) == tag)
        };
        if self.must_match.as_deref().is_some_and(|list| !listed(list)) {
            let text = "somebody else changed it meanwhile: load it again";
            return Err(Error::PreconditionFailed(text.into()));
        }
        if self.must_not_match.as_deref().is_some_and(listed) {
            return Err(Error::PreconditionFailed("it exists already".into()));
        }
        Ok(())
    }
}

impl FromRequest for Precondition {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self {
            must_match: text(req.headers(), IF_MATCH),
            must_not_match: text(req.headers(), IF_NONE_MATCH),
        }))
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    // A tag that is no text counts, too: as one that nothing has.
    let values: Vec<_> = headers
        .get_all(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}
