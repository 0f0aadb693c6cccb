//! Elements per second, on one thread: quantizing, the client's whole pass, dequantizing; beside a copy of as many.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use secagg_benches::{modulus, on_one_thread, plan, seed, update};
use secagg_kernels::{Accumulator, Backend, ClientPass, Prg, Quantizer, pack};

const ELEMENTS: usize = 1 << 18;

fn quantizer() -> Quantizer {
    Quantizer::new(8.0, 1 << 22, 1000.0).expect("the defaults")
}

fn quantize(c: &mut Criterion) {
    let mut group = c.benchmark_group("quantize/quantize");
    group.throughput(Throughput::Elements(ELEMENTS as u64));
    let (update, rounding, mut lanes) = (update(ELEMENTS), seed(1), vec![0_u32; ELEMENTS + 2]);
    let mut copy = update.clone();
    group.bench_function("ceiling: copy", |b| {
        b.iter(|| black_box(&mut copy).copy_from_slice(black_box(&update)));
    });
    for backend in Backend::available() {
        for prg in Prg::ALL {
            group.bench_function(format!("{prg}/{backend}/f32 to u32"), |b| {
                b.iter(|| quantizer().quantize(backend, prg, &rounding, 7.0, &update, &mut lanes));
            });
        }
    }
}

fn client_pass(c: &mut Criterion) {
    let mut group = c.benchmark_group("quantize/client pass");
    group.sample_size(10).throughput(Throughput::Elements(ELEMENTS as u64));
    let (update, rounding, quantizer) = (update(ELEMENTS), seed(200), quantizer());
    let mut out = Vec::new();
    for backend in Backend::available() {
        for masks in [0, 1, 26, 100] {
            let plan = plan(Prg::Aes128Ctr, masks);
            let pass = ClientPass {
                backend,
                modulus: modulus(32),
                quantizer: &quantizer,
                plan: &plan,
                rounding: &rounding,
            };
            let mut run = || {
                out.clear();
                pass.masked_vector(7.0, &update, &mut out)
            };
            group.bench_function(format!("aes-128-ctr/{backend}/{masks} masks"), |b| {
                on_one_thread(|| b.iter(&mut run));
            });
        }
    }
}

fn dequantize(c: &mut Criterion) {
    let mut group = c.benchmark_group("quantize/dequantize");
    group.throughput(Throughput::Elements(ELEMENTS as u64));
    let (mut lanes, mut bytes) = (vec![0_u64; ELEMENTS + 2], Vec::new());
    for backend in Backend::available() {
        for width in [32, 64] {
            quantizer()
                .quantize(backend, Prg::default(), &seed(1), 7.0, &update(ELEMENTS), &mut lanes)
                .expect("a finite update");
            bytes.clear();
            pack::append(backend, modulus(width), &lanes, &mut bytes).expect("words of 64 bits");
            let mut sum = Accumulator::new(modulus(width), lanes.len());
            sum.add_packed(backend, &bytes).expect("bytes just packed");
            group.bench_function(format!("{backend}/{width} bits to f32"), |b| {
                on_one_thread(|| b.iter(|| sum.dequantize::<f32>(backend, &quantizer(), 1)));
            });
        }
    }
}

criterion_group!(benches, quantize, client_pass, dequantize);
criterion_main!(benches);
