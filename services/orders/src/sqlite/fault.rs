//! Who must act on what SQLite answers.

use crate::Error;

/// Sorts an error of the driver by who must act.
pub(super) fn judge(error: sqlx::Error) -> Error {
    use sqlx::Error as Sqlx;
    let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse().ok());
    match (&error, code) {
        (Sqlx::Database(_), Some(code)) => judge_code(code, error),
        (
            Sqlx::ColumnDecode { .. }
            | Sqlx::Decode(_)
            | Sqlx::ColumnNotFound(_)
            | Sqlx::ColumnIndexOutOfBounds { .. }
            | Sqlx::RowNotFound
            | Sqlx::TypeNotFound { .. },
            _,
        ) => Error::Corrupt(error.to_string()),
        _ => Error::Outside(error),
    }
}

/// By SQLite's result code: its low byte is the kind, the rest says more.
fn judge_code(code: i32, error: sqlx::Error) -> Error {
    match (code, code & 0xff) {
        (FSYNC | DIR_FSYNC, _) => Error::NotDurable(error),
        (_, PERM..=IOERR | FULL..=PROTOCOL | AUTH) => Error::Outside(error),
        _ => Error::Corrupt(error.to_string()),
    }
}

// https://www.sqlite.org/rescode.html. From PERM to IOERR lie ABORT, BUSY, LOCKED, NOMEM, READONLY and INTERRUPT,
// from FULL to PROTOCOL lies CANTOPEN: all of them are the world's, none the file's.
const PERM: i32 = 3;
const IOERR: i32 = 10;
const FULL: i32 = 13;
const PROTOCOL: i32 = 15;
const AUTH: i32 = 23;
const FSYNC: i32 = 1034;
const DIR_FSYNC: i32 = 1290;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_says_who_must_act() {
        let of = |code| judge_code(code, sqlx::Error::PoolClosed);
        for (name, code) in
            [("busy", 5), ("busy snapshot", 517), ("full", 13), ("short read", 522), ("open", 14)]
        {
            assert!(matches!(of(code), Error::Outside(_)), "{name}");
        }
        for (name, code) in [("corrupt", 11), ("no database", 26), ("constraint", 19), ("no such table", 1)] {
            assert!(matches!(of(code), Error::Corrupt(_)), "{name}");
        }
        for (name, code) in [("fsync", 1034), ("fsync of the folder", 1290)] {
            assert!(matches!(of(code), Error::NotDurable(_)), "{name}");
        }
    }
}
