//! What goes wrong in a city, and when.

use std::sync::Arc;

use super::town::{City, Dice, name};
use super::{MINUTES, PERIOD};
use crate::topology::{Cause, Scope, Site};

/// Something that is wrong for a while, in minutes.
#[derive(Clone, Debug)]
pub(super) struct Planted {
    pub(super) cause: Cause,
    pub(super) begin: i64,
    pub(super) end: i64,
}

pub(super) fn plan(dice: &mut Dice, city: &City) -> Vec<Planted> {
    let paired: Vec<&Site> = city.sites.iter().filter(|site| site.gateways.len() == 2).collect();
    let pair = paired[dice.below(paired.len())];
    let mut plan = Vec::new();
    let storm = moment(dice);
    let counts = [
        (Scope::Gateway, 6),
        (Scope::Power, 4),
        (Scope::Broker, 2),
        (Scope::Region, 3),
        (Scope::Maker, 2),
        (Scope::Plume, 3),
    ];
    for (scope, _) in counts {
        let begin = storm + PERIOD * dice.below(6) as i64;
        let name = match scope {
            Scope::Gateway => Arc::clone(&pair.gateways[0]),
            Scope::Plume => air(dice, city, Some(&pair.region)),
            _ => anywhere(dice, city, scope),
        };
        plan.push(planted(scope, name, begin));
    }
    let later = moment(dice);
    for (at, gateway) in pair.gateways.iter().enumerate() {
        plan.push(planted(Scope::Gateway, Arc::clone(gateway), later + 30 * at as i64));
    }
    for (scope, count) in counts {
        while plan.iter().filter(|one| one.cause.scope == scope).count() < count {
            // the same again within hours would be the same cause
            let one = planted(scope, anywhere(dice, city, scope), moment(dice));
            if plan.iter().any(|other| other.cause == one.cause) {
                continue;
            }
            plan.push(one);
        }
    }
    plan
}

fn moment(dice: &mut Dice) -> i64 {
    PERIOD * (12 + dice.below((MINUTES / PERIOD) as usize - 80) as i64)
}

fn planted(scope: Scope, name: Arc<str>, begin: i64) -> Planted {
    let lasts = match scope {
        Scope::Region | Scope::Maker => 36,
        Scope::Plume => 24,
        _ => 18,
    };
    Planted { cause: Cause { scope, name }, begin, end: begin + PERIOD * lasts }
}

fn anywhere(dice: &mut Dice, city: &City, scope: Scope) -> Arc<str> {
    match scope {
        Scope::Gateway => name("gw", dice.below(3 * city.regions)),
        Scope::Power => name("power", dice.below(4 * city.regions)),
        Scope::Broker => name("broker", dice.below(4)),
        Scope::Region => name("region", dice.below(city.regions)),
        Scope::Maker => name("maker", dice.below(6)),
        _ => air(dice, city, None),
    }
}

fn air(dice: &mut Dice, city: &City, region: Option<&Arc<str>>) -> Arc<str> {
    let fits = |site: &&Site| &*site.kind == "air" && region.is_none_or(|region| site.region == *region);
    let air: Vec<&Site> = city.sites.iter().filter(fits).collect();
    Arc::clone(&air[dice.below(air.len())].source)
}
