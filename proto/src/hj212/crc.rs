//! The check sum of the standard, and what makers took for it.
//!
//! The standard: a register of 16 bits begins as FFFF; for each byte it is shifted right by eight bits, so that its low byte
//! is lost, and the byte is XORed in; then eight times it is shifted right by one, and XORed with A001 if the bit that fell
//! out was 1. CRC-16/Modbus XORs the byte in without that first shift: with the same table, and another sum.

/// Eight of the rounds, for each value that the register can have before them.
const ROUNDS: [u16; 256] = rounds();

const fn rounds() -> [u16; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < table.len() {
        // below 256
        let mut register = at as u16;
        let mut round = 0;
        while round < 8 {
            register = if register & 1 == 1 { (register >> 1) ^ 0xA001 } else { register >> 1 };
            round += 1;
        }
        table[at] = register;
        at += 1;
    }
    table
}

/// The sum of the standard over a data segment.
#[must_use]
pub fn standard(segment: &[u8]) -> u16 {
    segment.iter().fold(0xFFFF, |register, byte| ROUNDS[usize::from((register >> 8) ^ u16::from(*byte))])
}

/// CRC-16/Modbus, which some makers send in its place.
#[must_use]
pub fn modbus(segment: &[u8]) -> u16 {
    segment.iter().fold(0xFFFF, |register, byte| {
        (register >> 8) ^ ROUNDS[usize::from((register ^ u16::from(*byte)) & 0xFF)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both vectors stand in the standards, 2017 and 2025, and what Modbus would be beside them.
    #[test]
    fn the_sums_of_the_standards_own_examples() {
        let of_2017 = b"QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&";
        assert_eq!((standard(of_2017), modbus(of_2017)), (0x1C80, 0x0759));
        let of_2025 =
            b"QN=20240601085857223;ST=32;CN=1011;PW=123456;MN=010000A8900016F000169DC0;Flag=9;CP=&&&&";
        assert_eq!((standard(of_2025), modbus(of_2025)), (0x2200, 0xCCF4));
    }
}
