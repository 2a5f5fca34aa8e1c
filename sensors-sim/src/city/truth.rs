//! The truth about the faults: CSV with a header, a line for each fault and series that it is about.
//!
//! `fault` is the place of the fault in the plan, from 1; `begin` and `end` are RFC 3339, the end is the first moment at
//! which it is over; `size` is what this series got, in the unit that the fault's kind has.

use std::path::Path;

use super::world::World;

/// Writes the file.
pub(super) fn write(path: &Path, world: &World) -> anyhow::Result<()> {
    let mut file = csv::Writer::from_path(path)?;
    file.write_record(["fault", "kind", "source", "metric", "begin", "end", "size"])?;
    for fault in world.faults() {
        let series = &world.members()[fault.member].series;
        file.write_record([
            &fault.number.to_string(),
            fault.kind.word(),
            series.source().as_ref(),
            series.metric().as_ref(),
            &fault.begin.to_string(),
            &fault.end.to_string(),
            &fault.size.to_string(),
        ])?;
    }
    file.flush()?;
    Ok(())
}
