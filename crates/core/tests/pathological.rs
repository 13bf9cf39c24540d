//! Conditions that would multiply stay bounded: in work (allocations, which no machine's speed changes), in memory and in what
//! comes out. `cargo run --release --example pathological` prints times.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "pathological/allocator.rs"]
mod allocator;
#[path = "pathological/cases.rs"]
mod cases;

use cacheops_core::normalize::collapse;
use cacheops_core::plan::{Statement, plan, unparsed};
use cacheops_core::schema::{Dialect, Facts};

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

#[test]
fn work_memory_and_forms_are_bounded() {
    for dialect in [Dialect::Postgres, Dialect::Sqlite] {
        let facts = Facts::from_json(cases::FACTS, dialect).unwrap();
        for (name, sql) in cases::cases() {
            let (statement, calls, peak) = allocator::counted(|| match collapse(&sql, dialect) {
                Ok(collapsed) => plan(&collapsed, dialect, Some(&facts)).statement,
                Err(detail) => unparsed(&sql, dialect, &detail),
            });
            // Per character, that is, with something to begin with.
            let length = u64::try_from(sql.len()).unwrap();
            assert!(calls < 100_000 + 40 * length, "{name}: {calls} allocations");
            // The parser's tree takes most of a kilobyte for a column.
            let most = (8 << 20) + 1024 * i64::try_from(length).unwrap();
            assert!(peak < most, "{name}: {peak} bytes");
            if let Statement::Read(read) = &statement {
                for dependency in &read.dependencies {
                    assert!(dependency.rows.len() <= 64, "{name}");
                    for conjunction in &dependency.rows {
                        assert!(conjunction.len() <= 8, "{name}");
                        assert!(
                            conjunction.iter().all(|term| term.values.len() <= 128),
                            "{name}"
                        );
                    }
                }
            }
        }
    }
}
