//! Words that mean more than a name.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::OnceLock;

use sqlparser::keywords::ALL_KEYWORDS;

/// Words of `PostgreSQL`'s grammar that the parser's list lacks: unquoted they may mean more than a name.
#[rustfmt::skip]
const MORE_KEYWORDS: &[&str] = &[
    "absent", "conditional", "error", "greatest", "keep", "least", "merge_action", "omit", "plan", "quotes",
    "scalar", "setof", "string", "support", "treat", "uescape", "unconditional", "unencrypted", "xmlelement",
    "xmlexists", "xmlforest", "xmlparse", "xmlpi", "xmlroot", "xmlserialize", "json_scalar", "json_serialize",
    "json_exists", "json_query", "json_value", "json_array", "json_arrayagg", "json_object", "json_objectagg",
    "normalize", "overlay", "nullif", "coalesce", "xmlattributes", "xmlconcat", "xmlnamespaces", "grouping",
    "bpchar", "varchar", "nchar", "bit",
];

/// Words of `SQLite` that are never names, so that their case means nothing.
#[rustfmt::skip]
pub(crate) const RESERVED: &[&str] = &[
    "all", "and", "as", "between", "case", "distinct", "else", "exists", "from", "group", "having", "in", "is",
    "join", "limit", "not", "null", "on", "or", "order", "select", "then", "union", "values", "when", "where",
];

/// FNV-1a: the set is fixed, so nobody can fill it with collisions, and words are short.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Whether this lower-case word may be a keyword of `PostgreSQL`, so that its quotes matter.
pub(crate) fn is_keyword(word: &str) -> bool {
    static WORDS: OnceLock<HashSet<String, BuildHasherDefault<Fnv>>> = OnceLock::new();
    let words = WORDS.get_or_init(|| {
        let theirs = ALL_KEYWORDS.iter().map(|word| word.to_ascii_lowercase());
        let more = MORE_KEYWORDS.iter().map(|word| (*word).to_owned());
        theirs.chain(more).collect()
    });
    words.contains(word)
}

/// Keywords that the parser may have taken for a name.
pub(crate) fn suspicious(word: &str) -> bool {
    #[rustfmt::skip]
    const WORDS: &[&str] = &[
        "array", "as", "case", "cast", "collate", "cross", "cube", "default", "delete", "distinct", "except", "exists",
        "fetch", "following", "for", "from", "full", "glob", "group", "grouping", "having", "ilike", "in", "indexed",
        "inner", "insert", "intersect", "into", "is", "isnull", "join", "json_table", "lateral", "left", "like",
        "limit", "match", "materialized", "merge", "natural", "no", "not", "notnull", "nowait", "null", "of", "offset",
        "on", "only", "or", "order", "outer", "over", "overlaps", "partition", "recursive", "references", "regexp",
        "returning", "right", "rollup", "row", "rows", "select", "set", "similar", "table", "tablesample", "then",
        "union", "unnest", "update", "user", "using", "values", "when", "where", "window", "with", "within", "xmltable",
    ];
    WORDS
        .binary_search(&word.to_ascii_lowercase().as_str())
        .is_ok()
}
