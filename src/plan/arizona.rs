//! The model against published tasks: one file each of 1 MB to 100 GB between a DTN and a cloud store,
//! with and without verification (University of Arizona 2019, SaraMWillis/Cloud_Storage_Benchmarking).

use crate::stats::parsimonious;
use crate::stats::sample_quantile;

const SIZES_MB: [f64; 6] = [1.0, 10.0, 100.0, 1e3, 1e4, 1e5];

/// What a byte of a row passes: up, and down.
const UP: [f64; 2] = [1.0, 0.0];
const UP_VERIFIED: [f64; 2] = [1.0, 1.0];
const DOWN: [f64; 2] = [0.0, 1.0];
const DOWN_VERIFIED: [f64; 2] = [0.0, 2.0];

/// Effective speed in MB/s.
const TABLE: [([f64; 2], [f64; 6]); 4] = [
    (UP_VERIFIED, [0.18, 1.45, 14.3, 8.7, 10.6, 9.4]),
    (UP, [0.16, 1.64, 10.1, 29.1, 43.0, 37.0]),
    (DOWN_VERIFIED, [0.17, 1.43, 6.0, 6.5, 8.1, 5.8]),
    (DOWN, [0.18, 1.53, 5.7, 12.6, 14.1, 13.3]),
];

/// Of the columns that are not fitted to: errors of the model and of bytes over the best rate of the row.
fn errors(held_out: [usize; 2]) -> (Vec<f64>, Vec<f64>) {
    let row = |ways: [f64; 2], column: usize, speed: f64| {
        let (size, seconds) = (SIZES_MB[column], SIZES_MB[column] / speed);
        [1.0, ways[0] * size, ways[1] * size].map(|count| count / seconds)
    };
    let (mut fitted, mut others) = (Vec::new(), Vec::new());
    for (ways, speeds) in TABLE {
        let columns = || (0..SIZES_MB.len()).filter(|column| !held_out.contains(column));
        let best = columns().map(|column| speeds[column]).fold(0.0, f64::max);
        fitted.extend(columns().map(|column| row(ways, column, speeds[column])));
        others.extend(
            held_out.map(|column| (row(ways, column, speeds[column]), speeds[column] / best)),
        );
    }
    let (numbers, _) = parsimonious(&fitted).expect("sixteen rows tell three numbers");
    let told =
        |row: &[f64; 3]| row.iter().zip(numbers).map(|(one, other)| one * other).sum::<f64>();
    let model = others.iter().map(|(row, _)| (told(row) - 1.0).abs());
    (model.collect(), others.iter().map(|(_, naive)| (naive - 1.0).abs()).collect())
}

/// Every choice of two sizes of six.
fn splits() -> impl Iterator<Item = [usize; 2]> {
    (0..6).flat_map(|one| (one + 1..6).map(move |other| [one, other]))
}

#[test]
fn a_third_of_the_published_table_is_told_by_the_other_two_thirds() {
    let (model, naive): (Vec<_>, Vec<_>) = splits().map(errors).unzip();
    let median = |errors: Vec<Vec<f64>>| sample_quantile(&mut errors.concat(), 0.5);
    let (model, naive) = (median(model), median(naive));
    println!(
        "median error: {:.1} % by the model, {:.1} % by bytes over bandwidth",
        100.0 * model,
        100.0 * naive
    );
    assert!(model < 0.20, "the model misses by {model}");
    assert!(naive > 0.30, "bytes over bandwidth misses by {naive}");
}

#[test]
fn files_of_10_mb_and_10_gb_are_told_by_those_between_and_around() {
    let (mut model, mut naive) = errors([1, 4]);
    let (model, naive) = (sample_quantile(&mut model, 0.5), sample_quantile(&mut naive, 0.5));
    println!(
        "median error: {:.1} % by the model, {:.1} % by bytes over bandwidth",
        100.0 * model,
        100.0 * naive
    );
    assert!(model < 0.15 && naive > 0.45, "{model} {naive}");
}
