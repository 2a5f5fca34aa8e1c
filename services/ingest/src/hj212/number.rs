//! Decimal numbers as loggers write them, moved into another unit without a rounding of their own.

/// The longest number, in bytes.
const MAX_BYTES: usize = 64;

/// Reads a decimal number and moves its point `shift` places to the right: the result is the `f64` nearest to the exact
/// decimal. `None` for what is no decimal number.
pub(super) fn read(text: &str, shift: i8) -> Option<f64> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i16>().ok()?),
        None => (text, 0),
    };
    let digits = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let decimal = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if text.len() > MAX_BYTES || !decimal {
        return None;
    }
    match i32::from(exponent) + i32::from(shift) {
        0 => mantissa.parse().ok(),
        exponent => format!("{mantissa}e{exponent}").parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_point_moves_exactly() {
        assert_eq!(read("41.0", 0), Some(41.0));
        assert_eq!(read("0.0523", 3), Some(52.3));
        assert_eq!(read("41001.7", -3), Some(41.0017));
        assert_eq!(read("-1E-05", 0), Some(-1e-5));
        assert_eq!(read("0.0041", 3), Some(4.1));
        assert_ne!(0.0041 * 1000.0, 4.1, "a product would be another number");
        for wrong in ["", ".", "-", "nan", "inf", "1,5", "1.2.3", "0x10", "1e", "1e99999", " 1", "--1"] {
            assert_eq!(read(wrong, 0), None, "{wrong:?}");
        }
        assert_eq!(read(&"1".repeat(65), 0), None);
    }
}
