//! Values moved into another unit by a power of ten, without a rounding that a person would see.

/// The value with its decimal point moved `places` to the right: of the shortest decimal that stands for the value, not of
/// its binary fraction, so that 0.0041 mg/m³ is 4.1 µg/m³. What is no number stays what it is.
pub(crate) fn shift(value: f64, places: i8) -> f64 {
    if places == 0 {
        return value;
    }
    format!("{value}e{places}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_point_moves_and_the_digits_stay() {
        assert_eq!((shift(0.0041, 3), shift(52.3, -3), shift(-1e-300, 3)), (4.1, 0.0523, -1e-297));
        assert_ne!(0.0041 * 1000.0, 4.1, "a product would be another number");
        assert_eq!((shift(7.5, 0), shift(0.0, 6), shift(f64::INFINITY, 3)), (7.5, 0.0, f64::INFINITY));
        assert!(shift(f64::NAN, 3).is_nan());
    }
}
