//! How long a text takes that was never seen: all of it up to the plan, against the parser alone. `npm run bench -- plan`
//! writes the texts and the schema facts to stdin, as JSON, and reads the times (µs) from stdout.

use std::error::Error;
use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

use cacheops_core::lex::lex;
use cacheops_core::normalize::collapse;
use cacheops_core::plan::{Statement, plan};
use cacheops_core::schema::{Dialect, Facts};
use serde::{Deserialize, Serialize};
use sqlparser::dialect::{Dialect as Grammar, PostgreSqlDialect, SQLiteDialect};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Tokenizer;

const ROUNDS: usize = 201;
const VARIANTS: usize = 6;
/// Of one variant in one round.
const BATCH: Duration = Duration::from_millis(1);

#[derive(Deserialize)]
struct Input {
    dialect: String,
    facts: String,
    texts: Vec<String>,
}

#[derive(Serialize)]
struct Timing {
    plan: f64,
    parse: f64,
    stages: Vec<(&'static str, f64)>,
    ratio: Ratio,
}

#[derive(Serialize)]
struct Ratio {
    median: f64,
    low: f64,
    high: f64,
    minima: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let input: Input = serde_json::from_reader(io::stdin())?;
    let (dialect, grammar): (_, &dyn Grammar) = match input.dialect.as_str() {
        "postgres" => (Dialect::Postgres, &PostgreSqlDialect {}),
        "sqlite" => (Dialect::Sqlite, &SQLiteDialect {}),
        other => return Err(format!("the dialect {other:?} is not supported").into()),
    };
    let facts = Facts::from_json(&input.facts, dialect)?;
    let timings: Result<Vec<_>, _> = input
        .texts
        .iter()
        .map(|sql| timing(sql, dialect, grammar, &facts))
        .collect();
    println!("{}", serde_json::to_string(&timings?)?);
    Ok(())
}

fn timing(
    sql: &str,
    dialect: Dialect,
    grammar: &dyn Grammar,
    facts: &Facts,
) -> Result<Timing, Box<dyn Error>> {
    let collapsed = collapse(sql, dialect)?;
    let understood = match plan(&collapsed, dialect, Some(facts)).statement {
        Statement::Read(read) => !read.dependencies.is_empty(),
        Statement::Write(write) => write.everything.is_none() && !write.targets.is_empty(),
        _ => false,
    };
    if !understood || Parser::parse_sql(grammar, sql)?.len() != 1 {
        return Err(format!("not understood: {sql}").into());
    }

    let text = collapsed.text.as_str();
    let mut variants: [&mut dyn FnMut(); VARIANTS] = [
        &mut || {
            let collapsed = collapse(black_box(sql), dialect);
            black_box(collapsed.map(|collapsed| plan(&collapsed, dialect, Some(facts)))).ok();
        },
        &mut || drop(black_box(Parser::parse_sql(grammar, black_box(sql)))),
        &mut || drop(black_box(collapse(black_box(sql), dialect))),
        &mut || drop(black_box(lex(black_box(text), dialect))),
        &mut || {
            drop(black_box(
                Tokenizer::new(grammar, black_box(text)).tokenize_with_location(),
            ));
        },
        &mut || drop(black_box(Parser::parse_sql(grammar, black_box(text)))),
    ];
    let rounds = take(&mut variants);
    let at = |variant: usize| quantile(&column(&rounds, variant), 0.5);
    let ratios: Vec<f64> = rounds.iter().map(|round| round[0] / round[1]).collect();
    let shortest = |variant: usize| {
        column(&rounds, variant)
            .into_iter()
            .fold(f64::INFINITY, f64::min)
    };
    Ok(Timing {
        plan: at(0),
        parse: at(1),
        stages: vec![
            ("collapsing the text", at(2)),
            ("lexing the collapsed text", at(3)),
            ("the parser's tokens", at(4)),
            ("the parser's tree", at(5) - at(4)),
            (
                "conditions, columns, functions, key",
                at(0) - at(5) - at(2) - at(3),
            ),
        ],
        ratio: Ratio {
            median: quantile(&ratios, 0.5),
            low: quantile(&ratios, 0.25),
            high: quantile(&ratios, 0.75),
            minima: shortest(0) / shortest(1),
        },
    })
}

/// Runs the variants in turns; each round begins with another.
fn take(variants: &mut [&mut dyn FnMut(); VARIANTS]) -> Vec<[f64; VARIANTS]> {
    let mut sizes = [1_u32; VARIANTS];
    for (size, variant) in sizes.iter_mut().zip(variants.iter_mut()) {
        let mut shortest = f64::INFINITY;
        for _ in 0..8 {
            shortest = shortest.min(micros(*variant, *size));
            *size = sized(shortest);
        }
    }
    let mut rounds = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let mut row = [0.0; VARIANTS];
        for turn in 0..VARIANTS {
            let index = (turn + round) % VARIANTS;
            row[index] = micros(variants[index], sizes[index]);
        }
        rounds.push(row);
    }
    rounds
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped before"
)]
fn sized(micros: f64) -> u32 {
    (BATCH.as_secs_f64() * 1e6 / micros).clamp(1.0, 100_000.0) as u32
}

fn micros(variant: &mut dyn FnMut(), times: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..times {
        variant();
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(times)
}

fn column(rounds: &[[f64; VARIANTS]], variant: usize) -> Vec<f64> {
    rounds.iter().map(|round| round[variant]).collect()
}

/// The value that a part (0 to 1) of the values are below.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "an index into a few hundred values"
)]
fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}
