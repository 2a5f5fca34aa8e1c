#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn the_demo_city_has_no_faults() {
    let demo = Catalogue::parse(&[("demo.toml", demo_text())]);
    let shown = demo.map_err(|faults| faults.iter().map(|fault| format!("{fault}\n")).collect::<String>());
    if let Err(faults) = shown {
        panic!("{faults}");
    }
}
