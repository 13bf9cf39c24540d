//! Any text is answered, without panic or overflow, in both dialects; collapsing what is collapsed changes nothing.

#![no_main]

mod facts;

use std::sync::OnceLock;

use cacheops_core::normalize::collapse;
use cacheops_core::plan::{plan, unparsed};
use cacheops_core::rewrite::positions;
use cacheops_core::schema::{Dialect, Facts, Trigger};
use cacheops_core::triggers::writes;
use libfuzzer_sys::fuzz_target;

fn known(dialect: Dialect) -> &'static Facts {
    static FACTS: [OnceLock<Facts>; 2] = [OnceLock::new(), OnceLock::new()];
    FACTS[usize::from(dialect == Dialect::Sqlite)]
        .get_or_init(|| Facts::from_json(facts::FACTS, dialect).expect("facts"))
}

fuzz_target!(|sql: &str| {
    for dialect in [Dialect::Postgres, Dialect::Sqlite] {
        let facts = known(dialect);
        let _ = positions(sql, dialect);
        let trigger = Trigger {
            name: "g".to_owned(),
            insert: true,
            update: true,
            delete: true,
            before: true,
            instead: false,
            language: if dialect == Dialect::Postgres { "plpgsql" } else { "sqlite" }.to_owned(),
            function: String::new(),
            source: sql.to_owned(),
            declared_writes: None,
        };
        let _ = writes(&trigger, &facts.tables[0].id, facts, dialect);
        let collapsed = match collapse(sql, dialect) {
            Ok(collapsed) => collapsed,
            Err(detail) => {
                let _ = unparsed(sql, dialect, &detail);
                continue;
            }
        };
        let first = plan(&collapsed, dialect, Some(facts));
        // Planned twice, it is the same: nothing depends on addresses or the order of hash tables.
        let second = plan(&collapsed, dialect, Some(facts));
        assert_eq!(format!("{first:?}"), format!("{second:?}"));
        let _ = plan(&collapsed, dialect, None);
        let again = collapse(&collapsed.text, dialect).expect("what was collapsed can be");
        assert_eq!(again.text, collapsed.text);
    }
});
