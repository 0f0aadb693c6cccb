//! What a round is made of, as an input draws it.

use arbitrary::Arbitrary;
use secagg::{ClientId, InvalidParams, Params, ParamsBuilder, QuantizationRange, ThreatModel};
use secagg_tests::Cohort;

use crate::Generator;

/// The elements of an update, mostly.
const DIMENSION: usize = 3;

/// More than the 16,384 lanes of a stripe, or of any tile.
const LONG: usize = (1 << 14) + 5;

/// The largest weight.
pub const MAX_WEIGHT: f64 = 100.0;

/// One seed in sixteen.
const FIRST_LONG: u8 = 240;

/// Parameters, which are valid whatever is drawn.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Terms {
    active: bool,
    clients: u8,
    /// `None` for the complete graph.
    shares: Option<u8>,
    threshold: u8,
    generator: Generator,
    width: u8,
    seed: u8,
}

impl Terms {
    /// The clients of the cohort, 3 to 8, by ascending id.
    pub fn cohort(&self) -> impl Iterator<Item = ClientId> + use<> {
        (1..=3 + u64::from(self.clients) % 6).map(ClientId)
    }

    /// Whether the server may be active.
    pub fn threat_model(&self) -> ThreatModel {
        if self.active { ThreatModel::ActiveServer } else { ThreatModel::HonestButCurious }
    }

    /// The weight and the update of one client; one element in three is clipped.
    pub fn update(&self, client: ClientId) -> (f64, Vec<f64>) {
        let id = client.0 as f64;
        let elements = [id / 4.0 - 1.0, -id / 8.0, 100.0];
        (10.0 * id, elements.into_iter().cycle().take(self.dimension()).collect())
    }

    /// The same with a short update, whatever was drawn.
    #[must_use]
    pub fn short(self) -> Self {
        Self { seed: self.seed % FIRST_LONG, ..self }
    }

    /// Whether messages come by the way of one thread alone.
    pub fn is_sequential(&self) -> bool {
        self.seed % 2 == 0
    }

    /// The parameters.
    ///
    /// # Panics
    /// Never, as long as any terms are valid.
    pub fn params(&self) -> Params {
        self.with_threshold(self.threshold()).expect("it was tried")
    }

    /// Rarely more than a stripe: such a round takes twice the time.
    fn dimension(&self) -> usize {
        if self.seed < FIRST_LONG { DIMENSION } else { LONG }
    }

    /// The cohort, before its round.
    pub fn story(&self) -> Cohort {
        let clients = self.cohort().count() as u64;
        let setting = self.setting();
        let story = Cohort::secagg_plus(clients, self.shares()).threshold(self.threshold());
        let story = story.dimension(self.dimension()).against(self.threat_model()).with(setting);
        let story = story.seed(self.seed.into());
        self.cohort().fold(story, |story, client| {
            let (weight, update) = self.update(client);
            story.weight(client.0, weight).update(client.0, &update)
        })
    }

    /// From 2 to the whole cohort, which stands for the complete graph.
    fn shares(&self) -> u32 {
        let clients = self.cohort().count() as u32;
        self.shares.map_or(clients, |shares| 2 + u32::from(shares) % (clients - 1))
    }

    /// The first threshold from the one that is drawn on, all the way around, that the other parameters bear.
    fn threshold(&self) -> u32 {
        let clients = self.cohort().count() as u32;
        let choices =
            (0..clients - 1).map(|step| 2 + (u32::from(self.threshold) + step) % (clients - 1));
        let mut choices = choices.filter(|&threshold| self.with_threshold(threshold).is_ok());
        choices.next().expect("a threshold of all shares is valid in every graph")
    }

    fn with_threshold(&self, threshold: u32) -> Result<Params, InvalidParams> {
        let clients = self.cohort().count() as u32;
        let params = Params::secagg_plus(clients, self.dimension(), self.shares(), threshold);
        self.setting()(params.threat_model(self.threat_model())).build()
    }

    /// Sums of 8 to 64 bits.
    fn setting(&self) -> impl Fn(ParamsBuilder) -> ParamsBuilder + 'static {
        let (range, prg) = (1 << (8 + self.width % 57), self.generator.prg());
        move |params| {
            let params = params.quantization_range(QuantizationRange::Auto);
            params.modulus_range(range).prg(prg).max_weight(MAX_WEIGHT)
        }
    }
}
