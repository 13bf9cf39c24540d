//! Old values of an UPDATE where the server has no `RETURNING old` (`PostgreSQL` before 18): the rows are locked in front of
//! it, in the same statement. One row, and several:
//!
//! ```sql
//! WITH o AS MATERIALIZED (SELECT old values FROM t WHERE … FOR NO KEY UPDATE)
//! UPDATE t SET … FROM o WHERE … RETURNING …, old values
//!
//! WITH o AS MATERIALIZED (SELECT key, old values FROM t WHERE … LIMIT 1001 FOR NO KEY UPDATE),
//!      m AS MATERIALIZED (SELECT jsonb_object_agg(key, values) AS m FROM o)
//! UPDATE t SET … WHERE (…) AND (SELECT count(*) FROM m) = 1 RETURNING …, (SELECT m FROM m) -> key AS old
//! ```
//!
//! - All rows are locked, in the version that is the newest then, before any is changed: one row is joined with `o` first, and
//!   the condition that names `m` has no column of the row, so the server evaluates it once, before it looks for the first row.
//!   A plain SELECT would give what the snapshot has, and what others have committed in between would be in nobody's image.
//! - The rows that are locked are those that the UPDATE changes: both have the same condition (which is repeatable), the same
//!   snapshot, and look at the newest version of a row that has changed since.
//! - Of several, a row is found again by its key. Where the statement changes keys, at least one of the new ones is none of the
//!   old: a cycle would violate the key row by row (only immediate ones count). Then, and where the map is not unambiguous,
//!   there are no old values, and what the text tells must do.

use std::fmt::Write as _;

use crate::image_text::{BYTES, quoted};
use crate::images::{Builder, ImagePlan, LIMIT};
use crate::rewrite::{Positions, Rewritten};
use crate::schema::ColumnKind;

/// Longer values are not written down: the map would get too large for the server.
const LONGEST: usize = 4_096;
/// True once all rows are locked.
const LOCKED: &str = "(SELECT count(*) FROM \"$cacheops$m\") = 1";

/// How the old values of one UPDATE are found.
pub(crate) struct Locked<'a> {
    builder: &'a Builder<'a>,
    /// Quoted columns of the key that rows are found again by; empty: there is one row at most.
    key: Vec<String>,
}

impl Builder<'_> {
    pub(crate) fn locked(&self) -> Result<Locked<'_>, String> {
        if !self.update() {
            return Err("the server has no RETURNING old".to_owned());
        }
        // NOTE: a key that is pinned to one value. Of several a row may take another's, and a join would not find it again.
        if self.rows_at_most() == Some(1) {
            return Ok(Locked {
                builder: self,
                key: Vec::new(),
            });
        }
        let readable = |column: &String| {
            let known = self.table.column(column, self.dialect);
            known.is_some_and(|column| column.readable)
        };
        let mut keys = self.table.keys.iter();
        let key = keys
            .find(|key| !key.is_empty() && key.iter().all(readable))
            .ok_or("it has no key")?;
        Ok(Locked {
            builder: self,
            key: key.iter().map(|column| quoted(column)).collect(),
        })
    }
}

impl Locked<'_> {
    fn one(&self) -> bool {
        self.key.is_empty()
    }

    /// How its answer is to be read.
    pub(crate) fn describe(&self, plan: &mut ImagePlan) {
        plan.old_as_json = !self.one();
        if self.one() {
            // The facts may be older than the table: of two rows nobody knows which old values are whose.
            plan.limit = 1;
        }
    }

    /// The common table expressions in front of the statement.
    pub(crate) fn write_with(
        &self,
        text: &mut Rewritten<'_>,
        positions: &Positions,
        plan: &ImagePlan,
    ) {
        text.add("WITH \"$cacheops$o\" AS MATERIALIZED (SELECT ");
        let columns = plan.columns.iter().chain(&plan.differs);
        if self.one() {
            let values = columns
                .enumerate()
                .map(|(at, column)| format!("{}::text AS \"$cacheops$v{at}\"", self.own(column)));
            text.add(&values.collect::<Vec<_>>().join(", "));
        } else {
            let values: Vec<_> = columns.map(|column| self.value(column, "false")).collect();
            text.add(&format!(
                "{} AS k, jsonb_build_array({}) AS v",
                self.key(),
                values.join(", ")
            ));
        }
        text.add(" FROM ");
        text.add(&self.builder.rewritable.from_sql);
        if let Some(condition) = &positions.where_range {
            text.add(" WHERE ");
            text.keep(condition.clone());
        }
        if self.one() {
            text.add(" FOR NO KEY UPDATE)");
        } else {
            // A key with NULL in it, or one of which two are written alike, belongs to nobody. Writing to a text cannot fail.
            let _ = write!(
                text,
                " LIMIT {} FOR NO KEY UPDATE), \"$cacheops$m\" AS MATERIALIZED (SELECT \
                 CASE WHEN count(*) = count(DISTINCT k) THEN jsonb_object_agg(k, v) FILTER (WHERE k IS NOT NULL) END AS m \
                 FROM \"$cacheops$o\")",
                LIMIT + 1
            );
        }
        if !plan.counted {
            text.add(" ");
        }
    }

    /// The caller's statement, up to its end or its RETURNING list, that waits for the locks.
    pub(crate) fn write_statement(&self, text: &mut Rewritten<'_>, positions: &Positions) {
        if let (true, Some(at)) = (self.one(), positions.where_at) {
            text.keep(0..at);
            text.add("FROM \"$cacheops$o\" ");
            text.keep(at..positions.end);
            return;
        }
        let rest = if let Some(condition) = &positions.where_range {
            text.keep(0..condition.start);
            text.add("(");
            text.keep(condition.clone());
            text.add(") AND ");
            condition.end
        } else {
            let rest = positions.returning.unwrap_or(positions.end);
            text.keep(0..rest);
            text.add(" WHERE ");
            rest
        };
        text.add(LOCKED);
        if positions.returning.is_some() {
            text.add(" ");
        }
        text.keep(rest..positions.end);
    }

    /// What is added to RETURNING.
    pub(crate) fn items(&self, plan: &ImagePlan) -> Vec<String> {
        let old = if self.one() {
            String::new()
        } else {
            format!("(SELECT m FROM \"$cacheops$m\") -> {}", self.key())
        };
        let mut items = Vec::new();
        if !self.one() && !plan.columns.is_empty() {
            items.push(format!("({old})::text AS \"$cacheops$o\""));
        }
        for (at, column) in plan.columns.iter().enumerate() {
            if self.one() {
                items.push(format!("\"$cacheops$v{at}\" AS \"$cacheops$o{at}\""));
            }
            items.push(format!("{}::text AS \"$cacheops$n{at}\"", self.own(column)));
        }
        for (at, column) in plan.differs.iter().enumerate() {
            let place = plan.columns.len() + at;
            let differs = if self.one() {
                format!(
                    "\"$cacheops$v{place}\" COLLATE {BYTES} IS DISTINCT FROM {}::text",
                    self.own(column)
                )
            } else {
                let new = self.value(column, "true");
                format!("({old}) -> {place} IS DISTINCT FROM coalesce(to_jsonb({new}), 'null')")
            };
            items.push(format!("({differs})::int::text AS \"$cacheops$d{at}\""));
        }
        items
    }

    fn own(&self, column: &str) -> String {
        format!("{}.{}", self.builder.rewritable.target_sql, quoted(column))
    }

    /// A value as text; `long` if it is too long, so that two long ones are never the same.
    fn value(&self, column: &str, long: &str) -> String {
        let own = self.own(column);
        let table = self.builder.table;
        let kind = table
            .column(column, self.builder.dialect)
            .map(|column| column.kind);
        match kind {
            Some(
                ColumnKind::Int
                | ColumnKind::Float
                | ColumnKind::Bool
                | ColumnKind::Uuid
                | ColumnKind::Date,
            ) => format!("{own}::text"),
            _ => format!(
                "CASE WHEN length({own}::text) > {LONGEST} THEN '{long}'::jsonb ELSE to_jsonb({own}::text) END"
            ),
        }
    }

    /// A text for the row's key; NULL if one of its columns is.
    fn key(&self) -> String {
        let column = |column: &String| format!("{}.{column}", self.builder.rewritable.target_sql);
        match self.key.as_slice() {
            [single] => format!("{}::text", column(single)),
            several => {
                let columns: Vec<String> = several.iter().map(column).collect();
                let there: Vec<String> = columns
                    .iter()
                    .map(|column| format!("{column} IS NOT NULL"))
                    .collect();
                let texts: Vec<String> = columns
                    .iter()
                    .map(|column| format!("{column}::text"))
                    .collect();
                format!(
                    "CASE WHEN {} THEN jsonb_build_array({})::text END",
                    there.join(" AND "),
                    texts.join(", ")
                )
            }
        }
    }
}
