//! Least squares of relative errors: rows x numbers = 1, no number below zero, no more terms than it takes.

/// Errors of less than this are not told from none: what is measured is not more exact.
const ERROR_MIN: f64 = 5e-3;

/// The numbers, and the terms that are above zero. Of every choice of terms the best by Akaike's criterion:
/// they are so few that each choice is tried. `None` if nothing can be told.
pub fn parsimonious<const TERMS: usize>(
    rows: &[[f64; TERMS]],
) -> Option<([f64; TERMS], Vec<usize>)> {
    let mut best: Option<(f64, [f64; TERMS], Vec<usize>)> = None;
    for choice in 1_usize..1 << TERMS {
        let used: Vec<usize> = (0..TERMS).filter(|term| choice & (1 << term) != 0).collect();
        let Some(numbers) = solved(rows, &used) else { continue };
        if used.len() > rows.len() || numbers.iter().any(|number| *number < 0.0) {
            continue;
        }
        let error = |row: &[f64; TERMS]| 1.0 - (0..TERMS).map(|i| row[i] * numbers[i]).sum::<f64>();
        let squares: f64 = rows.iter().map(|row| error(row).powi(2)).sum();
        let cost = akaike(squares, rows.len() as f64, used.len() as f64 + 1.0);
        if best.as_ref().is_none_or(|(least, ..)| cost < *least) {
            best = Some((cost, numbers, used));
        }
    }
    best.map(|(_, numbers, used)| (numbers, used))
}

/// Akaike's criterion (H. Akaike, IEEE Transactions on Automatic Control 1974).
pub fn akaike(squares: f64, count: f64, terms: f64) -> f64 {
    count * (squares / count + ERROR_MIN.powi(2)).ln() + 2.0 * terms
}

/// Least squares in these terms; `None` if they cannot be told apart.
fn solved<const TERMS: usize>(rows: &[[f64; TERMS]], used: &[usize]) -> Option<[f64; TERMS]> {
    let inverse = inverse_of_squares(rows, used)?;
    let right: Vec<f64> = used.iter().map(|term| rows.iter().map(|row| row[*term]).sum()).collect();
    let mut numbers = [0.0; TERMS];
    for (i, term) in used.iter().enumerate() {
        numbers[*term] = inverse[i].iter().zip(&right).map(|(one, other)| one * other).sum();
    }
    Some(numbers)
}

/// (X'X)^-1 of the used terms, by Gauss and Jordan; `None` if some cannot be told apart.
pub fn inverse_of_squares<const TERMS: usize>(
    rows: &[[f64; TERMS]],
    used: &[usize],
) -> Option<Vec<Vec<f64>>> {
    let count = used.len();
    let length = |term: usize| rows.iter().map(|row| row[term].powi(2)).sum::<f64>().sqrt();
    let scale: Vec<f64> = used.iter().map(|term| length(*term)).collect();
    if scale.contains(&0.0) {
        return None;
    }
    let product = |i: usize, j: usize| {
        let sum: f64 = rows.iter().map(|row| row[used[i]] * row[used[j]]).sum();
        sum / scale[i] / scale[j]
    };
    let mut matrix: Vec<Vec<f64>> = (0..count)
        .map(|i| {
            let identity = (0..count).map(|j| if i == j { 1.0 } else { 0.0 });
            (0..count).map(|j| product(i, j)).chain(identity).collect()
        })
        .collect();
    for pivot in 0..count {
        let largest = (pivot..count).max_by(|one, other| {
            matrix[*one][pivot].abs().total_cmp(&matrix[*other][pivot].abs())
        })?;
        matrix.swap(pivot, largest);
        if matrix[pivot][pivot].abs() < 1e-8 {
            return None;
        }
        let factor = matrix[pivot][pivot];
        matrix[pivot].iter_mut().for_each(|value| *value /= factor);
        let pivot_row = matrix[pivot].clone();
        for (_, row) in matrix.iter_mut().enumerate().filter(|(index, _)| *index != pivot) {
            let factor = row[pivot];
            row.iter_mut().zip(&pivot_row).for_each(|(value, above)| *value -= factor * above);
        }
    }
    let unscaled = |i: usize, j: usize| matrix[i][count + j] / scale[i] / scale[j];
    Some((0..count).map(|i| (0..count).map(|j| unscaled(i, j)).collect()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_that_made_the_rows_are_found(a in 0.1_f64..10.0, b in 0.1_f64..10.0, seed: u64) {
            let mut random = fastrand::Rng::with_seed(seed);
            let rows: Vec<[f64; 3]> = (0..12).map(|_| {
                let share = random.f64();
                [share / a, (1.0 - share) / b, random.f64()]
            }).collect();
            let (numbers, used) = parsimonious(&rows).unwrap();
            prop_assert_eq!(used, [0, 1]);
            prop_assert!((numbers[0] / a - 1.0).abs() < 1e-6 && (numbers[1] / b - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn terms_that_are_always_together_are_one() {
        let rows = [[1.0, 2.0], [0.5, 1.0], [2.0, 4.0]];
        let (_, used) = parsimonious(&rows).unwrap();
        assert_eq!(used.len(), 1);
    }
}
