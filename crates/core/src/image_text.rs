//! The texts that bring row images back, per dialect.

use std::fmt::Write as _;

use crate::images::{Builder, ImagePlan, LIMIT, Mode, Select};
use crate::plan::{Operand, Verb};
use crate::rewrite::{Positions, Rewritten};
use crate::schema::ColumnKind;
use crate::shape::Imaged;

impl Builder<'_> {
    pub(crate) fn postgres(
        &self,
        sql: &str,
        positions: &Positions,
        imaged: Imaged,
        mut plan: ImagePlan,
    ) -> Result<ImagePlan, String> {
        // Only together with old values.
        let both = plan.old && plan.new;
        plan.differs = if both && self.update() {
            imaged.differs
        } else {
            Vec::new()
        };
        plan.columns = imaged.columns;
        plan.mode = Mode::Returning;
        let locked = if both && !self.facts.returning_old {
            Some(self.locked()?)
        } else {
            None
        };
        let items = match &locked {
            Some(locked) => locked.items(&plan),
            None if both => {
                self.old_can_be_named(sql, positions)?;
                old_and_new(&plan)
            }
            None => self.one_side(&plan),
        };
        if let Some(locked) = &locked {
            locked.describe(&mut plan);
        }
        plan.counted = positions.returning.is_none() && !self.bounded();
        let mut text = Rewritten::of(sql);
        if let Some(locked) = &locked {
            locked.write_with(&mut text, positions, &plan);
        }
        if plan.counted {
            text.add(if locked.is_some() { ", " } else { "WITH " });
            text.add("\"$cacheops$w\" AS (");
        }
        match &locked {
            Some(locked) => locked.write_statement(&mut text, positions),
            None => text.keep(0..positions.end),
        }
        text.add(if positions.returning.is_some() {
            ", "
        } else {
            " RETURNING "
        });
        text.add(&items.join(", "));
        if plan.counted {
            let _ = write!(
                text,
                ") SELECT *, (count(*) OVER ())::text AS \"$cacheops$count\" FROM \"$cacheops$w\" LIMIT {}",
                LIMIT + 1
            );
        } else {
            text.keep(positions.end..sql.len());
        }
        (plan.sql, plan.pieces) = text.finish().ok_or("its text cannot be extended")?;
        Ok(plan)
    }

    fn one_side(&self, plan: &ImagePlan) -> Vec<String> {
        let side = if plan.old { 'o' } else { 'n' };
        let columns = plan.columns.iter().enumerate();
        let item = |(at, column): (usize, &String)| {
            let own = self.own(&quoted(column));
            format!("{own}::text AS \"$cacheops${side}{at}\"")
        };
        columns.map(item).collect()
    }

    /// A column of the written row where nothing else has that name.
    fn own(&self, column: &str) -> String {
        if self.target.verb == Verb::Insert {
            column.to_owned()
        } else {
            format!("{}.{column}", self.rewritable.target_sql)
        }
    }

    fn old_can_be_named(&self, sql: &str, positions: &Positions) -> Result<(), String> {
        let reserved = |name: &str| {
            ["old", "new"]
                .iter()
                .any(|word| name.trim_matches('"').eq_ignore_ascii_case(word))
        };
        if reserved(&self.rewritable.target_sql) || reserved(&self.table.id.name) {
            return Err("its table is called old or new".to_owned());
        }
        // RETURNING WITH (OLD AS …) gives other names; a column called old would be one more meaning.
        let shadowed = ["old", "new"]
            .iter()
            .any(|name| self.table.column(name, self.dialect).is_some());
        if shadowed || (positions.returning.is_some() && sql.to_ascii_lowercase().contains("with"))
        {
            return Err("old and new may have other names in it".to_owned());
        }
        Ok(())
    }

    /// Whether a key in WHERE, or VALUES, bounds the number of rows.
    fn bounded(&self) -> bool {
        matches!(self.target.verb, Verb::Insert | Verb::Upsert)
            || self.rows_at_most().is_some_and(|rows| rows <= LIMIT)
    }

    /// The number of rows that a key in WHERE leaves.
    pub(crate) fn rows_at_most(&self) -> Option<usize> {
        let [conjunction] = self.target.rows.as_slice() else {
            return None;
        };
        let values = |column: &String| -> Option<usize> {
            let term = conjunction
                .iter()
                .find(|term| self.dialect.same_name(&term.column, column))?;
            // NULL is not limited by a key.
            if term.nulls {
                return None;
            }
            term.values
                .iter()
                .map(|operand| match operand {
                    Operand::List(hole) => self
                        .shape
                        .holes
                        .get(*hole)
                        .filter(|hole| hole.list)
                        .map(|hole| hole.parameters.len()),
                    Operand::Unknown => None,
                    _ => Some(1),
                })
                .sum()
        };
        self.table
            .keys
            .iter()
            .filter(|key| !key.is_empty())
            .filter_map(|key| {
                let counts: Option<Vec<usize>> = key.iter().map(values).collect();
                counts.and_then(|counts| counts.into_iter().try_fold(1usize, usize::checked_mul))
            })
            .min()
    }

    /// One row is read again by its rowid: with RETURNING, `SQLite` would judge foreign keys later, and leave another
    /// `last_insert_rowid()` behind when it fails. Several rows are judged at the end of their statement in any case.
    pub(crate) fn sqlite_insert(
        &self,
        sql: &str,
        positions: &Positions,
        imaged: Imaged,
        mut plan: ImagePlan,
    ) -> Result<ImagePlan, String> {
        let one = self.shape.tuples.is_none_or(|tuples| tuples <= 1);
        if let (true, Ok(rowid)) = (one, self.rowid()) {
            let select = sqlite_images("", rowid, 'n', &imaged);
            let name = self.sqlite_name();
            plan.after = Some(Select {
                sql: format!("{select} FROM {name} WHERE {rowid} = last_insert_rowid()"),
                parameters: [0, 0],
            });
            plan.columns = imaged.columns;
            plan.mode = Mode::Select;
            return Ok(plan);
        }
        if one && !self.table.foreign_keys.is_empty() {
            return Err("its row cannot be read again".to_owned());
        }
        let (head, tail) = sql
            .split_at_checked(positions.end)
            .ok_or("its text cannot be extended")?;
        // SQLite names a bare expression by its text, to the end of the statement.
        if positions.returning.is_some()
            && !tail.trim_matches([' ', '\n', '\t', '\r', ';']).is_empty()
        {
            return Err("something follows its RETURNING".to_owned());
        }
        let items = imaged.columns.iter().enumerate();
        let items = items
            .map(|(at, column)| format!("{} AS \"$cacheops$n{at}\"", literal(&quoted(column))));
        let items = items.collect::<Vec<_>>().join(", ");
        let word = if positions.returning.is_some() {
            ","
        } else {
            " RETURNING"
        };
        plan.columns = imaged.columns;
        plan.mode = Mode::Returning;
        plan.sql = Some(format!("{head}{word} {items}{tail}"));
        Ok(plan)
    }

    /// The name by which the rowid can be reached.
    fn rowid(&self) -> Result<&'static str, String> {
        if !self.table.rowid {
            return Err("its table has no rowid".to_owned());
        }
        let free = |name: &&str| self.table.column(name, self.dialect).is_none();
        let names = ["rowid", "_rowid_", "oid"];
        names
            .into_iter()
            .find(free)
            .ok_or_else(|| "all names of the rowid are taken".to_owned())
    }

    fn sqlite_name(&self) -> String {
        let id = &self.table.id;
        format!("{}.{}", quoted(&id.schema), quoted(&id.name))
    }

    /// Both reads have the write's own WHERE: a row that it does not find any more afterwards has no image, and then its SET
    /// tells of it. So both can be asked without having seen the other's answer.
    pub(crate) fn sqlite_select(
        &self,
        sql: &str,
        positions: &Positions,
        imaged: Imaged,
        mut plan: ImagePlan,
    ) -> Result<ImagePlan, String> {
        let rowid = self.rowid()?;
        // Only a key of one integer column can be another name of the rowid.
        let alias = |key: &&Vec<String>| {
            let [column] = key.as_slice() else {
                return false;
            };
            self.table
                .column(column, self.dialect)
                .is_none_or(|column| column.kind == ColumnKind::SqliteNumeric)
        };
        let written = |column: &String| {
            let written = &self.effects.written;
            written
                .iter()
                .any(|written| self.dialect.same_name(column, written))
        };
        if plan.new && self.table.keys.iter().filter(alias).flatten().any(written) {
            return Err("it may change the rowid".to_owned());
        }
        let reached = format!("{}.", self.rewritable.target_sql);
        let condition = match &positions.where_range {
            Some(range) => format!(
                " WHERE {}",
                sql.get(range.clone())
                    .ok_or("its WHERE is not understood")?
            ),
            None => String::new(),
        };
        let select = |side| Select {
            // A comment at the end of the condition must not swallow the limit.
            sql: format!(
                "{} FROM {}{condition}\nLIMIT {}",
                sqlite_images(&reached, rowid, side, &imaged),
                self.rewritable.from_sql,
                LIMIT + 1
            ),
            parameters: [positions.where_params.start, positions.where_params.end],
        };
        plan.lock = Some(format!("DELETE FROM {} WHERE 0", self.sqlite_name()));
        plan.after = plan.new.then(|| select('n'));
        plan.before = Some(select('o'));
        plan.columns = imaged.columns;
        plan.mode = Mode::Select;
        Ok(plan)
    }
}

/// Texts that the collation of their column calls equal may differ.
pub(crate) const BYTES: &str = "pg_catalog.\"C\"";

fn old_and_new(plan: &ImagePlan) -> Vec<String> {
    let mut items = Vec::new();
    for (at, column) in plan.columns.iter().enumerate() {
        let column = quoted(column);
        items.push(format!("old.{column}::text AS \"$cacheops$o{at}\""));
        items.push(format!("new.{column}::text AS \"$cacheops$n{at}\""));
    }
    for (at, column) in plan.differs.iter().enumerate() {
        let column = quoted(column);
        items.push(format!(
            "(old.{column}::text COLLATE {BYTES} IS DISTINCT FROM new.{column}::text)::int::text AS \"$cacheops$d{at}\""
        ));
    }
    items
}

fn sqlite_images(reached: &str, rowid: &str, side: char, imaged: &Imaged) -> String {
    let mut text = format!("SELECT CAST({reached}{rowid} AS TEXT) AS \"$cacheops$row\"");
    for (at, column) in imaged.columns.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            ", {} AS \"$cacheops${side}{at}\"",
            literal(&format!("{reached}{}", quoted(column)))
        );
    }
    text
}

/// A value as a literal. `quote` cuts a text at its first NUL, so such a text is shown as bytes, of which nothing is known
/// but whether they differ.
fn literal(column: &str) -> String {
    format!(
        "CASE WHEN instr({column}, char(0)) THEN quote(CAST({column} AS BLOB)) ELSE quote({column}) END"
    )
}

pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
