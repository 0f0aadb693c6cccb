//! A round that no machine here can run, from the fitted costs, and held against two shards of it that were run.

use std::fmt::Write;

use super::page::{digits, grouped, seconds};
use super::{Case, Counts, Law, Laws, Measured, Part, Shards};

const HOUR: f64 = 3600.0;
const TERA: f64 = 1e12;

/// The laws at the size of the large round, and the shards.
pub(super) struct Extrapolation<'a> {
    laws: &'a Laws,
    shards: &'a Shards,
}

/// What a shard's work took, and what the laws say of it.
struct Row {
    what: &'static str,
    done: String,
    measured: f64,
    said: Option<f64>,
    /// How many such shards there are in the round.
    times: f64,
}

impl<'a> Extrapolation<'a> {
    pub(super) fn new(measured: &'a Measured, laws: &'a Laws) -> Self {
        Self { laws, shards: &measured.shards }
    }

    /// Two tables and what they mean.
    pub(super) fn section(&self) -> String {
        let Case { clients, degree, threshold, dimension, dropped, .. } = self.shards.round;
        format!(
            "## {} clients × {} parameters\n\nThe planner gave k = {degree} and t = {threshold}; {} drop out after they shared their \
            keys. 32 bits leave room for {} levels, which is enough where so many are averaged. What follows is multiplication, the \
            fitted costs above times the formulas, in core-hours of this machine:\n\n{}\n{}\n\
            ### Held against two shards\n\nUnmasking is separable by lanes, and recovery by clients. So one of each was really done, on one \
            core, with the library's own functions:\n\n{}\n\n{}\n{}",
            grouped(clients.into()),
            grouped(dimension as u64),
            grouped(dropped.into()),
            grouped(u64::from(u32::MAX / clients)),
            self.totals(),
            self.traffic(),
            self.what_was_done(),
            self.comparison(),
            self.sums(),
        )
    }

    fn totals(&self) -> String {
        let round = &self.shards.round;
        let mut text = String::from("| | core-hours |\n| --- | --- |\n");
        let mut row = |name: &str, hours: f64| {
            let _ = writeln!(text, "| {name} | {} |", digits(hours));
        };
        for part in Part::SERVER {
            row(&format!("server: {}", part.name()), self.laws.of(part).seconds(round) / HOUR);
        }
        row("**server, all parts**", self.laws.seconds(&Part::SERVER, round) / HOUR);
        let each = self.laws.seconds(&Part::CLIENT, round);
        row("all clients together", each * f64::from(round.clients) / HOUR);
        text
    }

    fn traffic(&self) -> String {
        let round = &self.shards.round;
        let [down, up] = round.bytes();
        let survivors = f64::from(round.clients - round.dropped);
        format!(
            "By the laws one client takes {} of one core (half as much again is likely, since they are too low for vectors so long), sends {} MB and is sent {} KB. The survivors send {} TB in all, nearly all of it \
            masked vectors, and are sent {} TB.\n",
            seconds(self.laws.seconds(&Part::CLIENT, round)),
            digits(up / 1e6),
            digits(down / 1e3),
            digits(up * survivors / TERA),
            digits(down * survivors / TERA),
        )
    }

    fn what_was_done(&self) -> String {
        let (lanes, clients) = (&self.shards.lanes, &self.shards.clients.case);
        format!(
            "- *A range of {} lanes*, one of {}. All {} masks of the round were taken off it, in batches of {} that each came as the \
            bytes of a plan; their seeds were made up. The parts of {} uploads that fall into it were unpacked and added: {} different \
            ones, again and again.\n\
            - *A batch of {} clients*, one of {}. It was played as a round by itself, with the k and t of the large one and {} \
            parameters, so all its keys, boxes, shares, recovered secrets and agreements are real.\n\n\
            The range of lanes is a part of the large round as it would be; the batch of clients is a smaller round with a graph and maps of its \
            own, so that what a larger cohort costs more for each client (steps to find it, caches that do not hold it) is not in it, and this \
            library recovers all clients of a round in one process. Neither is reading {} masked vectors from a network, and cutting them into \
            ranges.",
            grouped(lanes.lanes as u64),
            digits(self.ranges()),
            grouped(lanes.masks as u64),
            grouped(lanes.batch as u64),
            grouped(lanes.uploads as u64),
            grouped(lanes.different as u64),
            grouped(clients.clients.into()),
            digits(self.batches()),
            grouped(clients.dimension as u64),
            grouped(lanes.uploads as u64),
        )
    }

    fn comparison(&self) -> String {
        let mut text = String::from(
            "| shard's work | how much | measured | extrapolated | ratio |\n| --- | --- | --- | --- | --- |\n",
        );
        for row in self.rows() {
            let said = row.said.map(seconds).unwrap_or_default();
            let ratio = row.said.map(|said| format!("{:.2}", row.measured / said));
            let (measured, ratio) = (seconds(row.measured), ratio.unwrap_or_default());
            let _ =
                writeln!(text, "| {} | {} | {measured} | {said} | {ratio} |", row.what, row.done);
        }
        text
    }

    fn sums(&self) -> String {
        let by_shards: f64 = self.rows().iter().map(|row| row.measured * row.times).sum();
        let laws = self.laws.seconds(&Part::SERVER, &self.shards.round);
        format!(
            "All shards at the measured times: {} core-hours, where the laws say {}: a ratio of {:.2}. Key schedules are in the first figure \
            once for each range, since every machine makes its own; in the second they are part of the recovery, once.\n",
            digits(by_shards / HOUR),
            digits(laws / HOUR),
            by_shards / laws
        )
    }

    fn rows(&self) -> Vec<Row> {
        let (lanes, batch) = (&self.shards.lanes, &self.shards.clients);
        let count = |number: usize, what: &str| format!("{} {what}", grouped(number as u64));
        let keystream = 4.0 * lanes.masks as f64 * lanes.lanes as f64;
        let added = lanes.uploads as f64 * lanes.lanes as f64;
        let row =
            |what, done, measured, said| Row { what, done, measured, said, times: self.ranges() };
        let mut rows = vec![
            row(
                "lanes: add uploads",
                count(lanes.uploads, "uploads"),
                lanes.add.processor,
                Some(added * cost(self.laws.of(Part::Add), "lane")),
            ),
            row(
                "lanes: make key schedules",
                count(lanes.masks, "masks"),
                lanes.schedules.processor,
                None,
            ),
            row(
                "lanes: take masks off",
                count(lanes.masks, "masks"),
                lanes.apply.processor,
                Some(keystream * cost(self.laws.of(Part::Apply), "byte of keystream")),
            ),
        ];
        rows.extend(Part::BY_CLIENT.map(|part| Row {
            what: part.name(),
            done: count(batch.case.clients as usize, "clients"),
            measured: batch.parts[&part].processor,
            said: Some(self.laws.of(part).seconds(&batch.case)),
            times: self.batches(),
        }));
        rows
    }

    fn ranges(&self) -> f64 {
        Counts::of(&self.shards.round).lanes / self.shards.lanes.lanes as f64
    }

    fn batches(&self) -> f64 {
        f64::from(self.shards.round.clients) / f64::from(self.shards.clients.case.clients)
    }
}

/// What one such thing costs by a law.
fn cost(law: &Law, unit: &str) -> f64 {
    law.costs.iter().filter(|cost| cost.term.unit == unit).map(|cost| cost.fitted).sum()
}
