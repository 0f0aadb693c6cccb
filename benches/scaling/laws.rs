//! What each part of a round should take: counts by the formulas of docs/protocol.md (sections 5 and 11 to 13), each times
//! the cost of one. The counts are the theory; the costs are fitted, one set for all points of all axes.

use std::collections::BTreeMap;

use super::{Case, Measured, Part, least_squares};

/// One thing that is counted.
#[derive(Clone, Copy, Debug)]
pub struct Term {
    /// What is counted.
    pub unit: &'static str,
    /// How many there are: n clients, of which D drop out and S survive, k neighbours, threshold t, m parameters.
    pub formula: &'static str,
    /// So many.
    pub count: fn(&Counts) -> f64,
    /// Under which name one of them was measured alone, if it was.
    pub alone: Option<&'static str>,
}

/// The symbols of the formulas, as numbers.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    n: f64,
    k: f64,
    t: f64,
    pub(super) lanes: f64,
    dropped: f64,
    survivors: f64,
}

/// A part's law: its terms, with the cost of each.
#[derive(Clone, Debug)]
pub struct Law {
    /// What it is a law of.
    pub part: Part,
    /// Its terms.
    pub costs: Vec<UnitCost>,
}

/// What one of a term's things costs, in seconds of a core.
#[derive(Clone, Copy, Debug)]
pub struct UnitCost {
    /// The term.
    pub term: Term,
    /// As whole rounds say.
    pub fitted: f64,
    /// As the step alone says.
    pub alone: Option<f64>,
}

/// The laws of all parts.
#[derive(Clone, Debug)]
pub struct Laws(BTreeMap<Part, Law>);

impl Laws {
    /// Fits all costs to the rounds on one thread.
    pub fn fit(measured: &Measured) -> Self {
        let parts = Part::SERVER.into_iter().chain(Part::CLIENT);
        Self(parts.map(|part| (part, Law::fit(part, measured))).collect())
    }

    /// The law of one part.
    ///
    /// # Panics
    /// Never: all parts have one.
    pub fn of(&self, part: Part) -> &Law {
        &self.0[&part]
    }

    /// What some parts take together, in seconds of a core.
    pub fn seconds(&self, parts: &[Part], case: &Case) -> f64 {
        parts.iter().map(|&part| self.of(part).seconds(case)).sum()
    }
}

impl Law {
    fn fit(part: Part, measured: &Measured) -> Self {
        let terms = part.terms();
        let on_one = measured.points.iter().filter(|point| point.case.threads == 1);
        let row = |point: &super::Point| {
            let counts = Counts::of(&point.case);
            let x = terms.iter().map(|term| (term.count)(&counts)).collect();
            (x, point.parts[&part].processor)
        };
        let fitted = least_squares(&on_one.map(row).collect::<Vec<_>>());
        let cost = |(&term, fitted): (&Term, f64)| {
            let alone = term.alone.and_then(|name| measured.alone.get(name).copied());
            UnitCost { term, fitted, alone }
        };
        Self { part, costs: terms.iter().zip(fitted).map(cost).collect() }
    }

    /// What the part takes in a round of this size, in seconds of a core.
    pub fn seconds(&self, case: &Case) -> f64 {
        let counts = Counts::of(case);
        self.costs.iter().map(|cost| cost.fitted * (cost.term.count)(&counts)).sum()
    }
}

impl Counts {
    /// The symbols of a round.
    pub fn of(case: &Case) -> Self {
        let [n, k, t, dropped] =
            [case.clients, case.degree, case.threshold, case.dropped].map(f64::from);
        // One lane more than parameters: the weight.
        Self { n, k, t, lanes: case.dimension as f64 + 2.0, dropped, survivors: n - dropped }
    }

    /// Pairs of a dropped client and a surviving neighbour: drop-outs are independent of the graph.
    fn pairs(&self) -> f64 {
        self.dropped * self.k * self.survivors / (self.n - 1.0)
    }

    /// Masks that the server takes off.
    pub fn masks(&self) -> f64 {
        self.survivors + self.pairs()
    }
}

impl Case {
    /// Bytes that a surviving client is sent and sends in all stages: docs/protocol.md, section 11.
    pub fn bytes(&self) -> [f64; 2] {
        let Counts { n, k, lanes, survivors, .. } = Counts::of(self);
        let named = 1.0 + k * (survivors - 1.0) / (n - 1.0);
        let down = 102.0 + (54.0 + 73.0 * (k + 1.0)) + (22.0 + 88.0 * k) + (26.0 + 8.0 * named);
        let up = 83.0 + (54.0 + 80.0 * k) + (18.0 + 4.0 * lanes) + (22.0 + 33.0 * k);
        [down, up]
    }
}

const CLIENT: Term = term("client", "n", |it| it.n);
const ONE: Term = term("client", "1", |_| 1.0);
const NEIGHBOUR: Term = term("neighbour", "k", |it| it.k);

const fn term(unit: &'static str, formula: &'static str, count: fn(&Counts) -> f64) -> Term {
    Term { unit, formula, count, alone: None }
}

const fn known(term: Term, name: &'static str) -> Term {
    Term { alone: Some(name), ..term }
}

impl Part {
    /// What its time should be made of.
    pub fn terms(self) -> Vec<Term> {
        match self {
            Self::Keys => vec![CLIENT, term("neighbour's keys sent", "n k", |it| it.n * it.k)],
            Self::Boxes => vec![
                term("box", "n k", |it| it.n * it.k),
                term("step to a box's owner", "n k log₂ n", |it| it.n * it.k * it.n.log2()),
            ],
            Self::Add => vec![
                term("upload", "S", |it| it.survivors),
                known(term("lane", "S (m + 2)", |it| it.survivors * it.lanes), "lane added"),
            ],
            Self::Reveal => vec![
                term("share", "S k", |it| it.survivors * it.k),
                term("step to a share's owner", "S k log₂ n", |it| {
                    it.survivors * it.k * it.n.log2()
                }),
            ],
            Self::Recover => vec![
                known(
                    term("agreement", "D (1 + k S / (n - 1))", |it| it.dropped + it.pairs()),
                    "agreement",
                ),
                term("pair of holders", "n (t + 1)²", |it| it.n * (it.t + 1.0).powi(2)),
                term("share", "n t", |it| it.n * it.t),
                term("secret", "n", |it| it.n),
            ],
            Self::Apply => vec![known(
                term("byte of keystream", "4 (m + 2) (S + D k S / (n - 1))", |it| {
                    4.0 * it.lanes * it.masks()
                }),
                "byte of keystream",
            )],
            Self::Read => vec![term("lane", "m + 2", |it| it.lanes)],
            Self::ClientKeys => vec![ONE],
            Self::ClientShare => vec![
                ONE,
                NEIGHBOUR,
                term("coefficient of a share", "2 t k", |it| 2.0 * it.t * it.k),
            ],
            Self::ClientMask => vec![
                NEIGHBOUR,
                known(
                    term("byte of keystream", "4 (m + 2) (k + 1)", |it| {
                        4.0 * it.lanes * (it.k + 1.0)
                    }),
                    "byte of keystream",
                ),
                term("parameter", "m", |it| it.lanes),
            ],
            Self::ClientReveal => vec![ONE, NEIGHBOUR],
        }
    }
}
