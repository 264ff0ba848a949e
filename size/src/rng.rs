//! Bytes that count up: no randomness at all, so that every run of the image is the same.

use core::convert::Infallible;

use countersign::rand_core::{TryCryptoRng, TryRng};

pub struct Counter(pub u32);

impl TryRng for Counter {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Ok(self.0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let high = u64::from(self.try_next_u32()?) << 32;
        Ok(high | u64::from(self.try_next_u32()?))
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Infallible> {
        for byte in target {
            // The high byte: the low ones of such a generator repeat soon.
            [*byte, ..] = self.try_next_u32()?.to_be_bytes();
        }
        Ok(())
    }
}

impl TryCryptoRng for Counter {}
