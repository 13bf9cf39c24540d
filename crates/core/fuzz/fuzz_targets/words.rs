//! Texts made of SQL's own words, so that many of them parse: the same promises as `collapse_plan`, and no text that
//! begins with a modifying verb is a read.

#![no_main]

mod facts;

use std::sync::OnceLock;

use cacheops_core::normalize::collapse;
use cacheops_core::plan::{Statement, plan, unparsed};
use cacheops_core::schema::{Dialect, Facts};
use libfuzzer_sys::fuzz_target;

#[rustfmt::skip]
const WORDS: &[&str] = &[
    "select ", "* ", "from ", "where ", "t ", "u ", "s ", "track ", "album ", "hits ", "a ", "b ", "c ", "t.a ", "u.a ",
    "t.b ", "s.a ", "= ", "<> ", "< ", "$1 ", "$2 ", "? ", "?1 ", "1 ", "'x' ", "null ", "true ", "and ", "or ", "not ",
    "( ", ") ", ", ", "in ( ", "is null ", "is not ", "distinct from ", "between ", "exists ( select 1 from ",
    "( select ", "join ", "left join ", "right join ", "full join ", "cross join ", "natural join ", "on ", "using ( a ) ",
    "lateral ", "with ", "recursive ", "x as ( ", "materialized ", "union ", "union all ", "except ", "intersect ",
    "group by ", "having ", "order by ", "limit ", "offset ", "case ", "when ", "then ", "else ", "end ", "any ( ",
    "all ( ", "array[ ", "] ", "row ( ", "values ", "insert into ", "update ", "set ", "delete from ", "returning ",
    "on conflict ", "do update ", "do nothing ", "merge into ", "truncate ", "; ", ":: ", "int ", "as ", "x ", "y ",
    "count(*) ", "max ( ", "over ( ", "partition by ", "filter ( ", "distinct ", "for update ", "only ", "tablesample ",
    "-- \n", "/* */ ", "$$x$$ ", "E'\\'' ", "\"a\" ", "`a` ", "[a] ", "default ", "into ", "explain ", "analyze ",
    "collate ", "cast ( ", "like ", "escape ", "|| ", "-> ", "->> ", "@> ", "?| ", "- ", "+ ", ". ", "f_v ( ", "now() ",
    "table ", "window ", "fetch first ", "rows only ", "with ties ", "json_agg ( ", "unnest ( ", "extract ( ", "indexed by ",
];

fuzz_target!(|data: &[u8]| {
    let sql: String = data
        .iter()
        .take(400)
        .map(|byte| WORDS[usize::from(*byte) % WORDS.len()])
        .collect();
    for dialect in [Dialect::Postgres, Dialect::Sqlite] {
        static FACTS: [OnceLock<Facts>; 2] = [OnceLock::new(), OnceLock::new()];
        let facts = FACTS[usize::from(dialect == Dialect::Sqlite)]
            .get_or_init(|| Facts::from_json(facts::FACTS, dialect).expect("facts"));
        let statement = match collapse(&sql, dialect) {
            Ok(collapsed) => {
                let again = collapse(&collapsed.text, dialect).expect("what was collapsed can be");
                assert_eq!(again.text, collapsed.text);
                plan(&collapsed, dialect, Some(facts)).statement
            }
            Err(detail) => unparsed(&sql, dialect, &detail),
        };
        let first = sql.split_whitespace().next().unwrap_or_default();
        if ["insert", "update", "delete", "merge", "truncate"].contains(&first) {
            let harmless = match &statement {
                Statement::Read(_) | Statement::Inert | Statement::Unparsed { read: true, .. } => true,
                Statement::Write(write) => write.targets.is_empty() && write.everything.is_none(),
                _ => false,
            };
            assert!(!harmless, "{dialect:?} {statement:?}");
        }
    }
});
