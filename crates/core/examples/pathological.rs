//! Times and peak memory of texts that were made to multiply: `cargo run --release --example pathological`.

use std::error::Error;
use std::time::Instant;

use cacheops_core::normalize::collapse;
use cacheops_core::plan::{Statement, plan, unparsed};
use cacheops_core::schema::{Dialect, Facts};

#[path = "../tests/pathological/allocator.rs"]
mod allocator;
#[path = "../tests/pathological/cases.rs"]
mod cases;

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

fn main() -> Result<(), Box<dyn Error>> {
    println!("| text | characters | PostgreSQL | SQLite | allocations | peak | planned |");
    println!("|---|---:|---:|---:|---:|---:|---|");
    for (name, sql) in cases::cases() {
        let mut times = Vec::new();
        let (mut most, mut highest, mut planned) = (0, 0, "");
        for dialect in [Dialect::Postgres, Dialect::Sqlite] {
            let facts = Facts::from_json(cases::FACTS, dialect)?;
            let started = Instant::now();
            let (statement, calls, peak) = allocator::counted(|| match collapse(&sql, dialect) {
                Ok(collapsed) => plan(&collapsed, dialect, Some(&facts)).statement,
                Err(detail) => unparsed(&sql, dialect, &detail),
            });
            times.push(started.elapsed().as_secs_f64() * 1e3);
            most = most.max(calls);
            highest = highest.max(peak);
            planned = match &statement {
                Statement::Read(_) => "read",
                _ => "refused",
            };
        }
        println!(
            "| {name} | {} | {:.2} ms | {:.2} ms | {most} | {} KB | {planned} |",
            sql.len(),
            times[0],
            times[1],
            highest / 1024
        );
    }
    Ok(())
}
