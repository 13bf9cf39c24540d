//! What is known of functions: which depend on nothing but their arguments, and why the others do not.

use crate::schema::{Dialect, Facts};

/// What calling a function means for a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Nothing but its arguments.
    Pure,
    /// A caution: its code and whether `.cache()` may override it.
    Caution(&'static str, bool),
    /// Listed by the facts: a user's function.
    User(char),
    /// Takes a lock.
    Lock,
    /// Changes session state.
    Session,
}

/// Judges a function by its folded name. `qualified` names a schema other than `pg_catalog`.
#[must_use]
pub fn nature(name: &str, qualified: bool, dialect: Dialect, facts: Option<&Facts>) -> Nature {
    if let Some(function) = facts.and_then(|facts| facts.function(name)) {
        return Nature::User(function.volatility);
    }
    if qualified {
        return Nature::Caution("unknown_function", true);
    }
    match dialect {
        Dialect::Postgres => postgres(name),
        Dialect::Sqlite => sqlite(&name.to_ascii_lowercase()),
    }
}

fn postgres(name: &str) -> Nature {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if listed(POSTGRES_PURE, name) {
        Nature::Pure
    } else if listed(POSTGRES_TIME, name) {
        Nature::Caution("time_function", true)
    } else if listed(POSTGRES_SESSION, name) {
        Nature::Caution("session_value", true)
    } else if listed(POSTGRES_VOLATILE, name) {
        Nature::Caution("volatile_function", true)
    } else if starts(&["pg_advisory_", "pg_try_advisory_"]) {
        Nature::Lock
    } else if matches!(name, "set_config" | "setseed") {
        Nature::Session
    } else if matches!(
        name,
        // The last two change with the first two, which are no writes of any table.
        "nextval" | "setval" | "currval" | "lastval" | "pg_notify" | "dblink"
    ) || starts(&[
        "lo_",
        "loread",
        "lowrite",
        "pg_logical",
        "pg_create_",
        "pg_drop_",
        "pg_terminate",
        "pg_cancel",
        "dblink_",
    ]) || starts(&[
        "pg_stat_reset",
        "pg_reload",
        "pg_rotate",
        "pg_switch",
        "pg_promote",
        "pg_replication",
        "pg_current_xact",
    ]) || starts(&[
        "txid_",
        "pg_read_",
        "pg_ls_",
        "pg_stat_file",
        "pg_export_snapshot",
        "pg_import_",
        "pg_restore_",
        "pg_clear_",
    ]) {
        Nature::Caution("volatile_function", false)
    } else if starts(&[
        "query_to_",
        "table_to_",
        "cursor_to_",
        "schema_to_",
        "database_to_",
        "ts_stat",
        "ts_rewrite",
    ]) {
        // They read tables that their arguments name, as text.
        Nature::Caution("unknown_function", false)
    } else if starts(&[
        "pg_",
        "has_",
        "to_reg",
        "col_description",
        "obj_description",
        "shobj_description",
        "format_type",
    ]) {
        Nature::Caution("system_catalog", false)
    } else {
        Nature::Caution("unknown_function", true)
    }
}

fn sqlite(name: &str) -> Nature {
    if listed(SQLITE_PURE, name) {
        Nature::Pure
    } else if matches!(name, "current_date" | "current_time" | "current_timestamp") {
        Nature::Caution("time_function", true)
    } else if matches!(
        name,
        "random" | "randomblob" | "changes" | "total_changes" | "last_insert_rowid"
    ) {
        Nature::Caution("volatile_function", true)
    } else if matches!(
        name,
        "load_extension" | "writefile" | "readfile" | "edit" | "fts3_tokenizer"
    ) {
        Nature::Caution("volatile_function", false)
    } else if name.starts_with("pragma_") || name == "sqlite_offset" {
        Nature::Caution("system_catalog", false)
    } else {
        Nature::Caution("unknown_function", true)
    }
}

/// `SQLite`'s date functions: how many arguments stand before the first time value; the number of time values.
#[must_use]
pub fn sqlite_date(name: &str) -> Option<(usize, usize)> {
    match name.to_ascii_lowercase().as_str() {
        "date" | "time" | "datetime" | "julianday" | "unixepoch" => Some((0, 1)),
        "strftime" => Some((1, 1)),
        "timediff" => Some((0, 2)),
        _ => None,
    }
}

/// Words that are values without parentheses, and are no columns unless quoted.
#[must_use]
pub fn is_bare_value(word: &str) -> bool {
    matches!(
        word,
        "current_date"
            | "current_time"
            | "current_timestamp"
            | "localtime"
            | "localtimestamp"
            | "current_user"
            | "session_user"
            | "system_user"
            | "user"
            | "current_role"
            | "current_catalog"
            | "current_schema"
    )
}

/// Whether a string literal means another instant each day (`'now'`, `'tomorrow'`).
#[must_use]
pub fn is_moving_time(literal: &str) -> bool {
    if literal.len() > 64 {
        return false;
    }
    let mut moving = false;
    let lower = literal.to_ascii_lowercase();
    // A time zone may follow, of any name.
    let first = lower.trim_start();
    let rest = ["now", "today", "tomorrow", "yesterday"]
        .iter()
        .find_map(|word| first.strip_prefix(word));
    if rest.is_some_and(|rest| {
        rest.contains('/') && !rest.starts_with(|c: char| c.is_ascii_alphanumeric())
    }) {
        return true;
    }
    for word in lower
        .split(|c: char| !c.is_ascii_alphabetic())
        .filter(|word| !word.is_empty())
    {
        match word {
            "now" | "today" | "tomorrow" | "yesterday" => moving = true,
            "utc" | "gmt" | "z" | "zulu" | "am" | "pm" | "allballs" | "at" => {}
            _ if word.len() <= 4 => {}
            _ => return false,
        }
    }
    moving
}

/// Whether this is an aggregate, for the shape of a read.
#[must_use]
pub fn is_aggregate(name: &str) -> bool {
    listed(AGGREGATES, &name.to_ascii_lowercase())
}

fn listed(list: &[&str], name: &str) -> bool {
    list.binary_search(&name).is_ok()
}

/// Aggregates of either dialect.
#[rustfmt::skip]
const AGGREGATES: &[&str] = &[
    "any_value", "array_agg", "avg", "bit_and", "bit_or", "bit_xor", "bool_and", "bool_or", "corr", "count",
    "covar_pop", "covar_samp", "every", "group_concat", "json_agg", "json_arrayagg", "json_group_array",
    "json_group_object", "json_object_agg", "json_objectagg", "jsonb_agg", "jsonb_group_array",
    "jsonb_group_object", "jsonb_object_agg", "max", "median", "min", "mode", "percentile_cont", "percentile_disc",
    "range_agg", "regr_count", "stddev", "stddev_pop", "stddev_samp", "string_agg", "sum", "total", "var_pop",
    "var_samp", "variance", "xmlagg",
];

/// They ask for who or where the session is.
#[rustfmt::skip]
const POSTGRES_SESSION: &[&str] = &[
    "current_catalog", "current_database", "current_query", "current_role", "current_schema", "current_schemas",
    "current_setting", "current_user", "getdatabaseencoding", "has_any_column_privilege", "has_column_privilege",
    "has_database_privilege", "has_function_privilege", "has_schema_privilege", "has_sequence_privilege",
    "has_table_privilege", "inet_client_addr", "inet_client_port", "inet_server_addr", "inet_server_port",
    "pg_backend_pid", "pg_has_role", "pg_is_in_recovery", "pg_my_temp_schema", "pg_postmaster_start_time",
    "pg_trigger_depth", "row_security_active", "session_user", "system_user", "user", "version",
];

/// They ask for the time of the statement or transaction.
const POSTGRES_TIME: &[&str] = &[
    "age",
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
    "now",
    "statement_timestamp",
    "transaction_timestamp",
];

/// Another result at each call.
#[rustfmt::skip]
const POSTGRES_VOLATILE: &[&str] = &[
    "array_sample", "array_shuffle", "clock_timestamp", "gen_random_bytes", "gen_random_uuid", "pg_sleep", "pg_sleep_for", "pg_sleep_until", "random", "random_normal", "timeofday", "uuid_generate_v1",
    "uuid_generate_v1mc", "uuid_generate_v4", "uuidv4", "uuidv7",
];

/// They depend on their arguments alone.
#[rustfmt::skip]
const SQLITE_PURE: &[&str] = &[
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "avg", "bm25", "ceil", "ceiling", "char",
    "coalesce", "concat", "concat_ws", "cos", "cosh", "count", "cume_dist", "degrees", "dense_rank", "exp",
    "first_value", "floor", "format", "generate_series", "glob", "group_concat", "hex", "highlight", "if", "ifnull",
    "iif", "instr", "json", "json_array", "json_array_length", "json_each", "json_error_position", "json_extract",
    "json_group_array", "json_group_object", "json_insert", "json_object", "json_patch", "json_pretty",
    "json_quote", "json_remove", "json_replace", "json_set", "json_tree", "json_type", "json_valid", "jsonb",
    "jsonb_array", "jsonb_each", "jsonb_extract", "jsonb_group_array", "jsonb_group_object", "jsonb_insert",
    "jsonb_object", "jsonb_patch", "jsonb_remove", "jsonb_replace", "jsonb_set", "jsonb_tree", "lag", "last_value",
    "lead", "length", "like", "likelihood", "likely", "ln", "log", "log10", "log2", "lower", "ltrim", "max",
    "median", "min", "mod", "nth_value", "ntile", "nullif", "octet_length", "percent_rank", "percentile",
    "percentile_cont", "percentile_disc", "pi", "pow", "power", "printf", "quote", "radians", "rank", "replace",
    "round", "row_number", "rtrim", "sign", "sin", "sinh", "snippet", "soundex", "sqrt", "string_agg", "substr",
    "substring", "subtype", "sum", "tan", "tanh", "total", "trim", "trunc", "typeof", "unhex", "unicode", "unistr",
    "unistr_quote", "unlikely", "upper", "zeroblob",
];

/// They depend on their arguments and the session's settings alone.
#[rustfmt::skip]
const POSTGRES_PURE: &[&str] = &[
    "abs", "acos", "acosd", "acosh", "any_value", "area", "array_agg", "array_append", "array_cat", "array_dims",
    "array_fill", "array_length", "array_lower", "array_ndims", "array_position", "array_positions",
    "array_prepend", "array_remove", "array_replace", "array_reverse", "array_sort", "array_to_json",
    "array_to_string", "array_to_tsvector", "array_upper", "ascii", "asin", "asind", "asinh", "atan", "atan2",
    "atan2d", "atand", "atanh", "avg", "bit_and", "bit_count", "bit_length", "bit_or", "bit_xor", "bool_and",
    "bool_or", "box", "bpchar", "btrim", "bytea", "cardinality", "casefold", "cbrt", "ceil", "ceiling", "center",
    "char_length", "character_length", "chr", "circle", "coalesce", "concat", "concat_ws", "convert",
    "convert_from", "convert_to", "corr", "cos", "cosd", "cosh", "cot", "cotd", "count", "covar_pop", "covar_samp",
    "crc32", "crc32c", "cume_dist", "date_bin", "date_part", "date_trunc", "decode", "degrees", "dense_rank",
    "diagonal", "diameter", "div", "encode", "enum_first", "enum_last", "enum_range", "erf", "erfc", "every", "exp",
    "extract", "factorial", "family", "first_value", "float4", "float8", "floor", "format", "gamma", "gcd",
    "generate_series", "generate_subscripts", "get_bit", "get_byte", "greatest", "grouping", "hashtext", "height",
    "host", "hostmask", "inet_merge", "inet_same_family", "initcap", "int2", "int4", "int8", "isclosed", "isempty",
    "isfinite", "isopen", "json_agg", "json_agg_strict", "json_array", "json_array_elements",
    "json_array_elements_text", "json_array_length", "json_arrayagg", "json_build_array", "json_build_object",
    "json_each", "json_each_text", "json_exists", "json_extract_path", "json_extract_path_text", "json_object",
    "json_object_agg", "json_object_agg_strict", "json_object_agg_unique", "json_object_agg_unique_strict",
    "json_object_keys", "json_objectagg", "json_populate_record", "json_populate_recordset", "json_query",
    "json_scalar", "json_serialize", "json_strip_nulls", "json_table", "json_to_record", "json_to_recordset",
    "json_to_tsvector", "json_typeof", "json_value", "jsonb_agg", "jsonb_agg_strict", "jsonb_array_elements",
    "jsonb_array_elements_text", "jsonb_array_length", "jsonb_build_array", "jsonb_build_object", "jsonb_concat",
    "jsonb_delete", "jsonb_each", "jsonb_each_text", "jsonb_exists", "jsonb_exists_all", "jsonb_exists_any",
    "jsonb_extract_path", "jsonb_extract_path_text", "jsonb_insert", "jsonb_object", "jsonb_object_agg",
    "jsonb_object_agg_strict", "jsonb_object_agg_unique", "jsonb_object_agg_unique_strict", "jsonb_object_keys",
    "jsonb_path_exists", "jsonb_path_match", "jsonb_path_query", "jsonb_path_query_array", "jsonb_path_query_first",
    "jsonb_populate_record", "jsonb_populate_recordset", "jsonb_pretty", "jsonb_set", "jsonb_set_lax",
    "jsonb_strip_nulls", "jsonb_to_record", "jsonb_to_recordset", "jsonb_to_tsvector", "jsonb_typeof",
    "justify_days", "justify_hours", "justify_interval", "lag", "last_value", "lcm", "lead", "least", "left",
    "length", "lgamma", "ln", "log", "log10", "lower", "lower_inc", "lower_inf", "lpad", "lseg", "ltrim", "macaddr",
    "make_date", "make_interval", "make_time", "make_timestamp", "make_timestamptz", "masklen", "max", "md5",
    "merge_action", "min", "min_scale", "mod", "mode", "multirange", "netmask", "network", "normalize", "nth_value",
    "ntile", "nullif", "num_nonnulls", "num_nulls", "numeric", "numnode", "octet_length", "overlaps", "overlay",
    "parse_ident", "path", "pclose", "percent_rank", "percentile_cont", "percentile_disc", "phraseto_tsquery", "pi",
    "plainto_tsquery", "point", "polygon", "popen", "position", "pow", "power", "querytree", "quote_ident",
    "quote_literal", "quote_nullable", "radians", "radius", "range_agg", "range_intersect_agg", "range_merge",
    "rank", "regexp_count", "regexp_instr", "regexp_like", "regexp_match", "regexp_matches", "regexp_replace",
    "regexp_split_to_array", "regexp_split_to_table", "regexp_substr", "regr_avgx", "regr_avgy", "regr_count",
    "regr_intercept", "regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy", "repeat", "replace", "reverse",
    "right", "round", "row", "row_number", "row_to_json", "rpad", "rtrim", "scale", "set_bit", "set_byte",
    "set_masklen", "setweight", "sha224", "sha256", "sha384", "sha512", "sign", "sin", "sind", "sinh", "slope",
    "split_part", "sqrt", "starts_with", "stddev", "stddev_pop", "stddev_samp", "string_agg", "string_to_array",
    "string_to_table", "strip", "strpos", "substr", "substring", "sum", "tan", "tand", "tanh", "text",
    "text_concat", "timezone", "to_ascii", "to_bin", "to_char", "to_date", "to_hex", "to_json", "to_jsonb",
    "to_number", "to_oct", "to_timestamp", "to_tsquery", "to_tsvector", "translate", "trim", "trim_array",
    "trim_scale", "trunc", "ts_delete", "ts_filter", "ts_headline", "ts_rank", "ts_rank_cd", "tsquery_phrase",
    "tsvector_to_array", "unicode_assigned", "unistr", "unnest", "upper", "upper_inc", "upper_inf",
    "uuid_extract_timestamp", "uuid_extract_version", "var_pop", "var_samp", "varchar", "variance",
    "websearch_to_tsquery", "width", "width_bucket", "xml_is_well_formed", "xml_is_well_formed_content",
    "xml_is_well_formed_document", "xmlagg", "xmlattributes", "xmlcomment", "xmlconcat", "xmlelement", "xmlexists",
    "xmlforest", "xmlparse", "xmlpi", "xmlroot", "xmlserialize", "xmltable", "xpath", "xpath_exists",
];
