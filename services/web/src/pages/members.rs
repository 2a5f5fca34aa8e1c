//! What an order covers: the alarms that are part of its episode.

use yiwang_model::order::WorkOrder;
use yiwang_orders::Member;

use crate::Web;
use crate::error::Error;
use crate::lang::Lang;
use crate::view::{self, Names};
use crate::words;

/// How many are shown.
const SHOWN: u32 = 100;

/// The alarms that an order covers.
pub(super) struct Covered {
    /// How many there are.
    pub(super) all: u64,
    /// How many of them are not shown.
    pub(super) more: u64,
    pub(super) lines: Vec<CoveredLine>,
}

/// One of them.
pub(super) struct CoveredLine {
    pub(super) source: String,
    pub(super) station: String,
    pub(super) metric: String,
    pub(super) detector: String,
    pub(super) began: String,
    pub(super) severity: &'static str,
    pub(super) severity_word: &'static str,
}

/// The alarms that an order covers; `None` when it is for its own episode alone.
pub(super) async fn covered(web: &Web, lang: Lang, order: &WorkOrder) -> Result<Option<Covered>, Error> {
    let Some(id) = order.anomaly else { return Ok(None) };
    let members = web.parts().orders.members(id, SHOWN).await?;
    let lines: Vec<CoveredLine> = members.first.iter().map(|member| line(web, lang, member)).collect();
    let more = members.all.saturating_sub(lines.len() as u64);
    Ok((members.all > 0).then_some(Covered { all: members.all, more, lines }))
}

fn line(web: &Web, lang: Lang, member: &Member) -> CoveredLine {
    let names = Names(web.catalogue());
    CoveredLine {
        source: member.series.source().to_string(),
        station: lang.of(&names.station(member.series.source())).to_owned(),
        metric: lang.of(&names.metric(member.series.metric())).to_owned(),
        detector: lang.of(&names.detector(&member.detector)).to_owned(),
        began: view::minute(member.begin),
        severity: member.severity.word(),
        severity_word: words::severity(lang, member.severity),
    }
}
