//! Which orders are asked for, by a program or by a person: one reading of an address for both.

use yiwang_model::Timestamp;
use yiwang_orders::{Filter, MAX_PAGE, MAX_TEXT_CHARS, Page};

use crate::Web;
use crate::error::Error;
use crate::params::Params;

/// How many orders a page has when nobody says.
pub(crate) const PAGE: u32 = 50;
/// The longest key or token, in characters.
const KEY_CHARS: usize = 128;
const TOKEN_CHARS: usize = 256;

/// The parameters that say which orders.
pub(crate) const KNOWN: &[&str] = &[
    "state",
    "department",
    "district",
    "category",
    "source",
    "detector",
    "active",
    "overdue",
    "q",
    "limit",
    "after",
];

/// A page of some orders.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) filter: Filter,
    limit: u32,
    /// `next` of the page before; none for the first.
    pub(crate) after: Option<&'a str>,
}

impl<'a> Asked<'a> {
    /// What the parameters ask for. What is overdue is so at `now`.
    pub(crate) fn read(params: &'a Params, now: Option<Timestamp>) -> Result<Self, Error> {
        Ok(Self {
            filter: filter(params, now)?,
            limit: params.number("limit", 1..=MAX_PAGE)?.unwrap_or(PAGE),
            after: params.text("after", TOKEN_CHARS)?,
        })
    }

    /// The orders, and the token of the next page.
    pub(crate) async fn find(&self, web: &Web) -> Result<Page, Error> {
        Ok(web.parts().orders.find(&self.filter, self.limit, self.after).await?)
    }
}

fn filter(params: &Params, now: Option<Timestamp>) -> Result<Filter, Error> {
    let key = |name| params.text(name, KEY_CHARS).map(|text| text.map(str::to_owned));
    let overdue = params.flag("overdue")?.unwrap_or(false);
    Ok(Filter {
        states: params.words("state")?,
        department: key("department")?,
        district: key("district")?,
        category: key("category")?,
        source: key("source")?,
        detector: key("detector")?,
        active: params.flag("active")?,
        overdue_at: if overdue { Some(now.ok_or(Error::NoTime)?) } else { None },
        text: params.text("q", MAX_TEXT_CHARS)?.map(str::to_owned),
    })
}
