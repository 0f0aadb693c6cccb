//! `secagg simulate`: a round with made-up updates.

use clap::Args;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use secagg::{Aggregate, ClientId, Params, SessionId, Stage};

use crate::args::{ParamsArgs, RunArgs};
use crate::check::{Check, Segment, Written, check};
use crate::crew::Crew;
use crate::error::CommandError;
use crate::fault::{Fault, Faults};
use crate::files::{FileError, Values};
use crate::fleet::{Fleet, SyntheticFleet};
use crate::identities::Identities;
use crate::in_process::InProcess;
use crate::report::Report;
use crate::run::{Finished, Round, run};
use crate::text::EXIT_CODES;
use crate::{memory, progress, ranges};

/// Runs secure aggregation over a fleet of made-up clients and says what it costs.
///
/// The same seed gives the same round: updates, keys and drop-outs.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("Example:\n  secagg simulate --clients 100 --parameters 100000 \
    --dropout 0.1 --num-shares 25 --check\n\n{EXIT_CODES}"))]
pub struct SimulateArgs {
    /// Clients in the cohort
    #[arg(long, value_name = "N", default_value_t = 20, allow_negative_numbers = true)]
    clients: u32,
    /// Elements of each client's update
    #[arg(long, value_name = "M", default_value_t = 10_000, allow_negative_numbers = true)]
    parameters: usize,
    /// Fraction of the clients that vanish
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0, value_parser = fraction, allow_negative_numbers = true)]
    dropout: f64,
    /// The stages at which they vanish, each as many: setup, share-keys, collect-masked-vectors,
    /// confirm-survivors (if the server may be active) or unmask; several with commas between
    #[arg(long, value_name = "STAGES", value_delimiter = ',', default_values_t = [Stage::CollectMaskedVectors])]
    dropout_stage: Vec<Stage>,
    /// Fixes everything that is random
    #[arg(long, value_name = "SEED", default_value_t = 0, allow_negative_numbers = true)]
    seed: u64,
    #[command(flatten)]
    params: ParamsArgs,
    #[command(flatten)]
    run: RunArgs,
}

impl SimulateArgs {
    /// Runs the command and gives its report.
    ///
    /// # Errors
    /// [`CommandError`], sorted by whether the input or the round is to blame.
    pub fn execute(&self) -> Result<Report, CommandError> {
        ranges::check_unnamed(&self.params.vector.clipping_range)?;
        let params = self.params.build(self.clients as usize, self.parameters)?;
        self.run.check_report()?;
        let threads = self.run.threads().min(self.clients as usize);
        let held = memory::check(&params, threads, size_of::<f32>(), self.run.check)?;
        let crew = Crew::new(threads)?;
        drop(held);
        let fleet = SyntheticFleet {
            clients: self.clients as usize,
            dimension: self.parameters,
            max_weight: self.params.vector.max_weight,
            seed: self.seed,
        };
        let finished = self.run_round(&fleet, &params, &crew)?.or_file_error()?;
        let checked = match &finished.outcome {
            Ok(aggregate) if self.run.check => Some(check_unrounded(&fleet, &params, aggregate)?),
            _ => None,
        };
        let report = Report::new(&fleet, &params, &finished, checked);
        self.run.write_report(&report)?;
        Ok(report)
    }

    /// Whether the report is to be printed as JSON.
    pub const fn json(&self) -> bool {
        self.run.json
    }

    fn run_round(
        &self,
        fleet: &SyntheticFleet,
        params: &Params,
        crew: &Crew,
    ) -> Result<Finished, CommandError> {
        let backend = self.run.backend();
        let (cohort, mut random) = (fleet.cohort(), self.random(Purpose::Identities));
        let identities = Identities::new(params, &cohort, &mut random)?;
        let client = |id: ClientId| {
            let setup = secagg::client::Setup::new(id).backend(backend);
            (identities.introduce(id, setup), Box::new(self.random(Purpose::Client(id))) as _)
        };
        let mut driver = InProcess::new(fleet, client, crew)
            .faults(self.faults()?)
            .progress(progress::stage_bars());
        let session = SessionId::random(&mut self.random(Purpose::Session));
        let round = Round {
            params: params.clone(),
            session,
            application: Vec::new(),
            directory: identities.directory().cloned(),
            backend,
            timeout: self.run.timeout,
        };
        Ok(run(&round, &cohort, &mut driver))
    }

    /// Which clients vanish: as many as the fraction says, chosen by the seed, at each stage in
    /// turn.
    fn faults(&self) -> Result<Faults, CommandError> {
        let mut random = self.random(Purpose::Faults);
        let mut clients: Vec<_> = (0..u64::from(self.clients)).map(ClientId).collect();
        let dropped = (self.dropout * f64::from(self.clients)).round() as usize;
        let mut faults = Faults::default();
        for stage in self.dropout_stage.iter().cycle().take(dropped) {
            // The bias of a 64-bit remainder is no matter for a simulation.
            let chosen = random.next_u64() as usize % clients.len();
            faults.set(clients.swap_remove(chosen), *stage, Fault::Drop);
        }
        faults.check(self.params.threat_model).map_err(CommandError::Stage)?;
        Ok(faults)
    }

    /// A random stream of its own for each purpose. Updates have streams of their own too, under
    /// the bare seed.
    fn random(&self, purpose: Purpose) -> ChaCha20Rng {
        let mut random = ChaCha20Rng::seed_from_u64(self.seed ^ 0x5eca_9900);
        random.set_stream(match purpose {
            Purpose::Session => 0,
            Purpose::Faults => 1,
            Purpose::Identities => 2,
            Purpose::Client(ClientId(id)) => 3 + id,
        });
        random
    }
}

#[derive(Clone, Copy)]
enum Purpose {
    Session,
    Faults,
    Identities,
    Client(ClientId),
}

/// Nothing is written, so that nothing is rounded.
fn check_unrounded(
    fleet: &SyntheticFleet,
    params: &Params,
    aggregate: &Aggregate<f64>,
) -> Result<Check, FileError> {
    let segment = Segment {
        elements: 0..params.dimension(),
        clipping_range: params.quantizer().clipping_range(),
        dtype: None,
    };
    let mean = &Values::F64(aggregate.mean.clone());
    check(fleet, params, aggregate, &Written { mean, segments: vec![segment] })
}

fn fraction(text: &str) -> Result<f64, String> {
    let fraction = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
    if (0.0..=1.0).contains(&fraction) {
        return Ok(fraction);
    }
    Err(format!("{text} is not a fraction from 0 to 1"))
}
