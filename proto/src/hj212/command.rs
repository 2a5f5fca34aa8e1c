//! Numbers of commands (CN), as in HJ 212-2017 with those of 2025 that are known.

/// Asks a device for its time.
pub const GET_TIME: u16 = 1011;
/// Sets a device's time.
pub const SET_TIME: u16 = 1012;
/// A device asks to be told the time.
pub const ASK_TIME: u16 = 1013;
/// Asks for the interval of real-time data.
pub const GET_INTERVAL: u16 = 1061;
/// Sets the interval of real-time data, 30 to 3,600 s.
pub const SET_INTERVAL: u16 = 1062;
/// Real-time data; downwards: begin to send it.
pub const REAL_TIME: u16 = 2011;
/// Downwards: stop sending real-time data.
pub const STOP_REAL_TIME: u16 = 2012;
/// The state of equipment.
pub const STATE: u16 = 2021;
/// Data of a day.
pub const DAY: u16 = 2031;
/// How long equipment ran in a day.
pub const DAY_RUNNING: u16 = 2041;
/// Data of some minutes.
pub const MINUTES: u16 = 2051;
/// Data of an hour.
pub const HOUR: u16 = 2061;
/// When the device was switched on.
pub const POWER_ON: u16 = 2081;
/// A request is accepted, or why not (`QnRtn`).
pub const ACCEPTED: u16 = 9011;
/// How a request ended (`ExeRtn`).
pub const RESULT: u16 = 9012;
/// A notice was received.
pub const NOTICE_ACK: u16 = 9013;
/// Data were received.
pub const DATA_ACK: u16 = 9014;
/// A sign of life (2025).
pub const HEARTBEAT: u16 = 9015;
/// The system code (ST) of the exchange itself.
pub const ST_EXCHANGE: &str = "91";

/// `QnRtn` of a request that is accepted.
pub const READY: u16 = 1;
/// `ExeRtn` of a request that was done.
pub const DONE: u16 = 1;

/// What a `QnRtn` says.
#[must_use]
pub const fn request_word(code: u16) -> &'static str {
    match code {
        READY => "ready",
        2 => "refused",
        3 => "wrong PW",
        4 => "wrong MN",
        5 => "wrong ST",
        6 => "wrong Flag",
        7 => "wrong QN",
        8 => "wrong CN",
        9 => "wrong CRC",
        _ => "unknown",
    }
}

/// What an `ExeRtn` says.
#[must_use]
pub const fn result_word(code: u16) -> &'static str {
    match code {
        DONE => "done",
        2 => "failed, without a reason",
        3 => "the condition is wrong",
        4 => "time is over",
        5 => "busy",
        6 => "system fault",
        100 => "no data",
        _ => "unknown",
    }
}
