use secagg_kernels::{Modulus, Prg, Quantizer};

use super::{Amount, InvalidParams, Params, QuantizationRange, most_neighbours};
use crate::ThreatModel;

/// Collects parameters; [`build`](Self::build) checks them.
#[derive(Clone, Debug)]
pub struct ParamsBuilder {
    cohort_size: u32,
    dimension: usize,
    num_shares: Option<Amount>,
    reconstruction_threshold: Amount,
    clipping_range: f64,
    quantization_range: QuantizationRange,
    max_weight: f64,
    modulus_range: u128,
    prg: Prg,
    threat_model: ThreatModel,
    corrupted_neighbours: Option<u32>,
}

impl ParamsBuilder {
    pub(super) fn new(
        cohort_size: u32,
        dimension: usize,
        num_shares: Option<Amount>,
        reconstruction_threshold: Amount,
    ) -> Self {
        Self {
            cohort_size,
            dimension,
            num_shares,
            reconstruction_threshold,
            clipping_range: 8.0,
            quantization_range: QuantizationRange::Levels(1 << 22),
            max_weight: 1000.0,
            modulus_range: 1 << 32,
            prg: Prg::default(),
            threat_model: ThreatModel::HonestButCurious,
            corrupted_neighbours: None,
        }
    }

    /// Elements are clipped to ±`clipping_range` before they are weighted; default 8.0.
    #[must_use]
    pub fn clipping_range(mut self, clipping_range: f64) -> Self {
        self.clipping_range = clipping_range;
        self
    }

    /// Levels into which the clipping range is quantized; default 2^22.
    #[must_use]
    pub fn quantization_range(mut self, range: impl Into<QuantizationRange>) -> Self {
        self.quantization_range = range.into();
        self
    }

    /// The largest weight that a client may have; default 1000.0. Precision falls as
    /// `max_weight / weight`, so choose it no larger than needed.
    #[must_use]
    pub fn max_weight(mut self, max_weight: f64) -> Self {
        self.max_weight = max_weight;
        self
    }

    /// The modulus of all sums, a power of two up to 2^64; default 2^32.
    #[must_use]
    pub fn modulus_range(mut self, modulus_range: u128) -> Self {
        self.modulus_range = modulus_range;
        self
    }

    /// The PRG that expands seeds into masks; default AES-128-CTR.
    #[must_use]
    pub fn prg(mut self, prg: Prg) -> Self {
        self.prg = prg;
        self
    }

    /// What the server is assumed to do; default [`ThreatModel::HonestButCurious`].
    #[must_use]
    pub fn threat_model(mut self, threat_model: ThreatModel) -> Self {
        self.threat_model = threat_model;
        self
    }

    /// Neighbours of any one client that may collude with the server; default: as many as the
    /// threshold bears. With t the threshold and k the neighbours, c colluders are borne if t > c,
    /// and against an active server also 2t > k + c (Bonawitz et al., CCS 2017, section 6.2): else
    /// its honest neighbours could be told two stories, and reveal t shares of both its secrets.
    #[must_use]
    pub fn corrupted_neighbours(mut self, corrupted_neighbours: u32) -> Self {
        self.corrupted_neighbours = Some(corrupted_neighbours);
        self
    }

    /// Checks everything against everything.
    ///
    /// # Errors
    /// [`InvalidParams`] names the numbers that do not fit, and what to change.
    pub fn build(self) -> Result<Params, InvalidParams> {
        let degree = self.degree()?;
        let threshold = self.threshold(degree)?;
        let corrupted_neighbours = self.borne(degree, threshold)?;
        let modulus = Modulus::from_range(self.modulus_range)?;
        let quantizer = self.quantizer(modulus)?;
        self.check_dimension(modulus)?;
        let Self { cohort_size, dimension, prg, threat_model, .. } = self;
        Ok(Params {
            cohort_size,
            dimension,
            degree,
            threshold,
            quantizer,
            modulus,
            prg,
            threat_model,
            corrupted_neighbours,
        })
    }

    fn degree(&self) -> Result<u32, InvalidParams> {
        let cohort_size = self.cohort_size;
        if cohort_size < 3 {
            return Err(InvalidParams::CohortSize(cohort_size));
        }
        let num_shares = self.num_shares.unwrap_or(Amount::Count(cohort_size)).of(cohort_size)?;
        if !(2..=cohort_size).contains(&num_shares) {
            return Err(InvalidParams::NumShares { num_shares, cohort_size });
        }
        if num_shares >= cohort_size - 1 {
            return Ok(cohort_size - 1);
        }
        let odd = num_shares % 2 == 1 && cohort_size % 2 == 1;
        Ok(num_shares + u32::from(odd))
    }

    fn threshold(&self, shares: u32) -> Result<u32, InvalidParams> {
        let threshold = self.reconstruction_threshold.of(shares)?;
        if (2..=shares).contains(&threshold) {
            Ok(threshold)
        } else {
            Err(InvalidParams::Threshold { threshold, shares })
        }
    }

    /// Checks the colluding neighbours against the threshold, or takes as many as it bears.
    fn borne(&self, degree: u32, threshold: u32) -> Result<u32, InvalidParams> {
        let neighbours = most_neighbours(self.cohort_size, degree);
        let most = self.most_corrupted(neighbours, threshold);
        let corrupted_neighbours = self.corrupted_neighbours.unwrap_or(most);
        let least = self.least_threshold(neighbours, corrupted_neighbours);
        if threshold < least {
            return Err(InvalidParams::CorruptedNeighbours {
                threshold,
                neighbours,
                corrupted_neighbours,
                least,
            });
        }
        Ok(corrupted_neighbours)
    }

    /// t > c, and against an active server 2t > k + c.
    fn least_threshold(&self, neighbours: u32, corrupted: u32) -> u32 {
        let one_story = corrupted.saturating_add(1);
        match self.threat_model {
            ThreatModel::HonestButCurious => one_story,
            ThreatModel::ActiveServer => one_story.max(neighbours.midpoint(corrupted) + 1),
        }
    }

    fn most_corrupted(&self, neighbours: u32, threshold: u32) -> u32 {
        let one_story = threshold - 1;
        match self.threat_model {
            ThreatModel::HonestButCurious => one_story,
            // t - 1 - (k - t), as 2t may not fit.
            ThreatModel::ActiveServer => one_story.saturating_sub(neighbours - threshold),
        }
    }

    fn quantizer(&self, modulus: Modulus) -> Result<Quantizer, InvalidParams> {
        let cohort_size = self.cohort_size;
        let levels = match self.quantization_range {
            QuantizationRange::Levels(levels) => levels,
            QuantizationRange::Auto => Quantizer::largest_for(modulus, u64::from(cohort_size))
                .ok_or(InvalidParams::NoRoom { width: modulus.width(), cohort_size })?,
        };
        let quantizer = Quantizer::new(self.clipping_range, levels, self.max_weight)?;
        quantizer.fits(modulus, u64::from(cohort_size))?;
        Ok(quantizer)
    }

    /// The keystream must reach the last lane, of a mask as of the rounding, which takes 4 bytes for
    /// each; lengths in bytes and bits must not wrap.
    fn check_dimension(&self, modulus: Modulus) -> Result<(), InvalidParams> {
        let bytes_per_lane = if modulus.width() > 32 { 8 } else { 4 };
        let limit = (self.prg.keystream_limit() / bytes_per_lane).min(isize::MAX as u64 / 64);
        let dimension = self.dimension as u64;
        // m + 2 lanes.
        if dimension < limit - 1 { Ok(()) } else { Err(InvalidParams::Dimension(dimension)) }
    }
}

#[cfg(test)]
mod tests;
