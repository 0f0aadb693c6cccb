//! What a round costs, and by which law: measured points, the formulas that they should follow, and how well they do.
//!
//! `scaling` (the program) measures, `figures` draws and writes down; both read and write the types of this module.

mod extrapolation;
mod fit;
mod laws;
mod page;
mod round;
mod rule;
mod slopes;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use fit::{Line, least_squares};
pub use laws::{Counts, Law, Laws, Term, UnitCost};
pub use round::round;
pub use slopes::{Slope, slopes};

use crate::clock::Time;

/// Everything that one run of the program measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// What it was measured on.
    pub machine: String,
    /// Whether this was a trial: few points, or few repetitions.
    pub trial: bool,
    /// How often each point was measured, in turns with the others; the medians are kept.
    pub repetitions: usize,
    /// What single steps take, measured alone and in turns with the rounds.
    pub alone: BTreeMap<String, f64>,
    /// Whole rounds.
    pub points: Vec<Point>,
    /// Two shards of the round that is extrapolated to.
    pub shards: Shards,
}

/// A round's size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// n: clients invited.
    pub clients: u32,
    /// k: neighbours of each.
    pub degree: u32,
    /// t: shares that recover a secret.
    pub threshold: u32,
    /// m: elements of an update.
    pub dimension: usize,
    /// D: clients that vanish after they have shared their keys.
    pub dropped: u32,
    /// Threads of server and clients.
    pub threads: usize,
}

/// What is varied while all else stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Axis {
    /// n, from 10^2 to 10^4, with the degree of the planner.
    Clients,
    /// m, from 10^4 to 10^7.
    Dimension,
    /// k.
    Degree,
    /// D.
    Dropped,
    /// Threads.
    Threads,
}

/// A part of the server's work, or of one client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Part {
    /// The server takes in keys, makes the graph, and sends keys on.
    Keys,
    /// It takes in sealed shares, and sends them on.
    Boxes,
    /// It judges masked vectors, and adds them up.
    Add,
    /// It takes in revealed shares.
    Reveal,
    /// It recovers secrets, and agrees on seeds.
    Recover,
    /// It takes masks off.
    Apply,
    /// It reads the sum.
    Read,
    /// A client makes its keys.
    ClientKeys,
    /// A client shares its secrets.
    ClientShare,
    /// A client opens its boxes, masks its update and packs it.
    ClientMask,
    /// A client reveals shares.
    ClientReveal,
}

/// One round, by parts: medians.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Point {
    /// What this round is one of several for.
    pub axis: Axis,
    /// Its size.
    pub case: Case,
    /// What each part took. A client's parts are those of one client on average.
    pub parts: BTreeMap<Part, Time>,
    /// Masks that the server took off.
    pub masks: usize,
    /// Bytes that a survivor was sent, and sent, on average over all stages.
    pub bytes: [f64; 2],
}

impl Measured {
    /// Whether all points are of rounds that can be, with times that can have been measured, and enough of them for
    /// slopes.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), String> {
        for axis in Axis::ALL {
            if self.points.iter().filter(|point| point.axis == axis).count() < 2 {
                return Err(format!("{} has fewer than two points", axis.name()));
            }
        }
        self.points.iter().try_for_each(Point::check)
    }
}

impl Point {
    fn check(&self) -> Result<(), String> {
        let Case { clients, degree, threshold, dimension, dropped, threads } = self.case;
        let counts = [clients, degree, threshold, dimension as u32, threads as u32];
        if counts.contains(&0) || dropped >= clients {
            return Err(format!("there is no round of {:?}", self.case));
        }
        let mut times = self.parts.values().flat_map(|time| [time.processor, time.wall]);
        match times.find(|time| !(time.is_finite() && *time > 0.0)) {
            Some(time) => Err(format!("a part of {:?} takes {time} seconds", self.case)),
            None => Ok(()),
        }
    }
}

/// What was done of the large round, as it would be done by one of many machines.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shards {
    /// The whole round.
    pub round: Case,
    /// Some of its lanes, with all of its masks and uploads.
    pub lanes: LaneShard,
    /// Some of its clients, with all of their secrets.
    pub clients: ClientShard,
}

/// A range of lanes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct LaneShard {
    /// Lanes of the range.
    pub lanes: usize,
    /// Masks that were taken off, in batches.
    pub masks: usize,
    /// Masks in a batch: as many key schedules are held at once.
    pub batch: usize,
    /// Parts of uploads that were unpacked and added.
    pub uploads: usize,
    /// Different ones among them: the memory that they pass by in.
    pub different: usize,
    /// Reading plans and making key schedules.
    pub schedules: Time,
    /// Taking the masks off.
    pub apply: Time,
    /// Adding the uploads.
    pub add: Time,
}

/// A batch of clients: a round by themselves, with the degree and the threshold of the large one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClientShard {
    /// The batch's size; short vectors, since lanes are the other shard's.
    pub case: Case,
    /// What the server's parts took.
    pub parts: BTreeMap<Part, Time>,
}

impl Axis {
    /// All, in the order in which they are reported.
    pub const ALL: [Self; 5] =
        [Self::Clients, Self::Dimension, Self::Degree, Self::Dropped, Self::Threads];

    /// The symbol, and what it stands for.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clients => "clients, n",
            Self::Dimension => "parameters, m",
            Self::Degree => "neighbours, k",
            Self::Dropped => "dropped clients, D",
            Self::Threads => "threads",
        }
    }

    /// Where a round lies on this axis.
    pub fn place(self, case: &Case) -> f64 {
        match self {
            Self::Clients => f64::from(case.clients),
            Self::Dimension => case.dimension as f64,
            Self::Degree => f64::from(case.degree),
            Self::Dropped => f64::from(case.dropped),
            Self::Threads => case.threads as f64,
        }
    }
}

impl Part {
    /// The server's parts, in the order of a round.
    pub const SERVER: [Self; 7] =
        [Self::Keys, Self::Boxes, Self::Add, Self::Reveal, Self::Recover, Self::Apply, Self::Read];

    /// Those of the server's that are done client by client, whatever the vectors' length.
    pub const BY_CLIENT: [Self; 4] = [Self::Keys, Self::Boxes, Self::Reveal, Self::Recover];

    /// A client's parts, in the order of a round.
    pub const CLIENT: [Self; 4] =
        [Self::ClientKeys, Self::ClientShare, Self::ClientMask, Self::ClientReveal];

    /// What is done.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keys => "take in keys",
            Self::Boxes => "route shares",
            Self::Add => "add uploads",
            Self::Reveal => "take in revealed shares",
            Self::Recover => "recover seeds",
            Self::Apply => "take masks off",
            Self::Read => "read the sum",
            Self::ClientKeys => "client: make keys",
            Self::ClientShare => "client: share keys",
            Self::ClientMask => "client: mask",
            Self::ClientReveal => "client: reveal",
        }
    }
}
