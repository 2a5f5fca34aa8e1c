//! Seeded noise for tests of power and calm: normal, and first-order autoregressive with variance 1.

/// Numbers with mean 0 and variance 1, of which each is `phi` times the last and something new.
pub(crate) struct Noise {
    state: u64,
    phi: f64,
    last: f64,
}

impl Noise {
    /// The same numbers for the same seed.
    pub(crate) fn new(seed: u64, phi: f64) -> Self {
        let mut noise = Self { state: seed, phi, last: 0.0 };
        noise.last = noise.normal();
        noise
    }

    /// SplitMix64 (Steele, Lea, Flood 2014), as a number above 0 and up to 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((mixed ^ (mixed >> 31)) >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Box and Muller 1958.
    fn normal(&mut self) -> f64 {
        let (radius, turn) = (self.uniform(), self.uniform());
        (-2.0 * libm::log(radius)).sqrt() * libm::cos(std::f64::consts::TAU * turn)
    }

    pub(crate) fn next(&mut self) -> f64 {
        let new = self.normal();
        self.last = self.phi * self.last + (1.0 - self.phi * self.phi).sqrt() * new;
        self.last
    }
}
