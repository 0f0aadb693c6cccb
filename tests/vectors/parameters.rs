//! Section 3 of the specification: from what a caller gives to the parameters' bytes, or to an error.

use secagg::kernels::Prg;
use secagg::message::{Message, SetupRequest};
use secagg::{Amount, ContextHash, InvalidParams, Params, ParamsBuilder, SessionId};
use serde::Deserialize;

use crate::json::{Bytes, Number, assert_error, path_of, read};
use crate::player::threat_model;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    given: Given,
    fields: Option<Fields>,
    bytes: Option<Bytes>,
    error: Option<String>,
}

/// What a caller gives; what it does not give has a default.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    cohort_size: u32,
    dimension: usize,
    threshold: CountOrFraction,
    num_shares: Option<CountOrFraction>,
    width: Option<u32>,
    clipping_range: Option<Number>,
    quantization_range: Option<Range>,
    max_weight: Option<Number>,
    prg: Option<u8>,
    threat_model: Option<u8>,
    corrupted_neighbours: Option<u32>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
enum CountOrFraction {
    Count(u32),
    Fraction(Number),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Range {
    Levels(u64),
    Auto(String),
}

/// The parameters as they travel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fields {
    pub(crate) cohort_size: u32,
    pub(crate) dimension: usize,
    pub(crate) degree: u32,
    pub(crate) threshold: u32,
    pub(crate) clipping_range: Number,
    pub(crate) quantization_range: u64,
    pub(crate) max_weight: Number,
    pub(crate) width: u32,
    prg: u8,
    pub(crate) threat_model: u8,
    pub(crate) corrupted_neighbours: u32,
}

impl Fields {
    pub(crate) fn prg(&self) -> Prg {
        Prg::from_id(self.prg).expect("a known number")
    }
}

impl From<CountOrFraction> for Amount {
    fn from(amount: CountOrFraction) -> Self {
        match amount {
            CountOrFraction::Count(count) => Self::Count(count),
            CountOrFraction::Fraction(Number(fraction)) => Self::Fraction(fraction),
        }
    }
}

fn set<T>(
    builder: ParamsBuilder,
    value: Option<T>,
    set: impl FnOnce(ParamsBuilder, T) -> ParamsBuilder,
) -> ParamsBuilder {
    match value {
        Some(value) => set(builder, value),
        None => builder,
    }
}

impl Given {
    fn build(&self) -> Result<Params, InvalidParams> {
        let (clients, threshold) = (self.cohort_size, self.threshold);
        let builder = match self.num_shares {
            None => Params::secagg(clients, self.dimension, threshold),
            Some(shares) => Params::secagg_plus(clients, self.dimension, shares, threshold),
        };
        let builder = set(builder, self.width, |b, width| b.modulus_range(1 << width));
        let builder = set(builder, self.clipping_range, |b, range| b.clipping_range(range.0));
        let builder = set(builder, self.quantization_range.as_ref(), |b, range| match range {
            Range::Levels(levels) => b.quantization_range(*levels),
            Range::Auto(auto) => {
                b.quantization_range(auto.parse::<secagg::QuantizationRange>().expect("auto"))
            }
        });
        let builder = set(builder, self.max_weight, |b, weight| b.max_weight(weight.0));
        let builder = set(builder, self.prg, |b, id| b.prg(Prg::from_id(id).expect("known")));
        let builder = set(builder, self.threat_model, |b, id| b.threat_model(threat_model(id)));
        set(builder, self.corrupted_neighbours, ParamsBuilder::corrupted_neighbours).build()
    }
}

/// The parameters' bytes, where a setup request carries them.
pub(crate) fn encoded(params: &Params) -> Vec<u8> {
    let context = ContextHash::new(params, b"");
    let request = SetupRequest { params: params.clone(), context };
    request.encode(SessionId([0; 16]))[18..70].to_vec()
}

fn assert_fields(params: &Params, fields: &Fields) {
    let quantizer = params.quantizer();
    assert_eq!(params.cohort_size(), fields.cohort_size);
    assert_eq!(params.dimension(), fields.dimension);
    assert_eq!(params.degree(), fields.degree);
    assert_eq!(params.threshold(), fields.threshold);
    assert_eq!(quantizer.clipping_range().to_bits(), fields.clipping_range.0.to_bits());
    assert_eq!(quantizer.quantization_range(), fields.quantization_range);
    assert_eq!(quantizer.max_weight().to_bits(), fields.max_weight.0.to_bits());
    assert_eq!(params.modulus().width(), fields.width);
    assert_eq!(params.prg(), fields.prg());
    assert_eq!(params.threat_model(), threat_model(fields.threat_model));
    assert_eq!(params.corrupted_neighbours(), fields.corrupted_neighbours);
}

#[test]
fn parameters_are_built_as_by_the_reference() {
    for case in read::<Parameters>("parameters").cases {
        match (case.given.build(), &case.fields, &case.error) {
            (Ok(params), Some(fields), None) => {
                assert_fields(&params, fields);
                assert_eq!(Some(Bytes(encoded(&params))), case.bytes, "{case:?}");
            }
            (Err(found), None, Some(error)) => assert_error(&path_of(&found), error, &case),
            (found, ..) => panic!("{found:?}: {case:?}"),
        }
    }
}
