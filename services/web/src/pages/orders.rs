//! Orders: a list, filtered by what the address says, page by page.

use askama::Template;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Html;
use yiwang_model::OrderState;
use yiwang_orders::Filter;

use super::{Choice, Frame, OrderLine, render};
use crate::Web;
use crate::asked::{self, Asked};
use crate::error::Error;
use crate::lang::Lang;
use crate::params::Params;
use crate::words;

#[derive(Template)]
#[template(path = "orders.html")]
struct Orders {
    f: Frame,
    states: Vec<Choice>,
    departments: Vec<Choice>,
    districts: Vec<Choice>,
    categories: Vec<Choice>,
    active: bool,
    overdue: bool,
    q: String,
    /// Filters without a field in the form, kept as they are.
    kept: Vec<(&'static str, String)>,
    filtered: bool,
    orders: Vec<OrderLine>,
    next: Option<String>,
    first: Option<String>,
}

/// `/orders`
pub(crate) async fn page(State(web): State<Web>, lang: Lang, uri: Uri) -> Result<Html<String>, Error> {
    let params = Params::of_page(&uri, asked::KNOWN)?;
    let now = (web.parts().city_now)();
    let asked = Asked::read(&params, now)?;
    let found = asked.find(&web).await?;
    let (filter, after) = (asked.filter, asked.after);
    let kept = [("source", &filter.source), ("detector", &filter.detector)];
    render(&Orders {
        states: states(&filter, lang),
        departments: departments(&web, &filter, lang),
        districts: districts(&web, &filter, lang),
        categories: categories(&web, &filter, lang),
        active: filter.active == Some(true),
        overdue: filter.overdue_at.is_some(),
        q: filter.text.clone().unwrap_or_default(),
        kept: kept.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect(),
        filtered: filter != Filter::default(),
        orders: found.orders.iter().map(|order| OrderLine::new(&web, lang, order, now)).collect(),
        next: found.next.map(|next| with(&uri, "after", &next)),
        first: after.map(|_| with(&uri, "after", "")),
        f: Frame::new(&web, lang, "orders", &uri),
    })
}

/// The address of the same list with one parameter set to another value, or without it when that is empty.
pub(crate) fn with(uri: &Uri, name: &str, value: &str) -> String {
    let kept = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let kept = kept.filter(|pair| pair.split('=').next() != Some(name)).map(str::to_owned);
    let set = (!value.is_empty()).then(|| format!("{name}={}", escape(value)));
    format!("?{}", kept.chain(set).collect::<Vec<_>>().join("&"))
}

/// A value as it stands in an address.
fn escape(value: &str) -> String {
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    value.bytes().map(escape).collect()
}

fn states(filter: &Filter, lang: Lang) -> Vec<Choice> {
    let chosen = filter.states.first().map(|state| state.word());
    OrderState::ALL.map(|state| Choice::new(state.word(), words::state(lang, state), chosen)).into()
}

fn departments(web: &Web, filter: &Filter, lang: Lang) -> Vec<Choice> {
    let all = web.catalogue().departments.values();
    all.map(|named| Choice::new(&named.key, lang.of(&named.title), filter.department.as_deref())).collect()
}

fn districts(web: &Web, filter: &Filter, lang: Lang) -> Vec<Choice> {
    let all = web.catalogue().districts.values();
    all.map(|named| Choice::new(&named.key, lang.of(&named.title), filter.district.as_deref())).collect()
}

fn categories(web: &Web, filter: &Filter, lang: Lang) -> Vec<Choice> {
    let all = web.catalogue().categories.values();
    all.map(|named| Choice::new(&named.key, lang.of(&named.title), filter.category.as_deref())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_its_other_parameters() {
        let uri: Uri = "/orders?state=opened&after=old&q=%E9%94%A6".parse().expect("an address");
        assert_eq!(with(&uri, "after", "a b"), "?state=opened&q=%E9%94%A6&after=a%20b");
        assert_eq!(with(&uri, "after", ""), "?state=opened&q=%E9%94%A6");
    }
}
