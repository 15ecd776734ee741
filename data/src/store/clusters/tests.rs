use super::*;

fn table(n: usize, k: usize) -> ClusterTable {
    let probabilities = Array2::from_shape_fn((n, k), |(i, j)| {
        ((i * 31 + j * 7 + 1) as f32).sin().abs() / 3.0
    });
    let rows = (0..n)
        .map(|i| ClusterRow {
            start_ns: 1_559_692_800_010_000_000 + i as i64 * 51_200_000_000,
            end_ns: 1_559_692_800_010_000_000 + i as i64 * 51_200_000_000 + 51_150_000_001,
            scale: 1024 << (i % 2),
            cluster: i % k,
            probability: probabilities[[i, i % k]],
            id: Some(Arc::from(if i < n / 2 {
                "XB.ELYSE.02.BH"
            } else {
                "XX.DEMO..BH"
            })),
        })
        .collect();
    ClusterTable {
        rows,
        probabilities,
    }
}

fn read_text(text: &str) -> Result<ClusterTable, StoreError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clusters.csv");
    std::fs::write(&path, text).unwrap();
    read_clusters(&path)
}

#[test]
fn round_trips_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clusters.csv");
    let mut table = table(40, 9);
    table.probabilities[[3, 0]] = f32::MIN_POSITIVE;
    table.probabilities[[4, 0]] = 1e-45; // the smallest subnormal
    table.probabilities[[5, 0]] = 1.0 - f32::EPSILON / 2.0;
    write_clusters(&path, &table).unwrap();
    assert_eq!(read_clusters(&path).unwrap(), table);
    assert_eq!(table.scales(), [1024, 2048]);
    assert_eq!(table.rows_of_scale(2048).count(), 20);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("starttime,endtime,scale,cluster,probability,p0,p1,p2,p3,p4,p5,p6,p7,p8,id\n2019-06-05T00:00:00.010000000Z,"));
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "a temporary file was left"
    );
}

#[test]
fn an_empty_table_keeps_its_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clusters.csv");
    let table = ClusterTable {
        rows: vec![],
        probabilities: Array2::zeros((0, 3)),
    };
    write_clusters(&path, &table).unwrap();
    assert_eq!(read_clusters(&path).unwrap(), table);
}

#[test]
fn columns_go_by_name_and_optional_ones_may_be_missing() {
    let table = read_text("note,scale,cluster,starttime,endtime,probability\r\nx,1024,7,2019-06-05T00:00:00Z,2019-06-05T00:00:51.15Z,0.5\r\n").unwrap();
    assert_eq!(table.rows[0].cluster, 7);
    assert_eq!(table.rows[0].id, None);
    assert_eq!(table.probabilities.dim(), (1, 0));
}

#[test]
fn errors_name_the_line_and_the_cure() {
    let head = "starttime,endtime,scale,cluster,probability,p0,p1\n";
    let good = "2019-06-05T00:00:00Z,2019-06-05T00:00:51.15Z,1024,0,0.75,0.75,0.25\n";
    for (row, expected) in [
        (
            "2019-06-05T00:00:00Z,2019-06-05T00:00:51.15Z,1024,2,0.75,0.75,0.25\n",
            "line 3: cluster 2 has no column",
        ),
        (
            "2019-06-05T00:00:00Z,2019-06-04T00:00:51.15Z,1024,0,0.75,0.75,0.25\n",
            "line 3: endtime is before",
        ),
        (
            "2019-06-05T00:00:00Z,2019-06-05T00:00:51.15Z,1024,0,0.75,NaN,0.25\n",
            "line 3: p0 is NaN",
        ),
        (
            "2019-06-05T00:00:00Z,2019-06-05T00:00:51.15Z,1024,0,0.75,0.75,1.25\n",
            "line 3: p1 is 1.25",
        ),
        (
            "2019-06-05T00:00:00Z,2019-06-05T00:00:51.15Z,1024,0,0.7,0.75,0.25\n",
            "line 3: probability is 0.7 but p0 is 0.75",
        ),
        (
            "2019-06-05T00:00:00Z,2019-06-05T00:00:51.15Z,-1,0,0.75,0.75,0.25\n",
            "line 3: `-1` is not a valid scale",
        ),
        (
            "yesterday,2019-06-05T00:00:51.15Z,1024,0,0.75,0.75,0.25\n",
            "line 3: `yesterday` is not a valid time",
        ),
        (
            "2019-06-05T00:00:00Z,1024,0\n",
            "line 3: 3 fields instead of the header's 7",
        ),
    ] {
        let error = read_text(&format!("{head}{good}{row}"))
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
    let error = read_text("start,end\n").unwrap_err().to_string();
    assert!(
        error.contains("line 1: there is no column `starttime`"),
        "{error}"
    );
    assert!(read_text("").unwrap_err().to_string().contains("line 1"));
}

#[test]
fn contradictions_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clusters.csv");
    for spoil in [
        (|t: &mut ClusterTable| t.probabilities[[2, 1]] = f32::NAN) as fn(&mut ClusterTable),
        |t| t.rows[2].cluster = 9,
        |t| t.rows[2].probability += 0.001,
        |t| t.rows[2].id = Some(Arc::from("a,b")),
        |t| t.rows.truncate(3),
    ] {
        let mut table = table(6, 3);
        spoil(&mut table);
        assert!(write_clusters(&path, &table).is_err());
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "something was left behind"
    );
}

#[test]
fn lines_without_end_are_refused() {
    let head = "starttime,endtime,scale,cluster,probability,p0\n";
    let long = "x".repeat(MAX_LINE_BYTES + 1);
    for text in [
        long.clone(),
        format!("{head}{long}"),
        format!("{head}\"\n{long}"),
    ] {
        let error = read_text(&text).unwrap_err().to_string();
        assert!(error.contains("the line exceeds"), "{error}");
    }
}

#[test]
fn a_header_of_many_columns_is_read_in_linear_time() {
    let columns: Vec<String> = (0..MAX_CLUSTERS).map(|k| format!("p{k}")).collect();
    let text = format!(
        "starttime,endtime,scale,cluster,probability,{}\n",
        columns.join(",")
    );
    let start = std::time::Instant::now();
    let table = read_text(&text).unwrap();
    assert_eq!(table.probabilities.dim(), (0, MAX_CLUSTERS));
    // A search for each column takes 5e9 comparisons, minutes without optimisation.
    assert!(start.elapsed().as_secs() < 20);
}

#[cfg(unix)]
#[test]
fn a_fifo_is_refused_without_blocking() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clusters.csv");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let error = read_clusters(&path).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert!(super::super::read_header(&path).is_err());
}
