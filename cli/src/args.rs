//! Arguments that commands share.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use secagg::{Amount, InvalidParams, Params, QuantizationRange, ThreatModel};
use secagg_kernels::{Backend, Prg};

use crate::files::{self, FileError};
use crate::ranges::{self, RangeArg};
use crate::report::{Limit, Report};

/// The parameters of the round, as the Flower framework names them.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Parameters of the round")]
pub struct ParamsArgs {
    /// Shares that recover a secret: a count (25), or a fraction of the shares (0.67)
    #[arg(long, value_name = "AMOUNT", default_value = "0.67", allow_negative_numbers = true)]
    pub reconstruction_threshold: Amount,
    /// Neighbours that hold a share of each client's secrets: a count, or a fraction of the cohort
    /// [default: all other clients]
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
    pub num_shares: Option<Amount>,
    /// Levels of the quantizer, or `auto` for as many as the modulus and the cohort allow
    #[arg(long, value_name = "LEVELS", default_value = "auto", value_parser = quantization_range, allow_negative_numbers = true)]
    pub quantization_range: QuantizationRange,
    /// Modulus of all sums, a power of two up to 2^64
    #[arg(long, value_name = "RANGE", default_value = "2^32", value_parser = power, allow_negative_numbers = true)]
    pub modulus_range: u128,
    /// Assumption about the server: curious (it follows the protocol and studies all it sees),
    /// or active (it may also lie: clients sign their keys, and confirm who survived)
    #[arg(long, value_name = "MODEL", default_value_t = ThreatModel::HonestButCurious)]
    pub threat_model: ThreatModel,
    /// Neighbours of any one client that may collude with the server [default: as many as the
    /// threshold bears]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub corrupted_neighbours: Option<u32>,
    /// Arguments that `plan` takes too.
    #[command(flatten)]
    pub vector: VectorArgs,
}

/// How updates become lanes and are masked, but for the modulus.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Parameters of the round")]
pub struct VectorArgs {
    /// The largest weight a client may have; precision falls as MAX / weight
    #[arg(long, value_name = "MAX", default_value_t = 1000.0, allow_negative_numbers = true)]
    pub max_weight: f64,
    /// Elements are clipped to ±RANGE before they are weighted; as NAME=RANGE, those of one tensor
    /// or of a pattern such as '*.running_var' (`round` only; the first that matches counts)
    /// [default: 8]
    #[arg(long, value_name = "[NAME=]RANGE", allow_negative_numbers = true)]
    pub clipping_range: Vec<RangeArg>,
    /// What expands seeds into masks: aes-128-ctr, chacha20 or aegis-128x4
    #[arg(long, default_value_t = Prg::default())]
    pub prg: Prg,
}

impl ParamsArgs {
    /// Checks the parameters for a cohort of clients with updates of `dimension` elements.
    ///
    /// # Errors
    /// [`InvalidParams`] says which numbers do not fit.
    pub fn build(&self, clients: usize, dimension: usize) -> Result<Params, InvalidParams> {
        // A cohort above 2^32 is far beyond any sum's modulus, which `build` then names.
        let clients = u32::try_from(clients).unwrap_or(u32::MAX);
        let threshold = self.reconstruction_threshold;
        let builder = match self.num_shares {
            Some(num_shares) => Params::secagg_plus(clients, dimension, num_shares, threshold),
            None => Params::secagg(clients, dimension, threshold),
        };
        let builder = match self.corrupted_neighbours {
            Some(corrupted) => builder.corrupted_neighbours(corrupted),
            None => builder,
        };
        builder
            .threat_model(self.threat_model)
            .max_weight(self.vector.max_weight)
            .clipping_range(ranges::rest_of(&self.vector.clipping_range))
            .quantization_range(self.quantization_range)
            .modulus_range(self.modulus_range)
            .prg(self.vector.prg)
            .build()
    }
}

/// How the round is run and what is said about it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "How to run it")]
pub struct RunArgs {
    /// How long each stage waits for clients [default: until all have answered or dropped]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub timeout: Option<Duration>,
    /// Clients at work at the same time [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), allow_negative_numbers = true)]
    pub threads: Option<u16>,
    /// The kernels' backend: portable, avx2, avx2-aesni, avx512 or neon, or those to do without,
    /// such as no-avx512,no-avx2 [default: the fastest here]
    #[arg(long, value_name = "NAME", env = "SECAGG_BACKEND")]
    pub backend: Option<Backend>,
    /// Compare with the plain weighted mean of the survivors, and with the bound of theory
    #[arg(long)]
    pub check: bool,
    /// Write a page to look at as well: stages, drop-outs, bytes, errors, and the server's time
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// Print one JSON document instead of tables
    #[arg(long)]
    pub json: bool,
}

impl RunArgs {
    /// Checks that the page can be written: better now than after the round.
    ///
    /// # Errors
    /// [`FileError`] if it cannot.
    pub fn check_report(&self) -> Result<(), FileError> {
        self.report.as_deref().map_or(Ok(()), files::check_page)
    }

    /// Writes the page, if one is asked for.
    ///
    /// # Errors
    /// [`FileError`] if it cannot be written.
    pub fn write_report(&self, report: &Report) -> Result<(), FileError> {
        let Some(path) = &self.report else { return Ok(()) };
        files::write_page(path, &report.html(Limit::measure(self.backend())))
    }

    /// The backend that was asked for, or the fastest.
    pub fn backend(&self) -> Backend {
        self.backend.unwrap_or_else(Backend::detect)
    }

    /// The pool's width.
    pub fn threads(&self) -> usize {
        self.threads.map_or_else(crate::crew::cores, usize::from)
    }
}

/// Reads `2^32` or a plain number.
pub(crate) fn power(text: &str) -> Result<u128, String> {
    let unreadable = || format!("{text:?} is neither a power such as 2^32 nor a number");
    match text.split_once('^') {
        Some((base, exponent)) => {
            let base: u128 = base.parse().map_err(|_| unreadable())?;
            let exponent = exponent.parse().map_err(|_| unreadable())?;
            base.checked_pow(exponent).ok_or_else(|| format!("{text} is too large"))
        }
        None => text.parse().map_err(|_| unreadable()),
    }
}

pub(crate) fn quantization_range(text: &str) -> Result<QuantizationRange, String> {
    if text == "auto" {
        return Ok(QuantizationRange::Auto);
    }
    let levels = u64::try_from(power(text)?)
        .map_err(|_| format!("{text} is too large: at most 2^48 levels"))?;
    Ok(QuantizationRange::Levels(levels))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| format!("{text:?} is not a number of seconds"))?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(timeout) if !timeout.is_zero() => Ok(timeout),
        _ => Err(format!("{text} is not a time to wait: give seconds above 0 and below 10^19")),
    }
}
