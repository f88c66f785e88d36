//! Weights, which count relative to each other, and shares, which are percent.
//!
//! Weights are as small as they can be: Caddy sends as many requests in a row to one upstream as its weight says before it goes on
//! to the next, so of 90 and 10 the ten would come all at once, of 9 and 1 each tenth.

/// The weights after `percent` of the traffic goes to the one at `to`; the others share the rest as they share what they have now.
pub(crate) fn shifted(now: &[u32], to: usize, percent: u32) -> Result<Vec<u32>, String> {
    let others: u64 = sum(now
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != to)
        .map(|(_, weight)| *weight));
    if percent == 100 {
        return Ok((0..now.len()).map(|at| u32::from(at == to)).collect());
    }
    if others == 0 {
        return Err(format!(
            "{percent} % leaves {} % for upstreams that have no traffic now: it is not guessed which of them gets it",
            100 - percent.min(100)
        ));
    }
    let rest = 100_u64.saturating_sub(percent.into());
    let exact = |weight: u32| u64::from(weight) * rest;
    let mut then: Vec<u32> = now
        .iter()
        .enumerate()
        .map(|(at, weight)| {
            if at == to {
                percent
            } else {
                narrow(exact(*weight) / others)
            }
        })
        .collect();
    // What rounding down left over goes to those that lost most by it.
    let mut by_loss: Vec<usize> = (0..now.len()).filter(|at| *at != to).collect();
    by_loss.sort_by_key(|at| std::cmp::Reverse(now.get(*at).map_or(0, |weight| exact(*weight) % others)));
    let missing = 100_u64.saturating_sub(sum(then.iter().copied()));
    for at in by_loss.into_iter().take(usize::try_from(missing).unwrap_or(0)) {
        if let Some(weight) = then.get_mut(at) {
            *weight += 1;
        }
    }
    let common = then.iter().copied().fold(0, common_divisor).max(1);
    Ok(then.iter().map(|weight| weight / common).collect())
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// In percent of all, rounded.
pub(crate) fn shares(weights: &[u32]) -> Vec<u32> {
    let all = sum(weights.iter().copied()).max(1);
    weights
        .iter()
        .map(|weight| narrow((u64::from(*weight) * 200 + all) / (2 * all)))
        .collect()
}

fn sum(weights: impl Iterator<Item = u32>) -> u64 {
    weights.map(u64::from).sum()
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_moved_is_exact_and_the_others_keep_their_proportion() {
        // The weights now, which is moved to, how much of all, the weights then.
        let table: [(&[u32], usize, u32, &[u32]); 9] = [
            (&[100, 0], 1, 100, &[0, 1]),
            (&[100, 0], 1, 10, &[9, 1]),
            (&[1, 0], 1, 50, &[1, 1]),
            (&[90, 10], 1, 50, &[1, 1]),
            (&[90, 10], 1, 0, &[1, 0]),
            (&[2, 1, 0], 2, 10, &[6, 3, 1]),
            (&[1, 1, 1, 0], 3, 0, &[34, 33, 33, 0]),
            (&[3, 1], 0, 75, &[3, 1]),
            (&[4_000_000_000, 4_000_000_000, 0], 2, 50, &[1, 1, 2]),
        ];
        for (now, to, percent, then) in table {
            assert_eq!(shifted(now, to, percent).unwrap(), then, "{now:?} {to} {percent}");
        }
    }

    #[test]
    fn who_gets_the_rest_is_not_guessed() {
        let why = shifted(&[100, 0, 0], 0, 90).unwrap_err();
        assert!(why.contains("10 %"), "{why}");
        assert_eq!(shifted(&[100, 0], 0, 100).unwrap(), [1, 0]);
    }

    #[test]
    fn shares_are_of_all_whatever_the_weights_are_counted_in() {
        assert_eq!(shares(&[1, 0]), [100, 0]);
        assert_eq!(shares(&[1, 1]), [50, 50]);
        assert_eq!(shares(&[2, 1]), [67, 33]);
        assert_eq!(shares(&[0, 0]), [0, 0]);
    }
}
