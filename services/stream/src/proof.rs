//! What the judgement promises, proven on a small city: [`city`] makes its readings, [`script`] cuts them into records of
//! a log, [`world`] judges logs, and the rest are the proofs.

mod backlog;
mod bounds;
mod capsules;
mod causes;
mod city;
mod crash;
mod disk;
mod elsewhere;
mod fill;
mod flags;
mod late;
mod order;
mod orders;
mod quiet;
mod reckoned;
mod refused;
mod same;
mod script;
mod switch;
mod torn;
mod unless;
mod world;
