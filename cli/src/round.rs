//! `secagg round`: a round over real files.

use std::path::PathBuf;

use clap::Args;
use getrandom::SysRng;
use rand_core::UnwrapErr;
use secagg::{Params, SessionId};

use crate::args::{ParamsArgs, RunArgs};
use crate::check::{Written, check};
use crate::crew::Crew;
use crate::error::CommandError;
use crate::fault::{Fault, FaultArg, Faults};
use crate::files::{self, FileError, Format, Pattern, Values};
use crate::fleet::{FileFleet, Fleet, names};
use crate::identities::Identities;
use crate::in_process::InProcess;
use crate::outputs::Outputs;
use crate::ranges::Ranges;
use crate::report::Report;
use crate::run::{Finished, Round, run};
use crate::text::{EXIT_CODES, number, short};
use crate::{memory, progress, weights};

/// Runs secure aggregation over files, one client each, and writes their weighted mean.
///
/// Every message of the protocol is made, encoded, handed over and decoded, in this process. A
/// client is called by its file's name without the ending.
///
/// An output appears whole or not at all, under a name of its own until it is finished. Where its
/// name is a link, the file that the link leads to is replaced. Nothing is written over an input.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("Example:\n  secagg round updates/*.safetensors --weights weights.csv \
    --drop client_03@unmask --out mean.safetensors --check\n\n{EXIT_CODES}"))]
pub struct RoundArgs {
    /// Updates: .safetensors, .npy or .npz, all with the same tensors
    #[arg(value_name = "UPDATE", required = true)]
    updates: Vec<PathBuf>,
    /// A table `client,weight`; without it, all clients count the same
    #[arg(long, value_name = "FILE.csv")]
    weights: Option<PathBuf>,
    /// Where to write the mean; its ending names the format
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Leave a tensor alone, by name or by a pattern such as '*.num_batches_tracked': it is not
    /// averaged, may have any dtype, and comes out as it is in the first file
    #[arg(long, value_name = "GLOB")]
    skip: Vec<Pattern>,
    /// Let a client vanish at a stage: setup, share-keys, collect-masked-vectors, confirm-survivors
    /// (if the server may be active) or unmask
    #[arg(long, value_name = "CLIENT@STAGE", value_parser = FaultArg::parse)]
    drop: Vec<FaultArg>,
    /// Let a client answer with random bytes
    #[arg(long, value_name = "CLIENT@STAGE", value_parser = FaultArg::parse)]
    garbage: Vec<FaultArg>,
    /// Let a client answer late
    #[arg(long, value_name = "CLIENT@STAGE=SECONDS", value_parser = FaultArg::parse_delay)]
    delay: Vec<FaultArg>,
    #[command(flatten)]
    params: ParamsArgs,
    #[command(flatten)]
    run: RunArgs,
}

/// Factor by which the largest weight of a table the largest that is allowed may be without a
/// warning.
const FAR: f64 = 10.0;

impl RoundArgs {
    /// Runs the command and gives its report.
    ///
    /// # Errors
    /// [`CommandError`], sorted by whether the input or the round is to blame.
    pub fn execute(&self) -> Result<Report, CommandError> {
        self.check_outputs()?;
        let fleet = self.fleet()?;
        let params = self.params.build(self.updates.len(), fleet.layout().elements())?;
        if let Some(out) = &self.out {
            files::check_writable(out, fleet.layout())?;
        }
        let threads = self.run.threads().min(self.updates.len());
        let held = memory::check(&params, threads, fleet.element_bytes(), self.run.check)?;
        let crew = Crew::new(threads)?;
        drop(held);
        let finished = self.run_round(&fleet, &params, &crew)?.or_file_error()?;
        let mean = finished.outcome.as_ref().ok().map(|aggregate| {
            let mut mean = aggregate.mean.clone();
            fleet.restore(&mut mean);
            Values::F64(mean)
        });
        if let (Some(mean), Some(out)) = (&mean, &self.out) {
            files::write(out, fleet.layout(), mean)?;
        }
        let report = self.report(&fleet, &params, &finished, mean.as_ref());
        report.map_err(|error| match (&finished.outcome, &self.out) {
            (Ok(_), Some(mean)) => error.after(mean),
            _ => error,
        })
    }

    /// Whether the report is to be printed as JSON.
    pub const fn json(&self) -> bool {
        self.run.json
    }

    fn fleet(&self) -> Result<FileFleet, CommandError> {
        let weights = match &self.weights {
            Some(path) => self.check_weights(weights::read(path, &self.file_names())?)?,
            // Equal weights are all the same to the mean; the largest is the most precise.
            None => vec![self.params.vector.max_weight; self.updates.len()],
        };
        let bar = progress::bar("reading", self.updates.len());
        let ranges = Ranges::new(&self.params.vector.clipping_range)?;
        let skip = self.skip.clone().into();
        let fleet = FileFleet::open(&self.updates, weights, skip, ranges, || bar.inc(1));
        bar.finish_and_clear();
        Ok(fleet?)
    }

    fn check_weights(&self, weights: Vec<f64>) -> Result<Vec<f64>, CommandError> {
        let max_weight = self.params.vector.max_weight;
        match weights.iter().position(|&weight| weight > max_weight) {
            None => Ok(weights),
            Some(at) => {
                let client = names(&self.updates)[at].clone();
                Err(CommandError::Weight { client, weight: weights[at], max_weight })
            }
        }
    }

    /// Better now than after the round.
    fn check_outputs(&self) -> Result<(), CommandError> {
        let (weights, out) = (self.weights.as_deref(), self.out.as_deref());
        Outputs { updates: &self.updates, weights, out, report: self.run.report.as_deref() }
            .check()?;
        Ok(self.run.check_report()?)
    }

    fn file_names(&self) -> Vec<String> {
        self.updates.iter().map(|path| path.display().to_string()).collect()
    }

    fn faults(&self) -> Result<Faults, CommandError> {
        let (names, mut faults) = (names(&self.updates), Faults::default());
        for fault in self.drop.iter().chain(&self.delay) {
            fault.resolve(&names, Fault::Drop, &mut faults)?;
        }
        for fault in &self.garbage {
            fault.resolve(&names, Fault::Garbage, &mut faults)?;
        }
        faults.check(self.params.threat_model).map_err(CommandError::Stage)?;
        Ok(faults)
    }

    fn run_round(
        &self,
        fleet: &FileFleet,
        params: &Params,
        crew: &Crew,
    ) -> Result<Finished, CommandError> {
        let application = fleet.application();
        let backend = self.run.backend();
        let cohort = fleet.cohort();
        let identities = Identities::new(params, &cohort, &mut UnwrapErr(SysRng))?;
        let client = |id| {
            let setup = secagg::client::Setup::new(id).application(&application).backend(backend);
            (identities.introduce(id, setup), Box::new(UnwrapErr(SysRng)) as _)
        };
        let mut driver = InProcess::new(fleet, client, crew)
            .faults(self.faults()?)
            .progress(progress::stage_bars());
        let session = SessionId::random(&mut UnwrapErr(SysRng));
        let round = Round {
            params: params.clone(),
            session,
            application: application.clone(),
            directory: identities.directory().cloned(),
            backend,
            timeout: self.run.timeout,
        };
        Ok(run(&round, &cohort, &mut driver))
    }

    /// Checks the mean and writes the report, as far as that was asked for.
    fn report(
        &self,
        fleet: &FileFleet,
        params: &Params,
        finished: &Finished,
        mean: Option<&Values>,
    ) -> Result<Report, CommandError> {
        let checked = match (&finished.outcome, mean) {
            (Ok(aggregate), Some(mean)) if self.run.check => {
                let mean = self.written(fleet, mean)?;
                let written = Written { mean: &mean, segments: fleet.segments() };
                Some(check(fleet, params, aggregate, &written)?)
            }
            _ => None,
        };
        let mut report = Report::new(fleet, params, finished, checked);
        if let (Ok(aggregate), Some(mean)) = (&finished.outcome, mean) {
            report.warnings.extend(fleet.noise(params, aggregate.error_bound, mean));
        }
        report.warnings.extend(weight_warning(fleet.largest_weight(), params));
        self.run.write_report(&report)?;
        Ok(report)
    }

    /// The mean from its file, or as it would be there.
    fn written(&self, fleet: &FileFleet, mean: &Values) -> Result<Values, FileError> {
        match &self.out {
            // A single array has a name of its own, and is not skipped.
            Some(out) if Format::of(out)? == Format::Npy => Ok(files::read(out)?.values),
            Some(out) => Ok(files::read_skipping(out, &self.skip.clone().into())?.values),
            None => files::rounded(fleet.layout(), mean),
        }
    }
}

/// A largest weight far above what clients have costs precision, and bounds what one client that
/// lies can do less.
fn weight_warning(largest: f64, params: &Params) -> Option<String> {
    let max_weight = params.quantizer().max_weight();
    (largest > 0.0 && largest * FAR <= max_weight).then(|| {
        let (reach, times) = (number(largest), short(max_weight / largest, 2));
        format!(
            "weights reach {reach}, and --max-weight is {}: --max-weight {reach} is {times} times \
             as precise, and leaves a client that lies less room",
            number(max_weight)
        )
    })
}
