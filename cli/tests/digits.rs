//! A round over real updates: 24 clients that trained on handwritten digits.

mod support;

use std::path::Path;

use secagg_cli::files::{self, Layout, Update, Values};
use secagg_cli::weights;
use support::{data, digits, digits_round, report};

/// The held-out examples: 64 pixels each, and the digit that each shows.
struct Examples {
    pixels: Vec<f64>,
    labels: Vec<usize>,
}

/// The parameters of the small network of `tests/data/README.md`.
struct Network(Update);

impl Network {
    fn read(path: &Path) -> Self {
        Self(files::read(path).expect("an update"))
    }

    fn tensor(&self, name: &str) -> Vec<f64> {
        let mut ranges = self.0.layout.ranges();
        let (_, range) = ranges.find(|(spec, _)| spec.name == name).expect("a tensor");
        self.0.values.widened(range)
    }

    /// How many of the examples it gets right.
    fn right_answers(&self, examples: &Examples) -> usize {
        let hidden = (self.tensor("hidden.weight"), self.tensor("hidden.bias"));
        let output = (self.tensor("output.weight"), self.tensor("output.bias"));
        let scale = self.tensor("output.scale")[0];
        let answers = examples.pixels.chunks_exact(64).map(|pixels| {
            let input: Vec<_> = pixels.iter().map(|pixel| pixel / 16.0).collect();
            let active: Vec<_> = layer(&hidden, &input).into_iter().map(|x| x.max(0.0)).collect();
            largest(layer(&output, &active).into_iter().map(|x| x * scale))
        });
        answers.zip(&examples.labels).filter(|(answer, label)| answer == *label).count()
    }
}

#[test]
fn the_mean_of_a_round_with_drop_outs_is_as_good_as_plain_federated_averaging() {
    let folder = tempfile::tempdir().expect("a folder");
    let mean = folder.path().join("mean.safetensors");
    let (report, code) = report(
        digits_round()
            .args(["--max-weight", "200", "--check", "--out"])
            .arg(&mean)
            .args(["--drop", "client_02@setup", "--drop", "client_05@share-keys"])
            .args(["--drop", "client_09@collect-masked-vectors", "--drop", "client_11@unmask"])
            .args(["--garbage", "client_17@share-keys"]),
    );
    assert_eq!(code, 0, "{report}");
    let survivors: Vec<_> = (0..24).filter(|client| ![2, 5, 9, 17].contains(client)).collect();
    assert_eq!(report["survivors"].as_array().expect("a list").len(), survivors.len());
    let (error, bound) = (&report["check"]["largest_error"], &report["check"]["bound"]);
    assert!(error.as_f64() <= bound.as_f64() && bound.as_f64() < Some(1e-4), "{error} {bound}");

    let (secure, plain) = (Network::read(&mean), plain_mean(&survivors));
    let (secure, plain) = (secure.right_answers(&examples()), plain.right_answers(&examples()));
    assert_eq!(secure, plain, "right answers of the secure and of the plain mean");
    assert!(secure > 359 * 9 / 10, "only {secure} of 359 right");
}

/// The same data against a server that may lie, with someone lost at each of the five stages.
#[test]
fn a_round_against_an_active_server_gives_the_mean_of_its_survivors() {
    let (report, code) = report(
        digits_round()
            .args(["--threat-model", "active", "--max-weight", "200", "--check"])
            .args(["--drop", "client_02@setup", "--drop", "client_05@share-keys"])
            .args(["--drop", "client_09@collect-masked-vectors", "--drop", "client_11@unmask"])
            .args(["--drop", "client_13@confirm-survivors", "--garbage", "client_17@setup"]),
    );
    assert_eq!(code, 0, "{report}");
    assert_eq!(report["parameters"]["threat_model"], "active");
    assert_eq!(report["survivors"].as_array().expect("a list").len(), 20);
    let stages = report["stages"].as_array().expect("a list").iter();
    let asked: Vec<_> = stages.map(|stage| stage["asked"].as_u64().expect("a count")).collect();
    assert_eq!(asked, [24, 22, 21, 20, 19]);
}

#[test]
fn names_shapes_and_dtypes_come_out_unchanged() {
    let folder = tempfile::tempdir().expect("a folder");
    let mean = folder.path().join("mean.safetensors");
    let (_, code) = report(digits_round().arg("--out").arg(&mean));
    assert_eq!(code, 0);
    let (before, after) = (&digits()[0], &mean);
    let layout = |path: &Path| files::read_layout(path).expect("a layout");
    layout(before).check_same(&layout(after), before, after).expect("the same layout");
}

fn examples() -> Examples {
    let Update { layout, values } =
        files::read(&data("digits_test.safetensors")).expect("the examples");
    let tensor = |name| {
        let (_, range) = layout.ranges().find(|(spec, _)| spec.name == name).expect("a tensor");
        values.widened(range)
    };
    let labels = tensor("labels").into_iter().map(|label| label as usize).collect();
    Examples { pixels: tensor("pixels"), labels }
}

/// Federated averaging in the clear, in f64.
fn plain_mean(survivors: &[usize]) -> Network {
    let names: Vec<_> = digits().iter().map(|path| path.display().to_string()).collect();
    let weights = weights::read(&data("digits/weights.csv"), &names).expect("weights");
    let total: f64 = survivors.iter().map(|&client| weights[client]).sum();
    let (mut sum, mut layout): (Vec<f64>, Option<Layout>) = (Vec::new(), None);
    for &client in survivors {
        let update = files::read(&digits()[client]).expect("an update");
        sum.resize(update.values.len(), 0.0);
        let values = update.values.widened(0..update.values.len());
        sum.iter_mut().zip(values).for_each(|(sum, x)| *sum += weights[client] / total * x);
        layout = Some(update.layout);
    }
    Network(Update { layout: layout.expect("some survivor"), values: Values::F64(sum) })
}

/// weight · input + bias, with the weight row by row.
fn layer((weight, bias): &(Vec<f64>, Vec<f64>), input: &[f64]) -> Vec<f64> {
    let rows = weight.chunks_exact(input.len());
    let dot = |row: &[f64]| row.iter().zip(input).map(|(w, x)| w * x).sum::<f64>();
    rows.zip(bias).map(|(row, bias)| dot(row) + bias).collect()
}

fn largest(values: impl Iterator<Item = f64>) -> usize {
    let best = values.enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
    best.expect("ten classes").0
}
