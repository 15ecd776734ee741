use super::*;

fn plan(seed: u64) -> SyntheticPlan {
    SyntheticPlan::new(&SyntheticConfig {
        seed,
        ..Default::default()
    })
    .unwrap()
}

fn rms(x: &[i32]) -> f64 {
    (x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / x.len() as f64).sqrt()
}

#[test]
fn days_repeat_whatever_the_number_of_threads() {
    let alone = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let many = rayon::ThreadPoolBuilder::new()
        .num_threads(5)
        .build()
        .unwrap();
    let day = alone.install(|| plan(3).day(1));
    assert!(
        day == many.install(|| plan(3).day(1)),
        "other threads, other samples"
    );
    let config = SyntheticConfig {
        seed: 3,
        days: 4,
        ..Default::default()
    };
    assert!(
        day == SyntheticPlan::new(&config).unwrap().day(1),
        "more days changed a day"
    );
    assert!(day != plan(4).day(1), "another seed changed nothing");
    assert_eq!(day.background[0].len(), 1_728_000);
    assert_eq!(day.start_ns, config.start_ns + 86_400_000_000_000);
}

#[test]
fn background_follows_its_design() {
    let plan = plan(0);
    let day = plan.day(0);
    let minutes: Vec<f64> = (0..1440)
        .map(|m| rms(&day.background[0][m * 1200..(m + 1) * 1200]))
        .collect();
    let half_hours: Vec<f64> = (0..48)
        .map(|h| {
            (minutes[h * 30..(h + 1) * 30]
                .iter()
                .map(|r| r * r)
                .sum::<f64>()
                / 30.0)
                .sqrt()
        })
        .collect();
    let (low, high) = half_hours
        .iter()
        .fold((f64::MAX, 0.0f64), |(l, h), r| (l.min(*r), h.max(*r)));
    // Tens to hundreds of counts, a decade apart give or take the states' own factors (0.7 to 1.4).
    assert!(
        low > 8.0 && high < 400.0 && high / low > 4.0,
        "{low} to {high}"
    );
    // As designed at each half hour, over all channels, within the scatter of the intermittent states.
    let mut ratios = Vec::new();
    for h in 0..48 {
        let mean_square = (0..3)
            .map(|c| rms(&day.background[c][h * 36_000..(h + 1) * 36_000]).powi(2))
            .sum::<f64>()
            / 3.0;
        ratios.push(mean_square.sqrt() / plan.background_rms((h as f64 + 0.5) * 36_000.0));
    }
    ratios.sort_by(f64::total_cmp);
    assert!((ratios[24] - 1.0).abs() < 0.15, "median {}", ratios[24]);
    assert!(ratios[2] > 0.5 && ratios[45] < 2.0, "{ratios:?}");
}

#[test]
fn bursts_have_their_ratio_and_their_place() {
    let plan = plan(1);
    let day = plan.day(0);
    let truth = plan.truth(&[]);
    let mut ratios = Vec::new();
    for (event, burst) in plan
        .bursts
        .iter()
        .zip(&truth.bursts)
        .filter(|(event, _)| event.end < 1_728_000)
    {
        let middle = event.start + 2400..event.end - 2400;
        let mean_square = (0..3)
            .map(|c| rms(&day.bursts[c][middle.clone()]).powi(2))
            .sum::<f64>()
            / 3.0;
        let designed = burst.ratio * plan.background_rms(0.5 * (event.start + event.end) as f64);
        ratios.push(mean_square.sqrt() / designed);
        assert!((2.0..=5.0).contains(&burst.ratio));
    }
    assert!(ratios.len() > 10);
    assert!(ratios.iter().all(|r| (r - 1.0).abs() < 0.12), "{ratios:?}");
    let outside = plan.bursts[0].end..plan.bursts[1].start;
    assert!(outside.len() >= 24_000 && day.bursts[0][outside].iter().all(|x| *x == 0));
}

#[test]
fn pulses_peak_where_and_as_the_truth_says() {
    let plan = plan(2);
    let day = plan.day(0);
    let truth = plan.truth(&day.local_rms);
    assert!(truth.pulses.len() > 40, "{}", truth.pulses.len());
    let mut alone = 0;
    for (i, pulse) in truth.pulses.iter().enumerate() {
        let at = ((pulse.peak_ns - day.start_ns) as f64 / 5e7).round() as usize;
        let far = |j: usize| {
            truth
                .pulses
                .get(j)
                .is_none_or(|p| (p.onset_ns - pulse.onset_ns).abs() > 170_000_000_000)
        };
        if !far(i + 1) || (i > 0 && !far(i - 1)) {
            continue;
        }
        alone += 1;
        for c in 0..3 {
            let found = f64::from(day.pulses[c][at]);
            // Rounding, the sample's distance from the peak and the precursor's tail (2 % of it).
            let tolerance = 0.7 + 0.03 * pulse.peak_counts[c].abs();
            assert!(
                (found - pulse.peak_counts[c]).abs() < tolerance,
                "{found} {}",
                pulse.peak_counts[c]
            );
        }
        let largest = pulse.peak_counts.iter().fold(0.0f64, |m, p| m.max(p.abs()));
        assert!((pulse.local_ratio * day.local_rms[i] - largest).abs() < 1e-6 * largest);
        // What follows the peak keeps its sign for 12 s.
        let sign = pulse.peak_counts[0].signum();
        assert!(
            day.pulses[0][at..at + 240]
                .iter()
                .all(|x| f64::from(*x) * sign >= 0.0)
        );
    }
    assert!(alone > 10, "{alone}");
}

#[test]
fn the_parts_sum_to_the_record() {
    let day = plan(0).day(0);
    let record = day.record(2);
    let at = 1_000_003;
    assert_eq!(
        record[at],
        day.background[2][at] + day.bursts[2][at] + day.pulses[2][at]
    );
    assert!(
        record.iter().all(|x| x.abs() < 1 << 22),
        "too close to full scale"
    );
}

#[test]
fn truth_covers_the_archive() {
    let plan = plan(0);
    let truth = plan.truth(&vec![1.0; plan.pulses.len()]);
    let (start, end) = (
        plan.config.start_ns,
        plan.config.start_ns + 2 * 86_400_000_000_000,
    );
    assert_eq!(truth.background[0].start_ns, start);
    assert_eq!(truth.background[truth.background.len() - 1].end_ns, end);
    assert_eq!(truth.pulses.len(), plan.pulses.len());
    assert_eq!(truth.gaps.len(), 1);
    assert_eq!(
        truth.gaps[0].end_ns - truth.gaps[0].start_ns,
        149_000_000_000
    );
    assert_eq!(truth.sentinels, [truth.gaps[0].start_ns - 50_000_000]);
    let labels = truth.labels(&[TimeSpan {
        start_ns: start,
        end_ns: start + 51_200_000_000,
    }]);
    assert_eq!(labels[0].background.fraction, 1.0);
}
