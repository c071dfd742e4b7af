//! Randomised complete blocks: what is left of the logarithms when settings and blocks are taken out.

use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::quantiles::quantile;

/// Residual variation of a table of settings x blocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Residual {
    /// Standard deviation of one value.
    pub sd: f64,
    /// (settings - 1) x (blocks - 1).
    pub degrees_of_freedom: usize,
}

/// The residual of the additive model value = setting + block + noise (G. E. P. Box, J. S. Hunter,
/// W. G. Hunter, "Statistics for Experimenters", 2nd edition 2005, section 4.2). A row for each setting,
/// all rows of one length. `None` with fewer than two of either.
pub fn residual(rows: &[Vec<f64>]) -> Option<Residual> {
    let (settings, blocks) = (rows.len(), rows.first()?.len());
    if settings < 2 || blocks < 2 {
        return None;
    }
    let row_means: Vec<f64> =
        rows.iter().map(|row| row.iter().sum::<f64>() / blocks as f64).collect();
    let mean = row_means.iter().sum::<f64>() / settings as f64;
    let column_mean =
        |block: usize| rows.iter().map(|row| row[block]).sum::<f64>() / settings as f64;
    let column_means: Vec<f64> = (0..blocks).map(column_mean).collect();
    let left = rows.iter().zip(&row_means).flat_map(|(row, row_mean)| {
        let of_block = row.iter().zip(&column_means);
        of_block.map(move |(value, column_mean)| value - row_mean - column_mean + mean)
    });
    let squares: f64 = left.map(|value| value * value).sum();
    let degrees_of_freedom = (settings - 1) * (blocks - 1);
    let sd = (squares / degrees_of_freedom as f64).sqrt();
    Some(Residual { sd, degrees_of_freedom })
}

impl Residual {
    /// By how much the difference of two settings' means over `blocks` may be off, one way, with
    /// probability at most `alpha` for all of `comparisons` together (Bonferroni's inequality).
    pub fn bound(&self, blocks: usize, alpha: f64, comparisons: usize) -> f64 {
        let t = quantile(1.0 - alpha / comparisons.max(1) as f64, self.degrees_of_freedom);
        t * self.sd * (2.0 / blocks as f64).sqrt()
    }

    /// Smallest log-ratio of two settings that so many blocks show with 80 % power at the two-sided 5 %
    /// level ([`smallest_difference`](super::smallest_difference) says it of a pair alone).
    pub fn smallest_difference(&self, blocks: usize) -> f64 {
        let quantile = |p| quantile(p, self.degrees_of_freedom);
        (quantile(0.975) + quantile(0.8)) * self.sd * (2.0 / blocks as f64).sqrt()
    }

    /// What the true standard deviation does not exceed with probability `p`: chi-square upper limit
    /// (Box, Hunter and Hunter, as above, section 2.11).
    pub fn sd_at_most(&self, p: f64) -> f64 {
        let degrees_of_freedom = self.degrees_of_freedom as f64;
        let chi_square = ChiSquared::new(degrees_of_freedom)
            .expect("a residual has at least one degree of freedom");
        self.sd * (degrees_of_freedom / chi_square.inverse_cdf(1.0 - p)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_settings_and_blocks_explain_is_no_residual() {
        let rows: Vec<Vec<f64>> = (0..4)
            .map(|row| (0..3).map(|block| f64::from(row * row + 7 * block)).collect())
            .collect();
        let residual = residual(&rows).unwrap();
        assert!(residual.sd < 1e-12);
        assert_eq!(residual.degrees_of_freedom, 6);
    }

    #[test]
    fn the_residual_is_that_of_the_printed_example() {
        // Penicillin yields, Box, Hunter and Hunter, table 4.4: residual mean square 18.83, 12 degrees.
        let yields = [
            [89.0, 84.0, 81.0, 87.0, 79.0],
            [88.0, 77.0, 87.0, 92.0, 81.0],
            [97.0, 92.0, 87.0, 89.0, 80.0],
            [94.0, 79.0, 85.0, 84.0, 88.0],
        ];
        let residual = residual(&yields.map(|row| row.to_vec())).unwrap();
        assert_eq!(residual.degrees_of_freedom, 12);
        assert!((residual.sd.powi(2) - 18.83).abs() < 0.01, "{}", residual.sd.powi(2));
    }

    #[test]
    fn the_limit_of_a_deviation_is_that_of_the_printed_table() {
        // Chi-square(2) is below 0.211 in 10 of 100 cases, chi-square(10) below 4.865.
        let limit = |degrees_of_freedom| Residual { sd: 1.0, degrees_of_freedom }.sd_at_most(0.9);
        assert!((limit(2) - (2.0_f64 / 0.211).sqrt()).abs() < 1e-2);
        assert!((limit(10) - (10.0_f64 / 4.865).sqrt()).abs() < 1e-3);
    }

    #[test]
    fn one_block_leaves_nothing_to_go_by() {
        assert_eq!(residual(&[vec![1.0], vec![2.0]]), None);
        assert_eq!(residual(&[vec![1.0, 2.0]]), None);
        assert_eq!(residual(&[]), None);
    }

    #[test]
    fn equals_are_told_apart_by_a_bound_as_rarely_as_it_says() {
        let mut random = fastrand::Rng::with_seed(4);
        let mut normal = || (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
        let wrong = (0..2000).filter(|_| {
            let rows: Vec<Vec<f64>> = (0..6).map(|_| (0..3).map(|_| normal()).collect()).collect();
            let bound = residual(&rows).unwrap().bound(3, 0.05, 5);
            let means: Vec<f64> = rows.iter().map(|row| row.iter().sum::<f64>() / 3.0).collect();
            means[1..].iter().any(|mean| means[0] - mean > bound)
        });
        assert!(wrong.count() <= 100 + 20, "of 2000 at the level of 5 %");
    }
}
