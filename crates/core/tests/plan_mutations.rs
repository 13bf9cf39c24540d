//! Mutated texts: nothing panics, and no mutation turns a write into something harmless unless its verb is gone.

#![allow(clippy::unwrap_used, reason = "tests")]

use cacheops_core::lex::{Kind, lex};
use cacheops_core::normalize::collapse;
use cacheops_core::plan::{Statement, plan, unparsed};
use cacheops_core::rewrite::positions;
use cacheops_core::schema::{Dialect, Facts, Trigger};
use cacheops_core::triggers::writes;
use proptest::prelude::*;

const FACTS: &str = r#"{"searchPath":["public"],"tables":[{"schema":"public","name":"t","kind":"table",
    "columns":[{"name":"a","kind":"int"},{"name":"b","kind":"text"}],"keys":[["a"]]},
    {"schema":"public","name":"u","kind":"table","columns":[{"name":"a","kind":"int"}]}]}"#;

const SEEDS: &[&str] = &[
    "select a, count(*) from t inner join u on u.a = t.a where t.b = $1 and (t.a in ($2, $3) or not u.a = 4) limit $4",
    "with x as (delete from t where a = $1 returning *) select * from x left join u using (a)",
    "insert into t (a, b) values ($1, $2), ($3, $4) on conflict (a) do update set b = excluded.b returning *",
    "update t set b = 'x' from u where u.a = t.a and t.b is not distinct from $1",
    "delete from t where a = ? or b is ? -- comment",
    "select E'a\\'b', $$x$$, \"q\"\"q\", 'it''s', 1.5e-3, /* c */ a[1], (t).b::text from only t for update",
    "create trigger g before insert on t begin update u set a = 1 where a = new.a; select raise(abort, 'x'); end",
    "begin if new.a > 1 then insert into u values (1); end if; new.b := lower(new.b); return new; end",
    "merge into t using u on t.a = u.a when matched then delete; truncate t; select 1",
    "explain (analyze) select * from t; set search_path to x; rollback to savepoint s; pragma foreign_keys = on",
];

const WORDS: &[&str] = &[
    "select",
    "from",
    "where",
    "and",
    "or",
    "not",
    "(",
    ")",
    ",",
    ";",
    ".",
    "$1",
    "?",
    "?3",
    "'",
    "\"",
    "$$",
    "--",
    "/*",
    "*/",
    "in",
    "is",
    "null",
    "only",
    "with",
    "as",
    "insert",
    "into",
    "update",
    "delete",
    "values",
    "union",
    "join",
    "left",
    "on",
    "lateral",
    "case",
    "when",
    "end",
    "[",
    "]",
    "::",
    "t",
    "u",
    "a",
    "b",
    "*",
    "=",
    "<>",
    "any",
    "all",
    "exists",
    "between",
    "like",
    "collate",
    "for",
    "returning",
    "order by",
    "limit",
    "1",
    "'x'",
    "E'\\",
    "U&\"",
    "é",
    "\u{a0}",
    "\u{0}",
    "\n",
    "x'",
    "array",
    "row",
    "table",
    "using",
    "distinct",
    "set",
    "begin",
    "execute",
    "\\",
    "`",
    ":x",
    "@y",
    "recursive",
    "filter",
];

fn everything_about(sql: &str) {
    for dialect in [Dialect::Postgres, Dialect::Sqlite] {
        let facts = Facts::from_json(FACTS, dialect).unwrap();
        let _ = positions(sql, dialect);
        let trigger = Trigger {
            name: "g".to_owned(),
            insert: true,
            update: true,
            delete: true,
            before: true,
            instead: false,
            language: "plpgsql".to_owned(),
            function: String::new(),
            source: sql.to_owned(),
            declared_writes: None,
        };
        let _ = writes(&trigger, &facts.tables[0].id, &facts, dialect);
        let statement = match collapse(sql, dialect) {
            Ok(collapsed) => plan(&collapsed, dialect, Some(&facts)).statement,
            Err(detail) => unparsed(sql, dialect, &detail),
        };
        judge(sql, dialect, &statement);
    }
}

/// A statement that starts with a modifying verb, or with WITH and holds one, is never a read, whatever else it holds.
fn judge(sql: &str, dialect: Dialect, statement: &Statement) {
    let Ok(lexemes) = lex(sql, dialect) else {
        return;
    };
    let Some(first) = lexemes.iter().find(|lexeme| lexeme.kind != Kind::Semicolon) else {
        return;
    };
    if first.is_any(
        sql,
        &[
            "insert", "update", "delete", "merge", "truncate", "call", "do",
        ],
    ) {
        let harmless = match statement {
            Statement::Read(_) | Statement::Inert | Statement::Unparsed { read: true, .. } => true,
            Statement::Write(write) => write.targets.is_empty() && write.everything.is_none(),
            _ => false,
        };
        assert!(!harmless, "{dialect:?} {sql}\n{statement:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn mutated_texts_are_answered(
        seed in prop::sample::select(SEEDS),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..4, prop::sample::select(WORDS)), 0..6),
    ) {
        let mut pieces: Vec<&str> = seed.split_inclusive(' ').collect();
        for (at, edit, word) in &edits {
            if pieces.is_empty() {
                break;
            }
            let at = at.index(pieces.len());
            match edit {
                0 => { pieces.remove(at); }
                1 => pieces.insert(at, word),
                2 => pieces[at] = word,
                _ => { let piece = pieces[at]; pieces.insert(at, piece); }
            }
        }
        everything_about(&pieces.concat());
    }

    #[test]
    fn random_words_are_answered(words in prop::collection::vec(prop::sample::select(WORDS), 0..40), gap in "[ ]?") {
        everything_about(&words.join(&gap));
    }

    #[test]
    fn random_characters_are_answered(text in "\\PC{0,60}", head in prop::sample::select(SEEDS), cut in any::<prop::sample::Index>()) {
        everything_about(&text);
        let cut = cut.index(head.len() + 1);
        everything_about(&format!("{}{text}{}", &head[..cut], &head[cut..]));
    }
}
