//! What others have published, with the model's answer beside it. The table is kept in
//! `results/simulation/published.md`, and this sees to it that it is what the model says today.

use crate::support::tidegate::Tidegate;

const KEPT: &str = "results/simulation/published.md";

/// The presets that could be the published ones: nobody says where they were measured.
const SCENARIOS: [&str; 2] = ["hosted-1g-near", "hosted-10g-near"];

/// Goodput of one object after the other in bits per second, in a minute of the scenario.
fn megabits_per_second(scenario: &str, arguments: &[&str]) -> f64 {
    let one_object = ["--simulate", scenario, "--concurrency", "1", "--files", "1", "--for", "60s"];
    let document = Tidegate::embedded().json("run", &[&one_object, arguments].concat());
    let goodput = &document["trials"][0]["goodput_bytes_per_second"];
    goodput.as_f64().unwrap() * 8.0 / 1e6
}

/// How far the model is from what was published, in words.
fn off(model: f64, published: f64) -> String {
    format!("{:+.0} %", 100.0 * (model / published - 1.0))
}

fn table() -> String {
    let mut lines = vec![
        "| scenario | what | published | the model | off |".to_owned(),
        "|---|---|---|---|---|".to_owned(),
    ];
    for scenario in SCENARIOS {
        let mut row = |what: &str, published: &str, model: String, off: &str| {
            lines.push(format!("| {scenario} | {what} | {published} | {model} | {off} |"));
        };
        let get = |stored_in: &str| {
            let whole = ["--direction", "down", "--size", "104857600", "--part-size", stored_in];
            megabits_per_second(scenario, &whole)
        };
        let (one_put, in_parts) = (get("100MiB"), get("5MiB"));
        let mbit = |rate: f64| format!("{rate:.0} Mbit/s");
        row("GET of 100 MiB, stored as one PUT", "340 Mbit/s", mbit(one_put), &off(one_put, 340.0));
        row(
            "GET of 100 MiB, stored as 20 x 5 MiB",
            "170 Mbit/s",
            mbit(in_parts),
            &off(in_parts, 170.0),
        );
        let ratio = one_put / in_parts;
        row("ratio of the two", "2.0", format!("{ratio:.2}"), &off(ratio, 2.0));

        let up = |in_flight: &str| {
            let parts = ["--size", "10GB", "--part-size", "64MiB", "--parts-in-flight", in_flight];
            megabits_per_second(scenario, &parts)
        };
        let (one, forty) = (up("1"), up("40"));
        row("upload of 10 GB, 64 MiB parts, 1 in flight", "no number", mbit(one), "");
        row("the same, 40 in flight", "no number", mbit(forty), "");
        row("ratio of the two", "no number; 40 is the advice", format!("{:.1}", forty / one), "");
    }
    lines.join("\n") + "\n"
}

#[test]
fn the_table_of_published_numbers_is_what_the_model_says() {
    let table = table();
    println!("{table}");
    let kept = std::fs::read_to_string(KEPT).unwrap_or_default();
    assert_eq!(kept, table, "write this into {KEPT}, and look at what {KEPT} is quoted for");
}
